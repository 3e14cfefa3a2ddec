import type { Run, StoreName } from "../../bench.ts"
import type { Contender } from "./contender.ts"
import { memoryContenders } from "./memory.ts"
import { postgresContenders } from "./postgres.ts"
import { redisContenders } from "./redis.ts"

export type { Contender, Opened, Terms } from "./contender.ts"

/** How our own contenders' names begin. */
export const OURS = "Holdfast"

const ALL = [...memoryContenders, ...redisContenders, ...postgresContenders]

export function contendersOf(store: StoreName): Contender[] {
  return ALL.filter((it) => it.store === store && !it.limit)
}

/** To be measured beside them, in one process. */
export function limitsOf(store: StoreName): Contender[] {
  return ALL.filter((it) => it.store === store && it.limit)
}

export function contenderNamed(name: string): Contender {
  const found = ALL.find((it) => it.name === name)
  if (!found) throw new Error(`There is no contender ${name}`)
  return found
}

export async function addressOf(store: StoreName, { servers }: Run): Promise<string> {
  if (store === "redis") return (await servers.redis()).url
  return store === "postgres" ? (await servers.postgres()).url : ""
}
