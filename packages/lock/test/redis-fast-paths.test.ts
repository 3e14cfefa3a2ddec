import { type LocalRedis, startRedis } from "@holdfast/redis-local"
import fc from "fast-check"
import { Redis } from "ioredis"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { RULES_ALONE, SCRIPT } from "../src/redis/script.js"

/** All that Redis has stored of a space, each table in an order of its own, and whether it has no time to live. */
const LOOK = `
local tables = {}
for i = 1, 4 do
  tables[i] = i == 1 and redis.call('HGETALL', KEYS[i]) or redis.call('ZRANGE', KEYS[i], 0, -1, 'WITHSCORES')
  tables[i + 4] = redis.call('PTTL', KEYS[i]) == -1 and 1 or 0
end
return tables`

interface Take {
  readonly key: string
  readonly second: boolean
  readonly owner: string | null
  readonly ttl: number
  readonly wait: boolean
  /** A lease that was heard of, and that its caller keeps. */
  readonly holds?: number | undefined
}

interface Free {
  readonly pick: number
  /** Whether it is a lease that was heard of. */
  readonly held: boolean
  readonly names: "its token" | "no token" | "another token"
  readonly all: boolean
}

interface Step {
  readonly ms: number
  readonly session: number
  readonly takes: readonly Take[]
  readonly frees: readonly Free[]
  readonly cancels: readonly number[]
  readonly renews: readonly number[]
  /** By how many the session is wrong about what it waits for. */
  readonly off: number
}

const mostly = <T>(usual: T, ...others: T[]) => fc.constantFrom(...Array<T>(9).fill(usual), ...others)
const pick = fc.nat(100)
const equal: Take = { key: "a", second: false, owner: null, ttl: 30_000, wait: true }
const take: fc.Arbitrary<Take> = fc.record({
  key: mostly("a", "b", "c"),
  second: mostly(false, true),
  owner: mostly<string | null>(null, "anna", "anna", "anna"),
  ttl: mostly(30_000, 500, 10_000, 0, 4_000_000),
  wait: mostly(true, false),
  holds: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, pick),
})
const free: fc.Arbitrary<Free> = fc.record({
  pick,
  held: mostly(true, false),
  names: mostly<Free["names"]>("its token", "no token", "another token"),
  all: mostly(true, false),
})

const list = <T>(item: fc.Arbitrary<T>, minLength: number, maxLength = minLength) =>
  fc.array(item, { minLength, maxLength, size: "max" })
const step = (asks: Partial<{ [Name in keyof Step]: fc.Arbitrary<Step[Name]> }>): fc.Arbitrary<Step> =>
  fc.record({
    ms: fc.constant(3),
    session: fc.nat(2),
    off: fc.constant(0),
    takes: list(take, 0),
    frees: list(free, 0),
    cancels: list(pick, 0),
    renews: list(pick, 0),
    ...asks,
  })

/** One thing at a time: that is what the fast paths are for. */
const usual = (take: fc.Arbitrary<Take>) =>
  fc.oneof(
    { weight: 5, arbitrary: step({ takes: list(take, 1) }) },
    { weight: 4, arbitrary: step({ frees: list(free, 1) }) },
    { weight: 4, arbitrary: step({}) },
  )
const unusual = fc.oneof(
  step({ takes: list(take, 0, 2), frees: list(free, 0, 2) }),
  step({ cancels: list(pick, 0, 1), renews: list(pick, 0, 1) }),
  step({ ms: fc.constantFrom(0, 400, 1_000, 30_000) }),
  step({ off: fc.constantFrom(-1, 1), frees: list(free, 0, 1) }),
)
const mix = (take: fc.Arbitrary<Take>) =>
  list(fc.oneof({ weight: 12, arbitrary: usual(take) }, { weight: 1, arbitrary: unusual }), 1, 60)

/** Of two histories one is of many who want the same. */
const histories = fc.oneof(mix(take), mix(fc.constant(equal)))

interface Asked {
  readonly session: number
  readonly seq: number
  readonly id: string
  readonly keys: readonly string[]
  token: number
  state: "waiting" | "held" | "over"
}

/** A space in Redis, by a clock of its own. */
class Space {
  readonly #prefix = `{${crypto.randomUUID()}}`
  readonly #keys = ["", ":expiries", ":waiters", ":wakeups"].map((name) => this.#prefix + name)
  constructor(
    readonly script: string,
    /** In µs. */
    readonly clock: () => number,
  ) {}

  /** @returns the answer, and what Redis has written down then */
  async execute(session: string, batch: unknown[]): Promise<{ answer: unknown[]; tables: unknown }> {
    const asked = ["execute", session, JSON.stringify(batch), "", String(this.clock())]
    const answer = client.eval(this.script, 4, ...this.#keys, ...asked) as Promise<unknown[]>
    const tables = this.#look()
    return { answer: await answer, tables: await tables }
  }

  async #look(): Promise<unknown> {
    const tables = (await client.callBuffer("EVAL", LOOK, 4, ...this.#keys)) as (Buffer[] | number)[]
    const [records, ...others] = tables.slice(0, 4).map((it) => pairs(it as Buffer[]))
    return { records, others, endless: tables.slice(4) }
  }
}

function pairs(list: Buffer[]): string[] {
  const found: string[] = []
  for (let i = 0; i < list.length; i += 2)
    found.push(`${list[i]?.toString("latin1")} ${list[i + 1]?.toString("hex")}`)
  return found.sort()
}

let redis: LocalRedis
let client: Redis
beforeAll(async () => {
  redis = await startRedis()
  client = new Redis(redis.url)
})
afterAll(async () => {
  client.disconnect()
  await redis.kill()
})

/** What the sessions have asked for, and what came of it. */
class Sessions {
  readonly #asked: Asked[] = []

  /** A batch in the form in which it is sent. */
  batch({ session, takes, frees, cancels, renews, off }: Step): unknown[] {
    const count = this.#asked.filter((it) => it.session === session && it.state === "waiting").length
    const release = frees.flatMap((it) => this.#free(it))
    const cancel = cancels.flatMap((at) => this.#cancel(session, at))
    const renew = renews.flatMap((at) => {
      const lease = this.#choose("held", at)
      return lease ? [[lease.id, lease.keys, lease.token, 20_000]] : []
    })
    const acquire = takes.map((it) => this.#take(session, it))
    return [renew, release, cancel, acquire, Math.max(count - cancel.length + off, 0)]
  }

  #take(session: number, { key, second, owner, ttl, wait, holds }: Take): unknown[] {
    const lease = holds === undefined ? undefined : this.#choose("held", holds)
    const seq = this.#asked.length + 1
    const keys = second ? [key, "d"] : [key]
    this.#asked.push({ session, seq, id: `id ${seq}`, keys, token: 0, state: "waiting" })
    return [
      seq,
      `id ${seq}`,
      owner ?? 0,
      ttl,
      wait ? 1 : 0,
      keys,
      ...(lease ? [[[lease.id, lease.keys[0]]]] : []),
    ]
  }

  #free({ pick, held, names, all }: Free): unknown[] {
    const lease = held ? this.#choose("held", pick) : this.#asked[pick % this.#asked.length]
    if (!lease) return []
    const keys = all ? lease.keys : lease.keys.slice(0, 1)
    if (keys.length === lease.keys.length) lease.state = "over"
    return [[lease.id, keys, names === "no token" ? 0 : lease.token + (names === "its token" ? 0 : 1)]]
  }

  #cancel(session: number, at: number): unknown[] {
    const request = this.#choose("waiting", at)
    if (request?.session !== session) return []
    request.state = "over"
    return [[request.seq, request.keys]]
  }

  #choose(state: Asked["state"], at: number): Asked | undefined {
    const found = this.#asked.filter((it) => it.state === state)
    return found[at % found.length]
  }

  hear({ session }: Step, answer: unknown[]): void {
    const [, , , granted, refused, known, , deadlocked] = answer as number[][]
    for (let i = 0; i < (granted?.length ?? 0); i += 3) {
      const request = this.#asked[Number(granted?.[i]) - 1]
      if (request?.state === "waiting") Object.assign(request, { token: granted?.[i + 1], state: "held" })
    }
    for (const request of this.#asked) {
      if (request.session !== session || request.state !== "waiting") continue
      if (deadlocked?.includes(request.seq)) request.state = "over"
      if (refused?.includes(request.seq) || (known && !known.includes(request.seq))) request.state = "over"
    }
  }
}

/** Puts the same batches to the whole script and to the rules alone. */
async function put(all: readonly Step[]): Promise<void> {
  let now = 1_790_000_000_000_000
  const [whole, rules] = [SCRIPT, RULES_ALONE].map((script) => new Space(script, () => now)) as [Space, Space]
  const sessions = new Sessions()
  for (const step of all) {
    now += step.ms * 1_000
    const batch = sessions.batch(step)
    const asked = [whole, rules].map((space) => space.execute(`s${step.session}`, batch))
    const [found, expected] = await Promise.all(asked)
    expect(found).toEqual(expected)
    sessions.hear(step, found?.answer ?? [])
  }
}

const idle: Step = { ms: 3, session: 0, off: 0, takes: [], frees: [], cancels: [], renews: [] }

/** The session that waits for a key is granted it, and another session releases the grant before it is collected. */
const releasedUncollected: Step[] = [
  { ...idle, takes: [equal] },
  { ...idle, session: 2, takes: [equal] },
  { ...idle, frees: [{ pick: 0, held: true, names: "its token", all: true }] },
  { ...idle, frees: [{ pick: 1, held: false, names: "no token", all: true }] },
  { ...idle, session: 2, off: 1 },
]

describe("the fast paths of the script", () => {
  it("answer as the rules do, and leave in Redis what the rules leave there", async () => {
    await fc.assert(fc.asyncProperty(histories, put), {
      numRuns: Number(process.env.HOLDFAST_RUNS ?? 400),
      examples: [[releasedUncollected]],
    })
  }, 120_000)
})
