import type { MedusaContainer } from "@medusajs/framework/types"
import { MedusaError } from "@medusajs/framework/utils"
import { completeCartWorkflow } from "@medusajs/medusa/core-flows"

type Hook<Input> = (handler: (input: Input, context: { container: MedusaContainer }) => void) => void

/** Medusa has all three, and its types know the first. */
interface Hooks {
  validate: Hook<{ cart: { email: string } }>
  beforePaymentAuthorization: Hook<{ input: { id: string } }>
  orderCreated: Hook<{ order_id: string }>
}

/** Hooks of Medusa's cart completion, as a loyalty plugin has them. They cost the fast path, so the tests ask for them. */
if (process.env.SHOP_HOOKS_CART_COMPLETION === "true") {
  const hooks = completeCartWorkflow.hooks as unknown as Hooks
  hooks.validate(({ cart }) => {
    if (cart.email.startsWith("refused")) {
      throw new MedusaError(MedusaError.Types.NOT_ALLOWED, "the gift card is empty")
    }
  })
  hooks.beforePaymentAuthorization(({ input }, { container }) => {
    container.resolve("logger").info(`Gift card debited: ${input.id}`)
  })
  hooks.orderCreated(({ order_id }, { container }) => {
    container.resolve("logger").info(`Gift card linked: ${order_id}`)
  })
}
