import { AsyncLocalStorage } from "node:async_hooks"
import { WorkflowManager } from "@medusajs/framework/orchestration"

/** The cart that the code at work is about. Medusa's inventory calls don't name it. */
const current = new AsyncLocalStorage<{ cart_id: string }>()

export function currentCart(): string | undefined {
  return current.getStore()?.cart_id
}

/**
 * Runs a store's own flow for a cart: what the cart holds counts as free for it, and is exchanged for what it reserves.
 * Medusa's own flows (complete-cart, add-to-cart, update-line-item-in-cart) need no such call, however they are started.
 */
export async function withHoldOf<T>(cart_id: string, work: () => Promise<T>): Promise<T> {
  return await current.run({ cart_id }, work)
}

/** Medusa's flows that ask for stock or take it for a cart, and where their input names it. */
const FLOWS: Record<string, "id" | "cart_id"> = {
  "complete-cart": "id",
  "add-to-cart": "cart_id",
  "update-line-item-in-cart": "cart_id",
}

interface StepArguments {
  payload?: Record<string, unknown>
}
type StepHandler = (step: StepArguments, ...rest: unknown[]) => unknown
interface Flow {
  /** A step that was renamed leaves its first name behind, without a handler. */
  handlers_: Map<string, { invoke?: StepHandler; compensate?: StepHandler } | undefined>
}

const WRAPPED = Symbol.for("@holdfast/medusa-stripe-orders: knows its cart")

/**
 * Each step of these flows knows its cart from now on, its compensation too, in whichever process and by whichever workflow
 * engine it is run. A middleware of the route would miss the store's own code, and steps that Redis hands to another process.
 *
 * @returns the flows that this version of Medusa does not have
 */
export function tellFlowsTheirCart(): string[] {
  return Object.entries(FLOWS).flatMap(([id, input]) => {
    const flow = WorkflowManager.getWorkflow(id) as unknown as Flow | undefined
    if (!flow?.handlers_?.size) {
      return [id]
    }
    for (const handler of flow.handlers_.values()) {
      if (handler) {
        wrap(handler as Record<string | symbol, unknown>, input)
      }
    }
    return []
  })
}

function wrap(handler: Record<string | symbol, unknown>, input: "id" | "cart_id"): void {
  if (handler[WRAPPED]) {
    return
  }
  handler[WRAPPED] = true
  for (const action of ["invoke", "compensate"]) {
    const run = handler[action] as StepHandler | undefined
    if (run) {
      handler[action] = (step: StepArguments, ...rest: unknown[]) => {
        const cart_id = step?.payload?.[input]
        return typeof cart_id === "string"
          ? current.run({ cart_id }, () => run(step, ...rest))
          : run(step, ...rest)
      }
    }
  }
}
