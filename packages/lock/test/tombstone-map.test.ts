import fc from "fast-check"
import { expect, it } from "vitest"
import { TombstoneMap } from "../src/tombstone-map.js"

it("does what a Map does, whatever was swept out", () => {
  const change = fc.record({ key: fc.nat(4_000), count: fc.nat(1_500), remove: fc.boolean() })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const tombstones = new TombstoneMap<number, object>()
      const map = new Map<number, object>()
      for (const { key, count, remove } of changes) {
        for (let at = key; at < key + count; at++) {
          const value = { at }
          for (const it of [tombstones, map]) {
            if (remove) it.delete(at)
            else it.set(at, value)
          }
        }
        expect(tombstones.size).toBe(map.size)
        expect(tombstones.get(key)).toBe(map.get(key))
      }
      expect(new Map(tombstones)).toEqual(map)
    }),
    { numRuns: 50 },
  )
})
