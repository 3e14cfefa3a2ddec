import { Module } from "@medusajs/framework/utils"
import { STRIPE_ORDERS_MODULE } from "../../plugin"
import validateOptions from "./loaders/validate-options"
import StripeOrdersModuleService from "./service"

export default Module(STRIPE_ORDERS_MODULE, {
  service: StripeOrdersModuleService,
  loaders: [validateOptions],
})
export type { StripeOrdersOptions } from "../../options"
export type { BusEventData } from "../../outbox/outbox"
export type { PaymentRow } from "../../payments/payments"
export type { PaymentState } from "../../payments/states"
export type { Finding, ReconcileReport } from "../../reconcile/reconcile"
export type { StripeOrdersModuleService }
export { STRIPE_ORDERS_MODULE }
