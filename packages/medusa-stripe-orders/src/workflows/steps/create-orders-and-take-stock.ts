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
 * they complete it: the same keys are locked here, in any case, so that theirs and ours exclude each other. The
 * seed's locks alone don't: 50 payments on a stock of 5 made 50 orders under them.
 *
 * Carts first, then items, as complete-cart does: it holds its cart while it queues for the item. A request for
 * both at once would stand before it in the item's queue and wait for its cart, and neither would move.
 *
 * It has no compensation: what is committed stands, and is carried on from the payment's row.
 */
export const createOrdersAndTakeStockStep = createStep(
  "create-stripe-orders-and-take-stock",
  async ({ contents, held }: Input, { container }) => {
    if (contents.length > 0) {
      const { options }: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
      const locking = container.resolve(Modules.LOCKING)
      const holding = async (keys: string[], job: () => Promise<void>) =>
        keys.length > 0 ? await locking.execute(keys, job, { timeout: options.lock.timeout }) : await job()
      const carts = cartsOf(contents).filter((key) => !held.includes(key))
      await holding(carts, () =>
        holding(itemsOf(contents), () => settleTogether(container, contents, options)),
      )
    }
    return new StepResponse({ settled: contents.map(({ payment }) => payment.id) })
  },
)

function cartsOf(contents: OrderContent[]): string[] {
  return sortedSet(contents.flatMap(({ cart_id }) => cart_id ?? []))
}

function itemsOf(contents: OrderContent[]): string[] {
  return sortedSet(contents.flatMap(({ demands }) => demands.map((demand) => demand.inventory_item_id)))
}

function sortedSet(keys: string[]): string[] {
  return [...new Set(keys)].sort()
}
