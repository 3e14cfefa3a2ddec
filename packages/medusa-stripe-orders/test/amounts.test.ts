import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { formatMinorUnits, fromMinorUnits, toMinorUnits } from "../src/order-draft/amounts"

describe("amounts in Stripe's minor units", () => {
  it.each([
    [26.78, "usd", 2678],
    [500, "jpy", 500],
    [500, "JPY", 500],
    [1.234, "kwd", 1240],
    [1.23, "kwd", 1230],
    [12, "isk", 1200],
    [12, "ugx", 1200],
  ])("%d %s is %d", (amount, currency, minor) => {
    expect(toMinorUnits(amount, currency)).toBe(minor)
  })

  it("rounds a total that Medusa leaves unrounded half up, without binary surprises", () => {
    expect(toMinorUnits(26.775, "usd")).toBe(2678)
    expect(toMinorUnits(1.005, "usd")).toBe(101)
    expect(toMinorUnits(0.1 + 0.2, "usd")).toBe(30)
  })

  it("comes back as it went, in every currency that needs no rounding", () => {
    const currencies = fc.constantFrom("usd", "eur", "jpy", "krw", "isk")
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 99_999_999 }), currencies, (minor, currency) => {
        expect(toMinorUnits(fromMinorUnits(minor, currency), currency)).toBe(minor)
      }),
    )
  })

  it("reads as a person writes it", () => {
    expect(formatMinorUnits(2678, "usd")).toBe("26.78 USD")
    expect(formatMinorUnits(500, "jpy")).toBe("500 JPY")
    expect(formatMinorUnits(1230, "kwd")).toBe("1.230 KWD")
  })
})
