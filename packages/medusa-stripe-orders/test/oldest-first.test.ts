import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { MOST_AT_ONCE, oldestFirst, type Span } from "../src/oldest-first"

interface Thing {
  id: string
  created: number
}

/** A list as Stripe has it: the newest first, a hundred at a time. */
function listOf(things: Thing[]) {
  let calls = 0
  const list = async ({ gte, lte }: Span, startingAfter?: string) => {
    calls++
    const newestFirst = things.filter(({ created }) => created >= gte && created <= lte).reverse()
    const from = startingAfter ? newestFirst.findIndex(({ id }) => id === startingAfter) + 1 : 0
    return { data: newestFirst.slice(from, from + 100), has_more: newestFirst.length > from + 100 }
  }
  return { list, calls: () => calls }
}

/** So many things, `seconds` apart. */
const every = (seconds: number, count: number): Thing[] =>
  Array.from({ length: count }, (_, i) => ({ id: `${i}`, created: Math.floor(i * seconds) }))

async function read(things: Thing[], span: Span) {
  const { list, calls } = listOf(things)
  const parts: Thing[][] = []
  for await (const part of oldestFirst(list, span)) {
    parts.push(part)
  }
  return { all: parts.flat(), sizes: parts.map(({ length }) => length), calls: calls() }
}

describe("a list of Stripe's, read from its oldest on", () => {
  it("is one call where it has one page", async () => {
    const things = every(3, 100)
    expect(await read(things, { gte: 0, lte: 1_000 })).toEqual({ all: things, sizes: [100], calls: 1 })
    expect(await read([], { gte: 0, lte: 1_000 })).toEqual({ all: [], sizes: [], calls: 1 })
  })

  it("gives each object of a span once and in order, for any span", async () => {
    const created = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 400 })
    const bounds = fc.tuple(fc.integer({ min: -5, max: 55 }), fc.integer({ min: 0, max: 60 }))
    await fc.assert(
      fc.asyncProperty(created, bounds, async (seconds, [gte, length]) => {
        const things = seconds.sort((a, b) => a - b).map((created, i) => ({ id: `${i}`, created }))
        const { all } = await read(things, { gte, lte: gte + length })
        expect(all).toEqual(things.filter(({ created }) => created >= gte && created <= gte + length))
      }),
      { numRuns: 200 },
    )
  })

  it("is never held in memory whole, and costs few calls more than it has pages", async () => {
    const things = every(1.7, 20_000)
    const { all, sizes, calls } = await read(things, { gte: 0, lte: 100_000 })
    expect(all).toEqual(things)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MOST_AT_ONCE)
    expect(calls).toBeLessThan(2 * (things.length / 100))
  })

  it("is read whole where a single second has more than fits", async () => {
    const things = every(0.0001, MOST_AT_ONCE + 350)
    const { all } = await read(things, { gte: 0, lte: 3_600 })
    expect(all).toEqual(things)
  })

  it("has empty years for one call each time that the span has doubled", async () => {
    const things = [...every(0.0001, 1_200), { id: "last", created: 10_000_000 }]
    const { all, calls } = await read(things, { gte: 0, lte: 10_000_000 })
    expect(all).toEqual(things)
    expect(calls).toBeLessThan(350)
  })
})
