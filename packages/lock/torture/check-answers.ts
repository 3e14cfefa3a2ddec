import { ms } from "./check-exclusion.ts"
import type { History, Stay, Trouble } from "./history.ts"

/** How late an answer may be, in ms: the promise is 50, and two cores have five processes and two servers to run. */
const LATE = 1_000
/** How long a request may take that doesn't wait in the queue, in ms: connecting, and two batches that fail. */
const AT_ONCE = 8_000
/**
 * For how long a key may stay ungranted while a request is known to wait for it, in ms, the server's absence apart: the
 * ttl that a server waits for after a crash, those who died in the queue. A message that got lost and is not missed takes longer.
 */
const STUCK = 9_000

/** Every request is answered within its timeout, but for the time in which its process could not run, or was killed. */
export function answers({ requests, troubles }: History): string[] {
  const killed = new Set(troubles.flatMap(({ kind, worker }) => (kind === "kill" && worker ? [worker] : [])))
  const idle = new Map<string, Trouble[]>()
  for (const trouble of troubles)
    if (trouble.worker !== undefined && (trouble.kind === "pause" || trouble.kind === "stall"))
      idle.set(trouble.worker, [...(idle.get(trouble.worker) ?? []), trouble])
  const found: string[] = []
  for (const { worker, n, at, timeout, answered, why } of requests) {
    if (answered === undefined) {
      if (!killed.has(worker)) found.push(`request ${n} of ${worker} at ${ms(at)} was never answered`)
      continue
    }
    const allowed = timeout === 0 ? AT_ONCE : timeout + LATE
    const took = answered - at - timeIn(idle.get(worker) ?? [], at, answered)
    if (took > allowed)
      found.push(
        `request ${n} of ${worker} at ${ms(at)} waited ${ms(took)} of ${timeout} (${why ?? "granted"})`,
      )
  }
  return found
}

/** While a request is known to wait for a key, the key is granted again and again, but while the server is away. */
export function stuckKeys({ stays, troubles }: History): string[] {
  const away = troubles.filter(({ kind }) => kind === "restart")
  const found: string[] = []
  for (const [key, onKey] of staysByKey(stays)) {
    const grants = onKey.flatMap(({ granted }) => granted ?? []).sort((a, b) => a - b)
    const ends = [...grants, Number.POSITIVE_INFINITY]
    for (const [i, end] of ends.entries()) {
      const start = ends[i - 1] ?? Number.NEGATIVE_INFINITY
      if (end - start < STUCK) continue
      const stay = onKey.find((it) => {
        const from = Math.max(it.queued ?? end, start)
        const until = Math.min(it.certainUntil, end)
        return until - from - timeIn(away, from, until) > STUCK
      })
      if (stay) found.push(`${key}: it was not granted from ${ms(start)} to ${ms(end)}; ${stay.owner} waited`)
    }
  }
  return found
}

function staysByKey(stays: readonly Stay[]): Map<string, Stay[]> {
  const keys = new Map<string, Stay[]>()
  for (const stay of stays)
    for (const key of stay.keys) {
      const list = keys.get(key) ?? []
      keys.set(key, list)
      list.push(stay)
    }
  return keys
}

/** A pause is a stall as well, once the process runs again: such time is counted twice, and so allowed twice. */
function timeIn(troubles: readonly Trouble[], from: number, until: number): number {
  return troubles.reduce(
    (sum, it) => sum + Math.max(0, Math.min(it.until, until) - Math.max(it.from, from)),
    0,
  )
}
