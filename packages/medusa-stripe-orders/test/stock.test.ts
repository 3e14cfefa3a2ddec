import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { allocate, type StockRequest, type Take } from "../src/decide/stock"
import type { Level } from "../src/medusa/inventory"
import type { Demand } from "../src/order-draft/order-draft"

const level = (item: string, location: string, available: number): Level => ({
  id: `${item} ${location}`,
  inventory_item_id: item,
  location_id: location,
  available,
})

const demand = (item: string, quantity: number, rest: Partial<Demand> = {}): Demand => ({
  line_item_id: `line-${item}`,
  quantity,
  parts: [{ inventory_item_id: item, required_quantity: 1 }],
  allow_backorder: false,
  location_ids: ["north", "south"],
  ...rest,
})

const kit = (quantity: number, parts: Record<string, number>, rest: Partial<Demand> = {}): Demand =>
  demand("kit", quantity, {
    parts: Object.entries(parts).map(([inventory_item_id, required_quantity]) => ({
      inventory_item_id,
      required_quantity,
    })),
    ...rest,
  })

const request = (id: string, ...demands: Demand[]): StockRequest => ({
  id,
  demands,
  whenOutOfStock: "refund",
})

/** Where a single order is taken from: `2 at north`. */
function places(levels: Level[], one: StockRequest): string[] | undefined {
  return allocate(levels, [one])
    .taken.get(one.id)
    ?.map(({ quantity, location_id }) => `${quantity} at ${location_id}`)
}

describe("stock", () => {
  it("goes to the one who came first, and the others are told what was missing", () => {
    const { taken, short } = allocate(
      [level("hat", "north", 3)],
      [request("a", demand("hat", 2)), request("b", demand("hat", 2))],
    )
    expect([...taken.keys()]).toEqual(["a"])
    expect(short.get("b")).toEqual([{ line_item_id: "line-hat", wanted: 2, available: 1 }])
  })

  it("is left to the next where an order can't be met whole", () => {
    const { taken } = allocate(
      [level("hat", "north", 1), level("tie", "north", 0)],
      [request("a", demand("hat", 1), demand("tie", 1)), request("b", demand("hat", 1))],
    )
    expect([...taken.keys()]).toEqual(["b"])
  })

  it("is counted together for two lines that share an item", () => {
    const two = [demand("hat", 1, { line_item_id: "one" }), demand("hat", 1, { line_item_id: "two" })]
    expect(places([level("hat", "north", 1)], request("a", ...two))).toBeUndefined()
    expect(places([level("hat", "north", 2)], request("a", ...two))).toHaveLength(2)
  })

  it("is taken only from the locations that the sales channel names", () => {
    expect(places([level("hat", "elsewhere", 5)], request("a", demand("hat", 1)))).toBeUndefined()
  })

  describe("at several locations", () => {
    const levels = [level("hat", "north", 2), level("hat", "south", 5)]

    it("is taken from the one that can serve the most of the order", () => {
      expect(places(levels, request("a", demand("hat", 3)))).toEqual(["3 at south"])
      const both = [...levels, level("tie", "north", 9)]
      expect(places(both, request("a", demand("hat", 2), demand("tie", 1)))).toEqual([
        "2 at north",
        "1 at north",
      ])
    })

    it("is taken from the first where several can serve the whole order", () => {
      expect(places(levels, request("a", demand("hat", 2)))).toEqual(["2 at north"])
    })

    it("splits a line where none can serve it, and no other", () => {
      expect(places(levels, request("a", demand("hat", 6)))).toEqual(["5 at south", "1 at north"])
      expect(places(levels, request("a", demand("hat", 8)))).toBeUndefined()
    })

    it("is taken where the store's own rule says, in its order", () => {
      const chosen = { ...request("a", demand("hat", 3)), locationIds: ["north", "south"] }
      expect(places(levels, chosen)).toEqual(["3 at south"])
      expect(places(levels, { ...chosen, locationIds: ["north"] })).toBeUndefined()
      expect(places(levels, { ...request("a", demand("hat", 2)), locationIds: ["south"] })).toEqual([
        "2 at south",
      ])
    })

    it("takes all parts of a kit from one location", () => {
      const apart = [level("cup", "north", 1), level("lid", "south", 1)]
      expect(places(apart, request("a", kit(1, { cup: 1, lid: 1 })))).toBeUndefined()
      const together = [...apart, level("lid", "north", 2), level("cup", "south", 4)]
      expect(places(together, request("a", kit(1, { cup: 1, lid: 2 })))).toEqual(["1 at north"])
      expect(places(together, request("a", kit(2, { cup: 1, lid: 1 })))).toEqual(["1 at north", "1 at south"])
    })

    it("leaves a kit the place that it needs, in any order of the lines", () => {
      const levels = [level("cup", "south", 1), level("lid", "south", 1), level("cup", "north", 1)]
      const order = request("a", demand("cup", 1), kit(1, { cup: 1, lid: 1 }))
      expect(places(levels, order)).toEqual(["1 at north", "1 at south"])
    })
  })

  describe("that is not there", () => {
    const levels = [level("hat", "north", 1), level("hat", "south", 0), level("tie", "north", 0)]
    const order = (whenOutOfStock: StockRequest["whenOutOfStock"]) => ({
      ...request("a", demand("hat", 3), demand("tie", 1)),
      whenOutOfStock,
    })
    const missing = [
      { line_item_id: "line-hat", wanted: 3, available: 1 },
      { line_item_id: "line-tie", wanted: 1, available: 0 },
    ]

    it.each(["refund", "review"] as const)("is told of every line, and nothing is taken: %s", (policy) => {
      const { taken, short } = allocate(levels, [order(policy)])
      expect(taken.size).toBe(0)
      expect(short.get("a")).toEqual(missing)
    })

    it("is sold as a backorder where the store says so, at the place that has the most", () => {
      const { taken, short } = allocate(levels, [order("backorder")])
      expect(taken.get("a")).toEqual([
        { line_item_id: "line-hat", location_id: "north", quantity: 3 },
        { line_item_id: "line-tie", location_id: "north", quantity: 1 },
      ])
      expect(short.get("a")).toEqual(missing)
    })

    it("leaves an order in part where the store says so, and none where there is nothing", () => {
      const { taken, short } = allocate(
        levels,
        [order("partial"), order("partial")].map((one, i) => ({ ...one, id: `${i}` })),
      )
      expect(taken.get("0")).toEqual([{ line_item_id: "line-hat", location_id: "north", quantity: 1 }])
      expect(taken.has("1")).toBe(false)
      expect(short.get("0")).toEqual(missing)
    })

    it("is sold where the variant may be backordered, though another line of it needs what there is", () => {
      const free = demand("hat", 1, { line_item_id: "free", allow_backorder: true })
      const bound = demand("hat", 1, { line_item_id: "bound" })
      expect(places(levels, request("a", free, bound))).toHaveLength(2)
      expect(places(levels, request("a", bound, { ...bound, line_item_id: "more" }))).toBeUndefined()
    })

    it("is a gap in the set-up where no location keeps an item that may be backordered", () => {
      const bow = demand("bow", 1, { allow_backorder: true })
      const { unstocked, short, taken } = allocate(levels, [
        request("a", bow),
        { ...order("backorder"), id: "b" },
      ])
      expect([...unstocked]).toEqual([["a", ["line-bow"]]])
      expect(short.has("a")).toBe(false)
      expect([...taken.keys()]).toEqual(["b"])
      const nowhere = { ...request("c", demand("bow", 1)), whenOutOfStock: "backorder" as const }
      expect(allocate(levels, [nowhere]).taken.size).toBe(0)
    })
  })

  it("is never sold twice, and no order is refused that some way of spreading it could serve", () => {
    const items = fc.constantFrom("hat", "tie", "shoe")
    const stocks = fc
      .uniqueArray(fc.tuple(items, fc.constantFrom("north", "south", "west"), fc.nat(5)), {
        selector: ([item, place]) => `${item} ${place}`,
        maxLength: 9,
      })
      .map((rows) => rows.map(([item, place, available]) => level(item, place, available)))
    const parts = fc.dictionary(items, fc.integer({ min: 1, max: 2 }), { minKeys: 1, maxKeys: 2 })
    const lines = fc.array(fc.tuple(parts, fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 3 })
    const orders = fc.array(lines, { maxLength: 6 }).map((all) =>
      all.map((some, i) => {
        const demands = some.map(([parts, quantity], line) =>
          kit(quantity, parts, { line_item_id: `${line}`, location_ids: ["north", "south", "west"] }),
        )
        return request(`${i}`, ...demands)
      }),
    )
    fc.assert(
      fc.property(stocks, orders, (levels, requests) => {
        const { taken, short } = allocate(levels, requests)
        expect(taken.size + short.size).toBe(requests.length)
        let left = levels
        for (const { id, demands } of requests) {
          const takes = taken.get(id)
          expect(takes !== undefined).toBe(canServe(left, demands))
          left = after(left, demands, takes ?? [])
          for (const { available } of left) {
            expect(available).toBeGreaterThanOrEqual(0)
          }
          for (const { line_item_id, quantity } of takes ? demands : []) {
            const got = takes?.filter((take) => take.line_item_id === line_item_id) ?? []
            expect(got.reduce((sum, take) => sum + take.quantity, 0)).toBe(quantity)
          }
        }
      }),
      { numRuns: 1_000 },
    )
  })
})

function after(levels: Level[], demands: Demand[], takes: Take[]): Level[] {
  return levels.map((level) => {
    const gone = takes
      .filter(({ location_id }) => location_id === level.location_id)
      .map(({ line_item_id, quantity }) => {
        const part = demands
          .find((one) => one.line_item_id === line_item_id)
          ?.parts.find(({ inventory_item_id }) => inventory_item_id === level.inventory_item_id)
        return quantity * (part?.required_quantity ?? 0)
      })
    return { ...level, available: level.available - gone.reduce((sum, units) => sum + units, 0) }
  })
}

/** By trying every place for every single unit. */
function canServe(levels: Level[], demands: Demand[]): boolean {
  const [first, ...rest] = demands
  if (!first) {
    return true
  }
  const more = first.quantity > 1 ? [{ ...first, quantity: first.quantity - 1 }, ...rest] : rest
  return first.location_ids.some((location_id) => {
    const take = { line_item_id: first.line_item_id, location_id, quantity: 1 }
    const keeps = first.parts.every(({ inventory_item_id }) =>
      levels.some(
        (level) => level.inventory_item_id === inventory_item_id && level.location_id === location_id,
      ),
    )
    const left = after(levels, [first], [take])
    return keeps && left.every(({ available }) => available >= 0) && canServe(left, more)
  })
}
