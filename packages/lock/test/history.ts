import assert from "node:assert/strict"
import type { Batch, BatchResult, KeyState, Session, Store } from "../src/store.js"
import { type Asked, Invariants, isLive } from "./invariants.js"
import { isNightly } from "./nightly.js"
import { Transcript } from "./transcript.js"
import { WaitFor } from "./wait-for.js"

/** What may happen, in any order. Numbers pick among what there is at that time. */
export type Step =
  | Acquire
  | { kind: "release"; pick: number }
  | { kind: "cancel"; pick: number }
  | { kind: "renew"; pick: number; ttl: number }
  | { kind: "forceRelease"; key: string }
  | { kind: "collect"; session: number }
  | { kind: "crash"; session: number }
  | { kind: "disaster" }
  | { kind: "tick"; ms: number }

interface Acquire {
  kind: "acquire"
  session: number
  keys: string[]
  owner: string | null
  ttl: number
  wait: boolean
  /** Leases that its caller keeps. */
  holds?: number[]
}

export const NOTHING: Batch = { renew: [], release: [], cancel: [], acquire: [] }
export const SESSIONS = 3

/** When a session that waits and gets no message calls all the same, in ms: `SAFETY_CHECK` in coordinator.ts. */
const SAFETY_CHECK = 15_000

/** A store on the clock of the history that is played against it. */
export interface Subject extends Store {
  /** Resolves when all messages to the sessions have arrived. */
  arrived?(): Promise<void>
  /** Where it is left out, nothing befalls the store. */
  readonly disaster?: Disaster
}

/** A server that loses at once all that it may lose. */
export interface Disaster {
  strike(): void | Promise<void>
  /** Whether a lease of so many ms is known after it. */
  keeps(ttl: number): boolean
  /** Whether nothing is granted for as long as a forgotten lease may last. */
  readonly recovers: boolean
}

/** A machine that is busy plays fewer of them, in the time that there is. */
const PLAYED_FOR_MS = isNightly ? 100_000 : 10_000

/**
 * Plays the histories of one property until its time is over. fast-check's own limit leaves the last one at play, which
 * then disturbs the next test's.
 */
export function inTime(play: (steps: Step[]) => Promise<void>): (steps: Step[]) => Promise<void> {
  let end: number | undefined
  return async (steps) => {
    end ??= performance.now() + PLAYED_FOR_MS
    if (performance.now() < end) await play(steps)
  }
}

/**
 * Plays a history against a store, on a clock of its own, and holds what each session sees against the
 * promises. It knows no queue: only the requests, their times, and what their sessions were told.
 */
export class History {
  #now = 1_000
  #arrivals = 0
  readonly #asked: Asked[] = []
  readonly #subject: Subject
  /** Requests nothing, and inspects. */
  #witness!: Session
  readonly #crashed = new Set<number>()
  /** When each session is going to call again, as far as it knows. */
  readonly #wakeAt: number[] = Array(SESSIONS).fill(Number.POSITIVE_INFINITY)
  readonly #sessions: Session[] = []
  readonly #invariants = new Invariants()
  readonly #transcript = new Transcript()
  /** The longest ttl that was asked for, of those that a disaster forgets. */
  #longestForgotten = 0
  #recoveringUntil = 0

  /** Plays all of `steps`, and then the end of all sessions. Returns what they saw. */
  static async play(steps: readonly Step[], open: (clock: () => number) => Subject): Promise<unknown[]> {
    const history = new History(open)
    history.#witness = await history.#subject.connect(() => undefined)
    for (let i = 0; i < SESSIONS; i++) history.#sessions.push(await history.#connect(i))
    for (const step of steps) {
      await history.#perform(step)
      await history.#check()
    }
    await history.#end()
    return history.#transcript.compared()
  }

  private constructor(open: (clock: () => number) => Subject) {
    this.#subject = open(() => this.#now)
  }

  async #connect(i: number): Promise<Session> {
    return this.#subject.connect((within) => {
      this.#wakeAt[i] = Math.min(this.#wakeAt[i] ?? 0, this.#now + within)
    })
  }

  async #perform(step: Step): Promise<void> {
    if (step.kind === "acquire") await this.#acquire(step)
    else if (step.kind === "release") await this.#release(this.#pick("held", step.pick))
    else if (step.kind === "renew") await this.#renew(this.#pick("held", step.pick), step.ttl)
    else if (step.kind === "cancel") await this.#cancel(this.#pick("waiting", step.pick))
    else if (step.kind === "forceRelease") await this.#forceRelease(step.key)
    else if (step.kind === "collect") await this.#execute(step.session, NOTHING)
    else if (step.kind === "crash") this.#crashed.add(step.session)
    else if (step.kind === "disaster") await this.#disaster(this.#subject.disaster)
    else await this.#tick(step.ms)
  }

  #pick(state: Asked["state"], pick: number): Asked | undefined {
    const candidates = this.#asked.filter((it) => it.state === state && !this.#crashed.has(it.session))
    return candidates[pick % candidates.length]
  }

  async #acquire({ session, keys, owner, ttl, wait, holds = [] }: Acquire): Promise<void> {
    if (this.#crashed.has(session)) return
    const seq = this.#asked.length + 1
    const id = `request ${seq}`
    const states = await this.#inspect()
    const asked: Asked = {
      session,
      seq,
      id,
      owner: owner ?? id,
      keys,
      ttl,
      arrival: ++this.#arrivals,
      state: "waiting",
      until: 0,
      tokens: [],
      forgotten: false,
      guest: guest(owner ?? id, keys, states),
      holds: holds.flatMap((pick) => this.#pick("held", pick) ?? []),
      circle: undefined,
    }
    const free = this.#isFree(asked, states)
    this.#asked.push(asked)
    await this.#queue(asked, wait, wait && !free, states)
    assert.equal(asked.state === "held", free, "granted at once if, and only if, no request is before it")
    if (!wait) assert.notEqual(asked.state, "waiting", "a request that doesn't wait has its answer")
  }

  async #queue(asked: Asked, wait: boolean, waits: boolean, states: readonly KeyState[]): Promise<void> {
    const { session, seq, id, owner, keys, ttl } = asked
    const isHeld = (lease: Asked) =>
      states.some(({ key, holders }) => key === lease.keys[0] && holders.some((it) => it.id === lease.id))
    const held = asked.holds.filter(isHeld).map((lease) => lease.id)
    const graph = new WaitFor(states, (other) => this.#guestOf(other), { ...asked, holds: held })
    asked.circle = undefined
    const holds = asked.holds.map((lease) => ({ id: lease.id, key: lease.keys[0] ?? "" }))
    await this.#put(session, { acquire: [{ seq, id, owner, keys, ttl, wait, holds }] })
    const closes = waits && graph.waitsForItself(id)
    assert.equal(asked.circle !== undefined, closes, "refused if, and only if, it would wait for itself")
    if (asked.circle) graph.confirm(asked.circle)
  }

  #isFree({ owner, keys }: Asked, states: readonly KeyState[]): boolean {
    return !this.#isRecovering && keys.every((key) => isFreeFor(owner, key, states))
  }

  #guestOf(id: string): Asked["guest"] {
    return this.#asked.find((it) => it.id === id)?.guest ?? assert.fail()
  }

  async #inspect(): Promise<readonly KeyState[]> {
    const states = await this.#witness.inspect()
    await this.#subject.arrived?.()
    this.#transcript.looked(states)
    return states
  }

  async #release(lease: Asked | undefined): Promise<void> {
    if (!lease) return
    const live = this.#isKnown(lease)
    const { released } = await this.#put(lease.session, { release: [{ id: lease.id, keys: lease.keys }] })
    if (live || lease.forgotten) lease.state = "over"
    assert.deepEqual(released, [live], "a release is true if the lease was live")
  }

  async #renew(lease: Asked | undefined, ttl: number): Promise<void> {
    if (!lease) return
    const live = this.#isKnown(lease)
    const { renewed } = await this.#put(lease.session, { renew: [{ id: lease.id, keys: lease.keys, ttl }] })
    assert.deepEqual(renewed, [live], "a renewal is true if the lease was live")
    if (live) Object.assign(lease, { ttl, until: this.#now + ttl })
    else lease.state = "over"
  }

  async #cancel(request: Asked | undefined): Promise<void> {
    if (!request) return
    request.state = "over"
    await this.#put(request.session, { cancel: [{ seq: request.seq, keys: request.keys }] })
  }

  async #forceRelease(key: string): Promise<void> {
    const holders = this.#asked.filter((it) => this.#isKnown(it) && it.keys.includes(key))
    await this.#witness.forceRelease(key)
    await this.#subject.arrived?.()
    for (const lease of holders) {
      lease.state = "taken"
      assert.ok((this.#wakeAt[lease.session] ?? 0) <= this.#now, "the holder is woken to be told")
    }
  }

  async #disaster(disaster: Disaster | undefined): Promise<void> {
    if (!disaster) return
    // It takes a moment: a Redis that has forgotten its last number counts on from the time.
    this.#now++
    await disaster.strike()
    for (const lease of this.#asked.filter((it) => isLive(it, this.#now) && !disaster.keeps(it.ttl))) {
      lease.forgotten = true
      // Its holder may believe in it until its next call: where others are granted it at once, that is no promise.
      if (!disaster.recovers) lease.until = this.#now
    }
    if (disaster.recovers) this.#recoveringUntil = this.#now + this.#longestForgotten
    for (const { state, session } of this.#asked)
      if (state === "waiting")
        this.#wakeAt[session] = Math.min(this.#wakeAt[session] ?? 0, this.#now + SAFETY_CHECK)
  }

  /** Whether the store knows it as held. */
  #isKnown(lease: Asked): boolean {
    return isLive(lease, this.#now) && !lease.forgotten
  }

  get #isRecovering(): boolean {
    return this.#recoveringUntil > this.#now
  }

  async #put(session: number, part: Partial<Batch>): Promise<BatchResult> {
    const batch = { ...NOTHING, ...part }
    for (const { ttl } of [...batch.acquire, ...batch.renew])
      if (!this.#subject.disaster?.keeps(ttl)) this.#longestForgotten = Math.max(this.#longestForgotten, ttl)
    const result = await (this.#sessions[session] ?? assert.fail()).execute(batch)
    await this.#subject.arrived?.()
    // A result may still include a grant that the session cancels by this very batch; that means nothing.
    const granted = result.granted.filter(({ seq }) => this.#asked[seq - 1]?.state !== "over")
    this.#transcript.answered(session, { ...result, granted })
    await this.#take(session, result)
    return result
  }

  async #execute(session: number, batch: Batch): Promise<void> {
    if (!this.#crashed.has(session)) await this.#put(session, batch)
  }

  async #take(session: number, result: BatchResult): Promise<void> {
    this.#wakeAt[session] = this.#now + (result.wakeIn ?? Number.POSITIVE_INFINITY)
    const find = (seq: number) => this.#asked[seq - 1] ?? assert.fail(`there was no request ${seq}`)
    for (const grant of result.granted) this.#granted(find(grant.seq), grant.token, grant.tokens)
    for (const seq of result.taken) this.#taken(find(seq))
    for (const { seq } of result.refused) find(seq).state = "over"
    for (const { seq, circle } of result.deadlocked ?? []) Object.assign(find(seq), { state: "over", circle })
    // As the core does: a dropped request queues again, at the end.
    for (const seq of result.dropped) await this.#queueAgain(find(seq))
  }

  #taken(lease: Asked): void {
    assert.ok(lease.state !== "waiting", "what is taken away was granted")
    lease.state = "over"
  }

  async #queueAgain(request: Asked): Promise<void> {
    if (request.state !== "waiting") return
    request.arrival = ++this.#arrivals
    const states = await this.#inspect()
    request.guest = guest(request.owner, request.keys, states)
    await this.#queue(request, true, !this.#isFree(request, states), states)
  }

  #granted(request: Asked, token: number, tokens?: readonly number[]): void {
    if (request.state !== "waiting") return
    request.state = "held"
    request.until = this.#now + request.ttl
    request.tokens = request.keys.map((_, i) => tokens?.[i] ?? token)
  }

  /** Time passes, and each session calls at the time that it knows. */
  async #tick(ms: number): Promise<void> {
    const end = this.#now + ms
    for (;;) {
      const next = this.#wakeAt.map((at, i) => (this.#crashed.has(i) ? Number.POSITIVE_INFINITY : at))
      const due = Math.min(...next)
      if (due > end) break
      this.#now = Math.max(this.#now, due)
      await this.#execute(next.indexOf(due), NOTHING)
    }
    this.#now = end
  }

  async #check(): Promise<void> {
    const seen = { now: this.#now, asked: this.#asked, wakeAt: this.#wakeAt, recovering: this.#isRecovering }
    this.#invariants.hold(seen, await this.#inspect())
  }

  /** All requests end, and those of the dead expire: nothing may be left. */
  async #end(): Promise<void> {
    for (const [session] of this.#sessions.entries()) await this.#execute(session, NOTHING)
    for (const request of this.#asked) if (!this.#crashed.has(request.session)) await this.#leave(request)
    for (const session of this.#sessions) await session.close()
    this.#now += 1_000_000
    const left = await this.#inspect()
    const finite = left.flatMap(({ holders }) => holders.filter((it) => it.expiresIn < 1e9))
    assert.deepEqual(finite, [])
    assert.deepEqual(
      left.flatMap(({ waiters }) => waiters),
      [],
    )
    await this.#witness.close()
  }

  async #leave(request: Asked): Promise<void> {
    if (request.state === "held") await this.#release(request)
    else if (request.state === "waiting") await this.#cancel(request)
    await this.#check()
  }
}

/** Whether, as inspect() shows, no other owner is before `owner` on `key`. */
function isFreeFor(owner: string, key: string, states: readonly KeyState[]): boolean {
  const state = states.find((it) => it.key === key)
  const [holder] = state?.holders ?? []
  return holder ? holder.owner === owner : (state?.waiters.length ?? 0) === 0
}

function guest(owner: string, keys: readonly string[], states: readonly KeyState[]): Map<string, bigint> {
  const held = states.filter((it) => keys.includes(it.key) && it.holders[0]?.owner === owner)
  return new Map(held.map(({ key, holders }) => [key, holders[0]?.token ?? assert.fail()]))
}
