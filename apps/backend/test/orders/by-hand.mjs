import { createOrderFromStripeWorkflow } from "@holdfast/medusa-stripe-orders/workflows"

/** A script of the store, for `medusa exec`: runs the workflow for the payments that it is given, and prints the result. */
export default async function byHand({ container, args }) {
  const run = async (payment_intent_ids) => {
    const { result } = await createOrderFromStripeWorkflow(container).run({ input: { payment_intent_ids } })
    console.log(`RESULT ${JSON.stringify(result.payments)}`)
  }
  if (args[0] !== "each") return await run(args)
  // One run for each of several inputs, which may be wrong.
  for (const given of JSON.parse(args[1])) {
    await run(given).catch((error) => console.log(`REFUSED ${error.message}`))
  }
}
