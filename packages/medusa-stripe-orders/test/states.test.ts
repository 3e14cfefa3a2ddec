import { describe, expect, it } from "vitest"
import {
  AFTER_DISMISSAL,
  AFTER_EVENT,
  AFTER_RETRY,
  isAtRest,
  mayBecome,
  PAYMENT_STATES,
  type PaymentState,
  RETRIED,
  states,
  statesOf,
} from "../src/payments/states"

const all = PAYMENT_STATES.map((state) => ({ state, ...states[state] }))
const finals = all.filter(({ actor }) => actor === null)

/** Where a payment may go from `state`: by a step, by an event, or by what a person does. */
function ways(state: PaymentState): string[] {
  const actions = states[state].actor === "person" ? [...Object.values(AFTER_RETRY), AFTER_DISMISSAL] : []
  return [
    ...states[state].next,
    ...Object.values(AFTER_EVENT).flatMap((after) => after[state] ?? []),
    ...actions,
  ]
}

describe("the states of a payment", () => {
  it.each(all)("$state leads to states that exist, and says something to a person", ({ state, says }) => {
    expect(PAYMENT_STATES).toEqual(expect.arrayContaining(ways(state)))
    expect(says).toMatch(/^[A-Z].*\.$/)
  })

  it("are all reached from pending", () => {
    const reached = new Set<string>(["pending"])
    for (const state of reached) {
      for (const next of ways(state as PaymentState)) {
        reached.add(next)
      }
    }
    expect([...reached].sort()).toEqual([...PAYMENT_STATES].sort())
  })

  it("each have an actor as long as they aren't final", () => {
    const acted = (["decide", "carry out", "person"] as const).flatMap((actor) => statesOf(actor))
    expect([...acted, ...statesOf(null)].sort()).toEqual([...PAYMENT_STATES].sort())
    expect(acted.map((state) => states[state].next.length)).not.toContain(0)
  })

  it.each(finals)("$state is final: no step leads on from it, only what an event says", ({ state, next }) => {
    const after = Object.values(AFTER_EVENT).flatMap((after) => [after[state], after[`${state} with order`]])
    expect(next.filter((to) => !after.includes(to))).toEqual([])
  })

  it("can end, wherever a payment is: a final state is within reach of each", () => {
    const ending = new Set<string>(finals.map(({ state }) => state))
    for (let before = 0; before < ending.size; ) {
      before = ending.size
      for (const state of PAYMENT_STATES) {
        if (ways(state).some((next) => ending.has(next))) {
          ending.add(state)
        }
      }
    }
    expect([...ending].sort()).toEqual([...PAYMENT_STATES].sort())
  })

  it.each(Object.values(AFTER_EVENT).flatMap((after) => Object.entries(after)))(
    "an event takes %s where a step may take it too: to %s",
    (from, to) => {
      expect(mayBecome(to as PaymentState)).toContain(from.replace(" with order", ""))
    },
  )

  it("stay as they are, or follow from a state that names them", () => {
    for (const to of PAYMENT_STATES) {
      const from = mayBecome(to)
      expect(from).toContain(to)
      const named = from.filter((state) => state !== to)
      expect(named).toEqual(
        all.filter(({ next }) => next.some((name) => name === to)).map(({ state }) => state),
      )
    }
  })

  it("a retry leads from review to a state that a worker acts on", () => {
    for (const to of Object.values(AFTER_RETRY)) {
      expect(states.review.next).toContain(to)
      expect(isAtRest(to)).toBe(false)
    }
  })

  it("may be taken up again where a person is awaited, and where they were put aside", () => {
    expect([...RETRIED].sort()).toEqual(["dismissed", "disputed", "ignored", "review"])
  })

  it("rest where only a person or an event moves them on", () => {
    const resting = PAYMENT_STATES.filter(isAtRest)
    expect(resting).toEqual(PAYMENT_STATES.filter((state) => ["person", null].includes(states[state].actor)))
    expect(isAtRest("no such state")).toBe(false)
  })
})
