import type { MedusaContainer } from "@medusajs/framework/types"
import { MedusaError, Modules } from "@medusajs/framework/utils"
import { type HoldfastLockingProvider, REACH } from "./provider.js"
import type { LockView } from "./view.js"

export type { HolderView, LockView, WaiterView } from "./view.js"

interface Which {
  /** The locking provider, by its id. By default the Locking Module's default provider. */
  provider?: string | undefined
}

/**
 * All locks and waiting requests, of all processes that share the store. Plain JSON, for an API route or a script.
 *
 * Throws a MedusaError of type `not_allowed` where the provider is none of Holdfast's.
 */
export async function inspectLocks(container: MedusaContainer, which: Which = {}): Promise<LockView[]> {
  return (await reach(container, which)).inspect()
}

/**
 * Takes away every lock on `key`, with all its keys; its holder finds out. False where no lock holds it. Throws as
 * `inspectLocks` does.
 */
export async function forceReleaseLock(
  container: MedusaContainer,
  key: string,
  which: Which = {},
): Promise<boolean> {
  return (await reach(container, which)).forceRelease(key)
}

/** The Locking Module passes arguments through to its provider, and answers nothing else. */
async function reach(container: MedusaContainer, { provider }: Which): Promise<HoldfastLockingProvider> {
  const reached: { provider?: HoldfastLockingProvider } = {}
  await container.resolve(Modules.LOCKING).release([], { provider, [REACH]: reached } as object)
  if (reached.provider) return reached.provider
  const name = provider ? `provider "${provider}"` : "default provider"
  throw new MedusaError(
    MedusaError.Types.NOT_ALLOWED,
    `The Locking Module's ${name} is none of @holdfast/medusa-lock, and can't tell what it holds`,
  )
}
