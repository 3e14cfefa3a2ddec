import { setTimeout as sleep } from "node:timers/promises"
import { LocalRedis } from "./server.ts"

const KNOWS_ALL = /num-slaves\r\n\$\d\r\n1\r\n[\s\S]*num-other-sentinels\r\n\$\d\r\n2\r\n/

/** A primary and a replica, watched by three Sentinels. */
export class LocalSentinels {
  readonly name = "primary"
  primary: LocalRedis
  replica: LocalRedis
  readonly sentinels: readonly LocalRedis[]

  constructor(primary: LocalRedis, replica: LocalRedis, sentinels: readonly LocalRedis[]) {
    this.primary = primary
    this.replica = replica
    this.sentinels = sentinels
  }

  /** The connection options of a client. */
  get options() {
    return { name: this.name, sentinels: this.sentinels.map(({ port }) => ({ host: "127.0.0.1", port })) }
  }

  /** Kills the primary, waits until the replica is promoted, and restarts the former primary as its replica. */
  async failOver(): Promise<void> {
    const { primary, replica } = this
    await primary.kill()
    // Wait for every Sentinel: a former primary that came back earlier has been made the primary again.
    for (const it of this.sentinels) {
      while (!(await it.say("SENTINEL", "MASTER", this.name)).includes(`\r\n${replica.port}\r\n`))
        await sleep(20)
    }
    this.primary = replica
    this.replica = primary
    await primary.restart()
    await primary.say("REPLICAOF", "127.0.0.1", String(replica.port))
    await this.settled()
  }

  /** Waits until the Sentinels know the replica and each other: a failover is not possible before. */
  async settled(): Promise<void> {
    while (!(await this.replica.say("INFO", "replication")).includes("master_link_status:up")) await sleep(20)
    for (const it of this.sentinels) {
      while (!KNOWS_ALL.test(await it.say("SENTINEL", "MASTER", this.name))) await sleep(50)
    }
  }

  async kill(): Promise<void> {
    await Promise.all([...this.sentinels, this.replica, this.primary].map((server) => server.kill()))
  }
}

export async function startSentinels(): Promise<LocalSentinels> {
  const primary = await LocalRedis.start()
  const replica = await LocalRedis.start({ settings: { replicaof: `127.0.0.1 ${primary.port}` } })
  const sentinel = [
    `sentinel monitor primary 127.0.0.1 ${primary.port} 2`,
    "sentinel down-after-milliseconds primary 500",
    "sentinel failover-timeout primary 2000",
  ].join("\n")
  const sentinels = await Promise.all([1, 2, 3].map(() => LocalRedis.start({ sentinel })))
  const all = new LocalSentinels(primary, replica, sentinels)
  await all.settled()
  return all
}
