import type Stripe from "stripe"
import type { Account } from "../account.js"
import { newId } from "../ids.js"
import type { SessionLines } from "../store.js"
import { discountOn, spread, type Tax, type Totals, totals } from "./checkout-totals.js"
import { createTaxRate } from "./tax-rates.js"

type Session = Stripe.Checkout.Session
type TaxRate = Stripe.TaxRate

/** What Stripe Tax finds for the buyer's address, in percent; prices say whether it is in them. */
export type AutomaticTax = number

export function linesOf(account: Account, session: Session): SessionLines {
  return account.store.session_lines.need(session.id)
}

/** A coupon, perhaps by a promotion code, on a checkout session. */
export function discountOf(
  account: Account,
  session: Session,
  given: { coupon: string; promotion_code: string | null },
): Stripe.Discount {
  return {
    id: newId("di"),
    object: "discount",
    checkout_session: session.id,
    customer: session.customer,
    customer_account: null,
    end: null,
    invoice: null,
    invoice_item: null,
    promotion_code: given.promotion_code,
    source: { coupon: given.coupon, type: "coupon" },
    start: account.now(),
    subscription: null,
    subscription_item: null,
  }
}

/**
 * Computes all sums of a session and its lines. A discount doesn't touch shipping. How Stripe rounds a discount over
 * several lines is not published; here the lines' parts add up to it.
 */
export function reckon(account: Account, session: Session, automatic?: AutomaticTax): void {
  const lines = linesOf(account, session)
  const rates = new Rates(account, automatic)
  const subtotals = lines.items.map(({ price, quantity }) => (price?.unit_amount ?? 0) * (quantity ?? 0))
  const subtotal = sum(subtotals)
  const coupon = account.store.coupons.get(String(lines.discount?.source.coupon))
  const discounts = spread(coupon ? discountOn(subtotal, coupon) : 0, subtotals)
  const reckoned = lines.items.map((item, at) => {
    const result = totals(subtotals[at] ?? 0, discounts[at] ?? 0, rates.of(item))
    setLine(account, item, result, lines.discount)
    return result
  })
  const shipping = reckonShipping(account, session, lines, rates)
  const all = [...reckoned, shipping]
  session.amount_subtotal = subtotal
  session.amount_total = sum(all.map(({ total }) => total))
  session.total_details = {
    amount_discount: sum(discounts),
    amount_shipping: session.shipping_cost?.amount_subtotal ?? 0,
    amount_tax: sum(all.map(({ tax }) => tax)),
  }
  lines.breakdown = {
    discounts: lines.discount ? [{ amount: sum(discounts), discount: lines.discount }] : [],
    taxes: byRate(all.flatMap(({ taxes }) => taxes)).map(published),
  }
}

function setLine(
  account: Account,
  item: Stripe.LineItem,
  { discount, tax, taxes, total }: Totals<TaxRate>,
  applied: Stripe.Discount | null | undefined,
): void {
  item.amount_subtotal = (item.price?.unit_amount ?? 0) * (item.quantity ?? 0)
  Object.assign(item, { amount_discount: discount, amount_tax: tax, amount_total: total })
  const details = account.store.line_details.get(item.id)
  if (!details) return
  details.taxes = taxes.map(published)
  details.discounts = applied ? [{ amount: discount, discount: applied }] : []
}

/** Only Stripe Tax taxes shipping; the rates that a shop sets are its lines'. */
function reckonShipping(
  account: Account,
  session: Session,
  lines: SessionLines,
  rates: Rates,
): Totals<TaxRate> {
  const cost = session.shipping_cost
  const option = session.shipping_options.find(({ shipping_rate }) => shipping_rate === cost?.shipping_rate)
  const rate = account.store.shipping_rates.get(String(cost?.shipping_rate))
  const result = totals(option?.shipping_amount ?? 0, 0, rates.automatic(rate?.tax_behavior))
  lines.shipping_taxes = result.taxes.map(published)
  if (cost && option) {
    cost.amount_subtotal = option.shipping_amount
    Object.assign(cost, { amount_tax: result.tax, amount_total: result.total })
  }
  return result
}

/** The tax rates of lines and of shipping; those of Stripe Tax are made when they are first needed. */
class Rates {
  readonly #made = new Map<boolean, TaxRate>()

  constructor(
    readonly account: Account,
    readonly percentage: AutomaticTax | undefined,
  ) {}

  of({ id, price }: Stripe.LineItem): TaxRate[] {
    const { line_details, tax_rates } = this.account.store
    const set = line_details.get(id)?.tax_rates ?? []
    return [...set.map((rate) => tax_rates.need(rate)), ...this.automatic(price?.tax_behavior)]
  }

  automatic(behavior: Stripe.Price.TaxBehavior | null | undefined): TaxRate[] {
    const { account, percentage } = this
    if (!percentage) return []
    const inclusive = behavior === "inclusive"
    const rate =
      this.#made.get(inclusive) ?? createTaxRate(account, { display_name: "Tax", inclusive, percentage })
    this.#made.set(inclusive, rate)
    return [rate]
  }
}

function byRate(taxes: Tax<TaxRate>[]): Tax<TaxRate>[] {
  const merged = new Map<string, Tax<TaxRate>>()
  for (const tax of taxes) {
    const { amount = 0, taxable_amount = 0 } = merged.get(tax.rate.id) ?? {}
    merged.set(tax.rate.id, {
      rate: tax.rate,
      amount: amount + tax.amount,
      taxable_amount: taxable_amount + tax.taxable_amount,
    })
  }
  return [...merged.values()]
}

function published({ amount, rate, taxable_amount }: Tax<TaxRate>): Stripe.LineItem.Tax {
  return { amount, rate, taxability_reason: null, taxable_amount }
}

function sum(amounts: number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0)
}
