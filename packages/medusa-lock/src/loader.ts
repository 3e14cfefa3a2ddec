import type { Locks } from "@holdfast/lock"
import { asValue } from "@medusajs/framework/awilix"
import type { LoaderOptions } from "@medusajs/framework/types"
import { CHECKS, type Checks, checkOptions, type LockingOptions, type OneOf } from "./options.js"

type ProviderLoaderOptions = LoaderOptions & { moduleOptions?: object }
type Container = LoaderOptions["container"]

export interface ProviderSetup<Options extends LockingOptions> {
  /** Names the provider in messages. */
  identifier: string
  /** How each of its own options is checked. */
  checks: Checks<Omit<Options, keyof LockingOptions>>
  /** Options of which exactly one must be there, with what to do where none is. */
  oneOf?: OneOf<Options>
  /** Connects to nothing yet: `db:migrate` loads the providers too. */
  open(options: Options, container: Container): Locks
}

/**
 * Opens the locks of a provider when Medusa starts. Medusa gives a provider's options to its loaders only: a
 * locking provider's constructor gets those of the whole module.
 *
 * @throws MedusaError INVALID_ARGUMENT, at the start, where the options are invalid.
 */
export function locksLoader<Options extends LockingOptions>(setup: ProviderSetup<Options>) {
  const checks = { ...CHECKS, ...setup.checks } as unknown as Checks<Options>
  return async ({ container, options, moduleOptions }: ProviderLoaderOptions): Promise<void> => {
    // A provider without options is given those of the whole module instead, and no `moduleOptions`.
    const given = (moduleOptions ? (options ?? {}) : {}) as Options
    checkOptions(setup.identifier, given, checks, setup.oneOf)
    container.register({ locks: asValue(setup.open(given, container)), lockingOptions: asValue(given) })
  }
}
