import type { Servers } from "./servers.ts"

export const STORES = ["memory", "redis", "postgres"] as const
export type StoreName = (typeof STORES)[number]

/** A subject to measure: `npm run bench -- NAME`. */
export interface Bench {
  /** One line, for the list. */
  readonly about: string
  /** In the order in which they run; `--rows` picks by these names. */
  readonly questions: Readonly<Record<string, Question>>
}

export type Question = (run: Run) => Promise<Finding>

export interface Run {
  /** Only to see that it runs: the figures mean nothing. */
  readonly quick: boolean
  readonly stores: readonly StoreName[]
  readonly servers: Servers
  say(progress: string): void
}

export interface Finding {
  readonly tables: readonly Table[]
  /** What was measured, round by round, for whoever doubts the tables. */
  readonly samples: unknown
}

export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** How to read it: what was done, what the baseline is, what is better. */
  readonly note: string
}

/**
 * Lets everybody run once in each round, A B C A B C, so that what else the machine does hits all alike, and
 * starts each round with another one.
 */
export async function inRounds<Contender, Sample>(
  count: number,
  contenders: readonly Contender[],
  measure: (contender: Contender, round: number) => Promise<Sample>,
): Promise<Map<Contender, Sample[]>> {
  const samples = new Map<Contender, Sample[]>(contenders.map((it) => [it, []]))
  for (let round = 0; round < count; round++)
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round) % contenders.length] as Contender
      samples.get(contender)?.push(await measure(contender, round))
    }
  return samples
}
