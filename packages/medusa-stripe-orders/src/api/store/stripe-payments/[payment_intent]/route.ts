import type { MedusaRequest, MedusaResponse } from "@medusajs/framework/http"
import { MedusaError } from "@medusajs/framework/utils"
import { AskAgain } from "../../../../buyers/waiting-buyers"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "../../../../modules/stripe-orders"
import { hideSecret, questionOf, waitOf } from "./question"

const ASK_AGAIN_SECONDS = "2"

/**
 * What became of a payment, for the buyer whose browser has its client secret. With `?wait=20` the answer comes when
 * something has become of it, or after 20 seconds.
 */
export async function GET(req: MedusaRequest, res: MedusaResponse): Promise<void> {
  hideSecret(req)
  const question = questionOf(req)
  const ms = waitOf(req)
  const gone = new AbortController()
  res.once("close", () => gone.abort())
  const stripeOrders: StripeOrdersModuleService = req.scope.resolve(STRIPE_ORDERS_MODULE)
  try {
    const payment = await stripeOrders.paymentForBuyer(question, ms, gone.signal)
    if (!payment && !gone.signal.aborted) {
      throw new MedusaError(
        MedusaError.Types.NOT_FOUND,
        "There is no payment with this client secret here. Where it was just paid, ask again with ?wait=20.",
      )
    }
    res.set("Cache-Control", "no-store").json({ payment })
  } catch (error) {
    if (!(error instanceof AskAgain)) {
      throw error
    }
    // A storefront in another origin may read this header only where it is named.
    res.set({ "Retry-After": ASK_AGAIN_SECONDS, "Access-Control-Expose-Headers": "Retry-After" })
    res.status(503).json({ type: "ask_again", message: error.message })
  }
}
