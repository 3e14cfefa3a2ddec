import { Locks } from "@holdfast/lock"
import { memoryStore } from "@holdfast/lock/memory"
import type { ModuleProviderExports } from "@medusajs/framework/types"
import { ModuleProvider, Modules } from "@medusajs/framework/utils"
import { locksLoader } from "./loader.js"
import type { LockingOptions } from "./options.js"
import { HoldfastLockingProvider } from "./provider.js"

export type { AcquireArgs, ExecuteArgs, Receipt } from "./provider.js"

export type MemoryLockingOptions = LockingOptions

/** Locks within one process, for development, tests, and shops that run as a single process. */
export class MemoryLockingProvider extends HoldfastLockingProvider {
  static identifier = "holdfast-memory"
}

const loader = locksLoader<MemoryLockingOptions>({
  identifier: MemoryLockingProvider.identifier,
  checks: {},
  open: ({ trackNesting }) => new Locks(memoryStore(), { trackNesting }),
})

const provider: ModuleProviderExports = ModuleProvider(Modules.LOCKING, {
  services: [MemoryLockingProvider],
  loaders: [loader],
})

export default provider
