import type { Answer, Grant, KeyState, Question, Session } from "../store.js"
import type { Connection, Reply } from "./connection.js"
import { describe } from "./inspection.js"
import type { Subscriber } from "./subscriber.js"

/** One client's part in a lock space. The space itself is in Redis, and its rules in the script. */
export class RedisSession implements Session {
  readonly #connection: Connection
  readonly #wake: (within: number) => void
  /** What waits, as far as this side knows; in the order of arrival. */
  readonly #waiting = new Set<number>()
  /** What messages have told: to be answered with the next question. */
  #news: News = { granted: [], taken: [] }
  /** Requests that Redis knows of and nobody here does, as after a failover to a replica that was behind: to be undone. */
  #strays: readonly number[] = []
  #subscriber: Subscriber | undefined

  constructor(connection: Connection, wake: (within: number) => void) {
    this.#connection = connection
    this.#wake = wake
  }

  async open(subscriber: Subscriber): Promise<void> {
    this.#subscriber = subscriber
    await this.#connection.bounded(subscriber.open())
    // The first question would be the first to be late, before Redis's clock is known.
    await this.ask({ renew: [], release: [], cancel: [], acquire: [] })
  }

  /** What a message says. */
  hear(message: string): void {
    const { within, granted, taken } = JSON.parse(message)
    // An empty list of Lua's is an empty object of JSON's.
    if (granted?.length > 0) this.#news.granted.push(...toGrants(granted))
    if (taken?.length > 0) this.#news.taken.push(...taken)
    this.#wake(within)
  }

  async ask(question: Question): Promise<Answer> {
    for (const { seq } of question.cancel) this.#waiting.delete(seq)
    const reply = await this.#connection.call("ask", this.#encode(question))
    return this.#decode(reply, question)
  }

  #encode({ renew, release, cancel, acquire }: Question): string {
    return JSON.stringify([
      renew.map(({ id, keys, token, ttl }) => [id, keys, token ?? 0, finite(ttl)]),
      release.map(({ id, keys, token }) => [id, keys, token ?? 0]),
      [...cancel.map(({ seq, keys }) => [seq, keys]), ...this.#strays.map((seq) => [seq, []])],
      acquire.map((it) => [
        ...[it.seq, it.id, it.owner === it.id ? 0 : it.owner, finite(it.ttl), it.wait ? 1 : 0, it.keys],
      ]),
      this.#waiting.size,
    ])
  }

  #decode(reply: Reply, question: Question): Answer {
    const [, renewed, released, granted, refused, known, askIn] = reply as unknown as RawAnswer
    const news = this.#news
    this.#news = { granted: [], taken: [] }
    const grants = [...news.granted, ...toGrants(granted)]
    for (const { seq, wait } of question.acquire) if (wait) this.#waiting.add(seq)
    const expected = known ? known.map(Number) : undefined
    this.#disown([...grants.map(({ seq }) => seq), ...(expected ?? [])], question)
    for (const { seq } of grants) this.#waiting.delete(seq)
    const dropped = expected ? this.#forgetAllBut(expected, question) : []
    return {
      renewed: renewed.map(isYes),
      released: released.map(isYes),
      granted: grants,
      refused: toRefusals(refused),
      dropped,
      taken: news.taken,
      askIn: Number(askIn) < 0 ? undefined : Number(askIn) / 1_000,
    }
  }

  #disown(known: readonly number[], { cancel, acquire }: Question): void {
    this.#strays = known.filter((seq) => !this.#waiting.has(seq))
    if (this.#strays.length === 0) return
    const asked = new Set([...cancel, ...acquire].map(({ seq }) => seq))
    this.#strays = this.#strays.filter((seq) => !asked.has(seq))
    if (this.#strays.length > 0) this.#wake(0)
  }

  /**
   * What was waited for before the question, and is neither granted nor known to Redis. What a message has granted and
   * taken away again is known to neither any more, and is not among it.
   */
  #forgetAllBut(known: readonly number[], { acquire }: Question): number[] {
    const kept = new Set([...known, ...acquire.map(({ seq }) => seq)])
    const dropped = [...this.#waiting].filter((seq) => !kept.has(seq))
    if (dropped.length > 0) this.#subscriber?.renew()
    for (const seq of dropped) this.#waiting.delete(seq)
    return dropped
  }

  async inspect(): Promise<KeyState[]> {
    return describe(await this.#connection.call("inspect"))
  }

  async forceRelease(key: string): Promise<boolean> {
    const [, count] = await this.#connection.call("forceRelease", key)
    return Number(count) > 0
  }

  /** Resolves when what was sent to this session has been heard; for tests. */
  arrived(): Promise<void> {
    return this.#subscriber?.arrived() ?? Promise.resolve()
  }

  async close(): Promise<void> {
    this.#subscriber?.close()
    await this.#connection.call("close").catch(() => undefined)
    this.#connection.close()
  }
}

interface News {
  granted: Grant[]
  taken: number[]
}

type RawAnswer = [
  ...[now: unknown, renewed: unknown[], released: unknown[], granted: unknown[], refused: unknown[]],
  ...[known: unknown[] | null, askIn: unknown],
]

const isYes = (value: unknown) => Number(value) === 1

/** From SEQ and KEY, one after the other. */
function toRefusals(list: readonly unknown[]): { seq: number; key: string }[] {
  const refusals = []
  for (let i = 0; i < list.length; i += 2) refusals.push({ seq: Number(list[i]), key: String(list[i + 1]) })
  return refusals
}

/** Infinity has no form in JSON. */
function finite(ttl: number): number {
  return ttl === Number.POSITIVE_INFINITY ? 0 : ttl
}

/** From SEQ, TOKEN, and 0 or a list of TOKENs, one after the other. */
function toGrants(list: readonly unknown[]): Grant[] {
  const grants: Grant[] = []
  for (let i = 0; i < list.length; i += 3) {
    const grant = { seq: Number(list[i]), token: Number(list[i + 1]) }
    const tokens = list[i + 2]
    grants.push(Array.isArray(tokens) ? { ...grant, tokens: tokens.map(Number) } : grant)
  }
  return grants
}
