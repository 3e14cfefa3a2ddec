import { once } from "node:events"
import { PassThrough } from "node:stream"
import { text } from "node:stream/consumers"
import type { WriteStream } from "node:tty"
import { expect, it } from "vitest"
import { duration, shorten, widthOf } from "../src/cli/text.js"
import { frame, watch } from "../src/cli/watch.js"
import type { KeyState } from "../src/store.js"

const holding = (key: string, waiters = 0): KeyState => ({
  key,
  holders: [
    { id: "1", owner: "me@a-host-with-a-long-name", keys: [key], token: 2n ** 52n, age: 1, expiresIn: 9 },
  ],
  waiters: Array.from({ length: waiters }, (_, at) => ({
    id: `${key}${at}`,
    owner: "you",
    keys: [key],
    age: 5,
  })),
})

const view = (states: KeyState[]) => ({ title: "redis://host", states, problem: undefined })

/** The lines of a frame as they are seen. There must be nothing else in it but what erases and dims. */
function linesOf(text: string): string[] {
  const escapes = ["[H", "[K", "[J", "[2m", "[22m"].map((it) => `\x1b${it}`)
  const lines = escapes.reduce((rest, it) => rest.replaceAll(it, ""), text).split("\r\n")
  for (const line of lines) expect(line).not.toMatch(/\p{Cc}/u)
  return lines
}

it("fits 80 columns, whatever the keys are", () => {
  const nasty = ["k".repeat(1_024), "évil\x1b[2J\r\n\u202e", "鍵🔑".repeat(40), "👩‍👩‍👧".repeat(40), "short"]
  const lines = linesOf(frame(view(nasty.map((key) => holding(key, 12))), 80, 24))
  expect(lines).toHaveLength(nasty.length + 3)
  for (const line of lines.filter(Boolean)) expect(widthOf(line)).toBe(80)
  expect(lines[0]).toMatch(/^redis:\/\/host +5 held, 60 waiting$/)
  expect(lines.some((line) => /^k+…k+ +me.*…/.test(line))).toBe(true)
  expect(lines.some((line) => line.startsWith("évil\\u{1"))).toBe(true)
})

it("fits the rows, and leaves out those whom the fewest wait for", () => {
  const states = Array.from({ length: 50 }, (_, at) => holding(`key ${at}`, at))
  const lines = linesOf(frame(view(states), 80, 24))
  expect(lines.length).toBeLessThan(24)
  expect(lines.at(-1)).toBe("… and 31 more with fewer waiters")
  expect(lines.at(-2)).toMatch(/^key 49 /)
})

it("tells how many of those who wait hold a lease meanwhile", () => {
  const busy = holding("busy", 3)
  const [first, ...others] = busy.waiters
  const states = [
    { ...busy, waiters: [{ ...(first ?? expect.fail()), holds: ["1"] }, ...others] },
    holding("calm", 1),
  ]
  const lines = linesOf(frame(view(states), 80, 24))
  expect(lines.find((line) => line.startsWith("busy"))).toMatch(/ 3, 1 holding +0\.0s$/)
  expect(lines.find((line) => line.startsWith("calm"))).toMatch(/ 1 +0\.0s$/)
})

it("measures text as a terminal shows it, and shortens it in the middle", () => {
  expect(["abc", "é", "鍵", "🔑", "👩‍👩‍👧"].map(widthOf)).toEqual([3, 1, 2, 2, 2])
  expect(shorten("cart:01HXYZ", 7)).toBe("car…XYZ")
  expect(shorten("鍵鍵鍵鍵", 6)).toBe("鍵…鍵")
  expect(shorten("short", 5)).toBe("short")
})

it("tells durations in at most six characters", () => {
  const times = [0, 49, 12_340, 59_960, 3_599_000, 86_399_999, 99 * 86_400_000, Number.POSITIVE_INFINITY]
  expect(times.map(duration)).toEqual([
    "0.0s",
    "0.0s",
    "12.3s",
    "1m00s",
    "59m59s",
    "1d00h",
    "99d00h",
    "never",
  ])
})

it("gives the terminal back as it was when it is interrupted, even if the store doesn't answer", async () => {
  const terminal = Object.assign(new PassThrough(), { columns: 80, rows: 24 })
  let looks = 0
  const look = async () => {
    if (++looks === 1) return [holding("a key")]
    process.emit("SIGINT")
    return new Promise<never>(() => undefined)
  }
  await watch(terminal as unknown as WriteStream, "title", look, String)
  terminal.end()
  const written = await text(terminal)
  expect(written.startsWith("\x1b[?1049h\x1b[?25l")).toBe(true)
  expect(written).toContain("a key")
  expect(written.endsWith("\x1b[?25h\x1b[?1049l")).toBe(true)
})

it("shows what was seen last, and why that is all, while the store can't be asked", async () => {
  const terminal = Object.assign(new PassThrough(), { columns: 80, rows: 24 })
  let looks = 0
  const look = async () => {
    if (++looks === 1) return [holding("a key")]
    throw new Error("no route")
  }
  const watching = watch(terminal as unknown as WriteStream, "title", look, (error) => `Alas: ${error}`)
  let frames = ""
  while (!frames.includes("no route")) frames = String((await once(terminal, "data"))[0])
  expect(linesOf(frames).slice(1).join()).toMatch(/^Alas: Error: no route,KEY.*,a key /)
  process.emit("SIGINT")
  await watching
})
