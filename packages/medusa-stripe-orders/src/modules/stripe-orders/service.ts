import { container as application } from "@medusajs/framework"
import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { ConfigModule, Logger } from "@medusajs/framework/types"
import { ContainerRegistrationKeys, MedusaError, MedusaService } from "@medusajs/framework/utils"
import Stripe from "stripe"
import type { BuyersQuestion, PaymentForBuyer } from "../../buyers/buyers-payment"
import { WaitingBuyers } from "../../buyers/waiting-buyers"
import { StripeBudget } from "../../carry-out/stripe-budget"
import { Gatherer } from "../../gatherer"
import { type Health, HealthCheck } from "../../health/health"
import { hashAddress } from "../../holds/buyer"
import { type HoldAnswer, Holds, type HoldView } from "../../holds/holds"
import { sweepHolds } from "../../holds/sweep"
import { NotificationListener } from "../../listener"
import { readBuyersPayments } from "../../medusa/buyers-payments"
import { tellFlowsTheirCart } from "../../medusa/cart-in-flow"
import { creditHolds } from "../../medusa/own-hold"
import { faultOfProvider } from "../../medusa/providers"
import { parseOptions, type ResolvedOptions } from "../../options"
import {
  backorderReviews,
  dismissPayments,
  refundReviews,
  retryKind,
  retryReviews,
  type WaitingKind,
} from "../../payments/actions"
import { type Received, receiveEvents } from "../../payments/inbox"
import {
  type EventView,
  messageOf,
  OUTCOME_CHANNEL,
  readEvents,
  readTimeline,
  type TimelineLine,
} from "../../payments/payments"
import {
  type PaymentPage,
  type PaymentSearch,
  type PaymentView,
  searchPayments,
  viewPayments,
} from "../../payments/search"
import { lookAgainAtOrders } from "../../payments/take-up"
import type { Plugin, ReceivedEvent } from "../../plugin"
import { type ReconcileReport, reconcile } from "../../reconcile/reconcile"
import { isLiveKey, receivedOf, verifyWebhook } from "../../webhook"
import { StripeWorker } from "../../worker"
import StripeCursor from "./models/stripe-cursor"
import StripeEvent from "./models/stripe-event"
import StripeHold from "./models/stripe-hold"
import StripeLease from "./models/stripe-lease"
import StripeOutbox from "./models/stripe-outbox"
import StripePayment from "./models/stripe-payment"
import StripeTimeline from "./models/stripe-timeline"

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
    StripeOutbox,
    StripeHold,
  })
  implements Plugin
{
  readonly options: ResolvedOptions
  readonly stripe: Stripe
  /** What this process may ask of Stripe. */
  readonly budget: StripeBudget
  readonly #accounts = new Map<string, Plugin>()
  readonly #database: Knex
  readonly #logger: Logger
  readonly #listener: NotificationListener
  readonly #worker: StripeWorker
  readonly #buyers: WaitingBuyers
  /** Events that come while others are stored are stored together: a rush of webhooks costs few commits. */
  readonly #inbox: Gatherer<Received>
  readonly #health: HealthCheck
  /** why no orders are made, where the options are wrong */
  #fault: string | null = null
  /** what carts hold while their buyers pay; null where the store does without */
  readonly holds: Holds | null

  /** Medusa calls these in every mode; the worker starts where there is to be one. */
  readonly __hooks = {
    onApplicationStart: async () => {
      const { projectConfig }: ConfigModule = application.resolve(ContainerRegistrationKeys.CONFIG_MODULE)
      this.#creditHolds()
      this.#warnOfDecrement()
      const fault = await faultOfProvider(application, this.options.paymentProvider).catch(() => null)
      this.#fault = fault
      if (fault) {
        // Medusa starts all the same. Events are kept, and payments are due when the option is right.
        this.#logger.error(`@holdfast/medusa-stripe-orders makes no orders: ${fault}`)
      } else if (projectConfig.workerMode !== "server") {
        this.#worker.start(application)
      }
    },
    onApplicationPrepareShutdown: async () => {
      this.#buyers.close()
      await this.#worker.stop()
      await this.#listener.close()
    },
  }

  constructor(container: Dependencies, options: unknown) {
    super(container, options)
    this.options = parseOptions(options)
    this.stripe = this.#client({})
    this.budget = new StripeBudget({ livemode: isLiveKey(this.options.apiKey) })
    this.#database = container[ContainerRegistrationKeys.PG_CONNECTION]
    this.#inbox = new Gatherer(
      (received) => receiveEvents(this.#database, received),
      ({ event, concern }) => concern?.payment_intent_id ?? event.id,
    )
    this.#logger = container[ContainerRegistrationKeys.LOGGER]
    const { hold } = this.options
    this.holds = hold ? new Holds(() => application, this.#database, this.#logger, hold) : null
    // A store that does without holds from now on has some left.
    const sweep = () => sweepHolds(application, this.#database)
    this.#listener = new NotificationListener(this.#database)
    this.#worker = new StripeWorker(this.#database, this.#logger, this, { listener: this.#listener, sweep })
    this.#buyers = new WaitingBuyers((ids) => readBuyersPayments(this.#database, ids))
    this.#listener.on(OUTCOME_CHANNEL, this.#buyers.look)
    this.#health = new HealthCheck({
      container: () => application,
      db: this.#database,
      budget: this.budget,
      listener: this.#listener,
      process: this.#worker.id,
      fault: () => this.#fault,
    })
  }

  #warnOfDecrement(): void {
    if (this.options.stock === "decrement") {
      this.#logger.warn(
        '@holdfast/medusa-stripe-orders: stock: "decrement" makes no reservations: the stock of a canceled order does not come back, an edit of the order takes it twice, and Medusa can\'t fulfil the order',
      )
    }
  }

  /** Medusa's own flows know what their carts hold from the application's start on, after all hooks were registered. */
  #creditHolds(): void {
    if (!this.holds) {
      return
    }
    try {
      creditHolds(application)
      const missing = tellFlowsTheirCart()
      if (missing.length > 0) {
        throw new Error(`this version of Medusa has no ${missing.join(", ")}`)
      }
    } catch (error) {
      // Medusa says nothing of an error here, and the worker has to start all the same.
      const { message } = error as Error
      this.#logger.error(
        `@holdfast/medusa-stripe-orders: Medusa's own flows may refuse carts what they hold: ${message}`,
      )
    }
  }

  #client(more: { stripeAccount?: string }): Stripe {
    return new Stripe(this.options.apiKey, {
      appInfo: { name: "Holdfast" },
      maxNetworkRetries: 2,
      timeout: 20_000,
      ...this.options.stripe,
      ...more,
    })
  }

  onAccount(account: string | null): Plugin {
    if (!account) {
      return this
    }
    const own = this.#accounts.get(account) ?? this.#pluginOf(account)
    this.#accounts.set(account, own)
    return own
  }

  #pluginOf(account: string): Plugin {
    const { options, budget } = this
    const onAccount = (other: string | null) => this.onAccount(other)
    const receive = (event: ReceivedEvent) => this.receive(event)
    return { options, budget, stripe: this.#client({ stripeAccount: account }), receive, onAccount }
  }

  /**
   * The event that Stripe signed.
   *
   * @throws MedusaError `invalid_data` where it is not one that can be stored, with what is wrong
   */
  verify(rawBody: Buffer | undefined, signature: string | string[] | undefined): ReceivedEvent {
    return verifyWebhook(rawBody, signature, this.options)
  }

  /** Stores the event; when this returns it is safe to answer 200. */
  async receive(signed: ReceivedEvent): Promise<void> {
    const received = receivedOf(signed)
    await this.#inbox.add(received).catch((error) => {
      // Stripe delivers it again. The detail of Postgres's error has the whole event, the client's secret included.
      this.#logger.error(`An event of Stripe could not be stored: ${messageOf(error)}`)
      throw new MedusaError(MedusaError.Types.DB_ERROR, "The event could not be stored. Deliver it again.")
    })
    const { type, data } = signed.event
    if (this.holds && (type === "payment_intent.canceled" || type === "checkout.session.expired")) {
      await this.holds.quietly(this.holds.paymentCanceled(data.object))
    }
    if (received.concern) {
      this.#worker.wake(received.concern.opens ? "a decision" : "anything")
    }
  }

  /**
   * Takes payments up again that need review, or were dismissed or ignored, within a moment, as if they were new: these, or
   * all of a kind. Nothing happens twice.
   *
   * @param person who asks for it, for the timeline
   * @returns the ids of those that were taken up
   */
  async retry(which: string[] | WaitingKind, person = "the store's code"): Promise<string[]> {
    const retried = Array.isArray(which)
      ? await retryReviews(this.#database, person, which)
      : await retryKind(this.#database, person, which)
    this.#worker.wake("anything")
    return retried
  }

  /**
   * Puts payments aside that need review: nothing is left to do about them. A retry takes them up again.
   *
   * @param person who decides it, for the timeline
   * @returns the ids of those that needed review
   */
  async dismiss(paymentIntentIds: string[], reason: string, person = "the store's code"): Promise<string[]> {
    return await dismissPayments(this.#database, person, paymentIntentIds, reason)
  }

  /**
   * Gives the money of payments in review back that have no order, or cancels their authorizations.
   *
   * @param person who decides it, for the timeline
   * @returns the ids of those that are on their way back
   */
  async refund(paymentIntentIds: string[], reason: string, person = "the store's code"): Promise<string[]> {
    const refunded = await refundReviews(this.#database, person, paymentIntentIds, reason)
    this.#worker.wake("anything")
    return refunded
  }

  /**
   * Makes orders of payments in review that are not in stock: what is missing is backordered.
   *
   * @param person who decides it, for the timeline
   * @returns the ids of those whose orders are made
   */
  async backorder(paymentIntentIds: string[], person = "the store's code"): Promise<string[]> {
    const accepted = await backorderReviews(this.#database, person, paymentIntentIds)
    this.#worker.wake("anything")
    return accepted
  }

  /**
   * Holds the stock of a cart while its buyer pays, or renews what it holds.
   *
   * @param address the buyer's, for the limit of holds per address; it is stored as a hash
   */
  async holdStock(cart_id: string, address?: string): Promise<HoldAnswer> {
    const ip_hash = hashAddress(address, this.options.apiKey)
    return await this.#withHolds().hold({ cart_id, ip_hash })
  }

  /** Gives back what a cart holds. False where it held nothing. */
  async giveBackStock(cart_id: string): Promise<boolean> {
    return await this.#withHolds().giveBack(cart_id)
  }

  /** What a cart holds, and until when. */
  async heldStock(cart_id: string): Promise<HoldView | undefined> {
    return await this.#withHolds().view(cart_id)
  }

  #withHolds(): Holds {
    if (!this.holds) {
      throw new MedusaError(
        MedusaError.Types.NOT_FOUND,
        "This shop does not hold stock: the plugin's option hold is false.",
      )
    }
    return this.holds
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

  /**
   * How the payment stands, for its buyer; null where there is none with this client secret. Waits `ms` for something to
   * become of it, unless `gone` says that the client has closed its request.
   *
   * @throws AskAgain where so many wait that this one can't
   */
  async paymentForBuyer(
    question: BuyersQuestion,
    ms = 0,
    gone: AbortSignal = new AbortController().signal,
  ): Promise<PaymentForBuyer | null> {
    if (ms === 0) {
      return await this.#buyers.ask(question)
    }
    this.#listener.start()
    return await this.#buyers.wait(question, ms, gone)
  }

  /** Whether webhooks can be stored, and what delays orders, refunds and events at the moment. */
  async health(): Promise<Health> {
    return await this.#health.ask()
  }

  /** Payments of these states, ids, e-mail addresses or names, the newest first. Amounts are minor units. */
  async search(search: PaymentSearch): Promise<PaymentPage> {
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

  /** Stripe's events about a payment, the newest 100 first, without the client's secret. */
  async events(paymentIntentId: string): Promise<EventView[]> {
    return await readEvents(this.#database, paymentIntentId)
  }
}

export default StripeOrdersModuleService
