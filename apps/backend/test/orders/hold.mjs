import { holdStockWorkflow } from "@holdfast/medusa-stripe-orders/workflows"
import { completeCartWorkflow } from "@medusajs/medusa/core-flows"

/** A script of the store, for `medusa exec`: holds a cart by the workflow, and completes another by Medusa's own. */
export default async function hold({ container, args: [toHold, toComplete] }) {
  const { result } = await holdStockWorkflow(container).run({ input: { cart_id: toHold } })
  const again = await holdStockWorkflow(container).run({ input: { cart_id: toComplete } })
  const refused = await holdStockWorkflow(container).run({
    input: { cart_id: "cart_none" },
    throwOnError: false,
  })
  const { result: order } = await completeCartWorkflow(container).run({ input: { id: toComplete } })
  const [{ error }] = refused.errors
  console.log(
    `RESULT ${JSON.stringify({ hold: result.hold, again: again.result.hold, error: error.message, order })}`,
  )
}
