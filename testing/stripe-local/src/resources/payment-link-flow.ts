import type Stripe from "stripe"
import type { Account } from "../account.js"
import { refused } from "../errors.js"
import { copyLine } from "./checkout-lines.js"
import { openSession, type SessionParams } from "./checkout-sessions.js"

type PaymentLink = Stripe.PaymentLink
type Session = Stripe.Checkout.Session

/**
 * A buyer opens a payment link: each time a new checkout session, with the link's metadata. Stripe drops a
 * `client_reference_id` that is not valid without a word.
 */
export function openLink(account: Account, link: PaymentLink, query: URLSearchParams): Session {
  if (!link.active) throw refused(link.inactive_message ?? "This payment link has been deactivated.")
  const reference = query.get("client_reference_id") ?? ""
  const lines = account.store.link_lines.need(link.id).items.map((line) => copyLine(account, line))
  const session = openSession(
    account,
    {
      ...pageOf(link),
      client_reference_id: /^[\w-]{1,200}$/.test(reference) ? reference : null,
      success_url: link.after_completion.redirect?.url ?? "https://stripe.com",
      cancel_url: "https://stripe.com",
    },
    lines,
  )
  session.payment_link = link.id
  return session
}

function pageOf(link: PaymentLink): SessionParams {
  return {
    allow_promotion_codes: link.allow_promotion_codes,
    automatic_tax: { enabled: link.automatic_tax.enabled, liability: undefined },
    billing_address_collection: link.billing_address_collection as "auto" | "required",
    customer_creation: link.customer_creation as "always" | "if_required",
    metadata: link.metadata,
    payment_intent_data: link.payment_intent_data as SessionParams["payment_intent_data"],
    payment_method_types: link.payment_method_types?.map(String),
    phone_number_collection: link.phone_number_collection,
    shipping_address_collection: link.shipping_address_collection,
    shipping_options: link.shipping_options.map(({ shipping_rate }) => ({
      shipping_rate: String(shipping_rate),
      shipping_rate_data: undefined,
    })),
    submit_type: link.submit_type,
  }
}

/** A link whose limit of completed sessions is reached deactivates itself. */
export function countCompletion(account: Account, session: Session): void {
  const link = account.store.payment_links.get(String(session.payment_link))
  const completed = link?.restrictions?.completed_sessions
  if (!link || !completed) return
  completed.count++
  if (completed.count >= completed.limit) link.active = false
  account.emit("payment_link.updated", link)
}

/** Refuses an open session of a link whose limit others have reached. */
export function refuseBeyondLimit(account: Account, session: Session): void {
  const link = account.store.payment_links.get(String(session.payment_link))
  const completed = link?.restrictions?.completed_sessions
  if (completed && completed.count >= completed.limit) {
    throw refused("This payment link has been paid as often as it may be.")
  }
}
