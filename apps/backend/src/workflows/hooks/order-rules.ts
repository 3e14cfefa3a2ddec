import {
  createOrderFromStripeWorkflow,
  type OrderDraftAnswer,
  type OutOfStockAnswer,
  type StockLocationsAnswer,
  type WhenOutOfStock,
} from "@holdfast/medusa-stripe-orders/workflows"
import { StepResponse } from "@medusajs/framework/workflows-sdk"

/** A store's own rules for its orders, as its payments' metadata say them. They cost each batch some time, so the tests ask for them. */
if (process.env.SHOP_HOOKS_ORDERS === "true") {
  const { orderDraft, stockLocations, outOfStock } = createOrderFromStripeWorkflow.hooks
  orderDraft(({ orders }) => {
    const answers: OrderDraftAnswer = {}
    for (const { payment_intent } of orders) {
      const { campaign, suspicious } = payment_intent.metadata
      answers[payment_intent.id] = {
        metadata: campaign ? { campaign } : undefined,
        review: suspicious,
      }
    }
    return new StepResponse(answers)
  })
  stockLocations(({ orders }) => {
    const answers: StockLocationsAnswer = {}
    for (const { payment_intent } of orders) {
      answers[payment_intent.id] = payment_intent.metadata.locations?.split(",")
    }
    return new StepResponse(answers)
  })
  outOfStock(({ orders }) => {
    const answers: OutOfStockAnswer = {}
    for (const { payment_intent } of orders) {
      answers[payment_intent.id] = payment_intent.metadata.out_of_stock as WhenOutOfStock | undefined
    }
    return new StepResponse(answers)
  })
}
