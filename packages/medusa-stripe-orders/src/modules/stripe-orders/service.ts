import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import { ContainerRegistrationKeys, MedusaError, MedusaService } from "@medusajs/framework/utils"
import Stripe from "stripe"
import * as ledger from "./ledger"
import StripeEvent from "./models/stripe-event"
import StripePayment from "./models/stripe-payment"
import { parseOptions, type ResolvedOptions } from "./options"

/** Stripe's own default: an older timestamp means a replay. */
const SIGNATURE_TOLERANCE_SECONDS = 300

/** The event types that ask for an order; every other one is stored as ignored. */
const ORDER_EVENTS: ReadonlySet<string> = new Set([
  "payment_intent.succeeded",
  "payment_intent.amount_capturable_updated",
])

/** The plugin's two tables, its options and its Stripe client. Resolve it as `stripe_orders`. */
export class StripeOrdersModuleService extends MedusaService({ StripeEvent, StripePayment }) {
  readonly options: ResolvedOptions
  readonly stripe: Stripe
  readonly #database: Knex

  constructor(container: { [ContainerRegistrationKeys.PG_CONNECTION]: Knex }, options: unknown) {
    super(container, options)
    this.options = parseOptions(options)
    this.stripe = new Stripe(this.options.apiKey, {
      appInfo: { name: "Holdfast" },
      maxNetworkRetries: 2,
      timeout: 20_000,
      ...this.options.stripe,
    })
    this.#database = container[ContainerRegistrationKeys.PG_CONNECTION]
  }

  /**
   * The event that Stripe signed. Any of the configured secrets may have signed it, so that a secret can be
   * rotated without losing an event.
   *
   * @throws MedusaError `invalid_data` where the signature is missing, wrong or older than 300 seconds
   */
  verify(rawBody: Buffer | undefined, signature: string | string[] | undefined): Stripe.Event {
    if (!rawBody?.length) {
      throw refuse("The request has no JSON body. Stripe sends events as application/json.")
    }
    if (typeof signature !== "string") {
      throw refuse("The Stripe-Signature header is missing. Only Stripe may post here.")
    }
    const reasons = new Set<string>()
    for (const secret of this.options.webhookSecrets) {
      try {
        return this.stripe.webhooks.constructEvent(rawBody, signature, secret, SIGNATURE_TOLERANCE_SECONDS)
      } catch (error) {
        reasons.add((error as Error).message.split("\n")[0]?.trim() ?? "")
      }
    }
    const reason = [...reasons].join(" ")
    throw refuse(
      `The webhook's signature does not fit: ${reason} Check the endpoint's signing secret and the clock.`,
    )
  }

  /** Stores the event; when this returns it is safe to answer 200. Says whether there is work to do. */
  async receive(event: Stripe.Event): Promise<{ due: boolean }> {
    const paymentIntentId = ORDER_EVENTS.has(event.type)
      ? (event.data.object as Stripe.PaymentIntent).id
      : null
    await ledger.receive(
      this.#database,
      {
        id: event.id,
        type: event.type,
        api_version: event.api_version ?? null,
        livemode: event.livemode,
        created: event.created,
        payload: event,
      },
      paymentIntentId,
    )
    return { due: paymentIntentId !== null }
  }

  /**
   * Takes up again what waits for a person (status `review`): the job does it within 2 s, as if the payment were new.
   * Nothing happens twice. Returns the ids of those that did wait.
   */
  async retry(paymentIntentIds: string[]): Promise<string[]> {
    return await ledger.retry(this.#database, paymentIntentIds)
  }
}

export default StripeOrdersModuleService

function refuse(message: string): MedusaError {
  return new MedusaError(MedusaError.Types.INVALID_DATA, message)
}
