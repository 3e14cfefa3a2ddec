import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { MedusaContainer } from "@medusajs/framework/types"
import { Batch } from "./decide/batch"
import { CONTENDED_AFTER_MS } from "./decide/locks"
import { claimToDecide, holdsLease, LEASE_SECONDS, takeLease } from "./payments/queue"
import { timeout } from "./waker"
import { createOrderFromStripeWorkflow } from "./workflows/create-order-from-stripe"

const LARGEST_BATCH = 50
/** A batch that takes longer halves the next one, so that a slow database is not asked for too much at once. */
const SLOW_BATCH_MS = 2_000
const QUICK_BATCH_MS = 1_000

/** Batches are read and drafted while the one before them is in its transaction. */
const BATCHES_AT_ONCE = 3

const DECIDE_LEASE = "decide"
const RENEW_MS = (LEASE_SECONDS / 3) * 1000

interface Reports {
  onDecided: () => void
  onError: (error: Error) => void
}

/** Decides about what is due, batch by batch, where this worker holds the shop's lease to decide. */
export class Decider {
  readonly #container: MedusaContainer
  readonly #db: Knex
  readonly #worker: string
  readonly #reports: Reports
  readonly #atWork = new Set<Promise<void>>()
  #batchLimit = LARGEST_BATCH
  #leaseRenewedAt = Number.NEGATIVE_INFINITY

  constructor(container: MedusaContainer, db: Knex, worker: string, reports: Reports) {
    this.#container = container
    this.#db = db
    this.#worker = worker
    this.#reports = reports
  }

  /** Whether this worker has lately held the shop's lease to decide. */
  get isInCharge(): boolean {
    return performance.now() - this.#leaseRenewedAt < LEASE_SECONDS * 1000
  }

  /** Begins the next batch, and returns when the one after it may begin. False where nothing is due or it is not our turn. */
  async next(): Promise<boolean> {
    if (!(await this.#mayDecide())) {
      return false
    }
    const claimed = await claimToDecide(this.#db, this.#worker, this.#batchLimit)
    if (claimed.length === 0) {
      return false
    }
    const began = performance.now()
    const batch = new Batch(this.#container, claimed, this.#worker)
    const decided = this.#decide(batch).catch(this.#reports.onError)
    this.#atWork.add(decided)
    decided.then(() => {
      this.#atWork.delete(decided)
      this.#adaptBatch(performance.now() - began, claimed.length)
      this.#reports.onDecided()
    })
    await Promise.race([decided, batch.nextMayBegin])
    if (this.#atWork.size >= BATCHES_AT_ONCE) {
      await Promise.race([...this.#atWork, timeout(CONTENDED_AFTER_MS)])
    }
    return true
  }

  /** A batch may take longer than the lease lasts: renews it while one is at work. */
  async keepLease(): Promise<void> {
    if (this.#atWork.size > 0 && this.#leaseRenewedAt > Number.NEGATIVE_INFINITY) {
      await this.#renewLease()
    }
  }

  /** Resolves when the batches that are at work have ended. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#atWork)
  }

  /** Holds the lease to decide, or takes it when its holder has died. */
  async #mayDecide(): Promise<boolean> {
    return performance.now() - this.#leaseRenewedAt < RENEW_MS
      ? await holdsLease(this.#db, DECIDE_LEASE, this.#worker)
      : await this.#renewLease()
  }

  async #renewLease(): Promise<boolean> {
    const now = performance.now()
    let isHeld = false
    try {
      isHeld = await takeLease(this.#db, DECIDE_LEASE, this.#worker)
    } finally {
      this.#leaseRenewedAt = isHeld ? now : Number.NEGATIVE_INFINITY
    }
    return isHeld
  }

  /** A batch whose workflow fails is decided half by half, in the order of arrival: one bad payment holds up no other. */
  async #decide(batch: Batch): Promise<void> {
    try {
      const input = { payment_intent_ids: [...batch.claimed.keys()], batch_id: batch.id }
      await createOrderFromStripeWorkflow(this.#container).run({ input })
    } catch (error) {
      const left = batch.undecided
      if (left.length === 1) {
        batch.failed(left[0]?.id ?? "", error as Error)
      } else if (left.length > 1) {
        const half = Math.ceil(left.length / 2)
        for (const part of [left.slice(0, half), left.slice(half)]) {
          await this.#decide(new Batch(this.#container, part, this.#worker))
        }
      }
    } finally {
      await batch.close()
    }
  }

  #adaptBatch(ms: number, size: number): void {
    if (ms > SLOW_BATCH_MS) {
      this.#batchLimit = Math.max(1, Math.floor(Math.min(size, this.#batchLimit) / 2))
    } else if (ms < QUICK_BATCH_MS) {
      this.#batchLimit = Math.min(LARGEST_BATCH, this.#batchLimit * 2)
    }
  }
}
