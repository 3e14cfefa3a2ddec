import assert from "node:assert/strict"
import { type CircleMember, CLAIM_WINDOW, type KeyState } from "../src/store.js"
import { WaitFor } from "./wait-for.js"

/** A request, as its session knows it. */
export interface Asked {
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
  /** A disaster has made the store forget it. */
  forgotten: boolean
  /** The token of what its owner held on a key when it arrived. */
  guest: Map<string, bigint>
  /** What its caller keeps until it is served. */
  holds: Asked[]
  /** Why it was refused. */
  circle: readonly CircleMember[] | undefined
}

export const isLive = (lease: Asked, now: number) => lease.state === "held" && lease.until > now

/** The requests of all sessions, and when each session is going to call again as far as it knows. */
export interface Seen {
  now: number
  asked: readonly Asked[]
  wakeAt: readonly number[]
  /** Nothing is granted after a disaster, for a while. */
  recovering: boolean
}

/** The conditions that hold at any moment of any history. */
export class Invariants {
  /** For each key, the last token that it was held with. */
  readonly #lastToken = new Map<string, { token: number; owner: string }>()

  hold(seen: Seen, states: readonly KeyState[]): void {
    for (const state of states) {
      this.#exclusion(seen, state)
      this.#tokensGrow(state)
      this.#whoIsTold(seen, state)
    }
    this.#noneIsForgotten(seen, states)
    this.#noCircleRemains(seen, states)
    this.#whoLooks(seen, states)
  }

  #exclusion(seen: Seen, { key, holders }: KeyState): void {
    const believe = seen.asked.filter((it) => isLive(it, seen.now) && it.keys.includes(key))
    const owners = new Set([...believe, ...holders].map(({ owner }) => owner))
    assert.ok(owners.size <= 1, `${[...owners].join(" and ")} hold ${key} at once`)
    assert.equal(new Set(holders.map(({ token }) => token)).size, Math.min(holders.length, 1))
  }

  #tokensGrow({ key, holders }: KeyState): void {
    const [holder] = holders
    if (!holder) return
    const last = this.#lastToken.get(key)
    const token = Number(holder.token)
    if (last)
      assert.ok(token > last.token || (token === last.token && holder.owner === last.owner), "tokens grow")
    this.#lastToken.set(key, { token, owner: holder.owner })
  }

  /** A grant by another session's call wakes the session that waits for it. */
  #whoIsTold(seen: Seen, { key, holders }: KeyState): void {
    for (const { id, expiresIn } of holders) {
      const request = seen.asked.find((it) => it.id === id)
      if (request?.state !== "waiting") continue
      assert.ok(expiresIn <= CLAIM_WINDOW, `${id} may be dead, and keeps ${key} for ${expiresIn} ms`)
      assert.ok((seen.wakeAt[request.session] ?? 0) <= seen.now, `${id} isn't told that it holds ${key}`)
    }
  }

  /** First come first served, and no request waits for nothing: each has another before it, and has come later. */
  #noneIsForgotten(seen: Seen, states: readonly KeyState[]): void {
    const byKey = new Map(states.map((state) => [state.key, state]))
    for (const state of states) {
      const [first] = state.waiters
      if (!first) continue
      const isAdmitted = first.keys.every((key) => {
        const { holders, waiters } = byKey.get(key) ?? assert.fail()
        const { guest } = seen.asked.find((it) => it.id === first.id) ?? assert.fail()
        return holders[0] ? guest.get(key) === holders[0].token : waiters[0]?.id === first.id
      })
      assert.ok(seen.recovering || !isAdmitted, `${first.id} waits for ${state.key} without a reason`)
      const arrivals = state.waiters.map(({ id }) => seen.asked.find((it) => it.id === id)?.arrival ?? 0)
      assert.deepEqual(
        arrivals,
        [...arrivals].sort((a, b) => a - b),
        `the queue of ${state.key} is in order`,
      )
    }
  }

  #noCircleRemains(seen: Seen, states: readonly KeyState[]): void {
    const guestOf = (id: string) => seen.asked.find((it) => it.id === id)?.guest ?? assert.fail()
    const { circle } = new WaitFor(states, guestOf)
    assert.equal(circle, undefined, `${circle} waits for itself`)
  }

  /** Each live session that waits is going to call no later than a lease that it waits for may end. */
  #whoLooks(seen: Seen, states: readonly KeyState[]): void {
    for (const { key, holders, waiters } of states) {
      const ends = Math.min(...holders.map(({ expiresIn }) => seen.now + expiresIn))
      for (const { id } of waiters) {
        const session = seen.asked.find((it) => it.id === id)?.session ?? 0
        assert.ok((seen.wakeAt[session] ?? 0) <= ends, `no session calls when ${key} may be free`)
      }
    }
  }
}
