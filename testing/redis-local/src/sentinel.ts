import { setTimeout as sleep } from "node:timers/promises"
import { LocalRedis } from "./server.ts"

/** A primary and a replica, watched by three Sentinels. */
export class LocalSentinels {
  readonly name = "primary"
  readonly primary: LocalRedis
  readonly replica: LocalRedis
  readonly sentinels: readonly LocalRedis[]

  constructor(primary: LocalRedis, replica: LocalRedis, sentinels: readonly LocalRedis[]) {
    this.primary = primary
    this.replica = replica
    this.sentinels = sentinels
  }

  /** What a client is told to connect to. */
  get options() {
    return { name: this.name, sentinels: this.sentinels.map(({ port }) => ({ host: "127.0.0.1", port })) }
  }

  /** Waits until the replica has become the primary. */
  async failedOver(): Promise<void> {
    while (!(await this.replica.say("ROLE")).includes("master")) await sleep(20)
  }

  async kill(): Promise<void> {
    await Promise.all([...this.sentinels, this.replica, this.primary].map((server) => server.kill()))
  }
}

export async function startSentinels(): Promise<LocalSentinels> {
  const primary = await LocalRedis.start()
  const replica = await LocalRedis.start({ settings: { replicaof: `127.0.0.1 ${primary.port}` } })
  while (!(await replica.say("INFO", "replication")).includes("master_link_status:up")) await sleep(20)
  const sentinel = [
    `sentinel monitor primary 127.0.0.1 ${primary.port} 2`,
    "sentinel down-after-milliseconds primary 500",
    "sentinel failover-timeout primary 2000",
  ].join("\n")
  const sentinels = await Promise.all([1, 2, 3].map(() => LocalRedis.start({ sentinel })))
  // They learn of each other and of the replica from the primary, and can't fail over before.
  for (const it of sentinels) {
    while (
      !/num-slaves\r\n\$\d\r\n1\r\n[\s\S]*num-other-sentinels\r\n\$\d\r\n2\r\n/.test(
        await it.say("SENTINEL", "MASTER", "primary"),
      )
    )
      await sleep(50)
  }
  return new LocalSentinels(primary, replica, sentinels)
}
