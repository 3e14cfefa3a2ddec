import type { Bench } from "../bench.ts"
import { hot } from "./hot-key.ts"
import { idle } from "./idle.ts"
import { loss } from "./loss.ts"
import { several } from "./several-keys.ts"
import { uncontended } from "./uncontended.ts"

export const bench: Bench = {
  about: "@holdfast/lock beside other locks, on memory, Redis and Postgres",
  questions: { uncontended, hot, several, loss, idle },
}
