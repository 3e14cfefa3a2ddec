import { randomUUID } from "node:crypto"
import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { Logger, MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { inParallel } from "./in-parallel"
import { STRIPE_ORDERS_MODULE, type StripeOrdersModuleService } from "./modules/stripe-orders"
import type { ClaimedPayment } from "./modules/stripe-orders/ledger"
import * as ledger from "./modules/stripe-orders/ledger"
import { createOrderFromStripeWorkflow, type PaymentOutcome } from "./workflows/create-order-from-stripe"

/** Emitted when an event was stored that asks for an order; whoever hears it looks into the table. */
export const PAYMENT_DUE = "stripe_orders.payment_due"

const LARGEST_BATCH = 50

/** How many payments of a failed batch are tried at once, each alone. */
const ALONE_AT_ONCE = 5

/** How long a dead worker's payments wait for the next one. It renews at a third while it lives. */
const LEASE_SECONDS = 10

const LONGEST_BACK_OFF_SECONDS = 3600

const worker = `${process.pid}-${randomUUID()}`

/** A pass that has been at one batch for longer is held up by something, and is not waited for. */
const HELD_UP_MS = 2_000
const MOST_PASSES = 4

const passes = new Set<{ batchSince: number }>()
let askedAgain = false

/**
 * Settles all that is due, batch by batch. One pass at a time keeps the order of arrival; a call that comes
 * meanwhile makes it look once more, so that nothing that was stored before the call is left waiting. Where the
 * pass is held up, by a slow Stripe for instance, another one goes past it.
 */
export async function processInbox(container: MedusaContainer): Promise<void> {
  askedAgain = true
  const atWork = [...passes].some(({ batchSince }) => performance.now() - batchSince < HELD_UP_MS)
  if (atWork || passes.size >= MOST_PASSES) {
    return
  }
  const pass = { batchSince: performance.now() }
  passes.add(pass)
  try {
    while (askedAgain) {
      askedAgain = false
      while (await settleNextBatch(container)) {
        pass.batchSince = performance.now()
      }
    }
  } finally {
    passes.delete(pass)
  }
}

/** False where nothing is due. */
async function settleNextBatch(container: MedusaContainer): Promise<boolean> {
  const database: Knex = container.resolve(ContainerRegistrationKeys.PG_CONNECTION)
  const batch = await ledger.claimDue(database, worker, LARGEST_BATCH, LEASE_SECONDS)
  if (batch.length > 0) {
    await keepingClaims(database, batch, () => settleBatch(container, database, batch))
  }
  return batch.length > 0
}

/** A batch that fails is tried payment by payment, so that a bad one holds up no other. */
async function settleBatch(
  container: MedusaContainer,
  database: Knex,
  batch: ClaimedPayment[],
): Promise<void> {
  try {
    await settlePayments(container, database, batch)
  } catch (error) {
    if (batch.length === 1) {
      return await tryLater(container, database, batch[0] as ClaimedPayment, error as Error)
    }
    await inParallel(batch, ALONE_AT_ONCE, (payment) => settleBatch(container, database, [payment]))
  }
}

async function settlePayments(
  container: MedusaContainer,
  database: Knex,
  batch: ClaimedPayment[],
): Promise<void> {
  const { result } = await createOrderFromStripeWorkflow(container).run({
    input: { payment_intent_ids: batch.map(({ id }) => id) },
  })
  const outcomes = new Map(
    result.payments.map((outcome: PaymentOutcome) => [outcome.payment_intent_id, outcome]),
  )
  for (const payment of batch) {
    const error = outcomes.get(payment.id)?.error
    if (error) {
      await tryLater(container, database, payment, new Error(error))
    } else {
      await ledger.settle(database, worker, payment)
    }
  }
}

async function tryLater(
  container: MedusaContainer,
  database: Knex,
  payment: ClaimedPayment,
  error: Error,
): Promise<void> {
  const logger: Logger = container.resolve(ContainerRegistrationKeys.LOGGER)
  const { options }: StripeOrdersModuleService = container.resolve(STRIPE_ORDERS_MODULE)
  const attempt = payment.attempts + 1
  if (attempt >= options.maxAttempts) {
    logger.error(`Stripe payment ${payment.id} needs a person after ${attempt} attempts: ${error.message}`)
    return await ledger.giveUp(database, worker, payment, error.message)
  }
  const delay = backOffSeconds(attempt)
  logger.warn(`Stripe payment ${payment.id}: attempt ${attempt} failed, next in ${delay} s: ${error.message}`)
  await ledger.postpone(database, worker, payment.id, error.message, delay)
}

/** 2 s, 4 s, 8 s … one hour, a fifth more or less so that a crowd that failed together does not return together. */
function backOffSeconds(attempt: number): number {
  const exact = Math.min(2 ** attempt, LONGEST_BACK_OFF_SECONDS)
  return Math.round(exact * (0.8 + Math.random() * 0.4) * 10) / 10
}

async function keepingClaims(
  database: Knex,
  batch: ClaimedPayment[],
  work: () => Promise<void>,
): Promise<void> {
  const ids = batch.map(({ id }) => id)
  // A renewal that fails is made up for by the next one; if none succeeds, the payments are somebody else's.
  const renewal = setInterval(
    () => ledger.renewClaims(database, worker, ids, LEASE_SECONDS).catch(() => {}),
    (LEASE_SECONDS / 3) * 1000,
  )
  try {
    await work()
  } finally {
    clearInterval(renewal)
  }
}
