import { randomUUID } from "node:crypto"
import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { Logger, MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { isLockBusy } from "../medusa/busy-lock"
import { NeedsReview, type OrderDraft, type OrderSource, type PaidPayment } from "../order-draft/order-draft"
import type { Unsourced } from "../order-draft/unsourced"
import { failedAttempt } from "../payments/attempts"
import { applyOutcomes, type Line, type Outcome, outcomeOf } from "../payments/payments"
import { type ClaimedPayment, keepClaims, releaseClaims } from "../payments/queue"
import type { PaymentState } from "../payments/states"
import { databaseOf, type Plugin, pluginOf } from "../plugin"
import type { StockRequest } from "./stock"

/** A payment that may become an order; its source is null where only the store's own rule can tell it. */
export interface Candidate extends PaidPayment {
  source: OrderSource | null
  /** why there is none, unless the store's rule knows it */
  unsourced?: Unsourced
  /** whether Stripe itself was asked, not only its event */
  isRead: boolean
}

/**
 * Payments that are decided about together. Steps of the workflow pass its id alone; the payments stay here, in the
 * process that claimed them, for a workflow engine copies and may store what its steps return.
 */
export class Batch {
  readonly id = randomUUID()
  readonly container: MedusaContainer
  readonly db: Knex
  readonly plugin: Plugin
  readonly claimed: ReadonlyMap<string, ClaimedPayment>
  /** the worker, or `by hand` */
  readonly actor: string
  candidates: Candidate[] = []
  drafts: (OrderDraft | ExistingOrder)[] = []
  /** by payment, what the store's hooks say of its stock */
  readonly stockPolicies = new Map<string, Partial<StockPolicy>>()
  /** the keys that are locked for each payment until its group is placed */
  readonly locked = new Map<string, string[]>()
  readonly #undecided: Set<string>
  #outcomes: Outcome[] = []
  readonly #letGo: () => void
  #signalNext: () => void = () => {}

  /**
   * Resolves when the next batch may begin: this one has its locks, so that a later payment can't be served before its
   * own, or it has waited for them for a while, and its items are marked as contended.
   */
  readonly nextMayBegin = new Promise<void>((resolve) => {
    this.#signalNext = resolve
  })

  constructor(container: MedusaContainer, claimed: ClaimedPayment[], actor: string) {
    this.container = container
    this.db = databaseOf(container)
    this.plugin = pluginOf(container)
    this.claimed = new Map(claimed.map((payment) => [payment.id, payment]))
    this.actor = actor
    this.#undecided = new Set(this.claimed.keys())
    this.#letGo = keepClaims(this.db, () => this.claims)
    open.set(this.id, this)
  }

  static find(id: string): Batch | undefined {
    return open.get(id)
  }

  /** @throws where the batch is not open in this process */
  static of(id: string): Batch {
    const batch = open.get(id)
    if (!batch) {
      throw new Error(`Batch ${id} is not open in this process`)
    }
    return batch
  }

  get isOpen(): boolean {
    return open.has(this.id)
  }

  /** Writes what was set aside and gives back the claims of payments that nothing was decided about. */
  async close(): Promise<void> {
    if (!open.delete(this.id)) {
      return
    }
    this.#letGo()
    this.#signalNext()
    await this.flush()
    await releaseClaims(this.db, this.undecided)
  }

  letNextBegin(): void {
    this.#signalNext()
  }

  /** Claims that are to be renewed, those of the payments without an outcome. */
  get claims(): string[] {
    return [...new Set(this.undecided.map(({ claim }) => claim))]
  }

  /** The payments without an outcome. */
  get undecided(): ClaimedPayment[] {
    return [...this.#undecided].map((id) => this.payment(id))
  }

  /** A payment of this batch as it was when it was claimed. */
  payment(id: string): ClaimedPayment {
    return this.claimed.get(id) as ClaimedPayment
  }

  /** What becomes of a payment. Written by `flush`, or with the order in its transaction. */
  outcome(id: string, to: PaymentState, line: Line, more: Partial<OutcomeParts> = {}): Outcome {
    this.#undecided.delete(id)
    return outcomeOf(this.payment(id), to, line, more)
  }

  /** Stripe is asked. This does not reset the attempts: a payment that fails after each answer needs review in the end. */
  lookup(id: string, text: string): Outcome {
    return this.outcome(id, "lookup", { kind: "decision", text }, { attempts: "kept" })
  }

  /**
   * Where the order's stock is to come from, and what becomes of it where there is none: the store's hooks, or its options. A
   * person who has looked at it has the last word.
   */
  stockPolicy({ payment: { id } }: OrderDraft): StockPolicy {
    const { whenOutOfStock } = this.plugin.options
    const own = this.stockPolicies.get(id)
    const ofPerson = this.payment(id).backorders ? "backorder" : undefined
    return {
      whenOutOfStock: ofPerson ?? own?.whenOutOfStock ?? whenOutOfStock,
      locationIds: own?.locationIds,
    }
  }

  /** Takes a payment out of the batch; the others go on. */
  setAside(id: string, to: PaymentState, line: Line, more?: Partial<OutcomeParts>): void {
    if (this.#undecided.has(id)) {
      this.setAsideWith(this.outcome(id, to, line, more))
    }
  }

  setAsideWith(outcome: Outcome): void {
    this.#undecided.delete(outcome.id)
    this.#outcomes.push(outcome)
    this.candidates = this.candidates.filter((candidate) => candidate.id !== outcome.id)
  }

  /** Sets the payment aside for review where `work` says so. */
  orReview(id: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      if (!(error instanceof NeedsReview)) {
        throw error
      }
      this.review(id, error.message)
    }
  }

  review(id: string, reason: string): void {
    this.#logger.warn(`Stripe payment ${id} needs review: ${reason}`)
    this.setAside(id, "review", { kind: "decision", text: `Needs review: ${reason}` }, { reason })
  }

  /** Nothing for a person: another's payment in the same Stripe account. */
  ignore(id: string, reason: string): void {
    this.setAside(id, "ignored", { kind: "decision", text: `Not this shop's: ${reason}` }, { reason })
  }

  /** The payment is tried again after a back-off, and needs review when it has failed often enough. */
  failed(id: string, error: Error): void {
    if (this.#undecided.has(id)) {
      this.setAsideWith(this.failure(id, error))
    }
  }

  failure(id: string, error: Error): Outcome {
    this.#undecided.delete(id)
    // The reason of an earlier state is no reason to be pending.
    const payment = { ...this.payment(id), reason: null }
    return failedAttempt(payment, error, {
      maxAttempts: this.plugin.options.maxAttempts,
      logger: this.#logger,
    })
  }

  /** Earlier payments of this process wait for the same item: this one comes again soon, behind them. */
  waitBehind(id: string): void {
    const { claim, revision } = this.payment(id)
    const due_in_ms = BUSY_RETRY_MS.least
    this.setAsideWith({ id, claim, revision, to: "pending", lines: [], attempts: "kept", due_in_ms })
  }

  /** An earlier payment of the same transaction has the last use of its promotion, unless it finds no stock. */
  waitForUse(id: string): Outcome {
    const line = { kind: "decision" as const, text: "An earlier payment may have its promotion's last use" }
    return this.outcome(id, "pending", line, { attempts: "kept", due_in_ms: BUSY_RETRY_MS.least })
  }

  /** A lock that is busy is no fault of the payment, which comes again soon; any other error is a failed attempt. */
  busyOrFailed(id: string, error: Error): void {
    const { status_since } = this.payment(id)
    const waited = Date.now() - new Date(status_since).getTime()
    if (!isLockBusy(error) || waited > BUSY_FOR_TOO_LONG_MS) {
      this.failed(id, error)
      return
    }
    const due_in_ms = Math.min(BUSY_RETRY_MS.most, Math.max(BUSY_RETRY_MS.least, waited / 2))
    const line = { kind: "attempt" as const, text: `A lock is busy: ${error.message}` }
    this.setAside(id, "pending", line, { error: error.message, attempts: "kept", due_in_ms })
  }

  get #logger(): Logger {
    return this.container.resolve(ContainerRegistrationKeys.LOGGER)
  }

  /** Writes what was set aside so far. */
  async flush(): Promise<void> {
    const outcomes = this.#outcomes
    this.#outcomes = []
    await applyOutcomes(this.db, this.actor, outcomes)
  }

  /** The outcomes of a transaction that was rolled back: its payments are undecided again. */
  reopen(ids: string[]): void {
    for (const id of ids) {
      this.#undecided.add(id)
    }
  }
}

/** A lock that was busy is tried again after half of the time that the payment has waited so far, within these bounds. */
const BUSY_RETRY_MS = { least: 250, most: 10_000 }

/** Locks that stay busy for this long are counted as failures. */
const BUSY_FOR_TOO_LONG_MS = 3_600_000

/** What the store says of one order's stock. */
export type StockPolicy = Pick<StockRequest, "whenOutOfStock" | "locationIds">

/** Everything about an outcome but whose it is, where it leads and its line. */
export type OutcomeParts = Omit<Outcome, "id" | "claim" | "revision" | "to" | "lines">

/** A payment whose order exists already: Medusa's own cart completion made it, or another payment, or it was edited. */
export interface ExistingOrder {
  payment: PaidPayment
  cart_id: string | null
  payment_session_id: string | null
  order: null
  demands: []
}

const open = new Map<string, Batch>()
