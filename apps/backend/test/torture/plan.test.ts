import { expect, it } from "vitest"
import { planOf, TROUBLES } from "../../torture/plan.ts"

const size = { seed: 7, payments: 400, kills: 10, redis: true }

it("plans the same of the same seed, and something else of another", () => {
  expect(planOf(size)).toEqual(planOf(size))
  expect(planOf({ ...size, seed: 8 })).not.toEqual(planOf(size))
})

it("plans every kind of trouble and of payment, and Redis's only where it is used", () => {
  const { purchases, troubles } = planOf(size)
  const kinds = new Set(troubles.map(({ kind }) => kind))
  expect([...kinds].sort()).toEqual([...TROUBLES].sort())
  expect(troubles.filter(({ kind }) => kind === "kill")).toHaveLength(10)
  const shapes = new Set(purchases.map(({ checkout, capture }) => `${checkout}, ${capture}`))
  expect(shapes.size).toBe(8)
  expect(purchases.some(({ completes }) => completes)).toBe(true)
  const answers = new Set(purchases.flatMap(({ outOfStock }) => outOfStock ?? []))
  expect([...answers].sort()).toEqual(["backorder", "partial", "review"])
  expect(planOf({ ...size, redis: false }).troubles.some(({ kind }) => kind === "redis")).toBe(false)
})

it("has less stock than is wanted of the lantern and of the mug", () => {
  const { purchases, stock } = planOf(size)
  const wanted = (sku: string) =>
    purchases
      .flatMap(({ lines }) => lines)
      .reduce((sum, line) => sum + (line.sku === sku ? line.quantity : 0), 0)
  expect(stock["LANTERN-FIRST"]).toBeLessThan(wanted("LANTERN-FIRST"))
  expect(stock.MUG).toBeLessThan(wanted("MUG") + 2 * wanted("MUG-PAIR"))
})
