import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { allocate, type StockRequest } from "../src/decide/stock"
import type { Level } from "../src/medusa/inventory"
import type { Demand } from "../src/order-draft/order-draft"

const level = (id: string, item: string, location: string, available: number): Level => ({
  id,
  inventory_item_id: item,
  location_id: location,
  available,
})

const demand = (item: string, quantity: number, rest: Partial<Demand> = {}): Demand => ({
  line_item_id: `line-${item}`,
  inventory_item_id: item,
  quantity,
  allow_backorder: false,
  location_ids: ["north", "south"],
  ...rest,
})

const claim = (id: string, ...demands: Demand[]): StockRequest => ({ id, demands })

describe("allocating stock", () => {
  it("serves whoever came first, and tells the others what was missing", () => {
    const levels = [level("l1", "hat", "north", 3)]
    const { allocated: taken, short } = allocate(levels, [
      claim("a", demand("hat", 2)),
      claim("b", demand("hat", 2)),
    ])
    expect([...taken.keys()]).toEqual(["a"])
    expect(short.get("b")).toEqual({ inventory_item_id: "hat", wanted: 2, available: 1 })
  })

  it("leaves the stock to the next when a claim can't be met whole", () => {
    const levels = [level("l1", "hat", "north", 1), level("l2", "tie", "north", 0)]
    const { allocated: taken } = allocate(levels, [
      claim("a", demand("hat", 1), demand("tie", 1)),
      claim("b", demand("hat", 1)),
    ])
    expect([...taken.keys()]).toEqual(["b"])
  })

  it("counts two lines that share an item together", () => {
    const two = [demand("hat", 1, { line_item_id: "one" }), demand("hat", 1, { line_item_id: "two" })]
    expect(allocate([level("l1", "hat", "north", 1)], [claim("a", ...two)]).short.has("a")).toBe(true)
    expect(allocate([level("l1", "hat", "north", 2)], [claim("a", ...two)]).allocated.get("a")).toHaveLength(
      2,
    )
  })

  it("takes a line from one location, the preferred one where it can", () => {
    const levels = [level("s", "hat", "south", 5), level("n", "hat", "north", 2)]
    const place = (quantity: number) =>
      allocate(levels, [claim("a", demand("hat", quantity))]).allocated.get("a")?.[0]
    expect(place(2)?.location_id).toBe("north")
    expect(place(3)?.location_id).toBe("south")
    expect(place(7)).toBeUndefined()
  })

  it("takes only from the locations that the sales channel names", () => {
    const levels = [level("l1", "hat", "elsewhere", 5)]
    expect(allocate(levels, [claim("a", demand("hat", 1))]).short.get("a")?.available).toBe(0)
  })

  it("lets a backorder go below zero, at the preferred location", () => {
    const levels = [level("n", "hat", "north", 0), level("s", "hat", "south", 0)]
    const taken = allocate(levels, [claim("a", demand("hat", 2, { allow_backorder: true }))]).allocated.get(
      "a",
    )
    expect(taken?.[0]?.level_id).toBe("n")
  })

  it("never takes more than there is, never turns away whom it could serve, whatever comes", () => {
    const items = fc.constantFrom("hat", "tie", "shoe")
    const places = fc.constantFrom("north", "south")
    const levels = fc
      .uniqueArray(fc.tuple(items, places, fc.nat(8)), {
        selector: ([item, place]) => `${item} ${place}`,
        maxLength: 6,
      })
      .map((rows) =>
        rows.map(([item, place, available]) => level(`${item} ${place}`, item, place, available)),
      )
    const demands = fc.array(fc.tuple(items, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 3 })
    const claims = fc
      .array(demands, { maxLength: 12 })
      .map((all) =>
        all.map((some, i) => claim(`${i}`, ...some.map(([item, quantity]) => demand(item, quantity)))),
      )
    fc.assert(
      fc.property(levels, claims, (levels, claims) => {
        const { allocated: taken, short } = allocate(levels, claims)
        expect(taken.size + short.size).toBe(claims.length)
        for (const { id, available } of levels) {
          const sum = [...taken.values()].flat().filter(({ level_id }) => level_id === id)
          expect(sum.reduce((total, { quantity }) => total + quantity, 0)).toBeLessThanOrEqual(available)
        }
        for (const [id, { inventory_item_id, wanted }] of short) {
          const ahead = claims.slice(0, Number(id)).flatMap((earlier) => taken.get(earlier.id) ?? [])
          const own =
            claims[Number(id)]?.demands.filter((d) => d.inventory_item_id === inventory_item_id) ?? []
          const biggest = Math.max(
            0,
            ...levels
              .filter((l) => l.inventory_item_id === inventory_item_id)
              .map(
                (l) =>
                  l.available - ahead.filter((t) => t.level_id === l.id).reduce((s, t) => s + t.quantity, 0),
              ),
          )
          const ownTotal = own.reduce((total, { quantity }) => total + quantity, 0)
          expect(biggest < Math.max(wanted, ownTotal)).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })
})
