import { MedusaModule } from "@medusajs/framework/modules-sdk"
import { Modules } from "@medusajs/framework/utils"

interface Hooked {
  __hooks?: { onApplicationShutdown?: () => Promise<unknown> }
}

/**
 * Runs `end` when Medusa shuts down. Medusa tells that to its modules and not to their providers: the Locking Module
 * is given a hook that passes it on.
 */
export function atShutdown(end: () => Promise<void>): void {
  const locking = MedusaModule.getModuleInstance(Modules.LOCKING)?.[Modules.LOCKING] as Hooked | undefined
  if (!locking) return
  const before = locking.__hooks?.onApplicationShutdown
  locking.__hooks = {
    ...locking.__hooks,
    async onApplicationShutdown() {
      await Promise.all([before?.call(locking), end()])
    },
  }
}
