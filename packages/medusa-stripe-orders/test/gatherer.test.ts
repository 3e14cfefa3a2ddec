import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Gatherer } from "../src/gatherer"
import { messageOf } from "../src/payments/payments"

describe("gathered work", () => {
  /** Work that stands still until it is let go, and remembers what was worked on together. */
  function work() {
    const together: string[][] = []
    let letGo: () => void = () => {}
    const gate = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const run = async (items: string[]) => {
      together.push(items)
      await gate
      if (items.some((item) => item.startsWith("bad"))) throw new Error(`no ${items.join(" ")}`)
    }
    return { together, run, letGo }
  }

  it("is done at once for the first, and together for those that come meanwhile", async () => {
    const { together, run, letGo } = work()
    const gatherer = new Gatherer(run)
    const all = ["a", "b", "c"].map((item) => gatherer.add(item))
    letGo()
    await Promise.all(all)
    expect(together).toEqual([["a"], ["b", "c"]])
  })

  it("fails for the bad one alone", async () => {
    const { together, run, letGo } = work()
    const gatherer = new Gatherer(run)
    const all = ["a", "b", "bad", "c"].map((item) => gatherer.add(item))
    letGo()
    const results = await Promise.allSettled(all)
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"])
    expect(together).toEqual([["a"], ["b", "bad", "c"], ["b"], ["bad"], ["c"]])
  })

  it("takes each thing once, those of one key never together and in their order", async () => {
    const keys = fc.array(fc.constantFrom("x", "y", "z"), { maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(keys, async (keys) => {
        const done: number[] = []
        let sharedAKey = false
        const gatherer = new Gatherer<{ key: string; n: number }>(
          async (items) => {
            sharedAKey ||= new Set(items.map(({ key }) => key)).size < items.length
            await Promise.resolve()
            done.push(...items.map(({ n }) => n))
          },
          ({ key }) => key,
        )
        await Promise.all(keys.map((key, n) => gatherer.add({ key, n })))
        expect(sharedAKey).toBe(false)
        expect([...done].sort((a, b) => a - b)).toEqual(keys.map((_, n) => n))
        for (const key of new Set(keys)) {
          const own = done.filter((n) => keys[n] === key)
          expect(own).toEqual([...own].sort((a, b) => a - b))
        }
      }),
    )
  })
})

describe("an error's message", () => {
  it("leaves out the statement and its values, which Knex puts before that of Postgres", () => {
    const error = Object.assign(new Error("insert into x values ('pi_1_secret_2') - deadlock detected"), {
      severity: "ERROR",
    })
    expect(messageOf(error)).toBe("deadlock detected")
    expect(messageOf(new Error("Stripe - is down"))).toBe("Stripe - is down")
  })
})
