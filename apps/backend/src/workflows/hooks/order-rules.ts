import {
  STRIPE_ORDERS_MODULE,
  type StripeOrdersModuleService,
} from "@holdfast/medusa-stripe-orders/modules/stripe-orders"
import {
  type BeforeCaptureAnswer,
  captureStripePaymentWorkflow,
  createOrderFromStripeWorkflow,
  type OrderDraftAnswer,
  type OutOfStockAnswer,
  type StockLocationsAnswer,
  settleStripePaymentsWorkflow,
  type WhenOutOfStock,
} from "@holdfast/medusa-stripe-orders/workflows"
import { StepResponse } from "@medusajs/framework/workflows-sdk"

/** A store's own rules for its orders, as its payments' metadata say them. They cost each batch some time, so the tests ask for them. */
if (process.env.SHOP_HOOKS_ORDERS === "true") {
  const { orderDraft, stockLocations, outOfStock } = createOrderFromStripeWorkflow.hooks
  orderDraft(async ({ orders }) => {
    if (orders.some(({ payment_intent }) => payment_intent.metadata.hang)) await new Promise(() => {})
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
      const { locations } = payment_intent.metadata
      answers[payment_intent.id] = locations === "none" ? [] : locations?.split(",")
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

  const waited = new Set<string>()
  captureStripePaymentWorkflow.hooks.beforeCapture(({ payment_intent: { id, metadata } }) => {
    const { plain, ...said } = JSON.parse(metadata.before_capture ?? "{}")
    const hasWaited = "wait_seconds" in said && waited.has(id)
    waited.add(id)
    const answer: BeforeCaptureAnswer = Object.keys(said).length > 0 && !hasWaited ? said : undefined
    return plain ? (answer as never) : new StepResponse(answer)
  })

  const failures = new Map<string, number>()
  settleStripePaymentsWorkflow.hooks.afterSettling(async ({ payments }, { container }) => {
    const stripeOrders: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
    const views = await stripeOrders.views(payments.map(({ id }) => id))
    for (const { event_id, id, outcome, order_id } of payments) {
      const failed = failures.get(event_id) ?? 0
      if (failed < 2 && views.find((view) => view.id === id)?.email?.startsWith("unlucky")) {
        failures.set(event_id, failed + 1)
        throw new Error(`The back office does not answer about ${id}`)
      }
      container.resolve("logger").info(`Settled: ${id} ${outcome} ${order_id} ${event_id}`)
    }
  })
}
