import Stripe from "stripe"
import { Account } from "./account.js"
import { Accounts } from "./accounts.js"
import { Bank } from "./bank.js"
import { Buyer } from "./buyer.js"
import { Elsewhere } from "./elsewhere.js"
import { refused } from "./errors.js"
import type { ApiRequest, Faults } from "./faults.js"
import { Gate } from "./gate.js"
import type { Limits } from "./limits.js"
import type { StripeLocalOptions } from "./options.js"
import { expireDueSessions } from "./resources/checkout-expiry.js"
import type { NewConnectedAccount } from "./resources/connected-accounts.js"
import { createThinEvent, type NewThinEvent } from "./resources/thin-events.js"
import { createEndpoint, deleteEndpoint, rollSecret } from "./resources/webhook-endpoints.js"
import { Server } from "./server.js"
import { StateFile } from "./state-file.js"
import { Store } from "./store.js"
import { type ByHand, Deliveries, type Delivery } from "./webhooks/deliveries.js"
import type { DeliveryPolicy } from "./webhooks/policy.js"

/** An account connected to the shop's. */
export interface ConnectedAccount {
  readonly id: string
  readonly buyer: Buyer
  readonly bank: Bank
  /** Its events, oldest first. */
  readonly events: Stripe.Event[]
}

const RETRY_DELAYS = [1_000, 2_000, 4_000, 8_000, 16_000]

/** A running local Stripe. */
export class StripeLocal {
  readonly #gate: Gate
  readonly #deliveries: Deliveries
  readonly #account: Account
  readonly #accounts: Accounts
  readonly #file: StateFile | undefined
  readonly #server: Server
  #clock: NodeJS.Timeout | undefined
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
    this.driverKey = `${apiKey}_driver`
    const { clock = () => performance.now(), limits } = options
    this.#gate = new Gate({ shop: apiKey, driver: this.driverKey }, clock)
    this.#gate.limits = limits
    this.#server = new Server(this.#gate, this.#changed)
    const store = new Store()
    const { retryDelays = RETRY_DELAYS, deliveryTimeout: timeout = 10_000 } = options
    this.#deliveries = new Deliveries(store, { retryDelays, timeout }, this.#changed, (id) =>
      this.#accounts.event(id),
    )
    const { apiVersion = Stripe.API_VERSION } = options
    this.#account = new Account(store, apiVersion, (event) => this.#deliveries.dispatch(event))
    this.#accounts = new Accounts(this.#account, (connected) => this.#server.serve(connected))
    this.#file = stateFile === undefined ? undefined : new StateFile(stateFile, this.#accounts)
    this.buyer = new Buyer(this.#account, this.#changed)
    this.bank = new Bank(this.#account, this.#changed)
    this.elsewhere = new Elsewhere(this.#account, this.#changed)
    this.#server.serve(this.#account)
  }

  #expireSessions(): void {
    for (const account of this.#accounts.all()) if (expireDueSessions(account)) this.#changed()
  }

  readonly #changed = () => this.#file?.changed()

  /** Connects an account to the shop's, which is its platform; Stripe clients name it in `stripeAccount`. */
  connectAccount(given: NewConnectedAccount = {}): ConnectedAccount {
    const account = this.#accounts.create(given)
    this.#changed()
    return this.#handle(account)
  }

  /** A connected account, with what happens in it; throws where there is none of this id. */
  connectedAccount(id: string): ConnectedAccount {
    const account = this.#accounts.get(id)
    if (!account) throw new Error(`No such connected account: ${id}`)
    return this.#handle(account)
  }

  #handle(account: Account): ConnectedAccount {
    return {
      id: account.connection?.id ?? "",
      buyer: new Buyer(account, this.#changed),
      bank: new Bank(account, this.#changed),
      get events() {
        return [...account.store.events]
      },
    }
  }

  /** Rejects where the port is taken or the state file can't be read. */
  async start(): Promise<this> {
    await this.#file?.load()
    await this.#server.listen(this.options.port ?? 0, this.host)
    this.#deliveries.resume()
    this.#clock = setInterval(() => this.#expireSessions(), 1_000).unref()
    return this
  }

  get port(): number {
    return this.#server.port
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
  addWebhookEndpoint(endpoint: {
    url: string
    secret?: string
    enabledEvents?: string[]
    /** For the events of connected accounts. */
    connect?: boolean
  }): { id: string; secret: string } {
    const { endpoint_secrets, webhook_endpoints } = this.#account.store
    for (const { id, url } of webhook_endpoints) {
      const same = Boolean(endpoint_secrets.get(id)?.connect) === Boolean(endpoint.connect)
      if (url === endpoint.url && same) deleteEndpoint(this.#account, id)
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
    return this.#gate.faults
  }

  get limits(): Limits | undefined {
    return this.#gate.limits
  }

  /** Changes the enforced limits from the next call on, which begins with a full budget. */
  set limits(limits: Limits | undefined) {
    this.#gate.limits = limits
  }

  /** Every API call, in the order of arrival. */
  get requests(): ApiRequest[] {
    return this.#gate.requests
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

  /** All events of the shop's own account, oldest first. */
  get events(): Stripe.Event[] {
    return [...this.#account.store.events]
  }

  /**
   * Delivers an event by hand, once and without retries; it may be one that local Stripe never made. Resolves
   * with the shop's answers. Throws where there is no such event.
   */
  async deliver(event: Stripe.Event | string, options: ByHand = {}): Promise<Delivery[]> {
    const known = typeof event === "string" ? this.#accounts.event(event) : event
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
    clearInterval(this.#clock)
    this.#gate.faults.clear()
    this.#deliveries.close()
    await this.#server.close()
    await this.#file?.save()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

export function startStripeLocal(options: StripeLocalOptions = {}): Promise<StripeLocal> {
  return new StripeLocal(options).start()
}
