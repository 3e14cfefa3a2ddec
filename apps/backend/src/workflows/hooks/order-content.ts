import { createOrderFromStripeWorkflow } from "@holdfast/medusa-stripe-orders/workflows"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { StepResponse } from "@medusajs/framework/workflows-sdk"

/**
 * This shop's own rule: a payment with only a `sku`, or of a Checkout Session with a reference such as `sku:MUG`, is for one
 * unit of that variant; one of the owner's other shop is none of this one's.
 */
createOrderFromStripeWorkflow.hooks.orderContent(
  async ({ payment_intents, checkout_sessions }, { container }) => {
    const query = container.resolve(ContainerRegistrationKeys.QUERY)
    const answers: Record<string, "not ours" | { items: { variant_id: string; quantity: number }[] }> = {}
    for (const { id, metadata } of payment_intents) {
      if (metadata.shop === "the other one") answers[id] = "not ours"
      const reference = checkout_sessions[id]?.client_reference_id
      const sku = metadata.sku ?? (reference?.startsWith("sku:") ? reference.slice(4) : undefined)
      if (!sku) continue
      const { data } = await query.graph({ entity: "variant", fields: ["id"], filters: { sku } })
      if (data[0]) answers[id] = { items: [{ variant_id: data[0].id, quantity: 1 }] }
    }
    return new StepResponse(answers)
  },
)
