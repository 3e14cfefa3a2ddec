import { describe, expect, it } from "vitest"
import { check } from "../torture/checker.ts"
import { historyOf } from "../torture/history.ts"
import type { ChaosEntry, Entry, SessionEntry, WorkerEntry } from "../torture/records.ts"

type Line = [t: number, entry: WorkerEntry | SessionEntry | ChaosEntry]
type Lines = Record<string, Line[]>

/** The promises that a hand-made history breaks, each once. */
function broken(lines: Lines, writes: readonly [key: string, token: number, lease: string][] = []): string[] {
  const records = new Map<string, Entry[]>()
  for (const [process, list] of Object.entries(lines))
    records.set(
      process,
      list.map(([t, entry]) => ({ t, ...entry })),
    )
  const written = writes.map(([key, token, lease]) => ({ key, token, lease }))
  return [...new Set(check(historyOf(records, written)).map(({ promise }) => promise))]
}

/** A process that asks for `k` at `asked`, has it from `from`, and looks at its lease at the times given. */
function holder(
  token: number,
  asked: number,
  from: number,
  looks: number[],
  owner = `owner ${token}`,
): Line[] {
  return [
    [asked, { e: "request", n: token, keys: ["k"], owner, timeout: 5_000 }],
    [from, { e: "granted", n: token, id: `lease ${token}`, tokens: [token] }],
    ...looks.map((t): Line => [t, { e: "trusted", n: token }]),
  ]
}

type Step = ["ask", number, ...number[]] | ["grant", number, ...[number, number][]] | ["none", number]

/** A session's questions: requests for `k` by their number, and what they were granted with which token. */
function session(owner: string, ...steps: Step[]): Line[] {
  return steps.map(([what, t, ...list], i) => {
    const place = { s: 1, q: i }
    if (what === "ask") {
      const acquire = (list as number[]).map((seq) => ({ seq, owner: `${owner} ${seq}`, keys: ["k"] }))
      return [t, { e: "asked", ...place, acquire, cancel: [] }]
    }
    const granted = (list as [number, number][]).map(([seq, token]) => ({ seq, token }))
    return [t, { e: "answered", ...place, granted, refused: [], dropped: [] }]
  })
}

describe("the checker of the torture finds", () => {
  it("nothing where one holds after the other", () => {
    const a = holder(1, 0, 1, [1, 5])
    const b = holder(2, 0, 6, [6, 9])
    expect(
      broken({ a, b }, [
        ["k", 1, "lease 1"],
        ["k", 2, "lease 2"],
      ]),
    ).toEqual([])
  })

  it("two that trust their lease at once, and a third in between of the first one's owner", () => {
    expect(broken({ a: holder(1, 0, 1, [1, 7]), b: holder(2, 0, 6, [6, 9]) })).toEqual(["exclusion"])
    const a = [...holder(1, 0, 1, [1, 9], "same"), ...holder(2, 0, 2, [2, 3], "same")]
    expect(broken({ a, b: holder(3, 0, 6, [6, 8]) })).toEqual(["exclusion"])
  })

  it("an older lease that is trusted after a newer one", () => {
    expect(broken({ a: holder(2, 0, 1, [1, 5]), b: holder(1, 0, 6, [6, 9]) })).toEqual(["exclusion"])
  })

  it("nothing where an owner holds twice, and where a wiped server has forgotten the first", () => {
    const twice = [...holder(1, 0, 1, [1, 9], "same"), ...holder(2, 2, 3, [3, 8], "same")]
    expect(broken({ twice })).toEqual([])
    const chaos: Line[] = [[3, { e: "restart", forgets: true, until: 4 }]]
    expect(broken({ chaos, a: holder(1, 0, 1, [1, 9]), b: holder(2, 5, 6, [6, 8]) })).toEqual([])
    // Both from after it.
    expect(broken({ chaos, a: holder(1, 5, 6, [6, 9]), b: holder(2, 5, 6, [7, 8]) })).toEqual(["exclusion"])
  })

  it("a write that came after one with a greater token", () => {
    expect(
      broken({}, [
        ["k", 2, "lease 2"],
        ["k", 1, "lease 1"],
      ]),
    ).toEqual(["fencing"])
  })

  it("a holder that trusts its lease after the guard has refused it", () => {
    const a: Line[] = [...holder(1, 0, 1, [1]), [2, { e: "wrote", n: 1, accepted: false }]]
    expect(broken({ a })).toEqual([])
    expect(broken({ a: [...a, [3, { e: "trusted", n: 1 }]] })).toEqual(["fencing"])
  })

  it("one that is granted before another that waited when it came", () => {
    const a = session(
      "a",
      ["ask", 0, 1],
      ["none", 1],
      ["ask", 5],
      ["none", 6],
      ["ask", 8],
      ["grant", 9, [1, 5]],
    )
    expect(broken({ a, b: session("b", ["ask", 2, 1], ["grant", 3, [1, 6]]) })).toContain(
      "first come, first served",
    )
    expect(broken({ a, b: session("b", ["ask", 2, 1], ["grant", 3, [1, 4]]) })).toContain(
      "first come, first served",
    )
    // They may have come in either order.
    expect(broken({ a, b: session("b", ["ask", 0.5, 1], ["grant", 10, [1, 6]]) })).toEqual([])
  })

  it("nothing where the other had been dropped in the meantime", () => {
    const a: Line[] = [
      ...session("a", ["ask", 0, 1], ["none", 1], ["ask", 8]),
      [9, { e: "answered", s: 1, q: 3, granted: [], refused: [], dropped: [1] }],
    ]
    expect(broken({ a, b: session("b", ["ask", 2, 1], ["grant", 3, [1, 6]]) })).toEqual([])
  })

  it("nothing where one that was told to be dropped had kept its place", () => {
    const b: Line[] = [
      ...session("b", ["ask", 0, 1], ["none", 1], ["ask", 6]),
      [7, { e: "answered", s: 1, q: 3, granted: [], refused: [], dropped: [1] }],
      [8, { e: "asked", s: 1, q: 4, acquire: [{ seq: 1, owner: "b 1", keys: ["k"] }], cancel: [] }],
      [9, { e: "answered", s: 1, q: 4, granted: [{ seq: 1, token: 5 }], refused: [], dropped: [] }],
    ]
    expect(
      broken({ a: session("a", ["ask", 2, 1], ["none", 3], ["ask", 10], ["grant", 11, [1, 6]]), b }),
    ).toEqual([])
  })

  it("a token that doesn't grow, and one that two owners got", () => {
    const a = session("a", ["ask", 0, 1], ["grant", 1, [1, 5]])
    expect(broken({ a, b: session("b", ["ask", 2, 1], ["grant", 3, [1, 4]]) })).toEqual(["growing tokens"])
    expect(broken({ a, b: session("b", ["ask", 0, 1], ["grant", 3, [1, 5]]) })).toEqual(["growing tokens"])
  })

  it("a request that is never answered, or late, unless its process was killed or stood still", () => {
    const asked: Line = [0, { e: "request", n: 1, keys: ["k"], owner: "o", timeout: 100 }]
    const late: Line = [5_000, { e: "refused", n: 1, why: "LOCK_TIMEOUT" }]
    expect(broken({ a: [asked] })).toEqual(["an answer in time"])
    expect(broken({ a: [asked, late] })).toEqual(["an answer in time"])
    expect(broken({ a: [asked], chaos: [[9, { e: "kill", worker: "a" }]] })).toEqual([])
    expect(broken({ a: [asked, late], chaos: [[50, { e: "pause", worker: "a", until: 4_900 }]] })).toEqual([])
  })

  it("a key that is never granted although a request waits for it", () => {
    const a = session("a", ["ask", 0, 1], ["none", 1], ["ask", 20_000], ["none", 20_001])
    expect(broken({ a })).toEqual(["no key that stays stuck"])
    const b = session("b", ["ask", 0, 1], ["none", 1], ["ask", 8_000], ["grant", 8_001, [1, 1]])
    const c = session("c", ["ask", 0, 1], ["none", 1], ["ask", 16_000], ["grant", 16_001, [1, 2]])
    expect(broken({ a: [...session("a", ["ask", 0, 1], ["none", 1.5]), ...a.slice(2)], b, c })).not.toContain(
      "no key that stays stuck",
    )
  })
})
