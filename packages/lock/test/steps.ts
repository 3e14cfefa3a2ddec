import fc from "fast-check"
import { SESSIONS, type Step } from "./history.js"

const anyKeys = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 1, maxLength: 3 })
const session = fc.nat(SESSIONS - 1)
const pick = fc.nat(50)
const ttl = fc.constantFrom(5, 40, 3_000, Number.POSITIVE_INFINITY)

const step = (keys: fc.Arbitrary<string[]>, wait: fc.Arbitrary<boolean>): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("acquire" as const),
        session,
        keys,
        ttl,
        owner: fc.constantFrom(null, null, "anna", "ben"),
        wait,
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("release" as const), pick }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), pick }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("renew" as const), pick, ttl }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("forceRelease" as const), key: fc.constantFrom("a", "b") }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("collect" as const), session }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("tick" as const),
        ms: fc.constantFrom(1, 10, 50, 999, 1_000, 5_000),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("crash" as const), session: fc.constantFrom(1, 2) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("disaster" as const) }) },
  )

const length = { minLength: 1, maxLength: 80 }
const any = fc.array(step(anyKeys, fc.boolean()), length)
/** Where nearly all want the same, a key goes from hand to hand. */
const hot = fc.array(step(fc.constantFrom(["a"], ["a"], ["a"], ["b"], ["a", "b"]), fc.constant(true)), length)

/** Anything that may happen, in any order. */
export const histories = fc.oneof(any, hot)
