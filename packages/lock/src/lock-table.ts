import { circleClosedBy } from "./circle.js"
import { Deadlines } from "./deadlines.js"
import { Entry, Queue, type SessionState } from "./queue.js"
import {
  type Batch,
  type BatchResult,
  type CircleMember,
  CLAIM_WINDOW,
  type Deadlock,
  type Release,
  type Renewal,
  type Request,
} from "./store.js"
import { TombstoneMap } from "./tombstone-map.js"

const NONE: readonly number[] = []
const toGrant = (entry: Entry) => entry.toGrant()

/**
 * The rules of the lock, on one page: no I/O, no timers, and a clock that is given.
 *
 * Each key has a queue with the key's holder at its head. A request takes the next number and joins the queues of
 * all its keys at one instant. It is granted when no other request is before it on any of its keys. From that alone
 * follow exclusion, first come first served, all or nothing, no deadlock between requests, and the fencing token:
 * the number itself, since a key is granted in the order of the numbers.
 *
 * - **Re-entry.** A request for a key that its owner already holds passes the queue while that lease lasts, and
 *   shares that lease's number. The key is free when the last lease that shares the number has ended.
 * - **Expiry.** Expired leases are removed before the batch is executed.
 * - **Claim.** A grant to a session other than the caller lasts for the claim window, until that session collects
 *   it. A session that doesn't is taken for dead: all its waiting requests are dropped too, so that it delays a
 *   queue only once.
 * - **The same id again** extends: the newer lease takes over the keys that the older one held.
 * - **Deadlock.** A request that holds leases while it waits may close a circle of requests that wait for each other.
 *   It is refused in place of being queued: see `circle.ts`.
 * - **Wakeups.** Each waiting session knows when the first lease may expire, and calls then. So a dead holder is
 *   noticed in time even if the next in the queue is dead too.
 */
export class LockTable {
  readonly #queues = new TombstoneMap<string, Queue>()
  readonly #expiries = new Deadlines<Entry>()
  readonly #clock: () => number
  readonly #waiting = new Set<SessionState>()
  /** Keys whose first waiting request may now be granted. */
  readonly #changed: string[] = []
  #lastNumber = 0
  #now = 0
  /** The session that calls: it collects its grants at once. */
  #caller: SessionState | undefined

  constructor(clock: () => number) {
    this.#clock = clock
  }

  execute(session: SessionState, batch: Batch): BatchResult {
    this.#expire(session)
    const renewed: boolean[] = []
    const released: boolean[] = []
    const refused: { seq: number; key: string }[] = []
    const deadlocked: Deadlock[] = []
    for (const renewal of batch.renew) renewed.push(this.#renew(renewal))
    for (const release of batch.release) released.push(this.#release(release))
    for (const { seq, keys } of batch.cancel) this.#cancel(session, seq, keys)
    this.#advance()
    for (const request of batch.acquire) {
      const refusal = this.#acquire(session, request)
      if (typeof refusal === "string") refused.push({ seq: request.seq, key: refusal })
      else if (refusal) deadlocked.push({ seq: request.seq, circle: refusal })
    }
    return this.#collect(session, renewed, released, refused, deadlocked)
  }

  /** Removes the leases that have expired since the last call. */
  #expire(caller: SessionState | undefined): void {
    this.#now = this.#clock()
    this.#caller = caller
    for (let first = this.#expiries.first; first && first.due <= this.#now; first = this.#expiries.first) {
      if (!first.claimed) this.#drop(first.session)
      this.#leave(first)
    }
    this.#advance()
  }

  /** Grants what may be granted on the keys whose queues have changed. */
  #advance(): void {
    for (let key = this.#changed.pop(); key !== undefined; key = this.#changed.pop()) {
      const next = this.#queues.get(key)?.waiters[0]
      if (next && this.#blockerOf(next) === undefined) this.#grant(next)
    }
  }

  /** Returns why the request neither holds nor waits: the key that is busy, or the circle that it would close. */
  #acquire(session: SessionState, request: Request): string | readonly CircleMember[] | undefined {
    const entry = new Entry(session, request, ++this.#lastNumber, this.#now)
    for (const key of request.keys) entry.arrive(key, this.#queues.get(key))
    const busy = this.#blockerOf(entry)
    const refusal = busy !== undefined && request.wait ? circleClosedBy(entry, this.#queues) : busy
    if (busy === undefined) this.#grant(entry)
    else if (refusal === undefined) this.#wait(entry)
    this.#advance()
    return refusal
  }

  #blockerOf(entry: Entry): string | undefined {
    return entry.request.keys.find((key) => this.#queues.get(key)?.admits(entry, key) === false)
  }

  #queue(key: string): Queue {
    let queue = this.#queues.get(key)
    if (!queue) {
      queue = new Queue()
      this.#queues.set(key, queue)
    }
    return queue
  }

  #wait(entry: Entry): void {
    for (const key of entry.request.keys) this.#queue(key).waiters.push(entry)
    entry.waits = true
    entry.session.waiting++
    this.#waiting.add(entry.session)
  }

  #grant(entry: Entry): void {
    const { session, request } = entry
    for (const key of request.keys) this.#hold(entry, key, this.#queue(key))
    entry.held = true
    entry.since = this.#now
    this.#waitNoLonger(entry)
    session.granted.push(entry)
    if (session === this.#caller) this.#claim(entry)
    else {
      this.#endAfter(entry, Math.min(request.ttl, CLAIM_WINDOW))
      session.wake(0)
    }
  }

  #hold(entry: Entry, key: string, queue: Queue): void {
    const older = queue.holders.find((other) => other.request.id === entry.request.id)
    queue.admit(entry, key)
    if (older) this.#leaveKey(older, key)
  }

  #claim(entry: Entry): void {
    entry.claimed = true
    this.#endAfter(entry, entry.request.ttl)
  }

  #endAfter(entry: Entry, ttl: number): void {
    if (ttl === Number.POSITIVE_INFINITY) this.#expiries.delete(entry)
    else {
      this.#expiries.set(entry, this.#now + ttl)
      this.#announce(this.#now + ttl)
    }
  }

  /** Every waiting session learns when the first lease may end, so that any of them can expire it. */
  #announce(due: number): void {
    for (const session of this.#waiting) {
      if (session === this.#caller || session.wakeAt <= due) continue
      session.wakeAt = due
      session.wake(due - this.#now)
    }
  }

  #waitNoLonger(entry: Entry): void {
    if (!entry.waits) return
    entry.waits = false
    entry.keeps = undefined
    if (--entry.session.waiting === 0) this.#waiting.delete(entry.session)
  }

  #renew({ ttl, ...lease }: Renewal): boolean {
    const entries = lease.keys.map((key) => this.#find(key, lease))
    if (entries.includes(undefined)) return false
    for (const entry of entries) if (entry) this.#endAfter(entry, ttl)
    return true
  }

  #release(lease: Release): boolean {
    let all = true
    for (const key of lease.keys) {
      const entry = this.#find(key, lease)
      if (entry) this.#leaveKey(entry, key)
      else all = false
    }
    return all
  }

  #find(key: string, { id, token }: Release): Entry | undefined {
    const holders = this.#queues.get(key)?.holders
    return holders?.find((entry) => entry.request.id === id && (token === undefined || entry.token === token))
  }

  #cancel(session: SessionState, seq: number, keys: readonly string[]): void {
    const own = (entry: Entry) => entry.session === session && entry.request.seq === seq
    for (const key of keys) {
      const queue = this.#queues.get(key)
      const entry = queue?.holders.find(own) ?? queue?.waiters.find(own)
      if (entry) this.#leaveKey(entry, key)
    }
  }

  #leave(entry: Entry): void {
    for (const key of entry.request.keys) this.#leaveKey(entry, key)
  }

  #leaveKey(entry: Entry, key: string): void {
    const queue = this.#queues.get(key)
    if (!queue?.remove(entry)) return
    if (queue.isEmpty) this.#queues.delete(key)
    else this.#changed.push(key)
    if (--entry.left > 0) return
    this.#expiries.delete(entry)
    this.#waitNoLonger(entry)
  }

  /** The session did not collect its grant in time: its waiting requests leave the queues. */
  #drop(session: SessionState): void {
    for (const entry of [...this.#waitersOf(session), ...session.granted]) {
      session.dropped.push(entry.request.seq)
      this.#leave(entry)
    }
    session.granted = []
  }

  /** In the order of arrival, each once. To search all queues when a session has ended is cheaper than to keep a list. */
  #waitersOf(session: SessionState): Entry[] {
    if (session.waiting === 0) return []
    const all = [...this.#queues].flatMap(([, { waiters }]) => waiters)
    return [...new Set(all.filter((entry) => entry.session === session))].sort((a, b) => a.number - b.number)
  }

  #collect(
    session: SessionState,
    renewed: BatchResult["renewed"],
    released: BatchResult["released"],
    refused: BatchResult["refused"],
    deadlocked: BatchResult["deadlocked"],
  ): BatchResult {
    const { granted } = session
    for (const entry of granted) if (!entry.claimed && entry.left > 0) this.#claim(entry)
    if (granted.length > 0) session.granted = []
    // Not the session's own lists: a result that is still on its way would receive the next one's entries too.
    const dropped = session.dropped.length > 0 ? session.dropped.splice(0) : NONE
    const taken = session.taken.length > 0 ? session.taken.splice(0) : NONE
    const next = session.waiting > 0 ? this.#expiries.first : undefined
    session.wakeAt = next?.due ?? Number.POSITIVE_INFINITY
    const wakeIn = next && next.due - this.#now
    return { renewed, released, refused, deadlocked, granted: granted.map(toGrant), dropped, taken, wakeIn }
  }

  forceRelease(key: string): boolean {
    this.#expire(undefined)
    const leases = [...(this.#queues.get(key)?.holders ?? [])]
    for (const entry of leases) {
      entry.session.taken.push(entry.request.seq)
      this.#leave(entry)
      entry.session.wake(0)
    }
    this.#advance()
    return leases.length > 0
  }

  closeSession(session: SessionState): void {
    this.#expire(undefined)
    this.#drop(session)
    this.#advance()
  }

  /** The queues as they are now. */
  inspect(): { now: number; queues: TombstoneMap<string, Queue> } {
    this.#expire(undefined)
    return { now: this.#now, queues: this.#queues }
  }
}
