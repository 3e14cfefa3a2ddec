import type { IInventoryService, ILockingModule, MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"
import { cancelOrderWorkflow } from "@medusajs/medusa/core-flows"
import { unique } from "../order-draft/shop"
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

/**
 * Deletes the reservations that a canceled order still has. When two cancellations run at once, one fails, and its compensation
 * in Medusa restores every reservation that the order's lines ever had.
 */
export async function releaseCanceled(container: MedusaContainer, order_id: string | null): Promise<void> {
  const { rows } = await databaseOf(container).raw(
    `SELECT DISTINCT reservation.line_item_id, reservation.inventory_item_id FROM "order"
       JOIN order_item ON order_item.order_id = "order".id
       JOIN reservation_item AS reservation ON reservation.line_item_id = order_item.item_id AND reservation.deleted_at IS NULL
      WHERE "order".id = ? AND "order".canceled_at IS NOT NULL`,
    [order_id],
  )
  if (rows.length > 0) {
    const reserved = rows as { line_item_id: string; inventory_item_id: string }[]
    const lines = unique(reserved.map(({ line_item_id }) => line_item_id))
    const items = unique(reserved.map(({ inventory_item_id }) => inventory_item_id))
    const inventory: IInventoryService = container.resolve(Modules.INVENTORY)
    const locking: ILockingModule = container.resolve(Modules.LOCKING)
    await locking.execute(items.sort(), () => inventory.deleteReservationItemsByLineItem(lines), {
      timeout: 10,
    })
  }
}
