import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { parseStorable, storableText } from "../src/payments/storable"

/** What Postgres takes: no NUL, and no half of a surrogate pair. */
const isStorable = (text: string) => !text.includes("\u0000") && Buffer.from(text).toString() === text

describe("text for Postgres", () => {
  it("keeps its place for what can't be stored, and all else as it is", () => {
    expect(storableText("Ada\u0000 \ud83d\ude00 L\ud800 \udc00é")).toBe(
      "Ada\uFFFD \ud83d\ude00 L\uFFFD \uFFFDé",
    )
  })

  it("is storable whatever it was, and unchanged where it was storable", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(storableText(text)).toBe(text.replaceAll("\u0000", "\uFFFD"))
      }),
    )
    const halves = fc.string({ unit: fc.constantFrom("a", "\u0000", "\ud83d", "\ude00", "é") })
    fc.assert(fc.property(halves, (text) => isStorable(storableText(text))))
  })
})

describe("JSON that was signed", () => {
  it("is cleaned in values and keys, at every depth", () => {
    const json = String.raw`{"name":"A\u0000b","metadata":{"k\ud800":["x\udfff",{"\u0000":1}]},"fine":"\ud83d\ude00"}`
    expect(parseStorable(json)).toEqual({
      name: "A\uFFFDb",
      metadata: { "k\uFFFD": ["x\uFFFD", { "\uFFFD": 1 }] },
      fine: "\ud83d\ude00",
    })
  })

  it("is not changed by an escaped backslash before what looks like a NUL", () => {
    const value = { text: String.raw`\u0000`, key: "\\ud800" }
    expect(parseStorable(JSON.stringify(value))).toEqual(value)
  })

  it("is what it was, where all of it can be stored", () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => {
        const json = JSON.stringify(value)
        fc.pre(!/\\u(0000|d[89a-f])/i.test(json))
        expect(parseStorable(json)).toEqual(JSON.parse(json))
      }),
    )
  })

  it("holds nothing that can't be stored, whatever was signed", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "\u0000", "\ud83d", "\ude00", "\\", "u0000") })
    const objects = fc.object({ key: text, values: [text, fc.integer(), fc.constant(null)] })
    fc.assert(
      fc.property(objects, (value) => {
        const parsed = parseStorable(JSON.stringify(value))
        expect(textsOf(parsed).filter((text) => !isStorable(text))).toEqual([])
      }),
    )
  })
})

function textsOf(value: unknown): string[] {
  if (typeof value === "string") {
    return [value]
  }
  return typeof value === "object" && value !== null
    ? Object.entries(value).flatMap(([key, field]) => [key, ...textsOf(field)])
    : []
}
