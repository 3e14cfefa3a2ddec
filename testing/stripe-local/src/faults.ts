import { ApiError, type ErrorBody } from "./errors.js"
import { type LimitReason, rateLimited } from "./limits.js"

/** One API call as the request log keeps it. `status` is there once it was answered; `at` is in milliseconds. */
export interface ApiRequest {
  id: string
  method: string
  path: string
  params: Record<string, unknown>
  idempotencyKey: string | undefined
  apiVersion: string | undefined
  /** The connected account that the call is for (`Stripe-Account`). */
  account?: string | undefined
  at: number
  status?: number
  /** Answered from what the idempotency key remembers. */
  replayed?: boolean
  /** The connection was cut instead of answered. */
  dropped?: boolean
  /** The limit that refused the call with 429; a 429 without it was a fault. */
  limitedBy?: LimitReason
  /** The call came with the driver's key: it is the test's own and not the shop's. */
  driver?: boolean
}

/** `"GET /v1/charges/*"`, where `*` stands for one part of the path and `**` for any number; or a function. */
export type Match = string | ((request: ApiRequest) => boolean)

/**
 * What happens to the call. `before`: nothing was done. `during`: nothing came of what was begun, and an idempotency
 * key remembers that. `after`: it was done, and only the answer is bad.
 * `times` is how many calls are met (1).
 */
export type Effect = (
  | { status: number; code?: string; when?: "before" | "during" | "after" }
  | { hang: "before" | "after" }
  | { drop: "before" | "after" }
) & { times?: number }

export interface FaultHandle {
  /** Resolves with the request once the fault has struck: it is being held now, or was refused or cut. */
  readonly reached: Promise<ApiRequest>
  /** How many calls were met so far. */
  readonly hits: number
  /** Lets a held call go on and be answered. */
  release(): void
  /** Cuts a held call's connection; one held `before` is never done. */
  drop(): void
  /** No further call is met; one that is held stays held. */
  remove(): void
}

/** The three points of a call at which a fault can strike: work not begun, work done, answer known and saved. */
export type Moment = "begin" | "done" | "answer"

/** Thrown to cut the connection without an answer. */
export class Dropped extends Error {}

class Fault implements FaultHandle {
  readonly #reached = deferred<ApiRequest>()
  readonly #let = deferred<void>()
  readonly reached = this.#reached.promise
  hits = 0
  #left: number

  constructor(
    readonly matches: (request: ApiRequest) => boolean,
    readonly effect: Effect,
  ) {
    this.#left = effect.times ?? 1
    this.#let.promise.catch(() => {})
  }

  get armed(): boolean {
    return this.#left > 0
  }

  take(): this {
    this.#left -= 1
    this.hits += 1
    return this
  }

  async strike(moment: Moment, request: ApiRequest): Promise<void> {
    if (moment !== momentOf(this.effect)) return
    this.#reached.resolve(request)
    if ("status" in this.effect) throw failure(this.effect)
    if ("drop" in this.effect) throw new Dropped()
    await this.#let.promise
  }

  release(): void {
    this.#let.resolve()
  }

  drop(): void {
    this.#let.reject(new Dropped())
  }

  remove(): void {
    this.#left = 0
  }
}

function deferred<T>() {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

export class Faults {
  readonly #faults = new Set<Fault>()

  /** The next call that matches, or the next `times`, meets this effect. The fault that was set first wins. */
  next(match: Match, effect: Effect): FaultHandle {
    const fault = new Fault(typeof match === "string" ? pattern(match) : match, effect)
    this.#faults.add(fault)
    return fault
  }

  /** The fault that this call is to meet, if any. */
  meet(request: ApiRequest): Fault | undefined {
    for (const fault of this.#faults) if (fault.armed && fault.matches(request)) return fault.take()
    return undefined
  }

  /** Removes all faults and cuts the held calls. */
  clear(): void {
    for (const fault of this.#faults) {
      fault.remove()
      fault.drop()
    }
    this.#faults.clear()
  }
}

function momentOf(effect: Effect): Moment {
  if ("status" in effect) return effect.when === "after" ? "done" : "begin"
  return ("hang" in effect ? effect.hang : effect.drop) === "after" ? "answer" : "begin"
}

function pattern(glob: string): (request: ApiRequest) => boolean {
  const source = glob
    .replace(/[.+?^${}()|[\]\\]/g, "\\$&")
    .replace(/\*+/g, (stars) => (stars.length > 1 ? ".*" : "[^/ ]+"))
  const expression = new RegExp(`^${source}$`)
  return ({ method, path }) => expression.test(`${method} ${path}`)
}

/** An answer that says nothing about the call. An idempotency key remembers it only if the work was begun. */
function failure({ status, code, when = "before" }: Extract<Effect, { status: number }>): ApiError {
  const message = "An unknown error occurred (local Stripe was told to fail)."
  const unknown: ErrorBody = code
    ? { type: "invalid_request_error", code, message }
    : { type: "api_error", message }
  const { body, headers } = status === 429 ? rateLimited("global-rate") : { body: unknown }
  return new ApiError(status, body, when !== "before", headers)
}
