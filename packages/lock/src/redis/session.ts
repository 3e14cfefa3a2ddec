import { type RawMember, toMember } from "../raw-circle.js"
import type { Batch, BatchResult, Deadlock, Grant, KeyState, Request, Session } from "../store.js"
import { describe } from "./inspect.js"
import type { Subscriber } from "./listener.js"
import type { ScriptClient, ScriptReply } from "./script-client.js"

/** One client's session in a lock space. The space itself is in Redis, and its rules in the script. */
export class RedisSession implements Session {
  readonly #script: ScriptClient
  readonly #wake: (within: number) => void
  /** The requests that wait, as far as this side knows; in the order of arrival. */
  readonly #waiting = new Set<number>()
  /** What messages have reported: the next result includes it. */
  #news: News = { granted: [], taken: [] }
  /** Requests that Redis knows and this side doesn't, as after a failover to a replica that was behind: to be cancelled. */
  #orphans: readonly number[] = []
  #subscriber: Subscriber | undefined

  constructor(script: ScriptClient, wake: (within: number) => void) {
    this.#script = script
    this.#wake = wake
  }

  async open(subscriber: Subscriber): Promise<void> {
    this.#subscriber = subscriber
    await this.#script.bounded(subscriber.open())
    // Before Redis's clock is known a batch has no time after which Redis rejects it: this one learns the clock.
    await this.execute({ renew: [], release: [], cancel: [], acquire: [] })
  }

  /** Takes in a message. */
  hear(message: string): void {
    const news = parseMessage(message)
    if (!news) return
    this.#news.granted = [...this.#news.granted, ...news.granted]
    this.#news.taken = [...this.#news.taken, ...news.taken]
    this.#wake(news.within)
  }

  async execute(batch: Batch): Promise<BatchResult> {
    for (const { seq } of batch.cancel) this.#waiting.delete(seq)
    const result = this.#decode(await this.#script.call("execute", this.#encode(batch)), batch)
    if (this.#waiting.size > 0) void this.#subscriber?.check()
    return result
  }

  #encode({ renew, release, cancel, acquire }: Batch): string {
    return JSON.stringify([
      renew.map(({ id, keys, token, ttl }) => [id, keys, token ?? 0, finite(ttl)]),
      release.map(({ id, keys, token }) => [id, keys, token ?? 0]),
      [...cancel.map(({ seq, keys }) => [seq, keys]), ...this.#orphans.map((seq) => [seq, []])],
      acquire.map(toFields),
      this.#waiting.size,
    ])
  }

  #decode(reply: ScriptReply, batch: Batch): BatchResult {
    const [, renewed, released, granted, refused, known, wakeIn, deadlocked] = reply as unknown as RawResult
    const news = this.#news
    this.#news = { granted: [], taken: [] }
    const grants = [...news.granted, ...toGrants(granted)]
    for (const { seq, wait } of batch.acquire) if (wait) this.#waiting.add(seq)
    const expected = known ? known.map(Number) : undefined
    this.#disown([...grants.map(({ seq }) => seq), ...(expected ?? [])], batch)
    const deadlocks = deadlocked ? toDeadlocks(deadlocked) : []
    for (const { seq } of grants) this.#waiting.delete(seq)
    for (const { seq } of deadlocks) this.#waiting.delete(seq)
    const dropped = expected ? this.#forgetAllBut(expected, batch) : []
    return {
      renewed: renewed.map(isYes),
      released: released.map(isYes),
      granted: grants,
      refused: toRefusals(refused),
      deadlocked: deadlocks,
      dropped,
      taken: news.taken,
      wakeIn: Number(wakeIn) < 0 ? undefined : Number(wakeIn) / 1_000,
    }
  }

  #disown(known: readonly number[], { cancel, acquire }: Batch): void {
    this.#orphans = known.filter((seq) => !this.#waiting.has(seq))
    if (this.#orphans.length === 0) return
    const asked = new Set([...cancel, ...acquire].map(({ seq }) => seq))
    this.#orphans = this.#orphans.filter((seq) => !asked.has(seq))
    if (this.#orphans.length > 0) this.#wake(0)
  }

  /**
   * The requests that waited before the batch, and are neither granted nor known to Redis. A lease that messages have
   * granted and taken away again waits no more, and is not among them.
   */
  #forgetAllBut(known: readonly number[], { acquire }: Batch): number[] {
    const kept = new Set([...known, ...acquire.map(({ seq }) => seq)])
    const dropped = [...this.#waiting].filter((seq) => !kept.has(seq))
    if (dropped.length > 0) this.#subscriber?.renew()
    for (const seq of dropped) this.#waiting.delete(seq)
    return dropped
  }

  async inspect(): Promise<KeyState[]> {
    return describe(await this.#script.call("inspect"))
  }

  async forceRelease(key: string): Promise<boolean> {
    const [, count] = await this.#script.call("forceRelease", key)
    return Number(count) > 0
  }

  /** Resolves when all messages that were sent to this session have arrived; for tests. */
  arrived(): Promise<void> {
    return this.#subscriber?.arrived() ?? Promise.resolve()
  }

  async close(within = Number.POSITIVE_INFINITY): Promise<void> {
    this.#subscriber?.close()
    if (within > 0) await this.#script.call("closeSession", "", within).catch(() => undefined)
    this.#script.close()
  }
}

interface News {
  granted: Grant[]
  taken: number[]
}

/** Every client that may publish can send anything to a channel: what no script has sent is left alone. */
function parseMessage(message: string): (News & { readonly within: number }) | undefined {
  try {
    const { within, granted, taken } = JSON.parse(message)
    const news = { within, granted: toGrants(toList(granted)), taken: toList(taken).map(Number) }
    const numbers = [within, ...news.taken, ...news.granted.flatMap(({ seq, token }) => [seq, token])]
    return numbers.every((it) => Number.isFinite(it)) ? news : undefined
  } catch {
    return undefined
  }
}

/** Lua encodes an empty list as an empty object. */
const toList = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

type RawResult = [
  now: unknown,
  renewed: unknown[],
  released: unknown[],
  granted: unknown[],
  refused: unknown[],
  known: unknown[] | null,
  wakeIn: unknown,
  deadlocked?: unknown[] | null,
]

const isYes = (value: unknown) => Number(value) === 1

/** With a seventh field where the request holds leases, and else as before there were any. */
function toFields({ seq, id, owner, ttl, wait, keys, holds }: Request): unknown[] {
  const fields: unknown[] = [seq, id, owner === id ? 0 : owner, finite(ttl), wait ? 1 : 0, keys]
  if (wait && holds && holds.length > 0) fields.push(holds.map((it) => [it.id, it.key]))
  return fields
}

/** From SEQ and KEY, one after the other. */
function toRefusals(list: readonly unknown[]): { seq: number; key: string }[] {
  const refusals = []
  for (let i = 0; i < list.length; i += 2) refusals.push({ seq: Number(list[i]), key: String(list[i + 1]) })
  return refusals
}

/** From SEQ and the members of a circle, one after the other. */
function toDeadlocks(list: readonly unknown[]): Deadlock[] {
  const deadlocks = []
  for (let i = 0; i < list.length; i += 2)
    deadlocks.push({ seq: Number(list[i]), circle: (list[i + 1] as RawMember[]).map(toMember) })
  return deadlocks
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
