import { createOrderFromStripeWorkflow } from "@holdfast/medusa-stripe-orders/workflows"

/** A script of the store, for `medusa exec`: runs the workflow for the payments that it is given, and prints the result. */
export default async function byHand({ container, args }) {
  const { result } = await createOrderFromStripeWorkflow(container).run({
    input: { payment_intent_ids: args },
  })
  console.log(`RESULT ${JSON.stringify(result.payments)}`)
}
