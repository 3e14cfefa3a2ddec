import type { Bench } from "../bench.ts"
import { uncontended } from "./uncontended.ts"

export const bench: Bench = {
  about: "@holdfast/lock beside other locks, on memory, Redis and Postgres",
  questions: { uncontended },
}
