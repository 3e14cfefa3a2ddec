import { stripVTControlCharacters } from "node:util"
import { expect, it } from "vitest"
import { table } from "../src/cli/table.js"
import { widthOf } from "../src/cli/text.js"
import { frame } from "../src/cli/watch.js"
import type { KeyState } from "../src/store.js"

const name = "order:日本語:".repeat(100)
const lease = {
  id: name,
  owner: name,
  keys: [name],
  age: 1e9,
  token: 2n ** 60n,
  expiresIn: Number.POSITIVE_INFINITY,
}
const states: KeyState[] = Array.from({ length: 40 }, (_, i) => ({
  key: `${i}${name}`,
  holders: [lease, lease],
  waiters: Array.from({ length: 1_000 }, () => lease),
}))

it.each([1, 5, 20, 40, 60, 79, 80, 200, 5_000])("writes no line that is wider than %i columns", (columns) => {
  for (const line of table(states, columns)) expect(widthOf(line)).toBeLessThanOrEqual(columns)
  const title = `redis://${name}`
  for (const shown of [states, states.slice(0, 2), []]) {
    const view = { title, states: shown, problem: name }
    const text = stripVTControlCharacters(frame(view, columns, 24))
    for (const line of text.split("\r\n")) expect(widthOf(line)).toBeLessThanOrEqual(columns)
  }
})
