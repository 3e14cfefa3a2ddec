export { withHoldOf } from "../medusa/cart-in-flow"
export * from "./create-order-from-stripe"
export * from "./hold-stock"
export {
  type AfterSettlingInput,
  type BeforeCaptureAnswer,
  type BeforeCaptureInput,
  captureStripePaymentWorkflow,
  type SettledPayment,
  settleStripePaymentsWorkflow,
} from "./store-hooks"
