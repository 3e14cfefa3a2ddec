import type { Servers } from "./servers.ts"

export const STORES = ["memory", "redis", "postgres"] as const
export type StoreName = (typeof STORES)[number]

/** A subject to measure: `npm run bench -- NAME`. */
export interface Bench {
  /** One line, for the list. */
  readonly about: string
  /** In the order in which they run; `--rows` selects by these names. */
  readonly questions: Readonly<Record<string, Question>>
}

export type Question = (run: Run) => Promise<Finding>

export interface Run {
  /** A short run to see that the bench works: its figures mean nothing. */
  readonly quick: boolean
  readonly stores: readonly StoreName[]
  readonly servers: Servers
  say(progress: string): void
}

export interface Finding {
  readonly tables: readonly Table[]
  /** Every measured value, round by round, to check the tables against. */
  readonly samples: unknown
  /** SVG, by name. */
  readonly charts?: Readonly<Record<string, string>>
}

export interface Table {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
  /** How to read the table: the procedure, the baseline, and whether more or less is better. */
  readonly note: string
}

/**
 * Runs every contender once in each round, A B C, B C A, …, so that other load on the machine affects all of them
 * equally. Each round starts with another contender.
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
