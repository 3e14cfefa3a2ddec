import { completeCart } from "../medusa/complete-cart"
import { type Line, type Outcome, outcomeOf } from "../payments/payments"
import type { ClaimedPayment } from "../payments/queue"
import { OUT_OF_STOCK } from "../payments/reasons"
import type { CarryOut } from "./context"

/**
 * Medusa's own cart completion makes the order, for carts in whose completion the store's hooks have a say. The order is
 * found when the payment is decided about again, and everything after it is as for an order of ours.
 */
export async function completeInMedusa(
  { container, plugin }: CarryOut,
  payment: ClaimedPayment,
): Promise<Outcome> {
  const { cart_id } = payment
  const completion = await completeCart(container, cart_id ?? "")
  const line = (text: string): Line => ({ kind: "decision", text, data: { cart_id } })
  if (completion.kind === "completed") {
    return outcomeOf(payment, "pending", line("Medusa completed the cart"))
  }
  if (completion.kind === "sold out") {
    const reason = `${OUT_OF_STOCK}${completion.reason}`
    // Medusa completes a cart whole or not at all.
    const { whenOutOfStock } = plugin.options
    const to = whenOutOfStock === "refund" || whenOutOfStock === "partial" ? "refunding" : "review"
    return outcomeOf(payment, to, line(`Sold out: ${reason}`), { reason })
  }
  const reason = `cart ${cart_id} is paid, but its completion was refused: ${completion.reason}`
  return outcomeOf(payment, "review", line(reason), { reason })
}
