import type { Run, StoreName } from "../bench.ts"

/** How many commands the server has executed so far, those inside of scripts too; for Postgres, statements of clients. */
export async function executedBy(store: StoreName, { servers }: Run): Promise<number> {
  if (store === "memory") return 0
  if (store === "postgres") return (await servers.postgres()).statements()
  const info = await (await servers.redis()).say("INFO", "commandstats")
  let calls = 0
  // Those are how we ask.
  for (const [, name, count] of info.matchAll(/cmdstat_(\S+?):calls=(\d+)/g))
    if (!/^(info|quit)$/.test(name ?? "")) calls += Number(count)
  return calls
}
