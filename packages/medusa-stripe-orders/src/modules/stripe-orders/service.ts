import { container as application } from "@medusajs/framework"
import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { ConfigModule, Logger } from "@medusajs/framework/types"
import { ContainerRegistrationKeys, MedusaError, MedusaService } from "@medusajs/framework/utils"
import Stripe from "stripe"
import { StripeBudget } from "../../carry-out/stripe-budget"
import { concernOf } from "../../events"
import { Gatherer } from "../../gatherer"
import { parseOptions, type ResolvedOptions } from "../../options"
import { factsOf } from "../../payments/facts"
import { type Received, receiveEvents } from "../../payments/inbox"
import {
  lookAgainAtOrders,
  messageOf,
  readTimeline,
  retryReviews,
  type TimelineLine,
} from "../../payments/payments"
import { type PaymentSearch, type PaymentView, searchPayments, viewPayments } from "../../payments/search"
import { parseStorable } from "../../payments/storable"
import { retryKind, type WaitingKind } from "../../payments/waiting"
import type { Plugin, ReceivedEvent } from "../../plugin"
import { type ReconcileReport, reconcile } from "../../reconcile/reconcile"
import { StripeWorker } from "../../worker"
import StripeCursor from "./models/stripe-cursor"
import StripeEvent from "./models/stripe-event"
import StripeLease from "./models/stripe-lease"
import StripePayment from "./models/stripe-payment"
import StripeTimeline from "./models/stripe-timeline"

/** Stripe's own default: an older timestamp means a replay. */
const SIGNATURE_TOLERANCE_SECONDS = 300

export interface ReconcileOptions {
  since: Date
  /** the present, where it is left out */
  until?: Date
  /** who asks for it, for the timeline */
  person?: string
  onProgress?: (soFar: ReconcileReport) => void
}

interface Dependencies {
  [ContainerRegistrationKeys.PG_CONNECTION]: Knex
  [ContainerRegistrationKeys.LOGGER]: Logger
}

/** The plugin's tables, its options, its Stripe client and its worker. Resolve it as `stripe_orders`. */
export class StripeOrdersModuleService
  extends MedusaService({
    StripeEvent,
    StripePayment,
    StripeTimeline,
    StripeLease,
    StripeCursor,
  })
  implements Plugin
{
  readonly options: ResolvedOptions
  readonly stripe: Stripe
  /** What this process may ask of Stripe. */
  readonly budget: StripeBudget
  readonly #database: Knex
  readonly #worker: StripeWorker
  /** Events that come while others are stored are stored together: a rush of webhooks costs few commits. */
  readonly #inbox: Gatherer<Received>

  /** Medusa calls these in every mode; the worker starts where there is to be one. */
  readonly __hooks = {
    onApplicationStart: async () => {
      const { projectConfig }: ConfigModule = application.resolve(ContainerRegistrationKeys.CONFIG_MODULE)
      if (projectConfig.workerMode !== "server") {
        this.#worker.start(application)
      }
    },
    onApplicationPrepareShutdown: async () => await this.#worker.stop(),
  }

  constructor(container: Dependencies, options: unknown) {
    super(container, options)
    this.options = parseOptions(options)
    this.stripe = new Stripe(this.options.apiKey, {
      appInfo: { name: "Holdfast" },
      maxNetworkRetries: 2,
      timeout: 20_000,
      ...this.options.stripe,
    })
    this.budget = new StripeBudget({ livemode: /^(sk|rk)_live_/.test(this.options.apiKey) })
    this.#database = container[ContainerRegistrationKeys.PG_CONNECTION]
    this.#inbox = new Gatherer(
      (received) => receiveEvents(this.#database, received),
      ({ event, concern }) => concern?.payment_intent_id ?? event.id,
    )
    this.#worker = new StripeWorker(this.#database, container[ContainerRegistrationKeys.LOGGER], this)
  }

  /**
   * The event that Stripe signed. Any of the configured secrets may have signed it, so that a secret can be
   * rotated without losing an event.
   *
   * @throws MedusaError `invalid_data` where the signature is missing, wrong or older than 300 seconds
   */
  verify(rawBody: Buffer | undefined, signature: string | string[] | undefined): ReceivedEvent {
    if (!rawBody?.length) {
      throw refuse("The request has no JSON body. Stripe sends events as application/json.")
    }
    if (typeof signature !== "string") {
      throw refuse("The Stripe-Signature header is missing. Only Stripe may post here.")
    }
    const reasons = new Set<string>()
    for (const secret of this.options.webhookSecrets) {
      try {
        this.stripe.webhooks.constructEvent(rawBody, signature, secret, SIGNATURE_TOLERANCE_SECONDS)
        const payload = rawBody.toString("utf8")
        return { event: parseStorable(payload), payload }
      } catch (error) {
        reasons.add((error as Error).message.split("\n")[0]?.trim() ?? "")
      }
    }
    const reason = [...reasons].join(" ")
    throw refuse(
      `The webhook's signature is not valid: ${reason} Check the endpoint's signing secret and the clock.`,
    )
  }

  /** Stores the event; when this returns it is safe to answer 200. */
  async receive({ event, payload, isFetched }: ReceivedEvent): Promise<void> {
    const concern = concernOf(event)
    await this.#inbox
      .add({
        event: {
          id: event.id,
          type: event.type,
          api_version: event.api_version ?? null,
          livemode: event.livemode,
          created: event.created,
          payload,
          isFetched,
        },
        concern: concern && {
          payment_intent_id: concern.payment_intent_id,
          opens: concern.opens,
          news: concern.news,
          facts: concern.snapshot && factsOf(event),
        },
      })
      .catch((error) => {
        // Stripe delivers it again. The detail of Postgres's error has the whole event, the client's secret included.
        throw new MedusaError(
          MedusaError.Types.DB_ERROR,
          `The event could not be stored: ${messageOf(error)}`,
        )
      })
    if (concern) {
      this.#worker.wake(concern.opens ? "a decision" : "anything")
    }
  }

  /**
   * Takes payments in review up again, within a moment, as if they were new: these, or all of a kind. Nothing happens
   * twice.
   *
   * @param person who asks for it, for the timeline
   * @returns the ids of those that were in review
   */
  async retry(which: string[] | WaitingKind, person = "the store's code"): Promise<string[]> {
    const retried = Array.isArray(which)
      ? await retryReviews(this.#database, person, which)
      : await retryKind(this.#database, person, which)
    this.#worker.wake("anything")
    return retried
  }

  /** Looks again at the payments of these orders, which changed in Medusa. */
  async lookAgain(orderIds: string[]): Promise<void> {
    await lookAgainAtOrders(this.#database, orderIds)
    this.#worker.wake("anything")
  }

  /**
   * Compares what Stripe has of a span with what became of it here, and takes up what is missing. Afterwards each payment
   * in Stripe has an order, a reason or a finding.
   */
  async reconcile({
    since,
    until = new Date(),
    person = "the store's code",
    onProgress,
  }: ReconcileOptions): Promise<ReconcileReport> {
    const progress = (soFar: ReconcileReport) => {
      this.#worker.wake("anything")
      onProgress?.(soFar)
    }
    return await reconcile({ db: this.#database, plugin: this, person, since, until, onProgress: progress })
  }

  /** Payments of these states, ids, e-mail addresses or names, the newest first. Amounts are minor units. */
  async search(search: PaymentSearch): Promise<{ stripe_payments: PaymentView[]; count: number }> {
    return await searchPayments(this.#database, search)
  }

  /** How these payments stand. */
  async views(paymentIntentIds: string[]): Promise<PaymentView[]> {
    return await viewPayments(this.#database, paymentIntentIds)
  }

  /** Everything that happened to a payment, oldest first: each with when, what, who and the ids. */
  async timeline(paymentIntentId: string): Promise<TimelineLine[]> {
    return await readTimeline(this.#database, paymentIntentId)
  }
}

export default StripeOrdersModuleService

function refuse(message: string): MedusaError {
  return new MedusaError(MedusaError.Types.INVALID_DATA, message)
}
