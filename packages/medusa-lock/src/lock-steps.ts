import { setTimeout } from "node:timers/promises"
import type { ILockingModule } from "@medusajs/framework/types"
import { isDefined, MedusaError, Modules } from "@medusajs/framework/utils"
import {
  createStep,
  type StepExecutionContext,
  type StepFunction,
  StepResponse,
} from "@medusajs/framework/workflows-sdk"
import { knowingTransaction, whileItRuns } from "./composer.js"
import type { AcquireArgs, Receipt } from "./provider.js"
import { milliseconds } from "./seconds.js"

export interface AcquireLockStepInput {
  /** What to lock: all of the keys at one instant, or none. */
  key: string | string[]
  /** Seconds to wait for the lock; 0 by default. */
  timeout?: number | undefined
  /**
   * Seconds that the lock may last without the process that acquired it; without a `ttl` it never expires. While that
   * process lives and the workflow runs in it, the lock is kept alive, and after a crash it is free within 10 s (the
   * provider's option `keepAlive`) or `ttl`, whichever is less. Where another process may go on with the workflow (it has
   * asynchronous steps, retry intervals, time-outs, or is stored), or with an `ownerId` of your own, the lock lasts
   * exactly `ttl`, as in Medusa.
   */
  ttl?: number | undefined
  /**
   * Who holds the lock. By default this transaction of the workflow, which can re-enter what the workflows that it is
   * nested in hold. With an `ownerId` of your own Medusa's rule holds: the same owner extends, and one release ends it.
   */
  ownerId?: string | undefined
  /** The locking provider, by its id. By default the Locking Module's default provider. */
  provider?: string | undefined
  /** Seconds between two tries, 0.3 by default, with a provider that can't wait. Holdfast's providers wait in their queue. */
  retryInterval?: number | undefined
  /** Whether to lock in a nested workflow too. By default its parent is expected to hold the lock, and nothing is done. */
  executeOnSubWorkflow?: boolean | undefined
}

export interface ReleaseLockStepInput {
  /** The keys to release. */
  key: string | string[]
  /** The `ownerId` that the lock was acquired with, if it was given one. */
  ownerId?: string | undefined
  provider?: string | undefined
  executeOnSubWorkflow?: boolean | undefined
}

/** Identifies the lock for a later step, or a late compensation. */
export interface AcquiredLock {
  keys: string[]
  ownerId: string
  provider?: string | undefined
  /** The name that nested workflows share; `locking.execute(keys, job, { within })` runs inside this lock. */
  within?: string | undefined
  /** The fencing token in decimal, where the provider gives one. */
  token?: string | undefined
}

/**
 * Acquires a lock for the workflow, in the place of Medusa's step of the same name. Its output is the `AcquiredLock`,
 * empty where there is nothing to lock. When the workflow fails, exactly this lock is released.
 *
 * Throws a MedusaError of type `conflict` where the keys stay busy, and the provider's own error where it fails.
 */
export const acquireLockStep: StepFunction<AcquireLockStepInput, Partial<AcquiredLock>> = acquireStep(
  "holdfast-acquire-lock",
  transactionOwner,
)

/** @param nameOwner names the owner of a lock that is given none. */
export function acquireStep(
  name: string,
  nameOwner: (context: StepExecutionContext) => string,
): StepFunction<AcquireLockStepInput, Partial<AcquiredLock>> {
  const step: StepFunction<AcquireLockStepInput, Partial<AcquiredLock>> = createStep(
    name,
    async (input: AcquireLockStepInput, context) => {
      const keys = toKeys(input.key)
      if (keys.length === 0) return new StepResponse<Partial<AcquiredLock>>({})
      if (leavesItToParent(input, context)) return skipped()
      const lock = await acquire(keys, input, input.ownerId ?? nameOwner(context), context)
      return new StepResponse<Partial<AcquiredLock>>(lock)
    },
    async (lock, { container }) => {
      const { keys, ownerId, provider } = lock ?? {}
      if (keys) await container.resolve(Modules.LOCKING).release(keys, { ownerId, provider })
    },
  )
  return knowingTransaction(step)
}

/** Releases a lock that `acquireLockStep` acquired in the same workflow. Its output is whether it was still held. */
export const releaseLockStep: StepFunction<ReleaseLockStepInput, boolean> = createStep(
  "holdfast-release-lock",
  async (input: ReleaseLockStepInput, context) => {
    const keys = toKeys(input.key)
    if (keys.length === 0) return new StepResponse(true)
    if (leavesItToParent(input, context)) return skipped()
    const ownerId = input.ownerId ?? transactionOwner(context)
    const locking = context.container.resolve(Modules.LOCKING)
    return new StepResponse(await locking.release(keys, { ownerId, provider: input.provider }))
  },
)

async function acquire(
  keys: string[],
  input: AcquireLockStepInput,
  ownerId: string,
  context: StepExecutionContext,
): Promise<AcquiredLock> {
  const { provider, timeout: wait = 0 } = input
  const locking = context.container.resolve(Modules.LOCKING)
  const deadline = performance.now() + milliseconds("timeout", wait)
  const isOwn = input.ownerId === undefined
  const within = isOwn ? `run:${context.runId}` : undefined
  const receipt: Receipt = {}
  const args: AcquireArgs & { provider?: string } = {
    ownerId,
    expire: input.ttl,
    keep: isOwn ? whileItRuns(context) : undefined,
    provider,
    wait,
    within,
    receipt,
  }
  while (!(await isAcquired(locking, keys, args))) {
    if (receipt.accepted || performance.now() >= deadline) {
      // Medusa's own providers leave what they took of the keys locked. Ours leave nothing.
      if (within && !receipt.accepted) await locking.release(keys, { ownerId, provider })
      throw timedOut(keys, wait)
    }
    // Medusa's own providers don't wait in `acquire`: ask again, as Medusa's step does.
    const pause = milliseconds("retryInterval", input.retryInterval ?? 0.3)
    await setTimeout(Math.min(pause, Math.max(deadline - performance.now(), 0)))
  }
  return { keys, ownerId, provider, within, token: receipt.token }
}

/** False where the keys are busy. Any other error is thrown, and not taken for that. */
async function isAcquired(locking: ILockingModule, keys: string[], args: AcquireArgs): Promise<boolean> {
  try {
    await locking.acquire(keys, args)
    return true
  } catch (error) {
    if (isBusy(error)) return false
    throw error
  }
}

export function toKeys(key: string | string[] | undefined): string[] {
  if (Array.isArray(key)) return key
  return isDefined(key) ? [key] : []
}

function leavesItToParent(input: { executeOnSubWorkflow?: boolean }, context: StepExecutionContext): boolean {
  return !!context.parentStepIdempotencyKey && !input.executeOnSubWorkflow
}

/** Medusa's type of a step's answer leaves out that it may be to skip the step. */
function skipped(): never {
  return StepResponse.skip() as never
}

/** Names this transaction of this workflow: two workflows may be run under one transaction id. */
export function transactionOwner({ workflowId, transactionId }: StepExecutionContext): string {
  return `workflow:${workflowId}:${transactionId}`
}

/** Whether `error` says that another owner holds the lock, in the words of any of Medusa's providers. */
function isBusy(error: unknown): boolean {
  if (MedusaError.isMedusaError(error)) return error.type === MedusaError.Types.CONFLICT
  return (
    error instanceof Error && /^Failed to acquire lock for key |" is already locked\.$/.test(error.message)
  )
}

function timedOut(keys: string[], wait: number): MedusaError {
  const names = keys.map((key) => `"${key}"`).join(", ")
  return new MedusaError(MedusaError.Types.CONFLICT, `Could not lock ${names} within ${wait} s`)
}
