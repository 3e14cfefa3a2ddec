import type { MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys, Modules } from "@medusajs/framework/utils"
import type { OrderContent } from "../content/content"
import type { RecordedPayment } from "./record-payments"
import type { LinkModuleInternals, SharedTransaction } from "./shared-transaction"

/** Ties the orders to their carts, payments and promotions, and marks the carts as completed. */
export async function linkOrders(
  container: MedusaContainer,
  transaction: SharedTransaction,
  contents: OrderContent[],
  payments: Map<string, RecordedPayment>,
): Promise<void> {
  const link = container.resolve(ContainerRegistrationKeys.LINK)
  const create = async (other: string, key: string, rows: Record<string, string>[]) => {
    const module = link.getLinkModule(Modules.ORDER, "order_id", other, key)
    if (rows.length > 0) {
      await (module as unknown as LinkModuleInternals).linkService_.create(rows, transaction.join(module))
    }
  }
  const collections = contents.flatMap(({ order, payment }) => {
    const payment_collection_id = payments.get(payment.id)?.payment_collection_id
    return payment_collection_id ? [{ order_id: order.id, payment_collection_id }] : []
  })
  const carts = contents.flatMap(({ order, cart_id }) => (cart_id ? [{ order_id: order.id, cart_id }] : []))
  const promotions = contents.flatMap(({ order, promotion_ids }) =>
    promotion_ids.map((promotion_id) => ({ order_id: order.id, promotion_id })),
  )
  await create(Modules.PAYMENT, "payment_collection_id", collections)
  await create(Modules.CART, "cart_id", carts)
  await create(Modules.PROMOTION, "promotion_id", promotions)
  await transaction.sql.raw(
    `UPDATE cart SET completed_at = now(), updated_at = now() WHERE id = ANY(?) AND completed_at IS NULL`,
    [carts.map(({ cart_id }) => cart_id)],
  )
}
