import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { itemsMetadata, readItems } from "../src/items-metadata"

const ULID = "01JCZ8M5N9W3X7Y2V4T6R8QAB"
const item = (n: number, quantity = 1) => ({ variant_id: `variant_${ULID}${n % 10}`, quantity })

describe("the items of an order in metadata", () => {
  it("are written in one key while they fit, without what every id has", () => {
    expect(itemsMetadata([item(1), item(2, 3)])).toEqual({ items: `${ULID}1,${ULID}2:3` })
    expect(Object.keys(itemsMetadata(Array.from({ length: 18 }, (_, n) => item(n))))).toEqual(["items"])
  })

  it("are cut over several keys, none longer than Stripe allows", () => {
    const metadata = itemsMetadata(Array.from({ length: 100 }, (_, n) => item(n, 12)))
    expect(Object.keys(metadata)).toEqual(["items_1", "items_2", "items_3", "items_4", "items_5", "items_6"])
    expect(Object.values(metadata).every((value) => value.length <= 500)).toBe(true)
  })

  it("are read as they were written, for any ids", () => {
    const id = fc.oneof(
      fc.stringMatching(/^[A-Za-z0-9_.-]{1,60}$/),
      fc.stringMatching(/^[A-Z0-9]{1,26}$/).map((id) => `variant_${id}`),
    )
    const items = fc.array(
      fc.record({ variant_id: id, quantity: fc.integer({ min: 1, max: 999_999_999 }) }),
      {
        minLength: 1,
        maxLength: 100,
      },
    )
    fc.assert(
      fc.property(items, (items) => {
        expect(readItems(itemsMetadata(items))).toEqual(items)
      }),
    )
  })

  it("are read from a JSON list too, whole or cut", () => {
    const items = [item(1, 2), item(2)]
    const json = JSON.stringify(items)
    expect(readItems({ items: json })).toEqual(items)
    expect(readItems({ items_1: json.slice(0, 40), items_2: json.slice(40) })).toEqual(items)
    expect(readItems({ note: "none" })).toBeNull()
  })

  it.each([
    [{ items: '[{"variant' }, "is not JSON"],
    [{ items: "MUG" }, 'has "MUG", which is no item'],
    [{ items: "null" }, 'has "null", which is no item'],
    [{ items: "a lantern" }, 'has "a lantern", which is no item'],
    [{ items_1: `${ULID}1:2,`, items_3: `${ULID}2` }, "a part is missing"],
    [{ items_2: "01AB" }, "a part is missing"],
  ])("say what is wrong where they can't be read: %j", (metadata, message) => {
    expect(() => readItems(metadata as unknown as Record<string, string>)).toThrow(message)
  })

  it.each([
    [[], "1 to 100 lines"],
    [Array.from({ length: 101 }, (_, n) => item(n)), "these are 101"],
    [[{ variant_id: "", quantity: 1 }], "must be a variant's id"],
    [[{ variant_id: "a,b", quantity: 1 }], "must be a variant's id"],
    [[{ variant_id: "variant_1", quantity: 0.5 }], "whole number above 0"],
  ])("are refused where they are none", (items, message) => {
    expect(() => itemsMetadata(items)).toThrow(message)
  })
})
