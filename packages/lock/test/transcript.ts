import type { BatchResult, KeyState } from "../src/store.js"

/**
 * What the sessions of a history saw, in a form that two stores can be compared by. Tokens stand for their order:
 * each store counts in its own way.
 */
export class Transcript {
  readonly #lines: ((rank: (token: number | bigint) => number) => unknown)[] = []
  readonly #tokens = new Set<number>()

  answered(session: number, result: BatchResult): void {
    const { granted, refused, deadlocked = [], ...rest } = result
    const grants = granted.map(({ seq, token, tokens = [] }) => ({ seq, tokens: [token, ...tokens] }))
    for (const { tokens } of grants) this.#see(tokens)
    this.#lines.push((rank) => ({
      session,
      ...rest,
      refused: bySeq(refused),
      // Of several shortest circles, stores may find different ones.
      deadlocked: deadlocked.map(({ seq, circle }) => ({ seq, length: circle.length })),
      granted: bySeq(grants).map(({ seq, tokens }) => ({ seq, tokens: tokens.map(rank) })),
    }))
  }

  /** The order of the keys is the store's own. */
  looked(states: readonly KeyState[]): void {
    this.#see(states.flatMap(({ holders }) => holders.map(({ token }) => token)))
    this.#lines.push((rank) =>
      [...states]
        .sort((a, b) => (a.key < b.key ? -1 : 1))
        .map((state) => ({
          ...state,
          holders: state.holders.map((lease) => ({ ...lease, token: rank(lease.token) })),
          waiters: state.waiters.map(({ holds = [], ...it }) => ({ ...it, holds: [...holds].sort() })),
        })),
    )
  }

  #see(tokens: readonly (number | bigint)[]): void {
    for (const token of tokens) this.#tokens.add(Number(token))
  }

  compared(): unknown[] {
    const order = [...this.#tokens].sort((a, b) => a - b)
    const ranks = new Map(order.map((token, rank) => [token, rank]))
    return this.#lines.map((line) => line((token) => ranks.get(Number(token)) ?? -1))
  }
}

function bySeq<T extends { seq: number }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => a.seq - b.seq)
}
