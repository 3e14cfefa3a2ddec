import { Locks } from "@holdfast/lock"
import { memoryStore } from "@holdfast/lock/memory"
import type { ModuleProviderExports } from "@medusajs/framework/types"
import { ModuleProvider, Modules } from "@medusajs/framework/utils"
import { locksLoader } from "./loader.js"
import { HoldfastLockingProvider } from "./provider.js"

/** Locks within one process, for development, tests, and shops that run as a single process. */
export class MemoryLockingProvider extends HoldfastLockingProvider {
  static identifier = "holdfast-memory"
}

const provider: ModuleProviderExports = ModuleProvider(Modules.LOCKING, {
  services: [MemoryLockingProvider],
  loaders: [locksLoader(MemoryLockingProvider.identifier, [], () => new Locks(memoryStore()))],
})

export default provider
