import type Stripe from "stripe"
import type { Account } from "../account.js"
import { refused } from "../errors.js"
import { cancel } from "./captures.js"

type Session = Stripe.Checkout.Session

/** Ends an open session, by the shop or by time. What a declined attempt has left behind is cancelled with it. */
export function expireSession(account: Account, session: Session): void {
  if (session.status !== "open") {
    throw refused(
      `Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of ${session.status}.`,
    )
  }
  session.status = "expired"
  session.url = null
  const intent = account.store.payment_intents.get(String(session.payment_intent))
  // Stripe doesn't publish the reason that such a payment intent gets.
  if (intent?.status === "requires_payment_method") cancel(account, intent, null)
  account.emit("checkout.session.expired", session)
}

/** Expires what is due, and tells whether anything was. Costs nothing until the first open session may be due. */
export function expireDueSessions(account: Account): boolean {
  const now = account.now()
  if (now < account.nextExpiry) return false
  account.nextExpiry = Number.POSITIVE_INFINITY
  let expired = false
  for (const session of account.store.checkout_sessions) {
    if (session.status !== "open") continue
    if (session.expires_at > now) {
      account.nextExpiry = Math.min(account.nextExpiry, session.expires_at)
    } else {
      expireSession(account, session)
      expired = true
    }
  }
  return expired
}
