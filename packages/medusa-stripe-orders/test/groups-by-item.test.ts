import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { groupsByItem } from "../src/decide/locks"

type Entry = Parameters<typeof groupsByItem>[0][number]

interface Bought {
  id: string
  items: string[]
}

function groups(entries: Bought[]): Bought[][] {
  const drafts = entries.map(({ id, items }) => ({
    payment: { id },
    demands: items.map((inventory_item_id) => ({ parts: [{ inventory_item_id }] })),
  }))
  const byId = new Map(entries.map((entry) => [entry.id, entry]))
  return groupsByItem(drafts as unknown as Entry[]).map((group) =>
    group.map(({ payment }) => byId.get(payment.id) as Bought),
  )
}

describe("payments that are placed together", () => {
  it("are those that share an item, also through a third that bought both", () => {
    const [hat, tie, both, shoe] = [
      { id: "hat", items: ["hat"] },
      { id: "tie", items: ["tie"] },
      { id: "both", items: ["tie", "hat"] },
      { id: "shoe", items: ["shoe"] },
    ]
    expect(groups([hat, shoe, tie, both])).toEqual([[shoe], [hat, tie, both]])
  })

  it("are in as many groups as can be, each with its items to itself, and none is left out", () => {
    const items = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"), { maxLength: 3 })
    const batches = fc
      .array(items, { maxLength: 14 })
      .map((all) => all.map((items, i): Bought => ({ id: `${i}`, items })))
    fc.assert(
      fc.property(batches, (batch) => {
        const found = groups(batch)
        expect(found.flat().sort((a, b) => Number(a.id) - Number(b.id))).toEqual(batch)
        const owners = new Map<string, number>()
        for (const [number, group] of found.entries()) {
          for (const item of group.flatMap(({ items }) => items)) {
            expect(owners.get(item) ?? number).toBe(number)
            owners.set(item, number)
          }
          expect(isConnected(group)).toBe(true)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  it("keep the order of their arrival, though a later payment joins two groups", () => {
    const items = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { maxLength: 3 })
    fc.assert(
      fc.property(fc.array(items, { maxLength: 14 }), (all) => {
        for (const group of groups(all.map((items, i) => ({ id: `${i}`, items })))) {
          const places = group.map(({ id }) => Number(id))
          expect(places).toEqual([...places].sort((a, b) => a - b))
        }
      }),
      { numRuns: 1_000 },
    )
  })
})

/** Each is reached from the first over items that two share; those without items belong together. */
function isConnected(group: Bought[]): boolean {
  const reached = new Set(group.slice(0, 1))
  for (const one of reached) {
    for (const other of group) {
      const shared = other.items.some((item) => one.items.includes(item))
      if (shared || (one.items.length === 0 && other.items.length === 0)) {
        reached.add(other)
      }
    }
  }
  return reached.size === group.length
}
