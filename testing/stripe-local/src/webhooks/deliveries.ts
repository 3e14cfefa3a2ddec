import type Stripe from "stripe"
import { newId } from "../ids.js"
import type { ThinEvent } from "../resources/thin-events.js"
import type { Store, Undelivered } from "../store.js"
import type { DeliveryPolicy } from "./policy.js"
import { Sender, type WebhookRequest } from "./sender.js"
import { signatureHeader } from "./signature.js"

/** One attempt to deliver one event to one endpoint, as the log keeps it once it is over. */
export interface Delivery {
  event: string
  type: string
  endpoint: string
  url: string
  /** 1 for the first try. */
  attempt: number
  /** 0 for the first delivery of the event, 1 for its duplicate, and so on. */
  copy: number
  /** The shop's answer, or why there was none. */
  status?: number
  response?: string
  error?: string
  /** When it was sent, in milliseconds; and how long it took. */
  at: number
  duration: number
}

export interface DeliveryOptions {
  /** Milliseconds before each further try; their number is the number of retries. */
  retryDelays: number[]
  /** Milliseconds until a delivery without an answer counts as failed. */
  timeout: number
}

/** How one delivery by hand differs from Stripe's own. */
export interface ByHand {
  /** How many deliveries, all at once (1). */
  times?: number
  /** Milliseconds to wait first. */
  delay?: number
  /** The id of the one endpoint to deliver to; without it, all that take this type. */
  endpoint?: string
  /** Sign with these instead of the endpoint's secrets. */
  secrets?: string[]
  /** Sign as of this time, in seconds, instead of now. */
  timestamp?: number
  /** As an event of live mode (`true`) or not; as it is without this. */
  livemode?: boolean
  /** Changes the request after it was signed. */
  tamper?(request: WebhookRequest): WebhookRequest
}

/** An event with its object, or the notification of a thin one. */
type AnyEvent = Stripe.Event | ThinEvent

/** Sends events to the webhook endpoints, and again where they fail, and keeps the log. */
export class Deliveries {
  readonly log: Delivery[] = []
  readonly held: Stripe.Event[] = []
  policy: DeliveryPolicy = {}
  readonly #sender: Sender
  readonly #timers = new Set<NodeJS.Timeout>()
  #underWay = 0
  #closed = false
  #idle: (() => void)[] = []

  constructor(
    readonly store: Store,
    readonly options: DeliveryOptions,
    readonly changed: () => void,
    /** Finds an event of whichever account. */
    readonly find: (id: string) => Stripe.Event | undefined,
  ) {
    this.#sender = new Sender(options.timeout)
  }

  /** Goes on with what a former run left undelivered. */
  resume(): void {
    for (const job of [...this.store.undelivered]) void this.#start(job, 0)
  }

  /** Delivers a new event as the policy says. */
  dispatch(event: Stripe.Event): void {
    event.pending_webhooks = this.#endpointsFor(event).length
    if (this.policy.hold?.(event)) this.held.push(event)
    else void this.#queue(event)
  }

  /** Delivers what was held in this order, each when the one before is over, retries included. */
  releaseHeld(order: (held: Stripe.Event[]) => Stripe.Event[] = (held) => held): Promise<void> {
    const events = order(this.held.splice(0))
    return this.#track(
      (async () => {
        for (const event of events) await this.#queue(event)
      })(),
    )
  }

  /** One attempt for each endpoint and time, whatever the policy says; resolves with what came of them. */
  async byHand(given: AnyEvent, options: ByHand): Promise<Delivery[]> {
    const { livemode = given.livemode } = options
    const event = { ...given, livemode }
    const endpoints = options.endpoint ? [this.#endpoint(options.endpoint)] : this.#endpointsFor(given)
    const copies = Array.from({ length: options.times ?? 1 }, (_, copy) => copy)
    const sent = endpoints.flatMap((endpoint) =>
      copies.map(async (copy) => {
        await this.#wait(options.delay ?? 0)
        return this.#attempt(event, endpoint, { attempt: 1, copy }, options)
      }),
    )
    return this.#track(Promise.all(sent))
  }

  /** Resolves when no delivery is under way and none waits for its turn or for another try. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#underWay === 0) resolve()
      else this.#idle.push(resolve)
    })
  }

  /** Stops at once. What was not delivered stays in the store. */
  close(): void {
    this.#closed = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#sender.close()
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #queue(event: Stripe.Event): Promise<void> {
    const copies = Array.from({ length: 1 + (this.policy.duplicate?.(event) ?? 0) }, (_, copy) => copy)
    const jobs = this.#endpointsFor(event).flatMap((endpoint) =>
      copies.map((copy) => {
        const job = { id: newId("del"), event: event.id, endpoint: endpoint.id, attempts: 0, copy }
        this.store.undelivered.add(job)
        return this.#start(job, this.policy.delay?.(event, copy) ?? 0)
      }),
    )
    await Promise.all(jobs)
  }

  #start(job: Undelivered, delay: number): Promise<void> {
    return this.#track(this.#run(job, delay))
  }

  async #run(job: Undelivered, delay: number): Promise<void> {
    await this.#wait(delay)
    for (;;) {
      const over = await this.#try(job)
      if (this.#closed) return
      const pause = this.options.retryDelays[job.attempts - 1]
      if (over || pause === undefined) break
      await this.#wait(pause)
    }
    this.store.undelivered.delete(job.id)
    this.changed()
  }

  /** True when no other try is needed: the event was taken, or its endpoint is gone or disabled. */
  async #try(job: Undelivered): Promise<boolean> {
    const event = this.find(job.event)
    const endpoint = this.store.webhook_endpoints.get(job.endpoint)
    if (!event || endpoint?.status !== "enabled") return true
    job.attempts += 1
    const sent = this.policy.rewrite?.(structuredClone(event)) ?? event
    const { status = 0 } = await this.#attempt(sent, endpoint, { attempt: job.attempts, copy: job.copy })
    const taken = status >= 200 && status < 300
    if (taken && job.copy === 0) event.pending_webhooks -= 1
    return taken
  }

  async #attempt(
    event: AnyEvent,
    endpoint: Stripe.WebhookEndpoint,
    turn: { attempt: number; copy: number },
    options: ByHand = {},
  ): Promise<Delivery> {
    const at = Date.now()
    const request = this.#sign(event, endpoint, options)
    const outcome = await this.#sender.post(options.tamper?.(request) ?? request).then(
      ({ status, body }) => ({ status, response: body }),
      (error: NodeJS.ErrnoException) => ({ error: error.message || error.code || String(error) }),
    )
    const delivery = {
      event: event.id,
      type: event.type,
      endpoint: endpoint.id,
      url: endpoint.url,
      ...turn,
      ...outcome,
      at,
      duration: Date.now() - at,
    }
    if (!this.#closed) this.log.push(delivery)
    return delivery
  }

  #sign(event: AnyEvent, endpoint: Stripe.WebhookEndpoint, options: ByHand): WebhookRequest {
    const body = JSON.stringify(event, null, 2)
    const secrets = options.secrets ?? this.store.endpoint_secrets.get(endpoint.id)?.secrets ?? []
    const timestamp = options.timestamp ?? Math.floor(Date.now() / 1000)
    return {
      url: endpoint.url,
      headers: {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signatureHeader(body, secrets, timestamp),
      },
      body,
    }
  }

  #endpoint(id: string): Stripe.WebhookEndpoint {
    const endpoint = this.store.webhook_endpoints.get(id)
    if (!endpoint) throw new Error(`No such webhook endpoint: ${id}`)
    return endpoint
  }

  #endpointsFor(event: AnyEvent): Stripe.WebhookEndpoint[] {
    const enabled = [...this.store.webhook_endpoints].filter(({ status }) => status === "enabled")
    if (event.object !== "event") return enabled
    const { type, account } = event
    return enabled.filter(
      ({ id, enabled_events }) =>
        (enabled_events.includes("*") || enabled_events.includes(type)) &&
        Boolean(this.store.endpoint_secrets.get(id)?.connect) === Boolean(account),
    )
  }

  async #wait(ms: number): Promise<void> {
    if (ms <= 0) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer)
        resolve()
      }, ms)
      this.#timers.add(timer)
    })
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay += 1
    try {
      return await work
    } finally {
      this.#underWay -= 1
      if (this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve()
    }
  }
}
