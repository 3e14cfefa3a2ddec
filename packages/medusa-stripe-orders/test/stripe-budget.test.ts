import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { StripeBudget, StripeBusyError, type StripeEndpoint } from "../src/carry-out/stripe-budget"

const ENDPOINTS = ["retrieve", "capture", "cancel", "refund"] as const

/** A clock that moves when it is told to, and lets what wakes run to its end before it goes on. */
class TestClock {
  #now = 0
  #timers: { at: number; wake: () => void }[] = []

  now = () => this.#now
  after = (ms: number, wake: () => void) => void this.#timers.push({ at: this.#now + ms, wake })

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      await settle()
      const next = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (!next) {
        break
      }
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#now = Math.max(this.#now, next.at)
      next.wake()
    }
    this.#now = end
  }
}

/** Promises that resolve each other are through after this. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

interface Sent {
  at: number
  endpoint: StripeEndpoint
  name?: string
}

function budgetWith({ livemode = false, clock = new TestClock() } = {}) {
  const budget = new StripeBudget({ livemode }, clock)
  const sent: Sent[] = []
  /** Makes a call that answers at once, `answer` being asked each time; keeps what became of it. */
  const ask = (
    endpoint: StripeEndpoint,
    {
      urgent = false,
      name = "",
      answer = () => {},
    }: { urgent?: boolean; name?: string; answer?: () => void } = {},
  ) => {
    const call = budget.run(
      endpoint,
      async () => {
        sent.push({ at: clock.now(), endpoint, name })
        answer()
      },
      urgent,
    )
    const outcome: { error?: unknown; isDone: boolean } = { isDone: false }
    call.then(
      () => {
        outcome.isDone = true
      },
      (error) => {
        outcome.error = error
      },
    )
    return outcome
  }
  return { budget, clock, sent, ask }
}

/** The most that were sent within a second, whichever second one looks at. */
function mostInASecond(sent: Sent[]): number {
  return Math.max(
    0,
    ...sent.map(({ at }) => sent.filter((other) => other.at >= at && other.at < at + 1000).length),
  )
}

const refusal = (headers: Record<string, string> = {}, code = "rate_limit") =>
  Object.assign(new Error("Too many requests"), { statusCode: 429, code, headers })

/** Answers with a refusal `times` times, then as usual. */
function refusing(times: number, error = refusal()) {
  let left = times
  return () => {
    if (left-- > 0) {
      throw error
    }
  }
}

// A tenth of a second's worth may be ahead of an even pace, and the first call of a second.
const burst = (perSecond: number) => Math.ceil(perSecond * 1.1) + 1

describe("Stripe's limits as a budget", () => {
  it.each([
    { livemode: true, account: 80, endpoint: 20 },
    { livemode: false, account: 20, endpoint: 20 },
  ])("are never exceeded, livemode $livemode, and are used up", async ({ livemode, account, endpoint }) => {
    const { sent, ask, clock } = budgetWith({ livemode })
    for (let i = 0; i < 2_000; i++) {
      ask(ENDPOINTS[i % 4] as StripeEndpoint)
    }
    await clock.advance(10_000)
    expect(mostInASecond(sent)).toBeLessThanOrEqual(burst(account))
    for (const one of ENDPOINTS) {
      expect(mostInASecond(sent.filter((call) => call.endpoint === one))).toBeLessThanOrEqual(burst(endpoint))
    }
    expect(sent.length).toBeGreaterThan(account * 10 * 0.95)
  })

  it("are held whenever the calls come, and no call is lost", async () => {
    const waves = fc.array(fc.record({ wait: fc.nat(1_500), calls: fc.nat(30) }), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(waves, async (waves) => {
        const { sent, ask, clock } = budgetWith()
        const asked = []
        for (const { wait, calls } of waves) {
          await clock.advance(wait)
          for (let i = 0; i < calls; i++) {
            asked.push(ask(ENDPOINTS[i % 4] as StripeEndpoint, { urgent: i % 3 === 0 }))
          }
        }
        await clock.advance(20_000)
        expect(mostInASecond(sent)).toBeLessThanOrEqual(burst(20))
        expect(asked.filter(({ isDone }) => !isDone)).toEqual([])
      }),
      { numRuns: 40 },
    )
  })

  it("let a call through at once when it is quiet", async () => {
    const { ask, sent } = budgetWith()
    ask("capture")
    await settle()
    expect(sent).toMatchObject([{ at: 0 }])
  })

  it("an endpoint that is used up holds up no other", async () => {
    const { ask, sent, clock } = budgetWith({ livemode: true })
    for (let i = 0; i < 100; i++) {
      ask("capture", { urgent: true })
    }
    await clock.advance(500)
    ask("retrieve", { name: "other" })
    await settle()
    expect(sent.find(({ name }) => name === "other")?.at).toBe(500)
  })

  it("let urgent calls go first, each kind in the order in which it came", async () => {
    const { ask, sent, clock } = budgetWith()
    for (let i = 0; i < 30; i++) {
      ask("capture", { name: `plain ${i}` })
    }
    await clock.advance(100)
    const before = sent.length
    for (let i = 0; i < 5; i++) {
      ask("capture", { urgent: true, name: `urgent ${i}` })
    }
    await clock.advance(3_000)
    const order = sent.slice(before).map(({ name }) => name)
    expect(order.slice(0, 5)).toEqual([0, 1, 2, 3, 4].map((i) => `urgent ${i}`))
    const plain = sent.filter(({ name }) => name?.startsWith("plain")).map(({ name }) => name)
    expect(plain).toEqual(Array.from({ length: 30 }, (_, i) => `plain ${i}`))
  })

  it("are shared: of three processes each has a third, together not more than there is", async () => {
    const clock = new TestClock()
    const three = [1, 2, 3].map(() => budgetWith({ livemode: true, clock }))
    for (const { budget, ask } of three) {
      budget.shareWith(3)
      for (let i = 0; i < 900; i++) {
        ask(ENDPOINTS[i % 4] as StripeEndpoint)
      }
    }
    await clock.advance(10_000)
    const counts = three.map(({ sent }) => sent.length)
    for (const count of counts) {
      expect(count).toBeGreaterThan((80 / 3) * 10 * 0.95)
      expect(count).toBeLessThan((80 / 3) * 10 * 1.1)
    }
    expect(mostInASecond(three.flatMap(({ sent }) => sent))).toBeLessThanOrEqual(burst(80) + 2 * 2)
  })
})

describe("a call that Stripe refuses with 429", () => {
  it("is no error: it waits, and is made again before those that came after it", async () => {
    const { budget, ask, sent, clock } = budgetWith()
    let refuse: (error: Error) => void = () => {}
    const first = budget.run("capture", () => {
      sent.push({ at: clock.now(), endpoint: "capture", name: "first" })
      return clock.now() > 0 ? Promise.resolve("captured") : new Promise((_, reject) => (refuse = reject))
    })
    await clock.advance(10)
    for (let i = 0; i < 10; i++) {
      ask("capture")
    }
    // Some of the others are in flight by now, and some wait for their turn.
    await clock.advance(10)
    const before = sent.length
    expect(before).toBeLessThan(6)
    refuse(refusal())
    await clock.advance(5_000)
    expect(await first).toBe("captured")
    expect(sent).toHaveLength(12)
    expect(sent[before]).toMatchObject({ name: "first", at: 1_020 })
  })

  it("waits as long as Retry-After says", async () => {
    const { ask, sent, clock } = budgetWith()
    ask("refund", { answer: refusing(1, refusal({ "retry-after": "7" })) })
    await clock.advance(6_999)
    expect(sent).toHaveLength(1)
    await clock.advance(2)
    expect(sent.map(({ at }) => at)).toEqual([0, 7_000])
  })

  it("halves the pace, which grows again by a call a second for each second", async () => {
    const { ask, sent, clock } = budgetWith()
    const endless = () => {
      for (let i = 0; i < 1_000; i++) {
        ask("retrieve")
      }
    }
    ask("retrieve", { answer: refusing(1) })
    await settle()
    endless()
    await clock.advance(30_000)
    const inSecond = (second: number) =>
      sent.filter(({ at }) => at >= second * 1000 && at < (second + 1) * 1000).length
    // Refused at 0, quiet for a second, then half of 20 a second and one more in each.
    expect(inSecond(0)).toBe(1)
    expect(inSecond(1)).toBeGreaterThanOrEqual(9)
    expect(inSecond(1)).toBeLessThanOrEqual(12)
    expect(inSecond(5)).toBeGreaterThan(inSecond(1))
    expect(inSecond(6)).toBeLessThan(18)
    expect(inSecond(20)).toBeGreaterThanOrEqual(19)
    expect(inSecond(20)).toBeLessThanOrEqual(21)
  })

  it("is one sign, not many, where calls in flight are refused together", async () => {
    const { ask, sent, clock } = budgetWith()
    for (let i = 0; i < 3; i++) {
      ask("retrieve", { answer: refusing(1) })
    }
    await settle()
    for (let i = 0; i < 200; i++) {
      ask("retrieve")
    }
    await clock.advance(2_000)
    expect(sent.filter(({ at }) => at >= 1_000).length).toBeGreaterThanOrEqual(9)
  })

  it("slows down its endpoint, or all of them where Stripe says that the account is at its limit", async () => {
    for (const [reason, goesOn] of [
      ["endpoint-rate", true],
      ["global-rate", false],
    ] as const) {
      const { ask, sent, clock } = budgetWith()
      ask("capture", { answer: refusing(1, refusal({ "stripe-rate-limited-reason": reason })) })
      await clock.advance(200)
      ask("retrieve", { name: "other" })
      await clock.advance(100)
      expect(sent.some(({ name }) => name === "other")).toBe(goesOn)
    }
  })

  it("is given up for now after a minute, with an error that is no failed attempt", async () => {
    const { ask, sent, clock } = budgetWith()
    const refused = ask("capture", { answer: refusing(Number.POSITIVE_INFINITY) })
    await clock.advance(59_000)
    expect(refused).toEqual({ isDone: false })
    expect(sent.length).toBeGreaterThan(20)
    await clock.advance(5_000)
    expect(refused.error).toBeInstanceOf(StripeBusyError)
    expect((refused.error as Error).message).toBe("Stripe has refused for a minute: Too many requests")
    const made = sent.length
    await clock.advance(60_000)
    expect(sent).toHaveLength(made)
  })

  it("is passed on where it is no limit, but a lock of Stripe's on the payment", async () => {
    const { ask, sent, clock } = budgetWith()
    const locked = ask("capture", { answer: refusing(1, refusal({}, "lock_timeout")) })
    await settle()
    expect(locked.error).toMatchObject({ code: "lock_timeout" })
    ask("capture")
    await clock.advance(1)
    expect(sent).toHaveLength(2)
  })

  it("is passed on where it is another error, and costs the pace nothing", async () => {
    const { ask, sent } = budgetWith()
    const broken = ask("capture", { answer: refusing(1, Object.assign(refusal(), { statusCode: 500 })) })
    await settle()
    expect(broken.error).toMatchObject({ statusCode: 500 })
    ask("capture")
    await settle()
    expect(sent).toHaveLength(2)
  })
})

describe("what an operator is told of Stripe", () => {
  const failed = (name: string) => {
    const Failure = { [name]: class extends Error {} }[name] as new () => Error
    return async () => {
      throw new Failure()
    }
  }

  it("is since when it has not done what it was asked, until it does or answers about the payment", async () => {
    const budget = new StripeBudget({ livemode: false })
    const ask = (call: () => Promise<unknown>) => budget.run("retrieve", call).catch(() => {})
    expect(budget.complaints()).toEqual([])
    await ask(failed("StripeConnectionError"))
    await ask(failed("StripeAPIError"))
    expect(budget.complaints()).toEqual([
      expect.stringMatching(/^Stripe has not done what it was asked since \S+ \(StripeConnectionError\)$/),
    ])
    await ask(failed("StripeInvalidRequestError"))
    expect(budget.complaints()).toEqual([])
    await ask(failed("StripeAuthenticationError"))
    expect(budget.complaints()).toHaveLength(1)
    await ask(async () => {})
    expect(budget.complaints()).toEqual([])
  })

  it("is how long calls wait for its limits", async () => {
    const { budget, clock, ask } = budgetWith()
    ask("capture", { answer: refusing(1, refusal({ "retry-after": "30" })) })
    await clock.advance(1_000)
    expect(budget.complaints()).toEqual([])
    await clock.advance(11_000)
    expect(budget.complaints()).toEqual(["calls wait for Stripe's limits: 1, the oldest for 12 s"])
    await clock.advance(30_000)
    expect(budget.complaints()).toEqual([])
  })
})
