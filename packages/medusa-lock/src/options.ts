import { MedusaError } from "@medusajs/framework/utils"

/** The options of every provider. */
export interface LockingOptions {
  /** Seconds that `acquire` waits in the queue where the call doesn't say; 0 by default, as in Medusa. */
  wait?: number | undefined
  /** Seconds that `execute` waits where the call doesn't say; 30 by default. Medusa's providers give up after 5. */
  waitLockingTimeout?: number | undefined
  /**
   * Seconds that the lock of a job or of a workflow outlives its process; 10 by default. It is renewed each third of
   * that while the process lives, so a process that is paused for longer than two thirds may lose it.
   */
  keepAlive?: number | undefined
  /**
   * Whether a request that the job of an `execute` makes fails at once, naming who holds what, where it would wait for
   * itself: see `trackNesting` of `@holdfast/lock`. Before Node 24 it costs at every promise of the process. False by default.
   */
  trackNesting?: boolean | undefined
}

/** Returns what the option must be where it is invalid. Values are never shown: they may hold a password. */
export type Check = (value: unknown) => string | undefined

export type Checks<Options> = { readonly [Name in keyof Required<Options>]: Check }

const isSeconds = (value: unknown): value is number => typeof value === "number" && value >= 0

export const CHECKS: Checks<LockingOptions> = {
  wait: (value) => (isSeconds(value) ? undefined : "must be a number of seconds from 0"),
  waitLockingTimeout: (value) => (isSeconds(value) ? undefined : "must be a number of seconds from 0"),
  keepAlive: (value) =>
    isSeconds(value) && value >= 1 && value < Number.POSITIVE_INFINITY
      ? undefined
      : "must be a number of seconds from 1",
  trackNesting: (value) => (typeof value === "boolean" ? undefined : "must be true or false"),
}

export const isText: Check = (value) =>
  typeof value === "string" && value.length > 0 ? undefined : "must be a text that is not empty"

export const isObject: Check = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? undefined : "must be an object"

/** A client of Redis, or a function that makes one. */
export const isClient: Check = (value) => {
  const { evalsha, sendCommand } = (value ?? {}) as Record<string, unknown>
  return [value, evalsha, sendCommand].some((it) => typeof it === "function")
    ? undefined
    : "must be a client of ioredis or node-redis, or a function that makes one"
}

export interface OneOf<Options> {
  readonly names: readonly (keyof Options & string)[]
  readonly remedy: string
}

/**
 * @param oneOf the options of which one must be there, with what to do about it.
 * @throws MedusaError INVALID_ARGUMENT for an option that the provider doesn't have, lacks, or can't use.
 */
export function checkOptions<Options extends object>(
  provider: string,
  given: Options,
  checks: Checks<Options>,
  oneOf?: OneOf<Options>,
): void {
  const refuse = (what: string) => {
    throw new MedusaError(MedusaError.Types.INVALID_ARGUMENT, `The locking provider "${provider}" ${what}`)
  }
  for (const [name, value] of Object.entries(given)) {
    const check = Object.hasOwn(checks, name) ? checks[name as keyof Options] : undefined
    if (!check) refuse(`has no option "${name}": it has ${Object.keys(checks).join(", ")}`)
    const wrong = value === undefined ? undefined : check?.(value)
    if (wrong) refuse(`can't start: its option "${name}" ${wrong}`)
  }
  if (!oneOf) return
  const there = oneOf.names.filter((name) => given[name] !== undefined)
  if (there.length === 0) refuse(`can't start: its option "${oneOf.names[0]}" is missing; ${oneOf.remedy}`)
  if (there.length > 1) refuse(`can't start: of its options ${there.join(" and ")} only one may be set`)
}
