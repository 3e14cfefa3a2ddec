import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { allocate, type StockRequest } from "../src/decide/stock"
import { addressOf, hashAddress } from "../src/holds/buyer"
import { buyerRefusal, cartRefusal, type HoldOptions } from "../src/holds/limits"
import { parseOptions } from "../src/options"
import type { Demand } from "../src/order-draft/order-draft"

const demand = (quantity: number, line = "line"): Demand => ({
  line_item_id: line,
  quantity,
  parts: [{ inventory_item_id: "hat", required_quantity: 1 }],
  allow_backorder: false,
  location_ids: ["north", "south"],
})

const level = (location_id: string, available: number) => ({
  id: location_id,
  inventory_item_id: "hat",
  location_id,
  available,
})

const held = (location_id: string, quantity: number) => ({ inventory_item_id: "hat", location_id, quantity })

const request = (id: string, more: Partial<StockRequest>): StockRequest => ({
  id,
  demands: [demand(1)],
  whenOutOfStock: "refund",
  ...more,
})

describe("what a buyer holds", () => {
  it("goes to that buyer, though another request came before", () => {
    const { taken } = allocate(
      [level("north", 0)],
      [request("early", {}), request("holder", { held: [held("north", 1)] }), request("late", {})],
    )
    expect([...taken.keys()]).toEqual(["holder"])
  })

  it("is taken where it is held, though another place comes first", () => {
    const { taken } = allocate(
      [level("north", 5), level("south", 0)],
      [request("holder", { demands: [demand(2)], held: [held("south", 2)] })],
    )
    expect(taken.get("holder")).toEqual([{ line_item_id: "line", location_id: "south", quantity: 2 }])
  })

  it("is the next one's where it does not suffice, unless its buyer keeps it", () => {
    const requests = (keepsHeld: boolean) => [
      request("holder", { demands: [demand(3)], held: [held("north", 1)], keepsHeld }),
      request("next", {}),
    ]
    expect([...allocate([level("north", 0)], requests(false)).taken.keys()]).toEqual(["next"])
    expect([...allocate([level("north", 0)], requests(true)).taken.keys()]).toEqual([])
  })

  it("is never sold twice, and never lost, however many hold and want", () => {
    const buyer = fc.record({
      holds: fc.array(
        fc.record({ at: fc.constantFrom("north", "south"), units: fc.integer({ min: 1, max: 3 }) }),
        {
          maxLength: 2,
        },
      ),
      wants: fc.integer({ min: 1, max: 4 }),
      keepsHeld: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.nat(4), fc.nat(4), fc.array(buyer, { maxLength: 8 }), (north, south, buyers) => {
        const requests = buyers.map(({ holds, wants, keepsHeld }, i) =>
          request(String(i), {
            demands: [demand(wants)],
            held: holds.map(({ at, units }) => held(at, units)),
            keepsHeld,
          }),
        )
        const { taken } = allocate([level("north", north), level("south", south)], requests)
        const sum = (units: { quantity: number }[]) => units.reduce((all, { quantity }) => all + quantity, 0)
        const keepers = requests.filter(({ id, keepsHeld }) => keepsHeld && !taken.has(id))
        const sold = sum([...taken.values()].flat())
        const all = north + south + sum(requests.flatMap(({ held = [] }) => held))
        expect(sold + sum(keepers.flatMap(({ held = [] }) => held))).toBeLessThanOrEqual(all)
        for (const { id, demands, held = [] } of requests) {
          if (sum(held) >= (demands[0]?.quantity ?? 0)) expect(taken.has(id)).toBe(true)
        }
      }),
    )
  })
})

const stripe = { apiKey: "sk_test_x", webhookSecrets: "whsec_x" }
const optionsOf = (hold: unknown) => parseOptions({ ...stripe, hold }).hold

describe("the option hold", () => {
  it("is on by default, with 15 minutes", () => {
    expect(parseOptions(stripe).hold).toMatchObject({
      duration: 900,
      longest: 3600,
      grace: 60,
      perCustomer: 3,
    })
    expect(optionsOf(false)).toBe(false)
  })

  it("says what is wrong with it", () => {
    expect(() => optionsOf({ duration: 4000 })).toThrow(/hold.longest: must not be shorter than duration/)
    expect(() => optionsOf({ perIp: -1 })).toThrow(/hold.perIp: must be a whole number; 0 is without limit/)
    expect(() => optionsOf("15m")).toThrow(/hold: must be false, or an object/)
    expect(() => optionsOf({ minutes: 15 })).toThrow(/hold: .*minutes/)
  })

  const options = (more: object) => optionsOf(more) as HoldOptions

  it("limits what one cart and one buyer hold; 0 is without limit", () => {
    expect(cartRefusal([demand(3)], options({ unitsPerCart: 2 }))?.message).toMatch(/2 units at most/)
    expect(cartRefusal([demand(1), demand(1)], options({ linesPerCart: 1 }))?.message).toMatch(
      /1 lines at most/,
    )
    expect(cartRefusal([demand(9999)], options({ unitsPerCart: 0 }))).toBeNull()
    const many = { ofCustomer: 1, ofAddress: 9 }
    expect(buyerRefusal(many, options({ perCustomer: 1 }))).toMatchObject({ status: 429 })
    expect(buyerRefusal(many, options({ perCustomer: 0, perIp: 0 }))).toBeNull()
  })
})

describe("a buyer's address", () => {
  const from = (forwarded: string | undefined, proxies: number) =>
    addressOf({ socket: { remoteAddress: "10.0.0.1" }, headers: { "x-forwarded-for": forwarded } }, proxies)

  it("is what the outermost of the store's own proxies saw", () => {
    expect(from("6.6.6.6, 203.0.113.5", 1)).toBe("203.0.113.5")
    expect(from("6.6.6.6, 203.0.113.5, 10.0.0.9", 2)).toBe("203.0.113.5")
    expect(from("6.6.6.6", 0)).toBe("10.0.0.1")
    expect(from(undefined, 1)).toBe("10.0.0.1")
  })

  it("is stored as a hash that needs the secret; all of an IPv6 network is one", () => {
    const hash = (address: string, secret = "a") => hashAddress(address, secret)
    expect(hash("203.0.113.5")).not.toContain("203")
    expect(hash("203.0.113.5")).not.toBe(hash("203.0.113.5", "b"))
    expect(hash("::ffff:203.0.113.5")).toBe(hash("203.0.113.5"))
    expect(hash("2001:db8::1")).toBe(hash("2001:0db8:0:0:ffff::2"))
    expect(hash("2001:db8:0:1::1")).not.toBe(hash("2001:db8::1"))
    expect(hashAddress(undefined, "a")).toBeNull()
  })
})
