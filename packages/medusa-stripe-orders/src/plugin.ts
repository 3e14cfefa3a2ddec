import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import type Stripe from "stripe"
import type { StripeBudget } from "./carry-out/stripe-budget"
import type { ResolvedOptions } from "./options"

/** The name by which the plugin's module is resolved. */
export const STRIPE_ORDERS_MODULE = "stripe_orders"

/** What the rest of the plugin uses of its module: the service implements it. */
export interface Plugin {
  readonly options: ResolvedOptions
  readonly stripe: Stripe
  /** what this process may ask of Stripe */
  readonly budget: StripeBudget
  /** The same for payments of a connected account: its Stripe client speaks for that account. */
  onAccount(account: string | null): Plugin
  /** stores an event, and has its payment looked at */
  receive(event: ReceivedEvent): Promise<void>
}

/** An event whose signature was checked, or one that Stripe itself answered. */
export interface ReceivedEvent {
  event: Stripe.Event
  /** what was signed */
  payload: string
  /** was not delivered, but fetched */
  isFetched?: boolean
}

export function pluginOf(container: MedusaContainer): Plugin {
  return container.resolve(STRIPE_ORDERS_MODULE)
}

export function databaseOf(container: MedusaContainer): Knex {
  return container.resolve(ContainerRegistrationKeys.PG_CONNECTION)
}
