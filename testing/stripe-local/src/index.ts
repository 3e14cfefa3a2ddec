export type { Bank } from "./bank.js"
export type { Buyer } from "./buyer.js"
export type { CheckoutForm } from "./checkout-form.js"
export {
  beforeBasil,
  type Elsewhere,
  type InvoicePayment,
  type TerminalPayment,
} from "./elsewhere.js"
export { ApiError } from "./errors.js"
export type { ApiRequest, Effect, FaultHandle, Match } from "./faults.js"
export type { LimitReason, Limits } from "./limits.js"
export type { StripeLocalOptions } from "./options.js"
export type { NewConnectedAccount } from "./resources/connected-accounts.js"
export type { DisputeEnd, NewDispute } from "./resources/dispute-flow.js"
export type { RefundFailure } from "./resources/refund-flow.js"
export type { PaymentFailure } from "./resources/test-accounts.js"
export type { NewThinEvent, RelatedObject, ThinEvent } from "./resources/thin-events.js"
export {
  type ConnectedAccount,
  type StripeLocal,
  startStripeLocal,
} from "./stripe-local.js"
export type { ByHand, Delivery } from "./webhooks/deliveries.js"
export { type DeliveryPolicy, type Unruliness, unruly } from "./webhooks/policy.js"
export type { WebhookRequest } from "./webhooks/sender.js"
export { signatureHeader } from "./webhooks/signature.js"
