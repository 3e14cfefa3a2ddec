import { LockArgumentError } from "./errors.js"
import type { Lease } from "./lease.js"
import type { Hold, Store } from "./store.js"

export const MAX_KEYS = 10_000
export const MAX_KEY_LENGTH = 1_024
/** 100 years, in ms: as a time in µs it stays an exact number in every store. */
export const MAX_TTL = 3_155_760_000_000

/**
 * The keys without duplicates. A key is 1 to 1,024 UTF-16 units of well-formed Unicode without NUL, compared
 * exactly as it is: a lone surrogate has no UTF-8 form and would collide with others in a store, and NUL can't
 * be stored as text in Postgres.
 */
export function checkKeys(keys: string | readonly string[]): readonly string[] {
  if (typeof keys === "string") return [checkName("key", keys)]
  if (!Array.isArray(keys))
    throw new LockArgumentError(`keys must be a string or a list of strings, not ${show(keys)}`)
  if (keys.length === 0) throw new LockArgumentError("keys must not be empty")
  for (const key of keys) checkName("key", key)
  const distinct = keys.length === 1 ? [...keys] : [...new Set<string>(keys)]
  if (distinct.length > MAX_KEYS)
    throw new LockArgumentError(`${distinct.length} keys are more than ${MAX_KEYS}`)
  return distinct
}

export function checkName(what: string, name: unknown): string {
  if (typeof name !== "string") throw new LockArgumentError(`${what} must be a string, not ${show(name)}`)
  if (name.length === 0) throw new LockArgumentError(`${what} must not be empty`)
  if (name.length > MAX_KEY_LENGTH)
    throw new LockArgumentError(`${what} has ${name.length} characters, more than ${MAX_KEY_LENGTH}`)
  if (/[\0\p{Surrogate}]/u.test(name))
    throw new LockArgumentError(`${what} must not contain NUL or half of a surrogate pair: ${show(name)}`)
  return name
}

/** A ttl in whole ms, from 1 to 100 years. `Infinity` is a lease without an end. */
export function checkTtl(ttl: unknown): number {
  if (typeof ttl !== "number" || !(ttl > 0))
    throw new LockArgumentError(`ttl must be a number of ms above 0 or Infinity, not ${show(ttl)}`)
  if (ttl > MAX_TTL && ttl !== Number.POSITIVE_INFINITY)
    throw new LockArgumentError(
      `ttl must be at most ${MAX_TTL} ms (100 years), or Infinity for a lease without an end, not ${ttl}`,
    )
  return Math.ceil(ttl)
}

/** A timeout in ms. 0 tries once, `Infinity` waits for as long as it takes. */
export function checkTimeout(timeout: unknown): number {
  if (typeof timeout !== "number" || !(timeout >= 0))
    throw new LockArgumentError(`timeout must be a number of ms from 0 or Infinity, not ${show(timeout)}`)
  return timeout
}

/** An AbortSignal of this or another realm or make: what matters is that it can be listened to. */
export function checkSignal(signal: unknown): AbortSignal {
  if (signal instanceof AbortSignal) return signal
  const { aborted, addEventListener, removeEventListener } = (signal ?? {}) as Partial<AbortSignal>
  if (typeof aborted === "boolean" && isFunction(addEventListener) && isFunction(removeEventListener))
    return signal as AbortSignal
  const isController = signal instanceof AbortController
  const hint = isController ? "an AbortController: give its property signal" : show(signal)
  throw new LockArgumentError(`signal must be an AbortSignal, not ${hint}`)
}

/** The leases that a caller holds. They may come from another instance, and from the other build of this package. */
export function checkHolding(holding: unknown): readonly Hold[] {
  const leases: readonly Partial<Lease>[] = Array.isArray(holding) ? holding : [holding]
  return leases.map((lease) => {
    if (typeof lease !== "object" || lease === null || !Array.isArray(lease.keys))
      throw new LockArgumentError(`holding must be a lease or a list of leases, not ${show(lease)}`)
    return { id: checkName("the id of a lease", lease.id), key: checkName("its key", lease.keys[0]) }
  })
}

export function checkFlag(what: string, flag: unknown): boolean {
  if (typeof flag !== "boolean")
    throw new LockArgumentError(`${what} must be true or false, not ${show(flag)}`)
  return flag
}

export function checkOptions<T extends object>(what: string, options: T): T {
  if (typeof options !== "object" || options === null)
    throw new LockArgumentError(`${what} must be an object, not ${show(options)}`)
  return options
}

export function checkFunction(what: string, value: unknown): void {
  if (!isFunction(value)) throw new LockArgumentError(`${what} must be a function, not ${show(value)}`)
}

export function checkStore(store: Store): Store {
  if (!isFunction((store as Store | undefined | null)?.connect))
    throw new LockArgumentError(
      "Locks needs a store, such as redisStore({ url }), postgresStore({ connectionString }) or memoryStore()",
    )
  return store
}

const isFunction = (value: unknown): boolean => typeof value === "function"

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 80)) : String(value)
}
