import { Deadlines } from "./deadlines.js"
import {
  type Answer,
  CLAIM_WINDOW,
  type KeyState,
  type Question,
  type Release,
  type Renewal,
  type Request,
  type Session,
  type Store,
} from "./store.js"

/**
 * A store for one process, and the specification of all others.
 *
 * Each key has a queue, and whoever holds the key stays in it. A request takes the next number and stands
 * with that number in the queues of all its keys, at one instant. It may hold when its number is the lowest
 * on all of them. From that alone follow exclusion, first come first served, all or nothing, no deadlock,
 * and a fencing token: the number itself, since a key is granted in the order of its numbers.
 *
 * - **Re-entry.** On a key that its owner already holds, a request takes that lease's number. Both are the
 *   lowest then, and the key is free when the last of them is gone.
 * - **Expiry.** A lease that is past its time has left the queue before anything else is looked at.
 * - **Claim.** A grant to a session that did not ask just now lasts for the claim window, until it asks. A session
 *   that lets it pass is taken for dead: it loses what it waits for, so that it holds up the queue only once.
 * - **The same id again** extends: the newer lease takes over the keys that the older one held.
 *
 * @param options.clock the time in ms, which only has to grow; for tests.
 */
export function memoryStore(options: { clock?: () => number } = {}): Store {
  const queues = new Queues(options.clock ?? (() => performance.now()))
  return { connect: (wake) => new MemorySession(queues, wake) }
}

/** A request in the queues: it waits, then it is a lease. */
class Entry {
  due = Number.POSITIVE_INFINITY
  slot = -1
  held = false
  /** Whether the session knows that it holds. */
  claimed = false
  token = 0
  since: number
  keys: readonly string[]
  constructor(
    readonly session: MemorySession,
    readonly request: Request,
    readonly number: number,
    /** The numbers of the leases that it re-enters. */
    readonly reentered: ReadonlyMap<string, number> | undefined,
    now: number,
  ) {
    this.keys = request.keys
    this.since = now
  }

  numberOn(key: string): number {
    return this.reentered?.get(key) ?? this.number
  }
}

class MemorySession implements Session {
  readonly waiting = new Set<Entry>()
  granted: Entry[] = []
  dropped: number[] = []
  taken: number[] = []
  constructor(
    readonly queues: Queues,
    readonly wake: () => void,
  ) {}

  ask(question: Question): Answer {
    return this.queues.ask(this, question)
  }
  inspect(): readonly KeyState[] {
    return this.queues.inspect()
  }
  forceRelease(key: string): boolean {
    return this.queues.forceRelease(key)
  }
  close(): void {
    this.queues.forget(this)
  }
}

const NONE: readonly never[] = Object.freeze([])

class Queues {
  readonly #queues = new Map<string, Entry[]>()
  readonly #expiries = new Deadlines<Entry>()
  readonly #clock: () => number
  #number = 0
  #now = 0
  #asker: MemorySession | undefined

  constructor(clock: () => number) {
    this.#clock = clock
  }

  ask(session: MemorySession, question: Question): Answer {
    this.#begin(session)
    const renewed = question.renew.length ? question.renew.map((renewal) => this.#renew(renewal)) : NONE
    const released = question.release.length
      ? question.release.map((release) => this.#release(release))
      : NONE
    for (const { seq, keys } of question.cancel) this.#cancel(session, seq, keys)
    const refused: { seq: number; key: string }[] = []
    for (const request of question.acquire) {
      const busy = this.#acquire(session, request)
      if (busy !== undefined) refused.push({ seq: request.seq, key: busy })
    }
    return { renewed, released, refused, ...this.#collect(session) }
  }

  /** Takes in what has happened since the last call: time has passed. */
  #begin(asker: MemorySession | undefined): void {
    this.#now = this.#clock()
    this.#asker = asker
    for (let first = this.#expiries.first; first && first.due <= this.#now; first = this.#expiries.first) {
      if (!first.claimed) this.#drop(first.session)
      this.#leave(first, first.keys)
    }
  }

  /** Returns the key that was busy when the request is not willing to wait. */
  #acquire(session: MemorySession, request: Request): string | undefined {
    let busy: string | undefined
    let reentered: Map<string, number> | undefined
    for (const key of request.keys) {
      const queue = this.#queues.get(key)
      if (!queue) continue
      const own = first(queue, key).find((entry) => entry.held && entry.request.owner === request.owner)
      if (!own) busy ??= key
      else {
        reentered ??= new Map()
        reentered.set(key, own.numberOn(key))
      }
    }
    if (busy !== undefined && !request.wait) return busy
    const entry = new Entry(session, request, ++this.#number, reentered, this.#now)
    for (const key of request.keys) this.#stand(entry, key)
    if (busy === undefined) this.#grant(entry)
    else session.waiting.add(entry)
    return undefined
  }

  #stand(entry: Entry, key: string): void {
    const queue = this.#queues.get(key)
    if (!queue) this.#queues.set(key, [entry])
    else if (!entry.reentered?.has(key)) queue.push(entry)
    else queue.splice(first(queue, key).length, 0, entry)
  }

  #mayHold(entry: Entry): boolean {
    return entry.keys.every((key) => {
      const head = this.#queues.get(key)?.[0]
      return head !== undefined && head.numberOn(key) === entry.numberOn(key)
    })
  }

  #grant(entry: Entry): void {
    const { session, request } = entry
    session.waiting.delete(entry)
    entry.held = true
    entry.since = this.#now
    entry.token = entry.reentered ? Math.max(...entry.keys.map((key) => entry.numberOn(key))) : entry.number
    if (entry.reentered) this.#takeOver(entry)
    session.granted.push(entry)
    if (session === this.#asker) this.#claim(entry)
    else {
      this.#last(entry, Math.min(request.ttl, CLAIM_WINDOW))
      session.wake()
    }
  }

  #claim(entry: Entry): void {
    entry.claimed = true
    this.#last(entry, entry.request.ttl)
  }

  #last(entry: Entry, ttl: number): void {
    if (ttl === Number.POSITIVE_INFINITY) this.#expiries.delete(entry)
    else this.#expiries.set(entry, this.#now + ttl)
  }

  #takeOver(entry: Entry): void {
    for (const key of entry.keys) {
      const older = this.#held(key, entry.request.id).filter((other) => other !== entry)
      for (const other of older) this.#leave(other, [key])
    }
  }

  #held(key: string, id: string, token?: number): Entry[] {
    const queue = this.#queues.get(key)
    if (!queue) return []
    return first(queue, key).filter(
      (entry) => entry.held && entry.request.id === id && (token === undefined || entry.token === token),
    )
  }

  #renew({ id, keys, token, ttl }: Renewal): boolean {
    const leases = keys.map((key) => this.#held(key, id, token))
    if (leases.some((found) => found.length === 0)) return false
    for (const entry of leases.flat()) this.#last(entry, ttl)
    return true
  }

  #release({ id, keys, token }: Release): boolean {
    let all = true
    for (const key of keys) {
      const leases = this.#held(key, id, token)
      if (leases.length === 0) all = false
      for (const entry of leases) this.#leave(entry, [key])
    }
    return all
  }

  #cancel(session: MemorySession, seq: number, keys: readonly string[]): void {
    for (const key of keys) {
      const entry = this.#queues.get(key)?.find((it) => it.session === session && it.request.seq === seq)
      if (!entry) continue
      entry.claimed = true
      this.#leave(entry, entry.keys)
    }
  }

  /** Takes `entry` out of the queues of `keys`, and lets the next ones in. */
  #leave(entry: Entry, keys: readonly string[]): void {
    this.#remove(entry, keys)
    for (const key of keys) this.#advance(key)
  }

  #remove(entry: Entry, keys: readonly string[]): void {
    for (const key of keys) {
      const queue = this.#queues.get(key) as Entry[]
      if (queue.length === 1) this.#queues.delete(key)
      else queue.splice(queue.indexOf(entry), 1)
    }
    entry.keys = keys === entry.keys ? NONE : entry.keys.filter((key) => !keys.includes(key))
    if (entry.keys.length === 0) this.#end(entry)
  }

  #end(entry: Entry): void {
    this.#expiries.delete(entry)
    entry.session.waiting.delete(entry)
    if (entry.held && !entry.claimed) entry.session.dropped.push(entry.request.seq)
  }

  #advance(key: string): void {
    const queue = this.#queues.get(key)
    if (!queue) return
    for (const entry of first(queue, key)) if (!entry.held && this.#mayHold(entry)) this.#grant(entry)
  }

  /** Puts what `session` waits for out of the queues: it did not come when it was its turn. */
  #drop(session: MemorySession): void {
    const waiting = [...session.waiting]
    const keys = new Set(waiting.flatMap((entry) => entry.keys))
    for (const entry of waiting) this.#remove(entry, entry.keys)
    session.dropped.push(...waiting.map((entry) => entry.request.seq))
    for (const key of keys) this.#advance(key)
  }

  #collect(session: MemorySession): Pick<Answer, "granted" | "dropped" | "taken" | "askIn"> {
    const granted = session.granted.filter((entry) => entry.keys.length > 0)
    for (const entry of granted) if (!entry.claimed) this.#claim(entry)
    const { dropped, taken } = session
    session.granted = []
    session.dropped = []
    session.taken = []
    const next = session.waiting.size > 0 ? this.#expiries.first : undefined
    return { granted: granted.map(toGrant), dropped, taken, askIn: next && next.due - this.#now }
  }

  forceRelease(key: string): boolean {
    this.#begin(undefined)
    const queue = this.#queues.get(key)
    const leases = queue ? first(queue, key).filter((entry) => entry.held) : []
    for (const entry of leases) {
      if (entry.claimed) entry.session.taken.push(entry.request.seq)
      this.#leave(entry, entry.keys)
      entry.session.wake()
    }
    return leases.length > 0
  }

  forget(session: MemorySession): void {
    this.#begin(undefined)
    this.#drop(session)
  }

  inspect(): KeyState[] {
    this.#begin(undefined)
    return [...this.#queues].map(([key, queue]) => ({
      key,
      holders: queue.filter((entry) => entry.held).map((entry) => this.#leaseState(entry, key)),
      waiters: queue.filter((entry) => !entry.held).map((entry) => this.#waiterState(entry)),
    }))
  }

  #waiterState({ request, since }: Entry) {
    return { id: request.id, owner: request.owner, keys: request.keys, age: this.#now - since }
  }

  #leaseState(entry: Entry, key: string) {
    const expiresIn = entry.slot < 0 ? Number.POSITIVE_INFINITY : entry.due - this.#now
    return { ...this.#waiterState(entry), keys: entry.keys, token: BigInt(entry.numberOn(key)), expiresIn }
  }
}

/** The entries with the lowest number: those that hold the key, or may as soon as their other keys let them. */
function first(queue: readonly Entry[], key: string): readonly Entry[] {
  if (queue.length === 1) return queue
  const lowest = queue[0]?.numberOn(key)
  const end = queue.findIndex((entry) => entry.numberOn(key) !== lowest)
  return queue.slice(0, end < 0 ? queue.length : end)
}

function toGrant(entry: Entry) {
  const { request, token } = entry
  return entry.reentered
    ? { seq: request.seq, token, tokens: entry.keys.map((key) => entry.numberOn(key)) }
    : { seq: request.seq, token }
}
