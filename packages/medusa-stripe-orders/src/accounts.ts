import type { Plugin } from "./plugin"

/**
 * Whose lists of Stripe's are read; undefined is the account of the API key. Each connected account that a store takes
 * payments for has lists of its own, and a cursor of its own.
 */
export function accountsToRead({ options }: Plugin): (string | undefined)[] {
  return [undefined, ...options.accounts]
}
