import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { refused } from "../errors.js"
import { created, page, paging } from "../pages.js"
import {
  anything,
  boolean,
  integer,
  list,
  mergeMetadata,
  metadata,
  nested,
  oneOf,
  type Params,
  required,
  text,
} from "../params.js"
import { discountOf, linesOf, reckon } from "./checkout-amounts.js"
import { draftSession } from "./checkout-draft.js"
import { expireDueSessions, expireSession } from "./checkout-expiry.js"
import { createLines, lineItem, lineItems } from "./checkout-lines.js"
import { checkCoupon } from "./coupons.js"
import { needCustomer } from "./customers.js"
import { paymentIntentData } from "./intent-details.js"
import { checkPromotionCode } from "./promotion-codes.js"
import { shippingOption, shippingOptions } from "./shipping-rates.js"

type Session = Stripe.Checkout.Session

/** What a checkout session and a payment link have in common. */
export const pageOptions = {
  allow_promotion_codes: boolean,
  automatic_tax: nested({ enabled: required(boolean), liability: anything }),
  billing_address_collection: oneOf("auto", "required"),
  customer_creation: oneOf("always", "if_required"),
  metadata,
  payment_method_types: list(text),
  phone_number_collection: nested({ enabled: required(boolean) }),
  shipping_address_collection: nested({ allowed_countries: required(list(text)) }),
  shipping_options: list(shippingOption),
  submit_type: text,
}

const update = oneOf("auto", "never")

const settings = {
  ...pageOptions,
  allowed_payment_method_types: list(text),
  cancel_url: text,
  client_reference_id: text,
  customer: text,
  customer_email: text,
  customer_update: nested({ address: update, name: update, shipping: update }),
  discounts: list(nested({ coupon: text, promotion_code: text })),
  expires_at: integer,
  locale: text,
  payment_intent_data: paymentIntentData,
  payment_method_options: anything,
  return_url: text,
  success_url: text,
  ui_mode: text,
}

export type SessionParams = Partial<Params<typeof settings>>

/** Opens a checkout page for lines that are made for it. */
export function openSession(account: Account, params: SessionParams, items: Stripe.LineItem[]): Session {
  refuseContradictions(account, params)
  const currency = String(items[0]?.currency)
  const session = draftSession(account, params, currency)
  session.shipping_options = shippingOptions(account, params.shipping_options ?? [], currency)
  chooseShipping(session, session.shipping_options[0])
  const { allowed_payment_method_types, payment_method_types } = params
  const payment = { ...params.payment_intent_data, allowed_payment_method_types, payment_method_types }
  account.store.session_lines.add({ id: session.id, items, payment, update: params.customer_update })
  reckon(account, session)
  applyDiscount(account, session, params.discounts ?? [])
  account.nextExpiry = Math.min(account.nextExpiry, session.expires_at)
  return account.store.checkout_sessions.add(session)
}

const HALF_AN_HOUR = 30 * 60
const DAY = 24 * 60 * 60

function refuseContradictions(account: Account, params: SessionParams): void {
  refuseBoth(params, "customer", "customer_email")
  refuseBoth(params, "customer", "customer_creation")
  refuseBoth(params, "allow_promotion_codes", "discounts")
  if (params.customer) needCustomer(account, params.customer, "customer", 400)
  const lasts = (params.expires_at ?? account.now() + DAY) - account.now()
  if (lasts > DAY || lasts < HALF_AN_HOUR) {
    throw refused(
      `The \`expires_at\` timestamp must be ${lasts > DAY ? "less than 24 hours" : "at least 30 minutes"} from Checkout Session creation.`,
      { param: "expires_at" },
    )
  }
}

function refuseBoth(params: SessionParams, one: keyof SessionParams, other: keyof SessionParams): void {
  if (params[one] === undefined || params[other] === undefined) return
  throw refused(`You may only specify one of these parameters: ${one}, ${other}.`)
}

export function chooseShipping(
  session: Session,
  option: Stripe.Checkout.Session.ShippingOption | undefined,
): void {
  if (!option) return
  const { shipping_amount: amount, shipping_rate } = option
  session.shipping_cost = { amount_subtotal: amount, amount_tax: 0, amount_total: amount, shipping_rate }
}

type GivenDiscount = NonNullable<SessionParams["discounts"]>[number]

/** Takes off the shop's coupon or promotion code; a session has one at most. */
function applyDiscount(account: Account, session: Session, [given, ...more]: GivenDiscount[]): void {
  if (!given) return
  if (more.length > 0) throw refused("You may only specify up to 1 discount.", { param: "discounts" })
  const { coupon, promotion_code } = given
  if (Boolean(coupon) === Boolean(promotion_code)) {
    throw refused("You must specify either a coupon or a promotion code.", { param: "discounts[0]" })
  }
  if (promotion_code) {
    const code = account.store.promotion_codes.need(promotion_code, "discounts[0][promotion_code]", 400)
    redeemLater(account, session, code)
    return
  }
  const known = account.store.coupons.need(String(coupon), "discounts[0][coupon]", 400)
  checkCoupon(account, known, String(session.currency))
  linesOf(account, session).discount = discountOf(account, session, {
    coupon: known.id,
    promotion_code: null,
  })
  session.discounts = [{ coupon: known.id, promotion_code: null }]
  reckon(account, session)
}

/** Takes off what a promotion code gives; it is redeemed once the session is complete. */
export function redeemLater(account: Account, session: Session, code: Stripe.PromotionCode): void {
  const { amount_subtotal, currency, customer } = session
  checkPromotionCode(account, code, {
    amount: amount_subtotal ?? 0,
    currency: String(currency),
    customer: customer && String(customer),
  })
  const given = { coupon: String(code.promotion.coupon), promotion_code: code.id }
  linesOf(account, session).discount = discountOf(account, session, given)
  session.discounts = [{ coupon: null, promotion_code: code.id }]
  reckon(account, session)
}

const creation = {
  ...settings,
  line_items: required(list(lineItem)),
  mode: required(oneOf("payment")),
}

export function checkoutSessions(api: Api, account: Account): void {
  const { checkout_sessions } = account.store

  const find = (id: string) => {
    expireDueSessions(account)
    return checkout_sessions.need(id, "session")
  }

  api.post("/v1/checkout/sessions", creation, ({ line_items, mode: _, ...params }) => {
    const withRates = line_items.some(({ tax_rates }) => tax_rates?.length)
    if (params.automatic_tax?.enabled && withRates) {
      throw refused("You cannot specify tax rates when automatic tax is enabled.", { param: "automatic_tax" })
    }
    return openSession(account, params, createLines(account, line_items))
  })

  api.get("/v1/checkout/sessions/:id", {}, (_, id) => find(id))

  api.post("/v1/checkout/sessions/:id", { metadata }, (changes, id) => {
    const session = find(id)
    session.metadata = mergeMetadata(session.metadata ?? {}, changes.metadata)
    return session
  })

  const query = {
    ...paging,
    created,
    customer: text,
    customer_details: nested({ email: required(text) }),
    payment_intent: text,
    payment_link: text,
    status: oneOf("complete", "expired", "open"),
  }
  api.get("/v1/checkout/sessions", query, (query) => {
    expireDueSessions(account)
    const { customer, customer_details, payment_intent, payment_link, status } = query
    return page(
      checkout_sessions,
      "/v1/checkout/sessions",
      query,
      (session) =>
        query.created(session.created) &&
        (!customer || session.customer === customer) &&
        (!customer_details || session.customer_details?.email === customer_details.email) &&
        (!payment_intent || session.payment_intent === payment_intent) &&
        (!payment_link || session.payment_link === payment_link) &&
        (!status || session.status === status),
    )
  })

  api.get("/v1/checkout/sessions/:id/line_items", paging, (query, id) =>
    lineItems(account, linesOf(account, find(id)).items, `/v1/checkout/sessions/${id}/line_items`, query),
  )

  api.post("/v1/checkout/sessions/:id/expire", {}, (_, id) => {
    const session = find(id)
    expireSession(account, session)
    return session
  })
}
