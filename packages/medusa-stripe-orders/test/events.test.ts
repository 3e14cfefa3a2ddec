import fc from "fast-check"
import type Stripe from "stripe"
import { describe, expect, it } from "vitest"
import { concernOf, hasMoved, type StoredEvent, snapshotOf, typesThatTell, typesToFetch } from "../src/events"

const NEWEST = "2026-10-28.endive"
const NOW = new Date("2026-11-27T12:00:00Z")
const ago = (seconds: number) => new Date(NOW.getTime() - seconds * 1000)

let made = 0
function stored(type: string, at: Date, more: Partial<StoredEvent> = {}): StoredEvent {
  const id = `evt_${++made}`
  return { id, type, api_version: NEWEST, created: at, created_at: at, revision: 1, payload: id, ...more }
}

const SUCCEEDED = "payment_intent.succeeded"
const CAPTURABLE = "payment_intent.amount_capturable_updated"
const SOLD = ["checkout.session.completed", "checkout.session.async_payment_succeeded"]
const PROCESSING = "payment_intent.processing"
const SNAPSHOTS = [SUCCEEDED, CAPTURABLE, PROCESSING, "payment_intent.payment_failed"]
const snapshot = (events: StoredEvent[]) => snapshotOf(events, NEWEST, NOW)

describe("a payment as its events tell it", () => {
  it("is what a fresh event says", () => {
    const event = stored(SUCCEEDED, ago(1))
    expect(snapshot([event])).toBe(event.payload)
  })

  it.each<[string, StoredEvent[]]>([
    ["there is none", []],
    ["none bears the payment as it was paid", [stored("payment_intent.created", ago(1))]],
    ["it is older than five minutes", [stored(SUCCEEDED, ago(301))]],
    ["it came more than a minute late", [stored(SUCCEEDED, ago(100), { created_at: ago(39) })]],
    [
      "its API version is older than what we know",
      [stored(SUCCEEDED, ago(1), { api_version: "2020-08-27" })],
    ],
    ["its API version is newer", [stored(SUCCEEDED, ago(1), { api_version: "2026-11-25.fennel" })]],
    ["it has no API version", [stored(SUCCEEDED, ago(1), { api_version: null })]],
    ["it was refunded since", [stored(SUCCEEDED, ago(9)), stored("charge.refunded", ago(1))]],
    ["it was refunded in the same second", [stored(SUCCEEDED, ago(1)), stored("refund.created", ago(1))]],
    ["it was canceled since", [stored(CAPTURABLE, ago(9)), stored("payment_intent.canceled", ago(1))]],
    ["something that we don't know happened since", [stored(SUCCEEDED, ago(9)), stored("x.y", ago(1))]],
    [
      "two of a second each bear it otherwise",
      [stored(CAPTURABLE, ago(1), { payload: "10" }), stored(CAPTURABLE, ago(1), { payload: "20" })],
    ],
  ])("is not known where %s", (_, events) => {
    expect(snapshot(events)).toBeNull()
  })

  it.each([
    ["is five minutes old at most", { created: ago(299), created_at: ago(299) }],
    ["came a minute late at most", { created: ago(65), created_at: ago(5) }],
    ["is of the oldest API version that we know", { api_version: "2022-11-15" }],
    ["is of the newest, under whichever name", { api_version: "2026-10-28.other" }],
    ["was made by a clock ahead of ours", { created: ago(-3), created_at: ago(0) }],
  ])("is what an event says that %s", (_, more) => {
    expect(snapshot([stored(SUCCEEDED, ago(1), more)])).not.toBeNull()
  })

  it("is what the newest event says: of one second, that it was captured", () => {
    const held = stored(CAPTURABLE, ago(2))
    const paid = stored(SUCCEEDED, ago(2))
    expect(snapshot([held, paid])).toBe(paid.payload)
    expect(snapshot([paid, held])).toBe(paid.payload)
    const later = stored(CAPTURABLE, ago(1))
    expect(snapshot([later, paid])).toBe(later.payload)
  })

  it("is not known from an event whose payload was pruned", () => {
    expect(snapshot([stored(SUCCEEDED, ago(1), { payload: null })])).toBeNull()
  })

  it("is not made doubtful by what happened before it, or by what says nothing against it", () => {
    const paid = stored(SUCCEEDED, ago(2))
    const before = stored("charge.refunded", ago(3))
    const harmless = typesThatTell("progress").filter((type) => !SNAPSHOTS.includes(type))
    const beside = harmless.map((type) => stored(type, ago(1)))
    expect(snapshot([paid, before, ...beside])).toBe(paid.payload)
  })

  it("is that it failed, where that came after it was on its way", () => {
    const failed = stored("payment_intent.payment_failed", ago(1))
    expect(snapshot([stored(PROCESSING, ago(2)), failed])).toBe(failed.payload)
  })

  it("does not depend on the order in which its events were stored", () => {
    const types = fc.constantFrom(
      SUCCEEDED,
      CAPTURABLE,
      "charge.succeeded",
      "charge.refunded",
      "payment_intent.canceled",
      "of.another.kind",
    )
    const event = fc
      .record({
        type: types,
        // Few seconds, so that several share one; some too old, or stored too late.
        age: fc.constantFrom(1, 2, 3, 40, 400),
        late: fc.constantFrom(0, 40, 80),
        api_version: fc.constantFrom(NEWEST, "2020-08-27", null),
      })
      .map(({ type, age, late, api_version }) =>
        stored(type, ago(age), { created_at: ago(age - late), api_version }),
      )
    const histories = fc
      .array(event, { maxLength: 6 })
      .chain((events) =>
        fc.tuple(
          fc.constant(events),
          fc.shuffledSubarray(events, { minLength: events.length, maxLength: events.length }),
        ),
      )
    fc.assert(
      fc.property(histories, ([events, shuffled]) => {
        expect(snapshot(shuffled)).toBe(snapshot(events))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe("a payment that Stripe was asked about", () => {
  it.each([
    ["nothing came since", SUCCEEDED, 3, false],
    ["what came since says nothing against it", "charge.captured", 4, false],
    ["it was refunded since", "charge.refunded", 4, true],
    ["something that we don't know happened since", "x.y", 4, true],
    ["it was refunded before", "charge.refunded", 3, false],
  ])("has moved or not: %s", (_, type, revision, expected) => {
    expect(hasMoved([stored(type, ago(1), { revision })], 3)).toBe(expected)
  })

  it("is not moved by an event that changed no payment", () => {
    expect(hasMoved([stored("charge.refunded", ago(1), { revision: null })], 0)).toBe(false)
  })
})

describe("the payment that an event concerns", () => {
  const concern = (type: string, object: unknown) => concernOf({ type, data: { object } } as Stripe.Event)

  it.each<[string, string, unknown]>([
    ["the payment intent itself", SUCCEEDED, { object: "payment_intent", id: "pi_1" }],
    ["a charge that names it", "charge.succeeded", { object: "charge", id: "ch_1", payment_intent: "pi_1" }],
    [
      "a charge that bears it whole",
      "charge.refunded",
      { object: "charge", id: "ch_1", payment_intent: { object: "payment_intent", id: "pi_1" } },
    ],
    ["a refund", "refund.created", { object: "refund", id: "re_1", payment_intent: "pi_1" }],
    ["a dispute", "charge.dispute.created", { object: "dispute", id: "dp_1", payment_intent: "pi_1" }],
    [
      "a checkout session",
      "checkout.session.completed",
      { object: "checkout.session", id: "cs_1", payment_intent: "pi_1" },
    ],
  ])("is named by %s", (_, type, object) => {
    expect(concern(type, object)?.payment_intent_id).toBe("pi_1")
  })

  it.each<[string, string, unknown]>([
    ["a type that concerns no payment", "customer.created", { object: "customer", id: "cus_1" }],
    ["a charge without one", "charge.succeeded", { object: "charge", id: "ch_1", payment_intent: null }],
    ["a charge that leaves it out", "charge.succeeded", { object: "charge", id: "ch_1" }],
    ["a session that is free of charge", "checkout.session.completed", { object: "checkout.session" }],
    ["an id that is no text", SUCCEEDED, { object: "payment_intent", id: 7 }],
    ["a charge that names it by a number", "charge.succeeded", { object: "charge", payment_intent: 7 }],
    ["a name of Object's own", "constructor", { object: "payment_intent", id: "pi_1" }],
  ])("is none for %s", (_, type, object) => {
    expect(concern(type, object)).toBeNull()
  })

  it("gets its row by what says that it was paid or will be, and by nothing else", () => {
    const opens = (type: string) => concern(type, { object: "payment_intent", id: "pi_1" })?.opens ?? false
    const openers = [SUCCEEDED, CAPTURABLE, PROCESSING, ...SOLD]
    expect(openers.map(opens)).toEqual(openers.map(() => true))
    const others = typesThatTell("progress").filter((type) => !openers.includes(type))
    expect(others.filter(opens)).toEqual([])
    expect(["payment_intent.canceled", "charge.refunded", "refund.created"].filter(opens)).toEqual([])
  })
})

describe("a Checkout Session", () => {
  const session = (more: object = {}) => ({
    object: "checkout.session",
    id: "cs_test_1",
    mode: "payment",
    payment_intent: null,
    payment_status: "no_payment_required",
    ...more,
  })

  const concernOfSession = (object: object) =>
    concernOf({ type: "checkout.session.completed", data: { object } } as Stripe.Event)

  it("stands for its payment where nothing was to be paid", () => {
    expect(concernOfSession(session())).toMatchObject({
      payment_intent_id: "cs_test_1",
      opens: true,
    })
  })

  it("is about its payment intent where there is one", () => {
    const paid = session({ payment_intent: "pi_1", payment_status: "paid" })
    expect(concernOfSession(paid)).toMatchObject({ payment_intent_id: "pi_1" })
  })

  it.each([{ mode: "subscription" }, { mode: "setup" }, { payment_status: "unpaid" }])(
    "is about no payment of this shop where it is %j",
    (more) => {
      expect(concernOfSession(session(more))).toBeNull()
    },
  )
})

describe("the events that are fetched", () => {
  it("are of no more types than Stripe lists at once", () => {
    expect(typesToFetch().length).toBeLessThanOrEqual(20)
  })

  it("say all that is known of a payment's standing, and of money that moved", () => {
    const telling = [...SNAPSHOTS, ...typesThatTell("refund"), ...typesThatTell("money")]
    expect(telling.filter((type) => !typesToFetch().includes(type))).toEqual([])
    expect(typesToFetch()).not.toContain("payment_intent.created")
  })
})
