import { Module } from "@medusajs/framework/utils"
import validateOptions from "./loaders/validate-options"
import StripeOrdersModuleService from "./service"

export const STRIPE_ORDERS_MODULE = "stripe_orders"

export default Module(STRIPE_ORDERS_MODULE, {
  service: StripeOrdersModuleService,
  loaders: [validateOptions],
})
export type { PaymentRow, PaymentStatus } from "./ledger"
export type { StripeOrdersOptions } from "./options"
export type { StripeOrdersModuleService }
