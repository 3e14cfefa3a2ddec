import type { Store } from "../store.js"
import { isRedis, type Place } from "./command.js"

/** Loads the store's client only where it is used: one of the two is enough. */
export async function openStore({ store, url, prefix, schema }: Place): Promise<Store> {
  if (isRedis(url)) {
    const { redisStore } = await import("../redis/index.js")
    return redisStore({ url: store, prefix })
  }
  const { existingStore } = await import("../postgres/index.js")
  return existingStore({ connectionString: store, schema })
}

/** Where the locks are, without user and password. */
export function nameOf({ url, prefix, schema }: Place): string {
  const space = prefix ?? schema
  return `${url.protocol}//${url.host}${url.pathname}${space === undefined ? "" : ` ${space}`}`
}

/** What an error says, without what is secret in the URL. */
export function explain(error: unknown, { store, url }: Place): string {
  const { password, searchParams } = url
  const secrets = [store, url.href, password, decoded(password), searchParams.get("password")]
  return secrets.reduce<string>(
    (text, secret) => (secret ? text.replaceAll(secret, "***") : text),
    messageOf(error),
  )
}

function decoded(password: string): string {
  try {
    return decodeURIComponent(password)
  } catch {
    return password
  }
}

/** A connection refused on several addresses at once has no message of its own, only a code. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  const { code } = (cause ?? {}) as { code?: unknown }
  return cause instanceof Error && cause.message === "" && code ? `${error.message}${code}` : error.message
}
