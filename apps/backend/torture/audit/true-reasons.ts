import type { Books } from "./rules.ts"
import type { PaymentRow, StripePayment } from "./snapshot.ts"

const OPEN = ["needs_response", "under_review", "warning_needs_response", "warning_under_review"]

interface Reason {
  says: RegExp
  isTrue(payment: StripePayment, row: PaymentRow, books: Books): boolean
}

/** What the plugin may tell a person, each with the evidence for it. Any other reason is not true. */
const REASONS: readonly Reason[] = [
  { says: /^the buyer disputes /, isTrue: ({ disputes }) => disputes.some((state) => OPEN.includes(state)) },
  { says: /^the dispute .* is lost/, isTrue: ({ disputes }) => disputes.includes("lost") },
  {
    says: /^out of stock: /,
    isTrue: ({ outOfStock }, { id }, books) => outOfStock === "review" && books.ordersOf(id).length === 0,
  },
  { says: /but Stripe captured .* of /, isTrue: ({ captured, amount }) => captured < amount },
  { says: /its payment can't be captured/, isTrue: ({ status }) => status === "canceled" },
  { says: /was canceled in Medusa/, isTrue: (_, { id }, books) => isCanceled(id, books) },
  {
    says: /became order \S+ with another payment/,
    isTrue: (_, { reason }, books) => {
      const [, cart, order] = /cart (\S+) became order (\S+) with/.exec(reason ?? "") ?? []
      return books.carts().some(([id, orders]) => id === cart && orders.some((one) => one.id === order))
    },
  },
]

function isCanceled(id: string, books: Books): boolean {
  return books.ordersOf(id).some(({ canceled }) => canceled)
}

export function isTrue(row: PaymentRow, books: Books): boolean {
  const payment = books.payment(row.id)
  const reason = REASONS.find(({ says }) => says.test(row.reason ?? ""))
  return Boolean(payment && reason?.isTrue(payment, row, books))
}
