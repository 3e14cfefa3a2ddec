import type Stripe from "stripe"

/** The error that a call ends with; fails where the call succeeds. */
export async function refusal(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  return call.then(
    () => {
      throw new Error("The call was not refused")
    },
    (error) => error,
  )
}
