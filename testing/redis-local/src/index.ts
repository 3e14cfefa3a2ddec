export { LocalCluster, startCluster } from "./cluster.ts"
export { LocalSentinels, startSentinels } from "./sentinel.ts"
export { LocalRedis, type Settings, type StartOptions } from "./server.ts"

import { LocalRedis, type StartOptions } from "./server.ts"

/** Starts a redis-server on a free port of loopback, without persistence unless `settings` ask for it. */
export function startRedis(options: StartOptions = {}): Promise<LocalRedis> {
  return LocalRedis.start(options)
}
