import { randomBytes } from "node:crypto"
import { LockError } from "../errors.js"
import { type RawMember, toMember } from "../raw-circle.js"
import {
  type Batch,
  type BatchResult,
  type Cancellation,
  type Grant,
  type KeyState,
  type Release,
  type Renewal,
  type Request,
  type Session,
  UnansweredError,
} from "../store.js"
import {
  type Connect,
  hasSpare,
  type PgPool,
  type Query,
  type Statement,
  servesAfter,
  throughPool,
  within,
} from "./clients.js"
import { describe, type Row } from "./inspect.js"
import { checkInstalled, install, isMissing } from "./install.js"
import { ListenConnection } from "./listener.js"
import type { Names } from "./names.js"
import { explained } from "./rights.js"
import { LONGEST_FORGOTTEN } from "./rules.js"

/** How often to call, in ms, where no messages arrive: well within the claim window. */
const NOT_LISTENING = 200

/** How a session reaches its lock space. */
export interface Access {
  readonly names: Names
  readonly connect: Connect
  readonly pool: PgPool | undefined
  /** How long to wait for any answer of the server. */
  readonly timeoutMs: number
  /** Whether to create or upgrade the lock space. */
  readonly installs?: boolean
}

/** The result of `execute`, with lists in place of members: see commands.ts. */
interface ExecuteReply {
  renewed: number[]
  released: number[]
  /** Requests that were granted at once, and their numbers beside them. */
  placed: number[]
  numbers: number[]
  granted: [seq: number, token: number, tokens?: Record<string, number>][]
  /** With the circle where the request would have waited for itself. */
  refused: [seq: number, key: string, circle?: RawMember[]][]
  ended: [seq: number, token: number, taken: boolean][]
  /** Whether the server knows none of the session's waiting requests. */
  lost: boolean
  recalled: number[]
  wakeIn: number | null
}

export class PostgresSession implements Session {
  readonly #name = randomBytes(9).toString("base64url")
  readonly #names: Names
  readonly #listener: ListenConnection
  readonly #query: Query
  readonly #hasPool: boolean
  readonly #prepare: (query: Query, names: Names) => Promise<void>
  readonly #timeoutMs: number
  /** The keys of the requests that wait, as far as this side knows. */
  readonly #waiting = new Map<number, readonly string[]>()
  #turn = 0
  /** The last batch whose answer never came. */
  #givenUp: number | null = null

  constructor({ names, connect, pool, timeoutMs, installs = true }: Access, wake: (within: number) => void) {
    this.#names = names
    this.#prepare = installs ? install : checkInstalled
    const others = pool && throughPool(pool, timeoutMs)
    this.#listener = new ListenConnection({
      connect,
      timeoutMs,
      others,
      channel: `holdfast_${this.#name}`,
      onMessage: (payload) => wake(Number(payload) || 0),
      onEnd: () => {
        if (this.#waiting.size > 0) wake(0)
      },
    })
    const own = this.#listener.query
    this.#query = (statement) =>
      (others && (hasSpare(pool) || !this.#listener.listens) ? others : own)(statement)
    this.#hasPool = pool !== undefined
    this.#timeoutMs = timeoutMs
  }

  async open(): Promise<this> {
    try {
      await this.#openListener()
      await this.#prepare(this.#query, this.#names)
      await this.#warmUp()
      return this
    } catch (error) {
      const told = await this.#explained(error)
      await this.#listener.close()
      throw told
    }
  }

  /** In place of the error where that can't be found out. */
  #explained(error: unknown): Promise<unknown> {
    return explained(error, this.#query, this.#names).catch(() => error)
  }

  /** Planning takes longer than a short lease lasts on a machine that is busy: it is done before the first request. */
  async #warmUp(): Promise<void> {
    await this.#query(this.#call("acquire_one", [this.#name, 0, 0, "", "", "", 0, false]))
    await this.#query(this.#call("release_one", [this.#name, 0, "", "", null]))
  }

  /** With a pool this connection is only for messages, and the session polls where it can't be opened. */
  #openListener(): Promise<unknown> {
    const opened = this.#listener.open()
    return this.#hasPool ? opened.catch(() => undefined) : opened
  }

  async execute(batch: Batch): Promise<BatchResult> {
    const turn = ++this.#turn
    for (const { seq } of batch.cancel) this.#waiting.delete(seq)
    const recall = this.#givenUp === null ? [] : [...this.#waiting].map(([seq, keys]) => ({ seq, keys }))
    try {
      const [row] = await this.#put<{ reply: string }>(
        this.#single(batch, turn) ?? this.#whole(batch, turn, recall),
      )
      const reply = JSON.parse(row?.reply ?? "") as Partial<ExecuteReply> | number | true
      this.#givenUp = null
      return this.#read(batch, inFull(batch, reply), recall)
    } catch (error) {
      this.#givenUp = turn
      // Dropped, it is made anew; of a newer version, that says what to do.
      if (isMissing(error)) await this.#prepare(this.#query, this.#names)
      const told = await this.#explained(error)
      throw told instanceof LockError || (servesAfter(error) && !isMissing(error))
        ? told
        : new UnansweredError(error)
    }
  }

  #whole(batch: Batch, turn: number, recall: readonly Cancellation[]): Statement {
    const session = [this.#name, turn, this.#givenUp, this.#waiting.size > 0]
    return this.#call("execute", [...session, ...argumentsOf(batch, recall)])
  }

  /** The fast path for a batch of one request or one release of one key. */
  #single({ renew, release, cancel, acquire }: Batch, turn: number): Statement | undefined {
    if (release.length + acquire.length !== 1 || renew.length > 0 || cancel.length > 0) return undefined
    if (this.#givenUp !== null) return undefined
    const [freed, wanted] = [release[0], acquire[0]]
    const waits = this.#waiting.size > 0
    if (freed?.keys.length === 1) {
      const name = waits ? "hand_off" : "release_one"
      return this.#call(name, [this.#name, turn, freed.keys[0], freed.id, freed.token ?? null])
    }
    if (waits || wanted?.keys.length !== 1 || wanted.holds?.length) return undefined
    const { seq, keys, id, owner, ttl, wait } = wanted
    return this.#call("acquire_one", [this.#name, turn, seq, keys[0], id, owner, ttl, wait])
  }

  #call(name: string, values: unknown[]): Statement {
    const parameters = values.map((_, i) => `$${i + 1}`)
    const text = `SELECT ${this.#names.schema}.${name}(${parameters}) AS reply`
    // A prepared statement stays with its connection, and a shared one is another one each time.
    return this.#listener.listens
      ? { text, values, name: `holdfast_${name}_${this.#names.advisoryLock}` }
      : { text, values }
  }

  #put<T>(statement: Statement): Promise<T[]> {
    if (this.#hasPool) void this.#openListener()
    return this.#query(statement)
  }

  #read(batch: Batch, reply: ExecuteReply, recall: readonly Cancellation[]): BatchResult {
    const granted = this.#granted(batch, reply)
    for (const { seq } of granted) this.#waiting.delete(seq)
    const dropped = this.#dropped(reply, recall)
    const settled = new Set([...granted.map(({ seq }) => seq), ...reply.refused.map(([seq]) => seq)])
    for (const { seq, keys, wait } of batch.acquire)
      if (wait && !settled.has(seq)) this.#waiting.set(seq, keys)
    // With a pool nothing else goes over the connection that hears of the turn.
    if (this.#hasPool && this.#waiting.size > 0) void this.#listener.check()
    return {
      renewed: batch.renew.map((_, i) => reply.renewed.includes(i + 1)),
      released: countReleased(batch.release, reply.released),
      granted,
      refused: reply.refused.flatMap(([seq, key, circle]) => (circle ? [] : [{ seq, key }])),
      deadlocked: reply.refused.flatMap(([seq, , circle]) =>
        circle ? [{ seq, circle: circle.map(toMember) }] : [],
      ),
      dropped,
      taken: reply.ended.flatMap(([seq, , taken]) => (taken ? [seq] : [])),
      wakeIn: this.#wakeIn(reply.wakeIn ?? undefined),
    }
  }

  #granted(batch: Batch, { placed, numbers, granted, ended }: ExecuteReply): Grant[] {
    const grants: Grant[] = placed.map((seq, i) => ({ seq, token: numbers[i] ?? 0 }))
    for (const [seq, token, byKey] of granted) {
      const keys = this.#waiting.get(seq) ?? batch.acquire.find((request) => request.seq === seq)?.keys ?? []
      grants.push(byKey ? { seq, token, tokens: keys.map((key) => byKey[key] ?? token) } : { seq, token })
    }
    // A lease that was ended before this session knew of it was granted all the same.
    for (const [seq, token] of ended) if (this.#waiting.has(seq)) grants.push({ seq, token })
    return grants
  }

  #dropped(reply: ExecuteReply, recall: readonly Cancellation[]): number[] {
    const gone = reply.lost ? [...this.#waiting.keys()] : recall.map(({ seq }) => seq)
    const kept = new Set(reply.recalled)
    const dropped = gone.filter((seq) => this.#waiting.has(seq) && !kept.has(seq))
    for (const seq of dropped) this.#waiting.delete(seq)
    return dropped
  }

  #wakeIn(due: number | undefined): number | undefined {
    if (this.#waiting.size === 0 || this.#listener.listens) return due
    return Math.min(due ?? NOT_LISTENING, NOT_LISTENING)
  }

  async inspect(): Promise<KeyState[]> {
    const text = `SELECT ${this.#names.schema}.inspect() AS rows`
    const [row] = await this.#look<{ rows: string }>({ text })
    return describe(JSON.parse(row?.rows ?? "[]") as Row[])
  }

  async forceRelease(key: string): Promise<boolean> {
    const text = `SELECT ${this.#names.schema}.force_release($1)::int AS ended`
    const [row] = await this.#look<{ ended: number }>({ text, values: [key] })
    // The application may have set parsers of its own for the types.
    return Number(row?.ended) === 1
  }

  async #look<T>(statement: Statement): Promise<T[]> {
    try {
      return await this.#query<T>(statement)
    } catch (error) {
      throw await this.#explained(error)
    }
  }

  async close(ms = this.#timeoutMs): Promise<void> {
    const until = performance.now() + ms
    const text = `SELECT ${this.#names.schema}.close_session($1)`
    // Where the server doesn't answer, the claim window and the ttl do the same later.
    if (ms > 0)
      await within(this.#query({ text, values: [this.#name] }), ms, () => undefined).catch(() => undefined)
    await this.#listener.close(until - performance.now())
  }
}

const NOTHING: ExecuteReply = {
  renewed: [],
  released: [],
  placed: [],
  numbers: [],
  granted: [],
  refused: [],
  ended: [],
  recalled: [],
  lost: false,
  wakeIn: null,
}

/** The whole of the short replies of `acquire_one`, `release_one` and `hand_off`. */
function inFull({ acquire }: Batch, reply: Partial<ExecuteReply> | number | true): ExecuteReply {
  if (typeof reply === "object") return { ...NOTHING, ...reply }
  if (reply === true) return { ...NOTHING, released: [1] }
  return { ...NOTHING, placed: acquire.map(({ seq }) => seq), numbers: [reply] }
}

function argumentsOf({ renew, release, cancel, acquire }: Batch, recall: readonly Cancellation[]): unknown[] {
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
  const lists = [
    each(acquire, (_, of) => of),
    keys,
    each(acquire, ({ seq }) => seq),
    each(acquire, ({ id }) => id),
    each(acquire, ({ owner }) => owner),
    each(acquire, ({ ttl }) => ttl),
    each(acquire, ({ wait }) => wait),
    each(acquire, isAlone),
  ]
  for (const [i, { wait, seq, holds = [] }] of acquire.entries())
    if (wait) for (const { key, id } of holds) addTo(lists, [-(i + 1), key, seq, id, id, 0, wait, false])
  return lists
}

function addTo(lists: unknown[][], values: unknown[]): void {
  for (const [i, value] of values.entries()) lists[i]?.push(value)
}

function countReleased(release: readonly Release[], released: readonly number[]): boolean[] {
  const counts = new Map<number, number>()
  for (const of of released) counts.set(of, (counts.get(of) ?? 0) + 1)
  return release.map(({ keys }, i) => counts.get(i + 1) === keys.length)
}
