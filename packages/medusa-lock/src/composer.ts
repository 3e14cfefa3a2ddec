import type { DistributedTransactionType } from "@medusajs/framework/orchestration"
import { OrchestrationUtils } from "@medusajs/framework/utils"
import type { StepExecutionContext } from "@medusajs/framework/workflows-sdk"

// Medusa's internals are used in this file only.

interface Handler {
  invoke(args: { context: object; transaction: DistributedTransactionType }): unknown
}

interface Placed {
  __step__: string
  config(settings: object): unknown
}

/** The steps' handlers of the workflow that is being composed, by the steps' names. */
export function composedHandlers(): ReadonlyMap<string, Handler> {
  const composer = Reflect.get(globalThis, OrchestrationUtils.SymbolMedusaWorkflowComposerContext)
  return composer?.handlers ?? new Map()
}

/** By the context that Medusa makes for each run of a workflow, and shows to its steps. */
const transactions = new WeakMap<object, DistributedTransactionType>()

/**
 * The same step with access to its transaction, to see whether it still runs: Medusa gives the transaction to a step's
 * handler only, not to the step. If Medusa should change that, a lock lasts its `ttl` as in Medusa.
 */
export function knowingTransaction<Step extends object>(step: Step): Step {
  const compose = (input: unknown) => {
    const handlers = composedHandlers()
    const placed = (step as unknown as (input: unknown) => Placed)(input)
    listenTo(handlers.get(placed.__step__))
    const configure = placed.config
    placed.config = (settings) => {
      const configured = configure(settings)
      // A step that is configured has a new handler, maybe under another name.
      listenTo(handlers.get(placed.__step__))
      return configured
    }
    return placed
  }
  const { __type, __step__ } = step as Record<string, unknown>
  return Object.assign(compose, { __type, __step__ }) as unknown as Step
}

function listenTo(handler: Handler | undefined): void {
  if (!handler) return
  const invoke = handler.invoke
  handler.invoke = (args) => {
    if (args.context && args.transaction) transactions.set(args.context, args.transaction)
    return invoke(args)
  }
}

/**
 * Returns whether the workflow of this step still runs, in this process. Undefined where that is unknown, since
 * another process may go on with it.
 */
export function whileItRuns({ context }: StepExecutionContext): (() => boolean) | undefined {
  const transaction = context && transactions.get(context)
  if (!transaction || transaction.getFlow().options?.store) return undefined
  return () => !transaction.hasFinished()
}
