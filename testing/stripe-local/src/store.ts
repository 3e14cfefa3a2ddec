import type Stripe from "stripe"
import { noSuch } from "./errors.js"
import type { SessionPayment } from "./resources/intent-details.js"
import type { ThinEvent } from "./resources/thin-events.js"

/** Objects of one kind in the order in which they were made, found by id in one step. */
export class Collection<T extends { id: string }> {
  readonly #rows: (T | undefined)[] = []
  readonly #indexes = new Map<string, number>()

  /** `noun` is what Stripe's errors call an object of this kind. */
  constructor(readonly noun = "object") {}

  get length(): number {
    return this.#rows.length
  }

  add(row: T): T {
    this.#indexes.set(row.id, this.#rows.push(row) - 1)
    return row
  }

  get(id: string): T | undefined {
    return this.at(this.indexOf(id) ?? -1)
  }

  /** Throws Stripe's error where there is no such object: 404 for the one in the path, 400 for a parameter's. */
  need(id: string, param = "id", status: 400 | 404 = 404): T {
    const row = this.get(id)
    if (!row) throw noSuch(this.noun, id, param, status)
    return row
  }

  at(index: number): T | undefined {
    return this.#rows[index]
  }

  indexOf(id: string): number | undefined {
    return this.#indexes.get(id)
  }

  /** Leaves a gap, so that the places of all others stay as they are. */
  delete(id: string): void {
    const index = this.#indexes.get(id)
    if (index === undefined) return
    this.#rows[index] = undefined
    this.#indexes.delete(id)
  }

  /** Replaces the object of the same id: what Stripe answers after a deletion. */
  replace(row: T): void {
    const index = this.#indexes.get(row.id)
    if (index !== undefined) this.#rows[index] = row
  }

  *[Symbol.iterator](): Generator<T> {
    for (const row of this.#rows) if (row) yield row
  }

  toJSON(): T[] {
    return [...this]
  }
}

/** A webhook endpoint's secrets are shown once and then only used: Stripe signs with each that is active. */
export interface EndpointSecrets {
  id: string
  secrets: string[]
  /** Takes the events of connected accounts, and those only. */
  connect?: boolean
}

/** What an idempotency key remembers. `at` is in milliseconds. */
export interface SavedAnswer {
  id: string
  path: string
  fingerprint: string
  request: string
  status: number
  body: string
  at: number
}

/** A delivery that is not over: kept, so that a restart goes on with it. `attempts` counts those already made. */
export interface Undelivered {
  id: string
  event: string
  endpoint: string
  attempts: number
  copy: number
}

/** A checkout session's line items, and what its payment intent will carry. */
export interface SessionLines {
  id: string
  items: Stripe.LineItem[]
  payment: Partial<SessionPayment>
}

/** Everything that local Stripe remembers; it is all plain JSON. */
export class Store {
  readonly accounts = new Collection<Stripe.Account>("account")
  readonly payment_intents = new Collection<Stripe.PaymentIntent>("payment_intent")
  readonly charges = new Collection<Stripe.Charge>("charge")
  readonly refunds = new Collection<Stripe.Refund>("refund")
  readonly disputes = new Collection<Stripe.Dispute>("dispute")
  readonly transfers = new Collection<Stripe.Transfer>("transfer")
  readonly transfer_reversals = new Collection<Stripe.TransferReversal>("transfer reversal")
  readonly application_fees = new Collection<Stripe.ApplicationFee>("application fee")
  readonly fee_refunds = new Collection<Stripe.FeeRefund>("fee refund")
  readonly customers = new Collection<Stripe.Customer | Stripe.DeletedCustomer>("customer")
  readonly payment_methods = new Collection<Stripe.PaymentMethod>("PaymentMethod")
  readonly setup_intents = new Collection<Stripe.SetupIntent>("setupintent")
  readonly invoice_payments = new Collection<Stripe.InvoicePayment>("invoice_payment")
  readonly products = new Collection<Stripe.Product>("product")
  readonly checkout_sessions = new Collection<Stripe.Checkout.Session>("checkout.session")
  readonly session_lines = new Collection<SessionLines>()
  readonly events = new Collection<Stripe.Event>("event")
  readonly thin_events = new Collection<ThinEvent>("event")
  readonly webhook_endpoints = new Collection<Stripe.WebhookEndpoint>("webhook endpoint")
  readonly endpoint_secrets = new Collection<EndpointSecrets>()
  readonly answers = new Collection<SavedAnswer>()
  readonly undelivered = new Collection<Undelivered>()

  static readonly #PREFIXES: Record<string, keyof Store> = {
    acct: "accounts",
    pi: "payment_intents",
    ch: "charges",
    py: "charges",
    re: "refunds",
    pyr: "refunds",
    du: "disputes",
    tr: "transfers",
    trr: "transfer_reversals",
    fee: "application_fees",
    fr: "fee_refunds",
    cus: "customers",
    pm: "payment_methods",
    seti: "setup_intents",
    prod: "products",
    cs: "checkout_sessions",
    evt: "events",
  }

  /** The API object of this id, of whichever kind: what `expand` puts in the id's place. */
  find(id: string): { id: string } | undefined {
    const kind = Store.#PREFIXES[id.slice(0, id.indexOf("_"))]
    return kind && (this[kind] as Collection<{ id: string }>).get(id)
  }

  load(saved: Partial<Record<string, { id: string }[]>>): void {
    for (const [kind, collection] of Object.entries(this)) {
      for (const row of saved[kind] ?? []) (collection as Collection<{ id: string }>).add(row)
    }
  }
}
