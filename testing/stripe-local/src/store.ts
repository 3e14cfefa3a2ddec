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

/** A payment link's line items. */
export interface Lines {
  id: string
  items: Stripe.LineItem[]
}

/** A checkout session's line items, what its payment intent will carry, and what is sent only when expanded. */
export interface SessionLines extends Lines {
  payment: Partial<SessionPayment>
  /** What its customer takes over from the form. */
  update?: Partial<Record<"address" | "name" | "shipping", "auto" | "never">> | null
  discount?: Stripe.Discount | null
  breakdown?: Stripe.Checkout.Session.TotalDetails.Breakdown
  shipping_taxes?: Stripe.Checkout.Session.ShippingCost.Tax[]
}

/** Which tax rates a line item has, and what it sends only when expanded. */
export interface LineDetails {
  id: string
  tax_rates: string[]
  taxes: Stripe.LineItem.Tax[]
  discounts: Stripe.LineItem.Discount[]
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
  readonly prices = new Collection<Stripe.Price>("price")
  readonly coupons = new Collection<Stripe.Coupon>("coupon")
  readonly promotion_codes = new Collection<Stripe.PromotionCode>("promotion code")
  readonly tax_rates = new Collection<Stripe.TaxRate>("tax rate")
  readonly shipping_rates = new Collection<Stripe.ShippingRate>("shipping rate")
  readonly payment_links = new Collection<Stripe.PaymentLink>("payment_link")
  readonly link_lines = new Collection<Lines>()
  readonly checkout_sessions = new Collection<Stripe.Checkout.Session>("checkout.session")
  readonly session_lines = new Collection<SessionLines>()
  readonly line_details = new Collection<LineDetails>()
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
    price: "prices",
    promo: "promotion_codes",
    txr: "tax_rates",
    shr: "shipping_rates",
    plink: "payment_links",
    cs: "checkout_sessions",
    evt: "events",
  }

  /** The API object of this id, of whichever kind: what `expand` puts in the id's place. */
  find(id: string): { id: string } | undefined {
    const kind = Store.#PREFIXES[id.slice(0, id.indexOf("_"))]
    const row = kind && (this[kind] as Collection<{ id: string }>).get(id)
    // The shop may choose the ids of these two.
    return row ?? this.products.get(id) ?? this.coupons.get(id)
  }

  load(saved: Partial<Record<string, { id: string }[]>>): void {
    for (const [kind, collection] of Object.entries(this)) {
      for (const row of saved[kind] ?? []) (collection as Collection<{ id: string }>).add(row)
    }
  }
}
