import type { Batch, BatchResult, Session, Store } from "../src/index.ts"
import { now } from "./clock.ts"
import type { Recorder } from "./records.ts"

let sessions = 0

/** The same store, with a record of its batches and results. */
export function probed(store: Store, recorder: Recorder): Store {
  return {
    async connect(wake) {
      const session = await store.connect(wake)
      return new ProbedSession(session, recorder)
    },
  }
}

class ProbedSession implements Session {
  readonly #session: Session
  readonly #recorder: Recorder
  readonly #s = ++sessions
  #q = 0

  constructor(session: Session, recorder: Recorder) {
    this.#session = session
    this.#recorder = recorder
  }

  async execute(batch: Batch): Promise<BatchResult> {
    const place = { s: this.#s, q: ++this.#q }
    const acquire = batch.acquire.map(({ seq, owner, keys }) => ({ seq, owner, keys }))
    const cancel = batch.cancel.map(({ seq }) => seq)
    this.#recorder.write({ e: "asked", ...place, acquire, cancel })
    try {
      const result = await this.#session.execute(batch)
      const { granted, dropped } = result
      const refused = result.refused.map(({ seq }) => seq)
      this.#recorder.write({ e: "answered", ...place, granted, refused, dropped }, now())
      return result
    } catch (error) {
      this.#recorder.write({ e: "unanswered", ...place, why: String(error) })
      throw error
    }
  }

  inspect() {
    return this.#session.inspect()
  }

  forceRelease(key: string) {
    return this.#session.forceRelease(key)
  }

  close() {
    return this.#session.close()
  }
}
