import { createStep, StepResponse } from "@medusajs/framework/workflows-sdk"
import type { Payment } from "../../content/content"
import { prepareContents } from "../../content/prepare"

/** Reads carts, prices and taxes under the lock, and makes of each payment an order that only lacks stock. */
export const prepareOrderDataStep = createStep(
  "prepare-stripe-order-data",
  async ({ payments }: { payments: Payment[] }, { container }) =>
    new StepResponse(await prepareContents(container, payments)),
)
