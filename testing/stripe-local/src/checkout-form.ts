import type Stripe from "stripe"
import type { Account } from "./account.js"
import { refused } from "./errors.js"

type Session = Stripe.Checkout.Session

/** What the buyer fills in on the checkout page. What the page asks for and is left out here has a default. */
export interface CheckoutForm {
  /** "pm_card_visa" unless given. */
  paymentMethod?: string
  email?: string
  name?: string
  /** Only where the session has `phone_number_collection`. */
  phone?: string
  /** The billing address. */
  address?: Partial<Stripe.Address>
  /** Only where the session has `shipping_address_collection`, to one of its countries. */
  shipping?: { name: string; address: Partial<Stripe.Address>; phone?: string }
  /** By display name or id; the first one unless given. */
  shippingOption?: string
  /** Only where the session has `allow_promotion_codes`. */
  promotionCode?: string
  /** New quantities of adjustable lines, by description, price id or line item id; 0 takes a line out. */
  quantities?: Record<string, number>
  /** With `automatic_tax`: the percentage that Stripe Tax finds for the address. */
  automaticTax?: number
}

/** The form with all that the page asked for. */
export interface Answers {
  paymentMethod: string
  email: string
  name: string
  phone: string | null
  address: Stripe.Address
  shipping: { name: string; address: Stripe.Address; phone: string | null } | undefined
}

const NO_ADDRESS: Stripe.Address = {
  city: null,
  country: null,
  line1: null,
  line2: null,
  postal_code: null,
  state: null,
}

/** Refuses what the page doesn't ask for, as no buyer could give it. */
export function answersTo(account: Account, session: Session, form: CheckoutForm): Answers {
  const { paymentMethod = "pm_card_visa", name = "Test Buyer" } = form
  const email = knownEmail(account, session) ?? form.email ?? "buyer@example.com"
  const address = { ...NO_ADDRESS, ...form.address }
  return {
    paymentMethod,
    email,
    name,
    phone: phoneOf(session, form),
    address,
    shipping: shippingOf(session, form),
  }
}

/** The page doesn't let the buyer change the address that the shop has given. */
function knownEmail(account: Account, { customer, customer_email }: Session): string | null {
  const known = account.store.customers.get(String(customer))
  return customer_email ?? (known?.deleted ? null : known?.email) ?? null
}

function phoneOf({ phone_number_collection }: Session, { phone }: CheckoutForm): string | null {
  if (phone_number_collection?.enabled) return phone ?? "+12015550123"
  if (phone) throw refused("The checkout page doesn't ask for a phone number (phone_number_collection).")
  return null
}

function shippingOf({ shipping_address_collection }: Session, form: CheckoutForm): Answers["shipping"] {
  if (!shipping_address_collection) {
    if (!form.shipping) return undefined
    throw refused("The checkout page doesn't ask for a shipping address (shipping_address_collection).")
  }
  const { allowed_countries: countries } = shipping_address_collection
  const { name = form.name ?? "Test Buyer", address, phone = null } = form.shipping ?? {}
  const given = { ...NO_ADDRESS, line1: "1 Test Street", country: countries[0] ?? null, ...address }
  if (!countries.includes(String(given.country))) {
    throw refused(`The checkout page ships to ${countries.join(", ")}, not to ${given.country}.`)
  }
  return { name, address: given, phone }
}
