import assert from "node:assert/strict"
import { memoryStore } from "../src/memory.js"
import type { Answer, KeyState, Question, Session } from "../src/store.js"
import { CLAIM_WINDOW } from "../src/store.js"

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

interface Asked {
  session: number
  seq: number
  id: string
  owner: string
  keys: string[]
  ttl: number
  arrival: number
  state: "waiting" | "held" | "taken" | "over"
  until: number
  tokens: number[]
  /** The token of what its owner held on a key when it came. */
  guest: Map<string, bigint>
}

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
  /** For each key, the last token that somebody held it with. */
  readonly #lastToken = new Map<string, { token: number; owner: string }>()

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
    const live = this.#isLive(lease)
    const { released } = this.#put(lease.session, { release: [{ id: lease.id, keys: lease.keys }] })
    if (live) lease.state = "over"
    assert.deepEqual(released, [live], "a release is true if the lease was live")
  }

  #renew(lease: Asked | undefined, ttl: number): void {
    if (!lease) return
    const live = this.#isLive(lease)
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
    const holders = this.#asked.filter((it) => this.#isLive(it) && it.keys.includes(key))
    this.#sessions[0]?.forceRelease(key)
    for (const lease of holders) {
      lease.state = "taken"
      assert.ok((this.#askAt[lease.session] ?? 0) <= this.#now, "the holder is woken to be told")
    }
  }

  #isLive(lease: Asked): boolean {
    return lease.state === "held" && lease.until > this.#now
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
    const states = this.#inspect()
    for (const state of states) {
      this.#checkExclusion(state)
      this.#checkTokens(state)
      this.#checkWhoIsTold(state)
    }
    this.#checkNobodyIsForgotten(states)
    this.#checkWhoLooks(states)
  }

  #checkExclusion({ key, holders }: KeyState): void {
    const believe = this.#asked.filter((it) => this.#isLive(it) && it.keys.includes(key))
    const owners = new Set([...believe, ...holders].map(({ owner }) => owner))
    assert.ok(owners.size <= 1, `${[...owners].join(" and ")} hold ${key} at once`)
    assert.equal(new Set(holders.map(({ token }) => token)).size, Math.min(holders.length, 1))
  }

  #checkTokens({ key, holders }: KeyState): void {
    const [holder] = holders
    if (!holder) return
    const last = this.#lastToken.get(key)
    const token = Number(holder.token)
    if (last)
      assert.ok(token > last.token || (token === last.token && holder.owner === last.owner), "tokens grow")
    this.#lastToken.set(key, { token, owner: holder.owner })
  }

  /** A grant that came by somebody else's doing wakes whoever waits for it. */
  #checkWhoIsTold({ key, holders }: KeyState): void {
    for (const { id, expiresIn } of holders) {
      const request = this.#asked.find((it) => it.id === id)
      if (request?.state !== "waiting") continue
      assert.ok(expiresIn <= CLAIM_WINDOW, `${id} may be dead, and keeps ${key} for ${expiresIn} ms`)
      assert.ok((this.#askAt[request.session] ?? 0) <= this.#now, `${id} isn't told that it holds ${key}`)
    }
  }

  /** First come first served, and nobody waits for nothing: each has somebody before it, and has come later. */
  #checkNobodyIsForgotten(states: readonly KeyState[]): void {
    const byKey = new Map(states.map((state) => [state.key, state]))
    for (const state of states) {
      const [first] = state.waiters
      if (!first) continue
      const isAdmitted = first.keys.every((key) => {
        const { holders, waiters } = byKey.get(key) ?? assert.fail()
        const { guest } = this.#asked.find((it) => it.id === first.id) ?? assert.fail()
        return holders[0] ? guest.get(key) === holders[0].token : waiters[0]?.id === first.id
      })
      assert.ok(!isAdmitted, `${first.id} waits for ${state.key} without a reason`)
      const arrivals = state.waiters.map(({ id }) => this.#asked.find((it) => it.id === id)?.arrival ?? 0)
      assert.deepEqual(
        arrivals,
        [...arrivals].sort((a, b) => a - b),
        `the queue of ${state.key} is in order`,
      )
    }
  }

  /** Each live session that waits is going to ask no later than a lease that it waits for may end. */
  #checkWhoLooks(states: readonly KeyState[]): void {
    for (const { key, holders, waiters } of states) {
      const ends = Math.min(...holders.map(({ expiresIn }) => this.#now + expiresIn))
      for (const { id } of waiters) {
        const session = this.#asked.find((it) => it.id === id)?.session ?? 0
        assert.ok((this.#askAt[session] ?? 0) <= ends, `nobody looks when ${key} may be free`)
      }
    }
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
