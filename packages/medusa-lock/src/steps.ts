import { setTimeout } from "node:timers/promises"
import type { ILockingModule } from "@medusajs/framework/types"
import { isDefined, MedusaError, Modules } from "@medusajs/framework/utils"
import {
  createStep,
  type StepExecutionContext,
  type StepFunction,
  StepResponse,
} from "@medusajs/framework/workflows-sdk"
import type { AcquireArgs, Receipt } from "./provider.js"
import { milliseconds } from "./seconds.js"

export interface AcquireLockStepInput {
  /** What to lock: all of the keys at one instant, or none. */
  key: string | string[]
  /** Seconds to wait for the lock; 0 by default. */
  timeout?: number
  /** Seconds after which the lock expires. Without, it is held until it is released. */
  ttl?: number
  /**
   * Who holds the lock. By default this transaction of the workflow, which can re-enter what the workflows that it is
   * nested in hold. With an `ownerId` of your own Medusa's rule holds: the same owner extends, and one release ends it.
   */
  ownerId?: string
  /** The locking provider, by its id. By default the Locking Module's default provider. */
  provider?: string
  /** Seconds between two tries, 0.3 by default, with a provider that can't wait. Holdfast's providers wait in their queue. */
  retryInterval?: number
  /** Whether to lock in a nested workflow too. By default its parent is expected to hold the lock, and nothing is done. */
  executeOnSubWorkflow?: boolean
}

export interface ReleaseLockStepInput {
  /** The keys to release. */
  key: string | string[]
  /** The `ownerId` that the lock was acquired with, if it was given one. */
  ownerId?: string
  provider?: string
  executeOnSubWorkflow?: boolean
}

/** What a later step, or a late compensation, needs to know of the lock. */
export interface AcquiredLock {
  keys: string[]
  ownerId: string
  provider?: string
  /** The name that nested workflows share; `locking.execute(keys, job, { within })` runs inside this lock. */
  within?: string
  /** The fencing token in decimal, where the provider gives one. */
  token?: string
}

/**
 * Acquires a lock for the workflow, in the place of Medusa's step of the same name. Its output is the `AcquiredLock`,
 * empty where there is nothing to lock. When the workflow fails, exactly this lock is released.
 *
 * Throws a MedusaError of type `conflict` where the keys stay busy, and the provider's own error where it fails.
 */
export const acquireLockStep: StepFunction<AcquireLockStepInput, Partial<AcquiredLock>> = createStep(
  "holdfast-acquire-lock",
  async (input: AcquireLockStepInput, context) => {
    const keys = toKeys(input.key)
    if (keys.length === 0) return new StepResponse<Partial<AcquiredLock>>({})
    if (leavesItToParent(input, context)) return skipped()
    const locking = context.container.resolve(Modules.LOCKING)
    const lock = await acquire(locking, keys, input, context)
    return new StepResponse<Partial<AcquiredLock>>(lock)
  },
  async (lock, { container }) => {
    const { keys, ownerId, provider } = lock ?? {}
    if (keys) await container.resolve(Modules.LOCKING).release(keys, { ownerId, provider })
  },
)

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
  locking: ILockingModule,
  keys: string[],
  input: AcquireLockStepInput,
  context: StepExecutionContext,
): Promise<AcquiredLock> {
  const { provider, timeout: wait = 0 } = input
  const deadline = performance.now() + milliseconds("timeout", wait)
  const ownerId = input.ownerId ?? transactionOwner(context)
  const within = input.ownerId === undefined ? `run:${context.runId}` : undefined
  const receipt: Receipt = {}
  const args: AcquireArgs & { provider?: string } = {
    ownerId,
    expire: input.ttl,
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

/** False where the keys are busy. What else goes wrong is thrown, and not mistaken for that. */
async function isAcquired(locking: ILockingModule, keys: string[], args: AcquireArgs): Promise<boolean> {
  try {
    await locking.acquire(keys, args)
    return true
  } catch (error) {
    if (isBusy(error)) return false
    throw error
  }
}

function toKeys(key: string | string[] | undefined): string[] {
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
function transactionOwner({ workflowId, transactionId }: StepExecutionContext): string {
  return `workflow:${workflowId}:${transactionId}`
}

/** Whether `error` says that somebody else holds the lock, in the words of any of Medusa's providers. */
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
