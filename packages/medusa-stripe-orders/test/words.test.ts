import { describe, expect, it } from "vitest"
import { de } from "../src/admin/i18n/de"
import { en } from "../src/admin/i18n/en"
import { PAYMENT_KINDS } from "../src/payments/kinds"
import { PAYMENT_STATES } from "../src/payments/states"

const keysOf = (words: object, above = ""): string[] =>
  Object.entries(words).flatMap(([key, word]) =>
    typeof word === "object" ? keysOf(word, `${above}${key}.`) : [`${above}${key}`],
  )
const holesOf = (words: object): string[] =>
  Object.values(words).flatMap((word) =>
    typeof word === "object" ? holesOf(word) : (word.match(/\{\{\w+\}\}/g) ?? []).join(),
  )

describe("the words of the admin's pages", () => {
  it("are there in English and in German, with the same values in them", () => {
    expect(keysOf(de)).toEqual(keysOf(en))
    expect(holesOf(de)).toEqual(holesOf(en))
  })

  it("name and explain each state, and each kind", () => {
    expect(Object.keys(en.states).sort()).toEqual([...PAYMENT_STATES].sort())
    expect(Object.keys(en.kinds).sort()).toEqual([...PAYMENT_KINDS].sort())
    for (const { length } of Object.values(en.states)) expect(length).toBe(2)
  })
})
