import { type AcquireArgs, type ExecuteArgs, withLock } from "@holdfast/medusa-lock/steps"
import type { ILockingModule, ILockingProvider, MedusaContainer } from "@medusajs/framework/types"
import { Modules } from "@medusajs/framework/utils"

/** What users write: the Locking Module takes the arguments that it passes on to our providers. */
export async function use(container: MedusaContainer): Promise<string> {
  const locking: ILockingModule = container.resolve(Modules.LOCKING)
  const receipt: AcquireArgs["receipt"] = {}
  await locking.acquire("key", {
    ownerId: "anna",
    expire: 10,
    wait: 2,
    within: "run",
    receipt,
    keep: () => true,
  })
  await locking.acquire("key", { ownerId: "anna", provider: "locking" })
  const args: ExecuteArgs = { timeout: 1, expire: 10, within: "run" }
  const result: string = await locking.execute("key", async (signal) => String(signal?.aborted), args)
  await locking.execute(["key"], async () => undefined, { within: "run", provider: "locking" })
  // @ts-expect-error There is no such argument.
  await locking.acquire("key", { waits: 2 })
  return result
}

export type Kept = ILockingProvider
export { withLock }
