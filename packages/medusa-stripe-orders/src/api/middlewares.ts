import {
  defineMiddlewares,
  validateAndTransformBody,
  validateAndTransformQuery,
} from "@medusajs/framework/http"
import {
  dismissStripePayment,
  listStripePayments,
  payments,
  paymentsWithReason,
} from "./admin/stripe-payments/query"
import { reconcileStripePayments } from "./admin/stripe-payments/reconcile/body"
import { retryStripePayments } from "./admin/stripe-payments/retry/body"
import { renewHoldWhenPaying } from "./store/carts/[id]/hold/renew"

/** Stripe's events are some kilobytes; a larger body is refused with 413 before it is read whole. */
const LARGEST_EVENT = "1mb"

export default defineMiddlewares({
  routes: [
    {
      matcher: "/store/payment-collections/:id/payment-sessions",
      methods: ["POST"],
      middlewares: [renewHoldWhenPaying],
    },
    {
      matcher: "/hooks/stripe",
      methods: ["POST"],
      bodyParser: { preserveRawBody: true, sizeLimit: LARGEST_EVENT },
    },
    {
      matcher: "/admin/stripe-payments",
      methods: ["GET"],
      middlewares: [validateAndTransformQuery(listStripePayments, { isList: true })],
    },
    {
      matcher: "/admin/stripe-payments/retry",
      methods: ["POST"],
      middlewares: [validateAndTransformBody(retryStripePayments)],
    },
    {
      matcher: "/admin/stripe-payments/refund",
      methods: ["POST"],
      middlewares: [validateAndTransformBody(paymentsWithReason)],
    },
    {
      matcher: "/admin/stripe-payments/dismiss",
      methods: ["POST"],
      middlewares: [validateAndTransformBody(paymentsWithReason)],
    },
    {
      matcher: "/admin/stripe-payments/backorder",
      methods: ["POST"],
      middlewares: [validateAndTransformBody(payments)],
    },
    {
      matcher: "/admin/stripe-payments/reconcile",
      methods: ["POST"],
      middlewares: [validateAndTransformBody(reconcileStripePayments)],
    },
    {
      matcher: "/admin/stripe-payments/:id/dismiss",
      methods: ["POST"],
      middlewares: [validateAndTransformBody(dismissStripePayment)],
    },
  ],
})
