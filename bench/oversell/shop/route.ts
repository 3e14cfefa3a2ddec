import type { MedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import type { CreateOrderDTO } from "@medusajs/framework/types"
import type Stripe from "stripe"
import { createOrderNaively } from "./create-order-naively"

/** Which lock is taken is said in the webhook's address. A failure is a 500, and Stripe tries again. */
export async function POST(request: MedusaRequest, response: MedusaResponse): Promise<void> {
  const intent = (request.body as Stripe.Event).data.object as Stripe.PaymentIntent
  const { lock } = request.query as { lock: string }
  const { lock_cart = "", inventory_item_id = "", location_id = "", order = "{}" } = intent.metadata
  const keys: Record<string, string[]> = {
    payment: [intent.id],
    cart: [lock_cart],
    both: [intent.id, lock_cart],
    item: [inventory_item_id],
  }
  try {
    await createOrderNaively(request.scope).run({
      input: {
        payment_intent_id: intent.id,
        lock_keys: keys[lock] ?? [],
        ...{ inventory_item_id, location_id, quantity: 1 },
        order: {
          ...(JSON.parse(order) as CreateOrderDTO),
          metadata: { payment_intent_id: intent.id },
        },
      },
    })
    response.sendStatus(200)
  } catch (error) {
    response.status(500).send((error as Error).message)
  }
}
