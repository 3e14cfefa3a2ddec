import { asValue } from "@medusajs/framework/awilix"
import { MedusaApp, MedusaModule } from "@medusajs/framework/modules-sdk"
import type { ILockingModule, MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys, createMedusaContainer, Modules } from "@medusajs/framework/utils"

export interface Medusa {
  container: MedusaContainer
  locking: ILockingModule
  stop(): Promise<void>
}

type ProviderConfig = { resolve: string; id: string; is_default?: boolean; options?: object }

/** Medusa's own Locking Module with the given providers, loaded as Medusa loads it; it needs no database. */
export async function startMedusa(providers: ProviderConfig[]): Promise<Medusa> {
  const silent = Object.fromEntries(
    ["info", "warn", "error", "debug", "log"].map((level) => [level, () => undefined]),
  )
  const container = createMedusaContainer()
  container.register({ [ContainerRegistrationKeys.LOGGER]: asValue(silent) })
  const { modules, onApplicationShutdown } = await MedusaApp({
    sharedContainer: container,
    modulesConfig: { [Modules.LOCKING]: { resolve: "@medusajs/locking", options: { providers } } },
    cwd: process.cwd(),
  })
  const locking = modules[Modules.LOCKING] as unknown as ILockingModule
  container.register({ [Modules.LOCKING]: asValue(locking) })
  return {
    container,
    locking,
    async stop() {
      await onApplicationShutdown()
      MedusaModule.clearInstances()
    },
  }
}
