import { text } from "node:stream/consumers"
import type { HttpBindings } from "@hono/node-server"
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response"
import { type Context, Hono } from "hono"
import { parse } from "qs"
import type { Account } from "./account.js"
import { ApiError } from "./errors.js"
import { expand, type Includable } from "./expand.js"
import { type ApiRequest, Dropped, type Moment } from "./faults.js"
import type { Gate } from "./gate.js"
import { type Answer, Idempotency } from "./idempotency.js"
import { newId } from "./ids.js"
import { type LimitedCall, rateLimited } from "./limits.js"
import { list, type Params, readParams, type Shape, text as string } from "./params.js"

/** The work of a call. It is synchronous, so that no other call sees it half done. `id` is the one in the path. */
export type Work<S extends Shape> = (params: Params<S>, id: string) => object

type HttpContext = Context<{ Bindings: HttpBindings }>
type Strike = (moment: Moment) => Promise<void>

const common = { expand: list(string) }

/** Stripe's HTTP interface of one account, without its resources. */
export class Api {
  readonly app = new Hono<{ Bindings: HttpBindings }>()
  readonly #idempotency: Idempotency

  constructor(
    readonly account: Account,
    readonly gate: Gate,
    readonly include: Includable,
    readonly changed: () => void,
  ) {
    this.#idempotency = new Idempotency(account.store.answers)
    this.app.notFound((c) => this.#serve(c, "", "", async () => unrecognised(c)))
  }

  get<S extends Shape>(path: string, shape: S, work: Work<S>): void {
    this.app.get(path, (c) => {
      const form = c.req.url.split("?")[1] ?? ""
      return this.#serve(c, path, form, (request, strike) => this.#execute(c, request, shape, work, strike))
    })
  }

  post<S extends Shape>(path: string, shape: S, work: Work<S>): void {
    this.app.post(path, async (c) => {
      const form = await text(c.env.incoming)
      return this.#serve(c, path, form, (request, strike) => {
        const execute = () => this.#execute(c, request, shape, work, strike)
        const { idempotencyKey: key } = request
        if (!key) return execute()
        return this.#idempotency.run({ key, path: request.path, form, request: request.id }, execute)
      })
    })
  }

  delete<S extends Shape>(path: string, shape: S, work: Work<S>): void {
    this.app.delete(path, (c) =>
      this.#serve(c, path, "", (request, strike) => this.#execute(c, request, shape, work, strike)),
    )
  }

  async #serve(
    c: HttpContext,
    path: string,
    form: string,
    respond: (request: ApiRequest, strike: Strike) => Promise<Answer>,
  ): Promise<Response> {
    const request = this.#open(c, form)
    try {
      request.driver = this.#authenticate(c) === this.gate.keys.driver
      this.#limit(request, { endpoint: `${request.method} ${path}`, id: c.req.param("id") })
      this.#checkAccount(c)
      const fault = this.gate.faults.meet(request)
      const strike: Strike = async (moment) => fault?.strike(moment, request)
      const answer = await respond(request, strike)
      await strike("answer")
      return this.#send(c, request, answer)
    } catch (error) {
      if (!(error instanceof Dropped)) return this.#send(c, request, refusal(error))
      request.dropped = true
      c.env.outgoing.destroy()
      return RESPONSE_ALREADY_SENT
    }
  }

  #open(c: HttpContext, form: string): ApiRequest {
    const request: ApiRequest = {
      id: newId("req"),
      method: c.req.method,
      path: c.req.path,
      params: parse(form, { depth: 10, arrayLimit: 1000, parameterLimit: 10_000 }),
      idempotencyKey: c.req.method === "POST" ? c.req.header("Idempotency-Key") : undefined,
      apiVersion: c.req.header("Stripe-Version"),
      account: c.req.header("Stripe-Account"),
      at: Date.now(),
    }
    this.gate.requests.push(request)
    return request
  }

  async #execute<S extends Shape>(
    c: HttpContext,
    request: ApiRequest,
    shape: S,
    work: Work<S>,
    strike: Strike,
  ): Promise<Answer> {
    try {
      await strike("begin")
      const { expand: paths, ...params } = readParams({ ...shape, ...common }, request.params)
      const reference = { id: request.id, idempotency_key: request.idempotencyKey ?? null }
      const { account } = this
      const result = account.during(reference, () => work(params as Params<S>, c.req.param("id") ?? ""))
      await strike("done")
      const body = JSON.stringify(expand(result, (paths ?? []) as string[], account.store, this.include))
      return { status: 200, body, saved: true }
    } catch (error) {
      return refusal(error)
    } finally {
      if (request.method !== "GET") this.changed()
    }
  }

  /** Refuses before anything is looked up or done, so that neither a fault nor an idempotency key is used up. */
  #limit(request: ApiRequest, call: LimitedCall): void {
    const { limiter } = this.gate
    if (request.driver || !limiter) return
    const reason = limiter.refuses(call)
    if (!reason) return
    request.limitedBy = reason
    throw rateLimited(reason, limiter.mode)
  }

  #authenticate(c: HttpContext): string {
    const header = c.req.header("Authorization") ?? ""
    const [scheme, given = ""] = header.split(" ")
    const key = scheme === "Basic" ? Buffer.from(given, "base64").toString().split(":")[0] : given
    if (!key) throw unauthenticated("You did not provide an API key.")
    if (key === this.gate.keys.shop || key === this.gate.keys.driver) return key
    throw unauthenticated(`Invalid API Key provided: ${masked(key)}`)
  }

  /** A call for a connected account comes to that account's own interface, unless it doesn't exist. */
  #checkAccount(c: HttpContext): void {
    const id = c.req.header("Stripe-Account")
    if (!id || id === this.account.connection?.id) return
    const message = `The provided key does not have access to account '${id}' (or that account does not exist). Application access may have been revoked.`
    throw new ApiError(403, { type: "invalid_request_error", code: "account_invalid", message }, false)
  }

  #send(c: HttpContext, request: ApiRequest, answer: Answer): Response {
    request.status = answer.status
    if (answer.original) request.replayed = true
    const headers = {
      "Content-Type": "application/json",
      "Request-Id": request.id,
      "Stripe-Version": request.apiVersion ?? this.account.apiVersion,
      ...(request.idempotencyKey && { "Idempotency-Key": request.idempotencyKey }),
      ...(answer.original && { "Idempotent-Replayed": "true", "Original-Request": answer.original }),
      ...answer.headers,
    }
    return c.newResponse(answer.body, answer.status as 200, headers)
  }
}

/** Rethrows a cut connection; turns every other error into an answer. */
function refusal(error: unknown): Answer {
  if (error instanceof Dropped) throw error
  if (error instanceof ApiError) {
    const { status, saved, headers } = error
    return { status, body: JSON.stringify({ error: error.body }), saved, headers }
  }
  const message = `Local Stripe itself failed: ${(error as Error).stack ?? error}`
  return { status: 500, body: JSON.stringify({ error: { type: "api_error", message } }), saved: false }
}

function unrecognised(c: HttpContext): never {
  const message = `Unrecognized request URL (${c.req.method}: ${c.req.path}). Local Stripe speaks only the part of the API that its README lists.`
  throw new ApiError(404, { type: "invalid_request_error", message }, false)
}

function unauthenticated(message: string): ApiError {
  return new ApiError(401, { type: "invalid_request_error", message }, false)
}

function masked(key: string): string {
  return key.length > 12 ? `${key.slice(0, 8)}${"*".repeat(key.length - 12)}${key.slice(-4)}` : "****"
}
