import { rm } from "node:fs/promises"
import { type LocalPostgres, startPostgres } from "@holdfast/postgres-local"
import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import pg from "pg"
import { copyTemplate, TEMPLATE } from "../launch/template.ts"

/** A process that crashes loses nothing that it has committed: only the machine could, and that stays up. */
const SETTINGS = { fsync: "off", full_page_writes: "off", max_connections: "300" }

/** The shop's database, which can be restarted, and Redis where it is used. */
export class Servers {
  private constructor(
    private readonly dataDir: string,
    private postgres: LocalPostgres,
    readonly redis: LocalRedis | undefined,
    readonly version: string,
  ) {}

  static async start(withRedis: boolean): Promise<Servers> {
    const dataDir = await copyTemplate()
    const postgres = await startPostgres({ dataDir, settings: SETTINGS })
    const redis = withRedis ? await startRedis() : undefined
    return new Servers(dataDir, postgres, redis, await versionsOf(postgres, redis))
  }

  get databaseUrl(): string {
    return this.postgres.url(TEMPLATE)
  }

  /** Immediately, without a checkpoint, or as an administrator would; then `down`, and it starts on the same port. */
  async restartPostgres(immediately: boolean, down: () => Promise<unknown>): Promise<void> {
    const { pid, port } = this.postgres
    if (immediately) process.kill(pid, "SIGQUIT")
    await this.postgres.stop()
    await down()
    this.postgres = await startPostgres({ dataDir: this.dataDir, port, settings: SETTINGS })
  }

  /** It forgets everything. */
  async restartRedis(down: () => Promise<unknown>): Promise<void> {
    await this.redis?.kill()
    await down()
    await this.redis?.restart()
  }

  async stop(): Promise<void> {
    await this.redis?.kill()
    await this.postgres.stop()
    await rm(this.dataDir, { recursive: true, force: true })
  }
}

async function versionsOf(postgres: LocalPostgres, redis: LocalRedis | undefined): Promise<string> {
  const client = new pg.Client({ connectionString: postgres.url() })
  await client.connect()
  const { rows } = await client.query<{ server_version: string }>("SHOW server_version")
  await client.end()
  const info = await redis?.say("INFO", "server")
  const ours = info && `Redis ${/redis_version:(\S+)/.exec(info)?.[1]}`
  return [`PostgreSQL ${rows[0]?.server_version}`, ...(ours ? [ours] : [])].join(", ")
}
