import { setTimeout as sleep } from "node:timers/promises"
import type { Opened } from "./contenders/index.ts"

/** One job's turn, by the clock of the machine, which all of its processes share. In ms. */
export interface Turn {
  readonly from: number
  readonly to: number
  /** Which request of its process it was. */
  readonly place: number
}

export interface Contention {
  readonly turns: readonly Turn[]
  readonly failed: number
}

/** Sends so many requests for one key in the same tick; each has a job of so many ms. */
export async function contend(
  { run }: Opened,
  waiters: number,
  job: number,
  key = "hot",
): Promise<Contention> {
  const turns: Turn[] = []
  const ask = (_: unknown, place: number) =>
    run([key], async () => {
      const from = clock()
      await sleep(job)
      turns.push({ from, to: clock(), place })
    })
  const ended = await Promise.allSettled(Array.from({ length: waiters }, ask))
  return { turns, failed: ended.filter(({ status }) => status === "rejected").length }
}

/** In ms, the same in all processes of the machine. */
export function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** How many began before another had ended. */
export function overlaps(turns: readonly Turn[]): number {
  let last = Number.NEGATIVE_INFINITY
  let count = 0
  for (const { from, to } of [...turns].sort((a, b) => a.from - b.from)) {
    if (from < last) count++
    last = Math.max(last, to)
  }
  return count
}

/** How many were served after a later one. */
export function overtaken(turns: readonly Turn[]): number {
  let latest = -1
  let count = 0
  for (const { place } of [...turns].sort((a, b) => a.from - b.from)) {
    if (place < latest) count++
    latest = Math.max(latest, place)
  }
  return count
}
