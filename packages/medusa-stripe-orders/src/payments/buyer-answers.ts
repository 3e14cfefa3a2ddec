import type { PaymentRow } from "./payments"
import { isSoldOut } from "./reasons"
import { PAYMENT_STATES, type PaymentState } from "./states"

/**
 * What a buyer is told of a payment: one answer for each state. No reason of ours is in it, for reasons name other people's
 * orders, prices and errors.
 */

/** `settling` is the one that a buyer's page waits for the end of. */
export type BuyerStatus = "settling" | "ordered" | "sold_out" | "review" | "refunded" | "void"

/** What the answer depends on. */
export type BuyersRow = Pick<PaymentRow, "status" | "reason" | "order_id" | "order_amount">

export interface BuyerAnswer {
  status: BuyerStatus
  message: string
}

type Answer = (row: BuyersRow) => BuyerAnswer

const settling = (message: string) => always("settling", message)
const ordered: Answer = ({ order_amount }) => ({
  status: "ordered",
  message:
    order_amount === null
      ? "Your order is placed."
      : "Your order is placed, of what was in stock. You get back the money for the rest.",
})
const givenBack =
  (message: string): Answer =>
  ({ reason, order_id }) =>
    isSoldOut(reason)
      ? { status: "sold_out", message: `What you chose is sold out. ${message}` }
      : {
          status: "refunded",
          message: `${order_id ? "The order was canceled." : "The order could not be placed."} ${message}`,
        }
const review = always(
  "review",
  "We have your payment, and are checking the order. You don't have to do anything: the shop will contact you.",
)

/** A state without an answer is an error of the types. */
const ANSWERS: Readonly<Record<PaymentState, Answer>> = {
  pending: settling("Your order is being placed."),
  lookup: settling("Your order is being placed."),
  completing: settling("Your order is being placed."),
  awaiting_payment: settling("The payment has not arrived yet. The order is placed when it does."),
  ordered,
  awaiting_capture: ordered,
  completed: ordered,
  money_moved: ordered,
  refunding_rest: ordered,
  disputed: ordered,
  refunding: givenBack("Your money is on its way back to you."),
  refunded: givenBack("You were refunded."),
  canceled: givenBack("You were not charged: the amount is no longer held."),
  void: always("void", "The payment was canceled, and nothing was ordered."),
  ignored: always("void", "The payment is not for an order of this shop."),
  review,
  dismissed: (row) =>
    row.order_id
      ? ordered(row)
      : { status: "review", message: "The shop has looked at your payment. Please ask the shop about it." },
}

export function answerFor(row: BuyersRow): BuyerAnswer {
  // While a later version is rolled out, its processes may write states that this one doesn't know.
  const answer: Answer = ANSWERS[row.status] ?? ANSWERS.pending
  return answer(row)
}

/** The states in which nothing has become of the payment yet. */
export const SETTLING: readonly PaymentState[] = PAYMENT_STATES.filter(
  (status) => answerFor({ status, reason: null, order_id: null, order_amount: null }).status === "settling",
)

function always(status: BuyerStatus, message: string): Answer {
  return () => ({ status, message })
}
