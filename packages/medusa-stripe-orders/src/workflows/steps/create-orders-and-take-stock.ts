import { Modules } from "@medusajs/framework/utils"
import { createStep, StepResponse } from "@medusajs/framework/workflows-sdk"
import type { OrderContent } from "../../content/content"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../modules/stripe-orders"
import { settleTogether } from "../../settlement/settle"

interface Input {
  contents: OrderContent[]
  /** the keys that the workflow holds already */
  held: string[]
}

/**
 * Order creation and the stock step in one, since they commit in one transaction.
 *
 * Medusa's own flows lock the inventory item before they write quantities that they read, and the cart before
 * they complete it: the same keys are locked here, in any case and all at once, so that theirs and ours exclude
 * each other. The seed's locks alone don't: 50 payments on a stock of 5 made 50 orders under them.
 *
 * It has no compensation: what is committed stands, and is carried on from the payment's row.
 */
export const createOrdersAndTakeStockStep = createStep(
  "create-stripe-orders-and-take-stock",
  async ({ contents, held }: Input, { container }) => {
    if (contents.length > 0) {
      const { options }: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
      const keys = keysOf(contents).filter((key) => !held.includes(key))
      const settle = () => settleTogether(container, contents, options)
      await (keys.length > 0
        ? container.resolve(Modules.LOCKING).execute(keys, settle, { timeout: options.lock.timeout })
        : settle())
    }
    return new StepResponse({ settled: contents.map(({ payment }) => payment.id) })
  },
)

function keysOf(contents: OrderContent[]): string[] {
  const keys = contents.flatMap(({ cart_id, demands }) => [
    ...(cart_id ? [cart_id] : []),
    ...demands.map(({ inventory_item_id }) => inventory_item_id),
  ])
  return [...new Set(keys)].sort()
}
