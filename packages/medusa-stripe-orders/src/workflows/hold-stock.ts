import { MedusaError } from "@medusajs/framework/utils"
import { createStep, createWorkflow, StepResponse, WorkflowResponse } from "@medusajs/framework/workflows-sdk"
import type { HoldView } from "../holds/holds"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../modules/stripe-orders"

export interface HoldStockInput {
  cart_id: string
  /** the buyer's, for the limit of holds per address; stored as a hash */
  ip_address?: string
}

/**
 * Holds the stock of a cart, or renews what it holds. When the workflow fails later, a hold that began here is given back.
 *
 * @throws MedusaError with the code `insufficient_inventory` where there is not enough
 */
export const holdStockStep = createStep(
  "hold-stock",
  async ({ cart_id, ip_address }: HoldStockInput, { container }) => {
    const stripeOrders: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
    const answer = await stripeOrders.holdStock(cart_id, ip_address)
    if (answer.kind === "short") {
      const short = answer.items.map(
        ({ title, wanted, available }) => `${wanted} of ${title} wanted, ${available} left`,
      )
      const message = `Not enough in stock: ${short.join("; ")}`
      const { Types, Codes } = MedusaError
      throw new MedusaError(Types.NOT_ALLOWED, message, Codes.INSUFFICIENT_INVENTORY)
    }
    if (answer.kind === "refused") {
      const { status, code, message } = answer.refusal
      throw new MedusaError(
        status === 404 ? MedusaError.Types.NOT_FOUND : MedusaError.Types.NOT_ALLOWED,
        message,
        code,
      )
    }
    const hold: HoldView = answer.hold
    return new StepResponse(hold, { cart_id, isNew: answer.isNew })
  },
  async (held, { container }) => {
    if (held?.isNew) {
      const stripeOrders: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
      await stripeOrders.giveBackStock(held.cart_id)
    }
  },
)

/** The workflow of `POST /store/carts/:id/hold`, for the store's own code. */
export const holdStockWorkflow = createWorkflow("hold-stock", (input: HoldStockInput) => {
  return new WorkflowResponse({ hold: holdStockStep(input) })
})
