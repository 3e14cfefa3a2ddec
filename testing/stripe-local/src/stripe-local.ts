import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { createAdaptorServer } from "@hono/node-server"
import Stripe from "stripe"
import { Account } from "./account.js"
import { Api } from "./api.js"
import { Bank } from "./bank.js"
import { Buyer } from "./buyer.js"
import { Elsewhere } from "./elsewhere.js"
import { refused } from "./errors.js"
import type { ApiRequest, Faults } from "./faults.js"
import type { Limits } from "./limits.js"
import { includables, serveAll } from "./resources/index.js"
import { createThinEvent, type NewThinEvent } from "./resources/thin-events.js"
import { createEndpoint, deleteEndpoint, rollSecret } from "./resources/webhook-endpoints.js"
import { StateFile } from "./state-file.js"
import { Store } from "./store.js"
import { type ByHand, Deliveries, type Delivery } from "./webhooks/deliveries.js"
import type { DeliveryPolicy } from "./webhooks/policy.js"

export interface StripeLocalOptions {
  /** 0, the default, takes any free port. */
  port?: number
  host?: string
  /** The one secret key that is let in ("sk_test_local"). */
  apiKey?: string
  /** Keeps the state over restarts: read at start, written shortly after changes and on close. */
  stateFile?: string
  /** Milliseconds before each further try of a delivery; as many retries as there are numbers. */
  retryDelays?: number[]
  /** Milliseconds after which a webhook without an answer counts as failed (10,000). */
  deliveryTimeout?: number
  /** Enforces Stripe's published rate limits on the shop's calls; none without it. */
  limits?: Limits
  /** What the rate limits measure time by, in milliseconds (`performance.now`): a test's own needs no waiting. */
  clock?: () => number
}

const RETRY_DELAYS = [1_000, 2_000, 4_000, 8_000, 16_000]

/** A running local Stripe. */
export class StripeLocal {
  readonly #api: Api
  readonly #deliveries: Deliveries
  readonly #account: Account
  readonly #file: StateFile | undefined
  readonly #server: ReturnType<typeof createAdaptorServer>
  #closing: Promise<void> | undefined
  readonly host: string
  readonly apiKey: string
  /** The test driver's secret key: it may do what the shop's may, and no rate limit counts it. */
  readonly driverKey: string
  /** What the buyer does without the shop: pays a checkout session, passes 3-D Secure, disputes a payment. */
  readonly buyer: Buyer
  /** What banks do and time brings: slow payments end, refunds arrive or fail, authorisations expire. */
  readonly bank: Bank
  /** Payments in the account that the shop did not begin: of invoices, and at card readers. */
  readonly elsewhere: Elsewhere

  constructor(readonly options: StripeLocalOptions) {
    const { host = "127.0.0.1", apiKey = "sk_test_local", stateFile } = options
    this.host = host
    this.apiKey = apiKey
    const store = new Store()
    this.#file = stateFile === undefined ? undefined : new StateFile(stateFile, store)
    const changed = () => this.#file?.changed()
    const { retryDelays = RETRY_DELAYS, deliveryTimeout: timeout = 10_000 } = options
    this.#deliveries = new Deliveries(store, { retryDelays, timeout }, changed)
    this.#account = new Account(store, Stripe.API_VERSION, (event) => this.#deliveries.dispatch(event))
    this.driverKey = `${apiKey}_driver`
    const { clock = () => performance.now(), limits } = options
    const keys = { shop: apiKey, driver: this.driverKey }
    this.#api = new Api(this.#account, keys, clock, includables(this.#account), changed)
    this.#api.limits = limits
    this.buyer = new Buyer(this.#account, changed)
    this.bank = new Bank(this.#account, changed)
    this.elsewhere = new Elsewhere(this.#account, changed)
    serveAll(this.#api, this.#account)
    // The shop under test may live in this process: its Request and Response stay what they are.
    this.#server = createAdaptorServer({ fetch: this.#api.app.fetch, overrideGlobalObjects: false })
  }

  /** Rejects where the port is taken or the state file can't be read. */
  async start(): Promise<this> {
    await this.#file?.load()
    this.#server.listen(this.options.port ?? 0, this.host)
    await once(this.#server, "listening")
    this.#deliveries.resume()
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://${this.host}:${this.port}`
  }

  /** What another Stripe client needs to come here. */
  clientOptions(): { host: string; port: number; protocol: "http" } {
    return { host: this.host, port: this.port, protocol: "http" }
  }

  /** A new official client; it doesn't retry unless told to, so that a test sees each answer. */
  client(config: Stripe.StripeConfig = {}): Stripe {
    return this.#clientOf(this.apiKey, config)
  }

  /** A client for what a test or a bench does in the buyer's place, outside the shop's budget of calls. */
  driver(config: Stripe.StripeConfig = {}): Stripe {
    return this.#clientOf(this.driverKey, config)
  }

  #clientOf(key: string, config: Stripe.StripeConfig): Stripe {
    return new Stripe(key, { maxNetworkRetries: 0, telemetry: false, ...this.clientOptions(), ...config })
  }

  /** An endpoint of the same URL is replaced, so that a shop can say this at each of its starts. */
  addWebhookEndpoint(endpoint: { url: string; secret?: string; enabledEvents?: string[] }): {
    id: string
    secret: string
  } {
    for (const { id, url } of this.#account.store.webhook_endpoints) {
      if (url === endpoint.url) deleteEndpoint(this.#account, id)
    }
    const { id, secret } = createEndpoint(this.#account, endpoint)
    this.#file?.changed()
    return { id, secret }
  }

  /** Rolls an endpoint's secret: deliveries are signed with the new one and, unless `expireOld`, the old ones. */
  rollWebhookSecret(endpoint: string, options: { secret?: string; expireOld?: boolean } = {}): string {
    const secrets = this.#account.store.endpoint_secrets.get(endpoint)
    if (!secrets) throw refused(`No such webhook endpoint: '${endpoint}'`)
    this.#file?.changed()
    return rollSecret(secrets, options.secret, options.expireOld)
  }

  get faults(): Faults {
    return this.#api.faults
  }

  get limits(): Limits | undefined {
    return this.#api.limits
  }

  /** Changes the enforced limits from the next call on, which begins with a full budget. */
  set limits(limits: Limits | undefined) {
    this.#api.limits = limits
  }

  /** Every API call, in the order of arrival. */
  get requests(): ApiRequest[] {
    return this.#api.requests
  }

  /** Every attempt to deliver a webhook, in the order in which they ended. */
  get deliveries(): Delivery[] {
    return this.#deliveries.log
  }

  get delivery(): DeliveryPolicy {
    return this.#deliveries.policy
  }

  set delivery(policy: DeliveryPolicy) {
    this.#deliveries.policy = policy
  }

  /** Events that the policy holds back. */
  get held(): readonly Stripe.Event[] {
    return this.#deliveries.held
  }

  /**
   * Delivers what was held, one after the other in the order that `order` gives; resolves when all is over,
   * retries included.
   */
  releaseHeld(order?: (held: Stripe.Event[]) => Stripe.Event[]): Promise<void> {
    return this.#deliveries.releaseHeld(order)
  }

  /** All events, oldest first. */
  get events(): Stripe.Event[] {
    return [...this.#account.store.events]
  }

  /**
   * Delivers an event by hand, once and without retries; it may be one that local Stripe never made. Resolves
   * with the shop's answers. Throws where there is no such event.
   */
  async deliver(event: Stripe.Event | string, options: ByHand = {}): Promise<Delivery[]> {
    const known = typeof event === "string" ? this.#account.store.events.get(event) : event
    if (!known) throw new Error(`No such event: ${event}`)
    return this.#deliveries.byHand(known, options)
  }

  /**
   * Makes a thin event (`v2.core.event`) and delivers its notification by hand: to every enabled endpoint, unless one
   * is named, as endpoints here don't subscribe to thin events.
   */
  async deliverThin(event: NewThinEvent, options: ByHand = {}): Promise<Delivery[]> {
    const made = createThinEvent(this.#account, event)
    this.#file?.changed()
    return this.#deliveries.byHand(made, options)
  }

  /** Resolves when no delivery is under way, waits for its turn or is to be tried again. */
  idle(): Promise<void> {
    return this.#deliveries.idle()
  }

  /** Cuts open connections, stops deliveries and saves the state; nothing then keeps the process alive. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#api.faults.clear()
    this.#deliveries.close()
    const closed = once(this.#server, "close")
    this.#server.close()
    if ("closeAllConnections" in this.#server) this.#server.closeAllConnections()
    await closed
    await this.#file?.save()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

export function startStripeLocal(options: StripeLocalOptions = {}): Promise<StripeLocal> {
  return new StripeLocal(options).start()
}
