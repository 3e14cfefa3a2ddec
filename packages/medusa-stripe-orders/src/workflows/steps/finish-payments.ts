import type { Knex } from "@medusajs/framework/mikro-orm/knex"
import type { Logger } from "@medusajs/framework/types"
import { ContainerRegistrationKeys } from "@medusajs/framework/utils"
import { createStep, StepResponse } from "@medusajs/framework/workflows-sdk"
import type { SetAside } from "../../content/content"
import { inParallel } from "../../in-parallel"
import type { PaymentStatus } from "../../modules/stripe-orders/ledger"
import * as ledger from "../../modules/stripe-orders/ledger"
import { finishPayment } from "../../settlement/finish"

const STRIPE_CALLS_AT_ONCE = 10

/** What became of a payment. `error` is set where the pass could not be finished and is to be run again. */
export interface PaymentOutcome {
  payment_intent_id: string
  status: PaymentStatus
  order_id: string | null
  reason: string | null
  error?: string
}

interface Input extends SetAside {
  payment_intent_ids: string[]
}

/** Captures, gives money back and emits order.placed, each from the payment's row; one failure stops no other. */
export const finishPaymentsStep = createStep(
  "finish-stripe-payments",
  async ({ payment_intent_ids, reviews, failures }: Input, { container }) => {
    const database: Knex = container.resolve(ContainerRegistrationKeys.PG_CONNECTION)
    const logger: Logger = container.resolve(ContainerRegistrationKeys.LOGGER)
    await ledger.decide(database, "review", reviews)
    for (const { id, reason } of reviews) {
      logger.warn(`Stripe payment ${id} needs a person: ${reason}`)
    }
    const errors = new Map(failures.map(({ id, error }) => [id, error]))
    const decided = await ledger.readRows(database, payment_intent_ids)
    await inParallel([...decided.values()], STRIPE_CALLS_AT_ONCE, async (row) => {
      await finishPayment(container, row).catch((error: Error) => errors.set(row.id, error.message))
    })
    const finished = await ledger.readRows(database, payment_intent_ids)
    const outcomes = [...finished.values()].map(({ id, status, order_id, reason }): PaymentOutcome => {
      const error = errors.get(id)
      return { payment_intent_id: id, status, order_id, reason, ...(error ? { error } : {}) }
    })
    return new StepResponse(outcomes)
  },
)
