import type { Account } from "../account.js"
import type { Api } from "../api.js"
import type { Includable } from "../expand.js"
import { page } from "../pages.js"
import { charges } from "./charges.js"
import { lineItems } from "./checkout-lines.js"
import { checkoutSessions } from "./checkout-sessions.js"
import { applicationFees, transfers } from "./connect.js"
import { connectedAccounts } from "./connected-accounts.js"
import { coupons } from "./coupons.js"
import { customers } from "./customers.js"
import { disputes } from "./disputes.js"
import { events } from "./events.js"
import { invoicePayments } from "./invoice-payments.js"
import { paymentIntents } from "./payment-intents.js"
import { paymentLinks } from "./payment-links.js"
import { paymentMethods } from "./payment-methods.js"
import { prices } from "./prices.js"
import { products } from "./products.js"
import { promotionCodes } from "./promotion-codes.js"
import { refunds } from "./refunds.js"
import { setupIntents } from "./setup-intents.js"
import { shippingRates } from "./shipping-rates.js"
import { taxRates } from "./tax-rates.js"
import { thinEvents } from "./thin-events.js"
import { webhookEndpoints } from "./webhook-endpoints.js"

/** Registers every endpoint of local Stripe. */
export function serveAll(api: Api, account: Account): void {
  paymentIntents(api, account)
  charges(api, account)
  refunds(api, account)
  disputes(api, account)
  checkoutSessions(api, account)
  connectedAccounts(api, account)
  transfers(api, account)
  applicationFees(api, account)
  products(api, account)
  prices(api, account)
  coupons(api, account)
  promotionCodes(api, account)
  taxRates(api, account)
  shippingRates(api, account)
  paymentLinks(api, account)
  customers(api, account)
  paymentMethods(api, account)
  setupIntents(api, account)
  invoicePayments(api, account)
  events(api, account)
  thinEvents(api, account)
  webhookEndpoints(api, account)
}

const FIRST = { limit: 10, starting_after: undefined, ending_before: undefined }

/** What `expand` can ask for beyond the objects of ids. */
export function includables(account: Account): Includable {
  const { line_details, link_lines, session_lines } = account.store
  return (node, property, owner) => {
    const { object, id } = node
    const lines = session_lines.get(String(owner.id))
    if (object === "checkout.session" && property === "line_items") {
      return lineItems(account, lines?.items ?? [], `/v1/checkout/sessions/${id}/line_items`, FIRST)
    }
    if (object === "payment_link" && property === "line_items") {
      const { items } = link_lines.need(String(id))
      return lineItems(account, items, `/v1/payment_links/${id}/line_items`, FIRST)
    }
    if (node === owner.total_details && property === "breakdown") return lines?.breakdown
    if (node === owner.shipping_cost && property === "taxes") return lines?.shipping_taxes
    if (object === "item" && (property === "taxes" || property === "discounts")) {
      return line_details.get(String(id))?.[property] ?? []
    }
    if (object === "charge" && property === "refunds") {
      const url = `/v1/charges/${id}/refunds`
      return page(account.store.refunds, url, FIRST, ({ charge }) => charge === id)
    }
    // Absent from a charge that has not been passed on, and yet no mistake to ask for.
    if (object === "charge" && property === "transfer") return null
    return undefined
  }
}
