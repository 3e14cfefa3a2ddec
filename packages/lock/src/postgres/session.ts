import { randomBytes } from "node:crypto"
import type {
  Answer,
  Cancellation,
  Grant,
  KeyState,
  Question,
  Release,
  Renewal,
  Request,
  Session,
} from "../store.js"
import { type Query, type Statement, throughPool } from "./connection.js"
import type { Access } from "./index.js"
import { install } from "./install.js"
import { Line } from "./line.js"
import type { Names } from "./names.js"
import { LONGEST_FORGOTTEN } from "./rules.js"
import { describe, type Row } from "./states.js"

/** How often to look, in ms, where no messages come: well within the claim window. */
const NOT_LISTENING = 200

/** What `ask` answers, with lists in place of members: see operations.ts. */
interface Reply {
  renewed: number[]
  released: number[]
  /** Requests that were granted at once, and their numbers beside them. */
  placed: number[]
  numbers: number[]
  granted: [seq: number, token: number, tokens?: Record<string, number>][]
  refused: [seq: number, key: string][]
  ended: [seq: number, token: number, taken: boolean][]
  /** Whether nothing is known of what the session waits for. */
  lost: boolean
  recalled: number[]
  askIn: number | null
}

export class PostgresSession implements Session {
  readonly #name = randomBytes(9).toString("base64url")
  readonly #names: Names
  readonly #line: Line
  readonly #query: Query
  readonly #hasPool: boolean
  /** What this session waits for, as far as it knows. */
  readonly #waiting = new Map<number, readonly string[]>()
  #turn = 0
  /** The last question whose answer never came. */
  #givenUp: number | null = null

  constructor({ names, connect, pool, patience }: Access, wake: (within: number) => void) {
    this.#names = names
    const others = pool && throughPool(pool, patience)
    this.#line = new Line({
      ...{ connect, patience, others, channel: `holdfast_${this.#name}` },
      onMessage: (payload) => wake(Number(payload)),
      onEnd: () => {
        if (this.#waiting.size > 0) wake(0)
      },
    })
    this.#query = others ?? this.#line.query
    this.#hasPool = pool !== undefined
  }

  async open(): Promise<this> {
    try {
      await install(this.#query, this.#names)
      await this.#openLine()
      await this.#rehearse()
      return this
    } catch (error) {
      await this.#line.close()
      throw error
    }
  }

  /** Planning takes longer than a short lease lasts on a machine that is busy: it is done before anybody waits for it. */
  async #rehearse(): Promise<void> {
    await this.#query(this.#call("acquire_one", [this.#name, 0, 0, "", "", "", 0, false]))
    await this.#query(this.#call("release_one", [this.#name, 0, "", "", null]))
  }

  /** With a pool the line is only for messages, and what it says otherwise is found out by looking. */
  #openLine(): Promise<unknown> {
    const opened = this.#line.open()
    return this.#hasPool ? opened.catch(() => undefined) : opened
  }

  async ask(question: Question): Promise<Answer> {
    const turn = ++this.#turn
    for (const { seq } of question.cancel) this.#waiting.delete(seq)
    const recall = this.#givenUp === null ? [] : [...this.#waiting].map(([seq, keys]) => ({ seq, keys }))
    try {
      const [row] = await this.#put<{ reply: string }>(
        this.#single(question, turn) ?? this.#whole(question, turn, recall),
      )
      const reply = JSON.parse(row?.reply ?? "") as Partial<Reply> | number | true
      this.#givenUp = null
      return this.#read(question, inFull(question, reply), recall)
    } catch (error) {
      this.#givenUp = turn
      throw error
    }
  }

  #whole(question: Question, turn: number, recall: readonly Cancellation[]): Statement {
    const session = [this.#name, turn, this.#givenUp, this.#waiting.size > 0]
    return this.#call("ask", [...session, ...argumentsOf(question, recall)])
  }

  /** One request or one release of one key, where nothing else is asked. */
  #single({ renew, release, cancel, acquire }: Question, turn: number): Statement | undefined {
    if (release.length + acquire.length !== 1 || renew.length > 0 || cancel.length > 0) return undefined
    if (this.#givenUp !== null) return undefined
    const [freed, wanted] = [release[0], acquire[0]]
    const waits = this.#waiting.size > 0
    if (freed?.keys.length === 1) {
      const name = waits ? "hand_on" : "release_one"
      return this.#call(name, [this.#name, turn, freed.keys[0], freed.id, freed.token ?? null])
    }
    if (waits || wanted?.keys.length !== 1) return undefined
    const { seq, keys, id, owner, ttl, wait } = wanted
    return this.#call("acquire_one", [this.#name, turn, seq, keys[0], id, owner, ttl, wait])
  }

  #call(name: string, values: unknown[]): Statement {
    const parameters = values.map((_, i) => `$${i + 1}`)
    const text = `SELECT ${this.#names.schema}.${name}(${parameters}) AS reply`
    // What is prepared stays with its connection, and that is another one each time where it is shared.
    return this.#line.listens
      ? { text, values, name: `holdfast_${name}_${this.#names.latch}` }
      : { text, values }
  }

  #put<T>(statement: Statement): Promise<T[]> {
    if (this.#hasPool) void this.#openLine()
    return this.#query(statement)
  }

  #read(question: Question, reply: Reply, recall: readonly Cancellation[]): Answer {
    const granted = this.#granted(question, reply)
    for (const { seq } of granted) this.#waiting.delete(seq)
    const dropped = this.#dropped(reply, recall)
    const refused = reply.refused.map(([seq, key]) => ({ seq, key }))
    const settled = new Set([...granted, ...refused].map(({ seq }) => seq))
    for (const { seq, keys, wait } of question.acquire)
      if (wait && !settled.has(seq)) this.#waiting.set(seq, keys)
    return {
      renewed: question.renew.map((_, i) => reply.renewed.includes(i + 1)),
      released: countReleased(question.release, reply.released),
      granted,
      refused,
      dropped,
      taken: reply.ended.flatMap(([seq, , taken]) => (taken ? [seq] : [])),
      askIn: this.#askIn(reply.askIn ?? undefined),
    }
  }

  #granted(question: Question, { placed, numbers, granted, ended }: Reply): Grant[] {
    const grants: Grant[] = placed.map((seq, i) => ({ seq, token: numbers[i] ?? 0 }))
    for (const [seq, token, byKey] of granted) {
      const keys =
        this.#waiting.get(seq) ?? question.acquire.find((request) => request.seq === seq)?.keys ?? []
      grants.push(byKey ? { seq, token, tokens: keys.map((key) => byKey[key] ?? token) } : { seq, token })
    }
    // What somebody ended before this session knew of it was granted all the same.
    for (const [seq, token] of ended) if (this.#waiting.has(seq)) grants.push({ seq, token })
    return grants
  }

  #dropped(reply: Reply, recall: readonly Cancellation[]): number[] {
    const gone = reply.lost ? [...this.#waiting.keys()] : recall.map(({ seq }) => seq)
    const kept = new Set(reply.recalled)
    const dropped = gone.filter((seq) => this.#waiting.has(seq) && !kept.has(seq))
    for (const seq of dropped) this.#waiting.delete(seq)
    return dropped
  }

  #askIn(due: number | undefined): number | undefined {
    if (this.#waiting.size === 0 || this.#line.listens) return due
    return Math.min(due ?? NOT_LISTENING, NOT_LISTENING)
  }

  async inspect(): Promise<KeyState[]> {
    const text = `SELECT ${this.#names.schema}.inspect() AS rows`
    const [row] = await this.#query<{ rows: string }>({ text })
    return describe(JSON.parse(row?.rows ?? "[]") as Row[])
  }

  async forceRelease(key: string): Promise<boolean> {
    const text = `SELECT ${this.#names.schema}.force_release($1) AS ended`
    const [row] = await this.#query<{ ended: boolean }>({ text, values: [key] })
    return row?.ended === true
  }

  async close(): Promise<void> {
    const text = `SELECT ${this.#names.schema}.leave($1)`
    // Where the server can't be asked, the claim window and the ttl do the same later.
    await this.#query({ text, values: [this.#name] }).catch(() => undefined)
    await this.#line.close()
  }
}

const NOTHING: Reply = {
  ...{
    renewed: [],
    released: [],
    placed: [],
    numbers: [],
    granted: [],
    refused: [],
    ended: [],
    recalled: [],
  },
  ...{ lost: false, askIn: null },
}

/** What `acquire_one`, `release_one` and `hand_on` say in short. */
function inFull({ acquire }: Question, reply: Partial<Reply> | number | true): Reply {
  if (typeof reply === "object") return { ...NOTHING, ...reply }
  if (reply === true) return { ...NOTHING, released: [1] }
  return { ...NOTHING, placed: acquire.map(({ seq }) => seq), numbers: [reply] }
}

function argumentsOf(
  { renew, release, cancel, acquire }: Question,
  recall: readonly Cancellation[],
): unknown[] {
  return [
    longestForgotten([...renew, ...acquire]),
    ...renewals(renew),
    ...releases(release),
    ...cancellations(cancel),
    ...requests(acquire),
    ...cancellations(recall),
  ]
}

function longestForgotten(leases: readonly { ttl: number }[]): number {
  let longest = 0
  for (const { ttl } of leases) if (ttl > longest && ttl <= LONGEST_FORGOTTEN) longest = ttl
  return longest
}

/** One element for each key of each member. */
function each<T extends { readonly keys: readonly string[] }>(
  members: readonly T[],
  value: (member: T, of: number) => unknown,
): unknown[] {
  const list: unknown[] = []
  for (const [i, member] of members.entries()) {
    const same = value(member, i + 1)
    for (let n = member.keys.length; n > 0; n--) list.push(same)
  }
  return list
}

const keysOf = (members: readonly { readonly keys: readonly string[] }[]) =>
  members.flatMap(({ keys }) => keys)

const renewals = (renew: readonly Renewal[]) => [
  each(renew, (_, of) => of),
  keysOf(renew),
  each(renew, ({ id }) => id),
  each(renew, ({ token }) => token ?? null),
  each(renew, ({ ttl }) => ttl),
]

const releases = (release: readonly Release[]) => [
  each(release, (_, of) => of),
  keysOf(release),
  each(release, ({ id }) => id),
  each(release, ({ token }) => token ?? null),
]

const cancellations = (cancel: readonly Cancellation[]) => [each(cancel, ({ seq }) => seq), keysOf(cancel)]

function requests(acquire: readonly Request[]): unknown[][] {
  const keys = keysOf(acquire)
  const counts = new Map<string, number>()
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1)
  const isAlone = ({ keys }: Request) => keys.length === 1 && counts.get(keys[0] ?? "") === 1
  return [
    each(acquire, (_, of) => of),
    keys,
    each(acquire, ({ seq }) => seq),
    each(acquire, ({ id }) => id),
    each(acquire, ({ owner }) => owner),
    each(acquire, ({ ttl }) => ttl),
    each(acquire, ({ wait }) => wait),
    each(acquire, isAlone),
  ]
}

function countReleased(release: readonly Release[], released: readonly number[]): boolean[] {
  const counts = new Map<number, number>()
  for (const of of released) counts.set(of, (counts.get(of) ?? 0) + 1)
  return release.map(({ keys }, i) => counts.get(i + 1) === keys.length)
}
