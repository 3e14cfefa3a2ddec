import { readFile } from "node:fs/promises"
import { describe, expect, it } from "vitest"
import { HELP } from "../src/commands/parse"
import { typesToFetch } from "../src/events"
import { PAYMENT_STATES } from "../src/payments/states"

const page = (name: string) => readFile(new URL(`../../../docs/${name}.md`, import.meta.url), "utf8")

describe("the documentation", () => {
  it("lists the events that the endpoint is to send: those that are fetched where they are missed", async () => {
    const listed = (await page("stripe")).match(/^[a-z_.]+\.[a-z_]+$/gm) ?? []
    expect(listed.sort()).toEqual(typesToFetch().sort())
  })

  it("says what to do in each state", async () => {
    const operations = await page("operations")
    const rows = operations.match(/^\| `.*$/gm)?.map((row) => row.split("|")[1] ?? "") ?? []
    expect(PAYMENT_STATES.filter((state) => !rows.some((cell) => cell.includes(`\`${state}\``)))).toEqual([])
  })

  it("names each command", async () => {
    const operations = await page("operations")
    const commands = [...HELP.matchAll(/^ {2}([a-z]+) (?:ID|--|\[)/gm)].map(([, command]) => command)
    expect(commands.length).toBeGreaterThan(3)
    expect(commands.filter((command) => !operations.includes(`\`${command} `))).toEqual([])
  })
})
