import { memoryStore } from "../src/memory.js"
import type { Batch, BatchResult, Grant, Session } from "../src/store.js"
import { NOTHING, type Subject } from "./history.js"

/** No lease of a generation has a greater token than one of the next. */
const GENERATION = 1_000_000_000

/** A memory store that can be wiped like a Redis. */
export function wipeableMemory(clock: () => number): Subject {
  const sessions: WipeableSession[] = []
  let store = memoryStore({ clock })
  let generation = 0
  const open = (wake: (within: number) => void) => {
    const its = generation
    return store.connect((within) => its === generation && wake(within)) as Session
  }
  return {
    connect(wake) {
      const session = new WipeableSession(
        () => open(wake),
        () => generation * GENERATION,
      )
      sessions.push(session)
      return session
    },
    disaster: {
      strike() {
        store = memoryStore({ clock })
        const before = generation++ * GENERATION
        for (const session of sessions) session.wipe(before)
      },
      keeps: () => false,
      recovers: false,
    },
  }
}

/**
 * Reports the requests that waited as dropped, at its next batch. That a lease was taken away has been reported by a
 * message, and is not forgotten.
 */
class WipeableSession implements Session {
  readonly #open: () => Session
  readonly #base: () => number
  readonly #waiting = new Set<number>()
  #lost: number[] = []
  #news: { granted: readonly Grant[]; taken: readonly number[] } = { granted: [], taken: [] }
  #session: Session

  constructor(open: () => Session, base: () => number) {
    this.#open = open
    this.#base = base
    this.#session = open()
  }

  /** @param base of the tokens of the generation that ends */
  wipe(base: number): void {
    const { granted, taken } = this.#session.execute(NOTHING) as BatchResult
    const heard = granted.filter(({ seq }) => taken.includes(seq)).map((it) => above(base, it))
    this.#news = { granted: [...this.#news.granted, ...heard], taken: [...this.#news.taken, ...taken] }
    for (const { seq } of heard) this.#waiting.delete(seq)
    this.#lost.push(...this.#waiting)
    this.#waiting.clear()
    this.#session = this.#open()
  }

  async execute(batch: Batch): Promise<BatchResult> {
    const { granted, refused, ...rest } = await this.#session.execute(batch)
    const cancelled = new Set(batch.cancel.map(({ seq }) => seq))
    const dropped = [...this.#lost.filter((seq) => !cancelled.has(seq)), ...rest.dropped]
    this.#lost = []
    for (const { seq, wait } of batch.acquire) if (wait) this.#waiting.add(seq)
    const settled = [...granted, ...(rest.deadlocked ?? [])].map(({ seq }) => seq)
    for (const seq of [...cancelled, ...dropped, ...settled]) this.#waiting.delete(seq)
    const news = this.#news
    this.#news = { granted: [], taken: [] }
    const grants = [...news.granted, ...granted.map((it) => above(this.#base(), it))]
    return { ...rest, refused, dropped, granted: grants, taken: [...news.taken, ...rest.taken] }
  }

  async inspect() {
    const states = await this.#session.inspect()
    return states.map((state) => ({
      ...state,
      holders: state.holders.map((it) => ({ ...it, token: it.token + BigInt(this.#base()) })),
    }))
  }

  forceRelease(key: string) {
    return this.#session.forceRelease(key)
  }

  close() {
    return this.#session.close()
  }
}

function above(base: number, { seq, token, tokens }: Grant): Grant {
  return { seq, token: base + token, ...(tokens && { tokens: tokens.map((it) => base + it) }) }
}
