import type { Locks } from "@holdfast/lock"
import { asValue } from "@medusajs/framework/awilix"
import type { LoaderOptions } from "@medusajs/framework/types"
import { MedusaError } from "@medusajs/framework/utils"

type ProviderLoaderOptions = LoaderOptions & { moduleOptions?: object }

/**
 * Opens the locks of a provider when Medusa starts. Medusa gives a provider's options to its loaders only: a
 * locking provider's constructor gets those of the whole module.
 *
 * @param known the names of the options that the provider has.
 * @throws MedusaError INVALID_ARGUMENT, at the start, for an option that the provider does not have.
 */
export function locksLoader<Options extends object>(
  provider: string,
  known: readonly (keyof Options & string)[],
  open: (options: Options) => Locks,
) {
  return async ({ container, options, moduleOptions }: ProviderLoaderOptions): Promise<void> => {
    // A provider without options is given those of the whole module instead, and no `moduleOptions`.
    const given = moduleOptions ? (options ?? {}) : {}
    for (const name of Object.keys(given)) {
      if ((known as readonly string[]).includes(name)) continue
      const has = known.length > 0 ? `it has ${known.join(", ")}` : "it has none"
      throw new MedusaError(
        MedusaError.Types.INVALID_ARGUMENT,
        `The locking provider "${provider}" has no option "${name}": ${has}`,
      )
    }
    container.register({ locks: asValue(open(given as Options)) })
  }
}
