import { Locks } from "@holdfast/lock"
import { postgresStore } from "@holdfast/lock/postgres"
import pg from "pg"
import { type Contender, TIMEOUT, TTL } from "./contender.ts"
import { ours } from "./ours.ts"

/** Of plain advisory locks and of Medusa's: each lock that is held or waited for takes a connection. */
export const POOL = 20

const plain: Contender = {
  name: "plain pg_advisory_lock",
  store: "postgres",
  baseline: true,
  async open(address) {
    const pool = new pg.Pool({ connectionString: address, max: POOL })
    pool.on("error", () => undefined)
    const run = async (key: string, job: () => Promise<void>) => {
      const client = await pool.connect()
      let lost: Error | undefined
      const lose = (error: Error) => {
        lost = error
      }
      client.on("error", lose)
      try {
        await client.query({
          name: "lock",
          text: "SELECT pg_advisory_lock(hashtextextended($1, 0))",
          values: [key],
        })
        await job()
        await client.query({
          name: "unlock",
          text: "SELECT pg_advisory_unlock(hashtextextended($1, 0))",
          values: [key],
        })
      } finally {
        client.off("error", lose)
        client.release(lost)
      }
    }
    return {
      pair: (key) => run(key, async () => undefined),
      run: ([key = ""], job) => run(key, job),
      close: () => pool.end(),
    }
  },
}

const medusa: Contender = {
  name: "@medusajs/locking-postgres",
  store: "postgres",
  takesSeveral: true,
  async open(address) {
    const { MikroORM } = await import("@medusajs/framework/mikro-orm/postgresql")
    const { PostgresAdvisoryLockProvider } = await import(
      "@medusajs/locking-postgres/dist/services/advisory-lock.js"
    )
    const orm = await MikroORM.init({
      clientUrl: address,
      entities: [],
      discovery: { warnWhenNoEntities: false },
      pool: { min: 0, max: POOL },
    })
    type Container = ConstructorParameters<typeof PostgresAdvisoryLockProvider>[0]
    const locks = new PostgresAdvisoryLockProvider({ manager: orm.em.fork() } as unknown as Container)
    const execute = (keys: string[], job: () => Promise<void>, timeout: number) =>
      locks.execute(keys, job, { timeout: timeout / 1_000 })
    return {
      // Its acquire doesn't wait, and without an owner lets every caller in.
      pair: (key) => execute([key], async () => undefined, 5_000),
      run: (keys, job, { timeout = TIMEOUT } = {}) => execute([...keys], job, timeout),
      close: () => orm.close(true),
    }
  },
}

const holdfast: Contender = {
  name: "Holdfast, Postgres",
  store: "postgres",
  takesSeveral: true,
  open: async (address) =>
    ours(new Locks(postgresStore({ connectionString: address }), { ttl: TTL, timeout: TIMEOUT })),
}

export const postgresContenders: readonly Contender[] = [plain, medusa, holdfast]
