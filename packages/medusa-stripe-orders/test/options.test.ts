import { describe, expect, it } from "vitest"
import { parseOptions } from "../src/options"

const valid = { apiKey: "sk_test_1", webhookSecrets: ["whsec_1"] }

function messageOf(work: () => unknown): string {
  try {
    work()
    return ""
  } catch (error) {
    return (error as Error).message
  }
}

describe("the plugin's options", () => {
  it("fills in the defaults", () => {
    expect(parseOptions(valid)).toEqual({
      ...valid,
      lockKey: "payment_intent",
      hold: {
        duration: 900,
        longest: 3600,
        grace: 60,
        unitsPerCart: 50,
        linesPerCart: 50,
        perCustomer: 3,
        perIp: 20,
        proxies: 1,
      },
      orderWithoutMoney: "keep",
      paidTwice: "review",
      stock: "reserve",
      capture: "after_stock",
      whenOutOfStock: "refund",
      billingAddress: "shipping",
      lock: { timeout: 30, ttl: 120 },
      paymentProvider: "pp_stripe_stripe",
      unknownPayments: "review",
      accounts: [],
      maxAttempts: 20,
      fetchEventsEvery: 300,
      retention: { events: 90, timeline: null },
      stripe: {},
    })
  })

  it("takes days to keep, and 0 or forever", () => {
    const retention = (given: object) => parseOptions({ ...valid, retention: given }).retention
    expect(retention({ events: 30, timeline: 365 })).toEqual({ events: 30, timeline: 365 })
    expect(retention({ events: 0 })).toEqual({ events: null, timeline: null })
    expect(retention({ events: "forever", timeline: 0 })).toEqual({ events: null, timeline: null })
  })

  it("takes one signing secret, or several for a rotation", () => {
    expect(parseOptions({ ...valid, webhookSecrets: "whsec_1" }).webhookSecrets).toEqual(["whsec_1"])
    expect(parseOptions({ ...valid, webhookSecrets: ["whsec_1", "whsec_2"] }).webhookSecrets).toHaveLength(2)
  })

  it.each([
    [{ ...valid, apiKey: undefined }, "apiKey: is missing"],
    [{ ...valid, apiKey: "pk_test_1" }, "apiKey: must begin with sk_"],
    [{ ...valid, webhookSecrets: [] }, "webhookSecrets"],
    [{ ...valid, webhookSecrets: undefined }, "webhookSecrets"],
    [{ ...valid, webhookSecrets: ["sk_test_1"] }, "webhookSecrets"],
    [
      { ...valid, webhookSecrets: undefined },
      "webhookSecrets: is missing; copy the endpoint's signing secret",
    ],
    [{ ...valid, webhookSecrets: "" }, "webhookSecrets: is missing; copy the endpoint's signing secret"],
    [
      { ...valid, webhookSecrets: "whsec_1,whsec_2" },
      "webhookSecrets.0: names several in one text: give a list",
    ],
    [
      { ...valid, webhookSecrets: ["whsec_1", "whsec_2\n"] },
      "webhookSecrets.1: has a space or a line's end in it",
    ],
    [{ ...valid, webhookSecrets: "whsec_" }, "webhookSecrets.0: must be a whole signing secret"],
    [{ ...valid, webhookSecrets: { secret: "whsec_1" } }, "webhookSecrets.0: must be one signing secret"],
    [{ ...valid, apiKey: "" }, "apiKey: is missing"],
    [{ ...valid, apiKey: "sk_" }, "apiKey: must begin with sk_"],
    [{ ...valid, apiKey: "sk_test_1 " }, "apiKey: has a space or a line's end in it"],
    [{ ...valid, lock: null }, "lock: must be an object such as { timeout: 30, ttl: 120 }"],
    [{ ...valid, lock: { timeout: 1e9 } }, "lock.timeout: must be at most 600 seconds"],
    [{ ...valid, lock: { timeout: Number.POSITIVE_INFINITY } }, "lock.timeout: must be"],
    [{ ...valid, lock: { ttl: 0.01 } }, "lock.ttl: must be at least 1 seconds"],
    [{ ...valid, lock: { ttl: 1e9 } }, "lock.ttl: must be at most 86400 seconds"],
    [{ ...valid, lock: { tll: 5 } }, "lock.tll: no such option"],
    [
      { ...valid, stripe: { foo: 1 } },
      "stripe: the official client refuses it: Config object may only contain",
    ],
    [{ ...valid, stripe: null }, "stripe: must be an object"],
    [{ ...valid, paymentProvider: "pp_" }, "paymentProvider: must be a payment provider's id"],
    [{ ...valid, lockKey: "order" }, "lockKey: must be"],
    [{ ...valid, stock: "both" }, 'stock: must be "reserve" or "decrement"'],
    [{ ...valid, lock: { timeout: -1 } }, "lock.timeout: must be more than 0 seconds"],
    [{ ...valid, lock: { timeout: "30" } }, "lock.timeout: must be seconds"],
    [{ ...valid, maxAttempts: 0 }, "maxAttempts: must be at least 1"],
    [{ ...valid, retention: { events: 1.5 } }, 'retention.events: must be whole days, or "forever"'],
    [{ ...valid, retention: { timeline: "never" } }, "retention.timeline: must be whole days"],
    [{ ...valid, retention: { payments: 1 } }, "retention.payments: no such option"],
    [{ ...valid, fetchEventsEvery: -1 }, "fetchEventsEvery: must be seconds"],
    [{ ...valid, fetchEventsEvery: 0.001 }, "fetchEventsEvery: must be seconds, from 1"],
    [{ ...valid, paymentProvider: "stripe" }, "paymentProvider: must be"],
    [{ ...valid, unknownPayments: "drop" }, 'unknownPayments: must be "review" or "ignore"'],
    [{ ...valid, accounts: "acct_1" }, "accounts: must be a list of connected accounts"],
    [{ ...valid, accounts: ["seller"] }, "accounts.0: must be a connected account's id such as acct_"],
    [{ ...valid, stok: "reserve" }, "stok: no such option"],
    [undefined, "apiKey: is missing"],
  ])("refuses %j and names the option", (options, message) => {
    expect(() => parseOptions(options)).toThrow(message)
    expect(() => parseOptions(options)).toThrow("@holdfast/medusa-stripe-orders")
  })

  it("keeps secrets out of its messages", () => {
    const message = messageOf(() => parseOptions({ apiKey: "hush-hush", webhookSecrets: ["hush-hush"] }))
    expect(message).toContain("apiKey")
    expect(message).not.toContain("hush-hush")
  })
})
