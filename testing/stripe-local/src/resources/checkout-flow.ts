import type Stripe from "stripe"
import type { Account } from "../account.js"
import type { Answers } from "../checkout-form.js"
import { refused } from "../errors.js"
import { assignGiven } from "../params.js"
import { type AutomaticTax, linesOf, reckon } from "./checkout-amounts.js"
import { adjustQuantity } from "./checkout-lines.js"
import { chooseShipping, redeemLater } from "./checkout-sessions.js"
import { createCustomer, needCustomer } from "./customers.js"
import { authenticate, confirm } from "./payment-flow.js"
import { createIntent } from "./payment-intents.js"
import { countCompletion } from "./payment-link-flow.js"
import { usePaymentMethod } from "./payment-methods.js"
import { activeCode } from "./promotion-codes.js"

type Session = Stripe.Checkout.Session

/** What the buyer chooses on the page: how many, by which code and which way of shipping. */
export interface Choices {
  quantities?: Record<string, number>
  promotionCode?: string
  shippingOption?: string
  automaticTax?: AutomaticTax
}

export function choose(account: Account, session: Session, choices: Choices): void {
  for (const [line, quantity] of Object.entries(choices.quantities ?? {})) {
    const { items } = linesOf(account, session)
    adjustQuantity(items, lineNamed(items, line), quantity)
  }
  if (choices.shippingOption) chooseShipping(session, optionNamed(account, session, choices.shippingOption))
  const tax = session.automatic_tax.enabled ? choices.automaticTax : undefined
  if (session.automatic_tax.enabled) session.automatic_tax.status = "complete"
  reckon(account, session, tax)
  if (!choices.promotionCode) return
  enterCode(account, session, choices.promotionCode)
  reckon(account, session, tax)
}

function lineNamed(items: Stripe.LineItem[], name: string): Stripe.LineItem {
  const line = items.find(({ id, description, price }) => [id, description, price?.id].includes(name))
  if (!line) throw refused(`The checkout page has no line "${name}".`)
  return line
}

function optionNamed(
  account: Account,
  session: Session,
  name: string,
): Stripe.Checkout.Session.ShippingOption {
  const option = session.shipping_options.find(({ shipping_rate }) => {
    const rate = account.store.shipping_rates.get(String(shipping_rate))
    return rate?.id === name || rate?.display_name === name
  })
  if (!option) throw refused(`The checkout page has no shipping option "${name}".`)
  return option
}

function enterCode(account: Account, session: Session, typed: string): void {
  if (!session.allow_promotion_codes) throw refused("The checkout page takes no promotion codes.")
  const code = activeCode(account, typed)
  if (!code) throw refused(`The promotion code "${typed}" is invalid.`)
  redeemLater(account, session, code)
}

/** Writes down what the buyer has told of itself, and makes or updates the customer. */
export function identify(account: Account, session: Session, answers: Answers): void {
  const { address, email, name, phone, shipping } = answers
  session.customer_details = {
    address,
    business_name: null,
    email,
    individual_name: null,
    name,
    phone,
    tax_exempt: "none",
    tax_ids: [],
  }
  if (shipping) {
    const shipping_details = { name: shipping.name, address: shipping.address }
    session.collected_information = { business_name: null, individual_name: null, shipping_details }
  }
  if (session.customer) updateCustomer(account, session, answers)
  else if (session.customer_creation === "always") {
    const recipient = shipping && { ...shipping, carrier: undefined, tracking_number: undefined }
    session.customer = createCustomer(account, { address, email, name, phone, shipping: recipient }).id
  }
}

function updateCustomer(account: Account, session: Session, answers: Answers): void {
  const customer = needCustomer(account, String(session.customer))
  const { address, name, shipping } = linesOf(account, session).update ?? {}
  const changes = {
    ...(!customer.email && { email: answers.email }),
    ...(address === "auto" && { address: answers.address }),
    ...(name === "auto" && { name: answers.name }),
    ...(shipping === "auto" && { shipping: answers.shipping }),
  }
  if (Object.keys(changes).length === 0) return
  assignGiven(customer, changes)
  account.emit("customer.updated", customer)
}

/** Pays, unless there is nothing to pay: an order without cost has no payment intent. */
export function complete(account: Account, session: Session, answers: Answers): void {
  const status = session.amount_total === 0 ? "no_payment_required" : pay(account, session, answers)
  session.payment_status = status
  session.status = "complete"
  session.url = null
  redeem(account, session)
  account.emit("checkout.session.completed", session)
  countCompletion(account, session)
}

function pay(account: Account, session: Session, answers: Answers): "paid" | "unpaid" {
  const method = usePaymentMethod(account, answers.paymentMethod)
  const { address, email, name, phone, shipping } = answers
  Object.assign(method.billing_details, { address, email, name, phone })
  const intent = intentOf(account, session, method)
  if (shipping) intent.shipping = { ...shipping, carrier: null, tracking_number: null }
  confirm(account, intent, method)
  if (intent.next_action?.type === "redirect_to_url") authenticate(account, intent, true)
  return intent.status === "succeeded" ? "paid" : "unpaid"
}

/** Made by the first attempt to pay, as Stripe does, and kept over declined ones. */
function intentOf(account: Account, session: Session, method: Stripe.PaymentMethod): Stripe.PaymentIntent {
  const { payment_intents } = account.store
  const { payment } = linesOf(account, session)
  const given = payment.payment_method_types ?? payment.allowed_payment_method_types
  const amount = session.amount_total ?? 0
  const amount_details = amountDetails(session)
  // Without a list of the shop's, Checkout offers what the Dashboard allows, and the intent has the one that was chosen.
  const payment_method_types = given ?? [method.type]
  const known = payment_intents.get(String(session.payment_intent))
  if (known) return Object.assign(known, { amount, amount_details, payment_method_types })
  const intent = createIntent(account, {
    ...payment,
    amount,
    amount_details,
    currency: String(session.currency),
    customer: session.customer as string | null,
    payment_details: { customer_reference: null, order_reference: session.id },
    payment_method_types,
  })
  session.payment_intent = intent.id
  return intent
}

/** As in recorded payment intents of Checkout from 2026 on, which all have no postal codes. */
function amountDetails({ total_details }: Session): Stripe.PaymentIntent["amount_details"] {
  const { amount_shipping, amount_tax } = total_details as Stripe.Checkout.Session.TotalDetails
  return {
    shipping: { amount: amount_shipping ?? 0, from_postal_code: null, to_postal_code: null },
    tax: { total_tax_amount: amount_tax },
    tip: {},
  }
}

function redeem(account: Account, session: Session): void {
  const { discount } = linesOf(account, session)
  const coupon = account.store.coupons.get(String(discount?.source.coupon))
  const code = account.store.promotion_codes.get(String(discount?.promotion_code))
  if (coupon) coupon.times_redeemed++
  if (code) code.times_redeemed++
}
