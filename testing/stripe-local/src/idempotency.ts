import { ApiError } from "./errors.js"
import type { Collection, SavedAnswer } from "./store.js"

export interface Answer {
  status: number
  body: string
  /** Whether the key remembers this answer. */
  saved: boolean
  /** The id of the request that was answered first, when this is that answer again. */
  original?: string
  headers?: Record<string, string>
}

/** One POST as the key sees it: the same key must come with the same path and parameters. */
export interface Keyed {
  key: string
  path: string
  form: string
  request: string
}

const DAY = 24 * 60 * 60 * 1000

/** Stripe's idempotency keys: one execution, its answer again for a day, and no two at the same time. */
export class Idempotency {
  readonly #underWay = new Set<string>()

  constructor(readonly answers: Collection<SavedAnswer>) {}

  async run(keyed: Keyed, execute: () => Promise<Answer>): Promise<Answer> {
    const fingerprint = keyed.form.split("&").sort().join("&")
    const earlier = this.#recall(keyed.key)
    if (earlier) return replay(earlier, keyed, fingerprint)
    if (this.#underWay.has(keyed.key)) throw inUse(keyed.key)
    this.#underWay.add(keyed.key)
    try {
      const answer = await execute()
      if (answer.saved) this.#save(keyed, fingerprint, answer)
      return answer
    } finally {
      this.#underWay.delete(keyed.key)
    }
  }

  #recall(key: string): SavedAnswer | undefined {
    const answer = this.answers.get(key)
    if (answer && answer.at + DAY < Date.now()) {
      this.answers.delete(key)
      return undefined
    }
    return answer
  }

  #save({ key, path, request }: Keyed, fingerprint: string, { status, body }: Answer): void {
    this.answers.add({ id: key, path, fingerprint, request, status, body, at: Date.now() })
  }
}

function replay(earlier: SavedAnswer, { key, path }: Keyed, fingerprint: string): Answer {
  const hint = `Try using a key other than '${key}' if you meant to execute a different request.`
  if (earlier.path !== path) {
    throw mismatch(
      `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${path}' instead of '${earlier.path}'). ${hint}`,
    )
  }
  if (earlier.fingerprint !== fingerprint) {
    throw mismatch(
      `Keys for idempotent requests can only be used with the same parameters they were first used with. ${hint}`,
    )
  }
  return { status: earlier.status, body: earlier.body, saved: false, original: earlier.request }
}

function mismatch(message: string): ApiError {
  return new ApiError(400, { type: "idempotency_error", message }, false)
}

function inUse(key: string): ApiError {
  const message = `There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): ${key}. Please try again later.`
  return new ApiError(409, { type: "invalid_request_error", code: "idempotency_key_in_use", message }, false)
}
