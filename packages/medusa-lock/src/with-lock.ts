import { MedusaError, Modules } from "@medusajs/framework/utils"
import { createStep, StepResponse, type WorkflowData } from "@medusajs/framework/workflows-sdk"
import { composedHandlers } from "./composer.js"
import { type AcquiredLock, acquireStep, toKeys, transactionOwner } from "./lock-steps.js"

const STEP = "holdfast-with-lock"

/** Each `withLock` has its own lock, so that one in another, with a key of its own beside the other's, ends its own only. */
const enterStep = acquireStep(STEP, (context) => `${transactionOwner(context)}:${context.stepName}`)

const leaveStep = createStep(`${STEP}-leave`, async (lock: Partial<AcquiredLock>, { container }) => {
  const keys = toKeys(lock?.keys)
  const { ownerId, provider } = lock ?? {}
  if (keys.length === 0 || (await container.resolve(Modules.LOCKING).release(keys, { ownerId, provider })))
    return new StepResponse(true)
  throw new MedusaError(
    MedusaError.Types.CONFLICT,
    `Lost the lock on ${keys.map((key) => `"${key}"`).join(", ")} before the work was done`,
  )
})

/**
 * Runs a part of a workflow in a lock, which is released at its end, or when the workflow fails. May be used several
 * times in a workflow, one in another too. Where the lock was lost meanwhile the workflow fails, and is compensated:
 * it did not run alone.
 *
 * @param input that of `acquireLockStep`.
 * @param part composes the steps that run in the lock, and is given the lock; its result is returned.
 */
export function withLock<Result>(
  input: Parameters<typeof enterStep>[0],
  part: (lock: WorkflowData<Partial<AcquiredLock>>) => Result,
): Result {
  const name = freeName()
  const lock = enterStep(input).config({ name })
  const result = part(lock)
  leaveStep(lock).config({ name: `${name}-leave` })
  return result
}

/** A step's name occurs once in a workflow. */
function freeName(): string {
  const taken = composedHandlers()
  let name = STEP
  for (let n = 2; taken.has(name); n++) name = `${STEP}-${n}`
  return name
}
