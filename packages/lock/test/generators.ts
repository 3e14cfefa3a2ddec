import fc from "fast-check"
import { SESSIONS, type Step } from "./history.js"

interface Mix {
  readonly keys: fc.Arbitrary<string[]>
  readonly owner: fc.Arbitrary<string | null>
  readonly ttl: fc.Arbitrary<number>
  readonly wait: fc.Arbitrary<boolean>
  /** Which of what is held the caller of a request keeps. */
  readonly holds: fc.Arbitrary<number[]>
  /** How often nothing out of the ordinary happens, for each time that something does. */
  readonly calm: number
}

const session = fc.nat(SESSIONS - 1)
const pick = fc.nat(50)

function step({ keys, owner, ttl, wait, holds, calm }: Mix): fc.Arbitrary<Step> {
  const often = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight: weight * calm, arbitrary })
  const rarely = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary })
  return fc.oneof(
    often(8, fc.record({ kind: fc.constant("acquire" as const), session, keys, ttl, owner, wait, holds })),
    often(4, fc.record({ kind: fc.constant("release" as const), pick })),
    often(3, fc.record({ kind: fc.constant("collect" as const), session })),
    rarely(2, fc.record({ kind: fc.constant("cancel" as const), pick })),
    rarely(1, fc.record({ kind: fc.constant("renew" as const), pick, ttl })),
    rarely(1, fc.record({ kind: fc.constant("forceRelease" as const), key: fc.constantFrom("a", "b") })),
    rarely(
      3,
      fc.record({ kind: fc.constant("tick" as const), ms: fc.constantFrom(1, 10, 50, 999, 1_000, 5_000) }),
    ),
    rarely(1, fc.record({ kind: fc.constant("crash" as const), session: fc.constantFrom(1, 2) })),
    rarely(1, fc.record({ kind: fc.constant("disaster" as const) })),
  )
}

const history = (mix: Mix, size?: "max") =>
  fc.array(step(mix), { minLength: 1, maxLength: size ? 50 : 80, ...(size && { size }) })

const any: Mix = {
  keys: fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 3 }),
  owner: fc.constantFrom(null, null, "anna", "ben"),
  ttl: fc.constantFrom(5, 40, 3_000, Number.POSITIVE_INFINITY),
  wait: fc.boolean(),
  holds: fc.oneof({ weight: 3, arbitrary: fc.constant<number[]>([]) }, fc.array(pick, { maxLength: 3 })),
  calm: 1,
}

/** Where nearly all requests want the same key. */
const hot: Mix = {
  ...any,
  keys: fc.constantFrom(["a"], ["a"], ["a"], ["b"], ["a", "b"]),
  wait: fc.constant(true),
}

/** Where a key goes from hand to hand, and hardly ever in another way. */
const relay: Mix = {
  ...hot,
  keys: fc.constantFrom(...Array.from({ length: 20 }, () => ["a"]), ["b"], ["a", "b"]),
  owner: fc.constantFrom(...Array<null>(10).fill(null), "anna"),
  ttl: fc.constantFrom(...Array<number>(10).fill(3_000), 900, Number.POSITIVE_INFINITY),
  calm: 4,
}

/** Where jobs hold one key and want another: circles of two and more. */
const nested: Mix = {
  ...any,
  keys: fc.constantFrom(["a"], ["b"], ["c"], ["d"], ["e"], ["f"], ["a", "b"], ["c", "d", "e"]),
  owner: fc.constantFrom(...Array<null>(10).fill(null), "anna"),
  ttl: fc.constant(3_000),
  wait: fc.constant(true),
  holds: fc.array(pick, { minLength: 0, maxLength: 1 }),
  calm: 6,
}

/** Anything that may happen, in any order. */
export const histories = fc.oneof(history(any), history(hot), history(relay), history(nested, "max"))
