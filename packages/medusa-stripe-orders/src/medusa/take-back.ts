import type { MedusaContainer } from "@medusajs/framework/types"
import { cancelOrderWorkflow } from "@medusajs/medusa/core-flows"
import { databaseOf } from "../plugin"

/** Cancels an order as the admin does, with its reservations. One that is fulfilled, or canceled already, stays as it is. */
export async function cancelOrder(container: MedusaContainer, order_id: string | null): Promise<boolean> {
  const { rows } = await databaseOf(container).raw(
    `SELECT 1 FROM "order" WHERE id = :order_id AND canceled_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM order_fulfillment JOIN fulfillment ON fulfillment.id = order_fulfillment.fulfillment_id
                         WHERE order_fulfillment.order_id = :order_id AND order_fulfillment.deleted_at IS NULL
                           AND fulfillment.canceled_at IS NULL)`,
    { order_id },
  )
  if (rows.length > 0) {
    await cancelOrderWorkflow(container).run({ input: { order_id: order_id ?? "" } })
  }
  return rows.length > 0
}
