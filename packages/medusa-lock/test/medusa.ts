import { asValue } from "@medusajs/framework/awilix"
import { MedusaApp, MedusaModule } from "@medusajs/framework/modules-sdk"
import type { ILockingModule, MedusaContainer } from "@medusajs/framework/types"
import { ContainerRegistrationKeys, createMedusaContainer, Modules } from "@medusajs/framework/utils"
import type { AcquireArgs, ExecuteArgs } from "../src/provider.js"

export interface Medusa {
  container: MedusaContainer
  locking: Locking
  stop(): Promise<void>
}

/** The Locking Module, with the arguments that it passes on to our providers. */
export interface Locking extends ILockingModule {
  acquire(keys: string | string[], args?: AcquireArgs & { provider?: string }): Promise<void>
  execute<T>(
    keys: string | string[],
    job: (signal?: AbortSignal) => Promise<T>,
    args?: ExecuteArgs & { provider?: string },
  ): Promise<T>
}

export interface ProviderConfig {
  resolve: string
  id: string
  is_default?: boolean
  options?: object
}

/** Medusa's own Locking Module with the given providers, loaded as Medusa loads it. It needs no database. */
export async function startMedusa(...providers: ProviderConfig[]): Promise<Medusa> {
  const log = () => undefined
  const container = createMedusaContainer()
  const logger = { info: log, warn: log, error: log, debug: log, log }
  container.register({ [ContainerRegistrationKeys.LOGGER]: asValue(logger) })
  const { modules, onApplicationShutdown } = await MedusaApp({
    sharedContainer: container,
    modulesConfig: { [Modules.LOCKING]: { resolve: "@medusajs/locking", options: { providers } } },
    cwd: process.cwd(),
  })
  const locking = modules[Modules.LOCKING] as unknown as Locking
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
