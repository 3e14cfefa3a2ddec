import type { Account } from "../account.js"
import type { Api } from "../api.js"
import { created, page, paging } from "../pages.js"
import { nested, oneOf, required, text } from "../params.js"

/** By which a shop learns whether a payment intent is that of an invoice. */
export function invoicePayments(api: Api, account: Account): void {
  const { invoice_payments } = account.store

  api.get("/v1/invoice_payments/:id", {}, (_, id) => invoice_payments.need(id))

  const payment = nested({ type: required(oneOf("payment_intent")), payment_intent: text })
  const query = { ...paging, created, invoice: text, payment, status: text }
  api.get("/v1/invoice_payments", query, ({ invoice, payment, status, ...query }) =>
    page(
      invoice_payments,
      "/v1/invoice_payments",
      query,
      (of) =>
        query.created(of.created) &&
        (!invoice || of.invoice === invoice) &&
        (!payment?.payment_intent || of.payment.payment_intent === payment.payment_intent) &&
        (!status || of.status === status),
    ),
  )
}
