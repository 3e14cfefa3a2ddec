import assert from "node:assert/strict"
import { memoryStore } from "../src/memory.js"
import type { Answer, KeyState, Question, Session } from "../src/store.js"
import { type Asked, isLive, Promises } from "./promises.js"

/** What may happen, in any order. Numbers pick among what there is at that time. */
export type Step =
  | { kind: "acquire"; session: number; keys: string[]; owner: string | null; ttl: number; wait: boolean }
  | { kind: "release"; pick: number }
  | { kind: "cancel"; pick: number }
  | { kind: "renew"; pick: number; ttl: number }
  | { kind: "forceRelease"; key: string }
  | { kind: "collect"; session: number }
  | { kind: "crash"; session: number }
  | { kind: "tick"; ms: number }

const NOTHING: Question = { renew: [], release: [], cancel: [], acquire: [] }
export const SESSIONS = 3

/**
 * Plays a history against the memory store, on a clock of its own, and holds what each session sees against the
 * promises. It knows no queue: only who asked for what, when, and what he was told.
 */
export class History {
  #now = 1_000
  #arrivals = 0
  readonly #asked: Asked[] = []
  readonly #store = memoryStore({ clock: () => this.#now })
  readonly #crashed = new Set<number>()
  /** When each session is going to ask again, by what it was told. */
  readonly #askAt: number[] = Array(SESSIONS).fill(Number.POSITIVE_INFINITY)
  readonly #sessions: Session[]
  readonly #promises = new Promises()

  constructor() {
    this.#sessions = Array.from({ length: SESSIONS }, (_, i) => this.#connect(i))
  }

  #connect(i: number): Session {
    return this.#store.connect((within) => {
      this.#askAt[i] = Math.min(this.#askAt[i] ?? 0, this.#now + within)
    }) as Session
  }

  play(step: Step): void {
    this.#perform(step)
    this.#check()
  }

  #perform(step: Step): void {
    if (step.kind === "acquire") this.#acquire(step)
    else if (step.kind === "release") this.#release(this.#pick("held", step.pick))
    else if (step.kind === "renew") this.#renew(this.#pick("held", step.pick), step.ttl)
    else if (step.kind === "cancel") this.#cancel(this.#pick("waiting", step.pick))
    else if (step.kind === "forceRelease") this.#forceRelease(step.key)
    else if (step.kind === "collect") this.#ask(step.session, NOTHING)
    else if (step.kind === "crash") this.#crashed.add(step.session)
    else this.#tick(step.ms)
  }

  #pick(state: Asked["state"], pick: number): Asked | undefined {
    const candidates = this.#asked.filter((it) => it.state === state && !this.#crashed.has(it.session))
    return candidates[pick % candidates.length]
  }

  #acquire({ session, keys, owner, ttl, wait }: Step & { kind: "acquire" }): void {
    if (this.#crashed.has(session)) return
    const seq = this.#asked.length + 1
    const id = `request ${seq}`
    const asked: Asked = {
      ...{ session, seq, id, owner: owner ?? id, keys, ttl, arrival: ++this.#arrivals },
      ...{ state: "waiting", until: 0, tokens: [], guest: this.#guest(owner ?? id, keys) },
    }
    const free = keys.every((key) => this.#isFreeFor(asked.owner, key))
    this.#asked.push(asked)
    this.#ask(session, { ...NOTHING, acquire: [{ seq, id, owner: asked.owner, keys, ttl, wait }] })
    assert.equal(asked.state === "held", free, "granted at once if, and only if, nobody is before it")
    if (!wait) assert.notEqual(asked.state, "waiting", "a request that doesn't wait has its answer")
  }

  /** By what inspect() shows, that nobody is before `owner` on `key`. */
  #isFreeFor(owner: string, key: string): boolean {
    const state = this.#inspect().find((it) => it.key === key)
    const [holder] = state?.holders ?? []
    return holder ? holder.owner === owner : (state?.waiters.length ?? 0) === 0
  }

  #guest(owner: string, keys: string[]): Map<string, bigint> {
    const held = this.#inspect().filter((it) => keys.includes(it.key) && it.holders[0]?.owner === owner)
    return new Map(held.map(({ key, holders }) => [key, holders[0]?.token ?? assert.fail()]))
  }

  #inspect(): readonly KeyState[] {
    return this.#sessions[0]?.inspect() as readonly KeyState[]
  }

  #release(lease: Asked | undefined): void {
    if (!lease) return
    const live = isLive(lease, this.#now)
    const { released } = this.#put(lease.session, { release: [{ id: lease.id, keys: lease.keys }] })
    if (live) lease.state = "over"
    assert.deepEqual(released, [live], "a release is true if the lease was live")
  }

  #renew(lease: Asked | undefined, ttl: number): void {
    if (!lease) return
    const live = isLive(lease, this.#now)
    const { renewed } = this.#put(lease.session, { renew: [{ id: lease.id, keys: lease.keys, ttl }] })
    assert.deepEqual(renewed, [live], "a renewal is true if the lease was live")
    if (live) lease.until = this.#now + ttl
    else lease.state = "over"
  }

  #cancel(request: Asked | undefined): void {
    if (!request) return
    request.state = "over"
    this.#put(request.session, { cancel: [{ seq: request.seq, keys: request.keys }] })
  }

  #forceRelease(key: string): void {
    const holders = this.#asked.filter((it) => isLive(it, this.#now) && it.keys.includes(key))
    this.#sessions[0]?.forceRelease(key)
    for (const lease of holders) {
      lease.state = "taken"
      assert.ok((this.#askAt[lease.session] ?? 0) <= this.#now, "the holder is woken to be told")
    }
  }

  #put(session: number, part: Partial<Question>): Answer {
    const answer = this.#sessions[session]?.ask({ ...NOTHING, ...part }) as Answer
    this.#take(session, answer)
    return answer
  }

  #ask(session: number, question: Question): void {
    if (!this.#crashed.has(session)) this.#put(session, question)
  }

  #take(session: number, answer: Answer): void {
    this.#askAt[session] = this.#now + (answer.askIn ?? Number.POSITIVE_INFINITY)
    const find = (seq: number) => this.#asked[seq - 1] ?? assert.fail(`nobody asked for ${seq}`)
    for (const grant of answer.granted) this.#granted(find(grant.seq), grant.token, grant.tokens)
    for (const seq of answer.taken) this.#taken(find(seq))
    for (const { seq } of answer.refused) find(seq).state = "over"
    // As the core does: who was silent queues again, at the end.
    for (const seq of answer.dropped) this.#queueAgain(find(seq))
  }

  #taken(lease: Asked): void {
    assert.ok(lease.state !== "waiting", "what is taken away was granted")
    lease.state = "over"
  }

  #queueAgain(request: Asked): void {
    if (request.state !== "waiting") return
    request.arrival = ++this.#arrivals
    request.guest = this.#guest(request.owner, request.keys)
    const { seq, id, owner, keys, ttl } = request
    this.#put(request.session, { acquire: [{ seq, id, owner, keys, ttl, wait: true }] })
  }

  #granted(request: Asked, token: number, tokens?: readonly number[]): void {
    if (request.state !== "waiting") return
    request.state = "held"
    request.until = this.#now + request.ttl
    request.tokens = request.keys.map((_, i) => tokens?.[i] ?? token)
  }

  /** Time passes, and whoever has promised to ask at a time does so. */
  #tick(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const next = this.#askAt.map((at, i) => (this.#crashed.has(i) ? Number.POSITIVE_INFINITY : at))
      const due = Math.min(...next)
      if (due > end) break
      this.#now = Math.max(this.#now, due)
      this.#ask(next.indexOf(due), NOTHING)
    }
    this.#now = end
  }

  #check(): void {
    this.#promises.hold({ now: this.#now, asked: this.#asked, askAt: this.#askAt }, this.#inspect())
  }

  /** All leave, and the dead run out: nothing may be left. */
  end(): void {
    for (const [session] of this.#sessions.entries()) this.#ask(session, NOTHING)
    for (const request of this.#asked) if (!this.#crashed.has(request.session)) this.#leave(request)
    this.#sessions.forEach((session) => void session.close())
    this.#now += 1_000_000
    assert.deepEqual(
      this.#inspect().flatMap(({ holders }) => holders.filter((it) => it.expiresIn < 1e9)),
      [],
    )
    assert.deepEqual(
      this.#inspect().flatMap(({ waiters }) => waiters),
      [],
    )
  }

  #leave(request: Asked): void {
    if (request.state === "held") this.#release(request)
    else if (request.state === "waiting") this.#cancel(request)
    this.#check()
  }
}
