import assert from "node:assert/strict"
import type { CircleMember, KeyState, WaiterState } from "../src/store.js"

/** A request, and what is known of it beside what the store shows. */
export interface Waits extends Pick<WaiterState, "id" | "keys" | "holds"> {
  /** The tokens of what its owner held when it arrived, by the keys: it shares those leases while they last. */
  readonly guest: ReadonlyMap<string, bigint>
}

/** Which request waits for which, by what a store shows: written once more, without a queue and without an order of search. */
export class WaitFor {
  readonly #states: ReadonlyMap<string, KeyState>
  readonly #waiting: ReadonlyMap<string, Waits>

  /** @param beginning a request that is about to wait, behind all others */
  constructor(
    states: readonly KeyState[],
    guestOf: (id: string) => Waits["guest"],
    readonly beginning?: Waits,
  ) {
    this.#states = new Map(states.map((state) => [state.key, state]))
    const shown = states.flatMap(({ waiters }) => waiters).map((it) => ({ ...it, guest: guestOf(it.id) }))
    this.#waiting = new Map([...shown, ...(beginning ? [beginning] : [])].map((it) => [it.id, it]))
  }

  /**
   * A request that waits for itself, if there is one. Not through a key that a request shared and shares no more: that is
   * how a circle may close in another way than by a request that begins to wait, and no store looks then.
   */
  get circle(): string | undefined {
    const isWaitedFor = (request: Waits, key: string) => !request.guest.has(key)
    return [...this.#waiting.keys()].find((id) => this.waitsForItself(id, isWaitedFor))
  }

  waitsForItself(id: string, isWaitedFor = (_: Waits, __: string) => true): boolean {
    const reached = new Set<string>()
    const next = [id]
    for (let it = next.pop(); it !== undefined; it = next.pop())
      for (const other of this.#waitsFor(this.#find(it), isWaitedFor))
        if (!reached.has(other)) {
          reached.add(other)
          next.push(other)
        }
    return reached.has(id)
  }

  #find(id: string): Waits {
    return this.#waiting.get(id) ?? assert.fail(`${id} doesn't wait`)
  }

  #waitsFor(request: Waits, isWaitedFor: (request: Waits, key: string) => boolean): string[] {
    const keys = request.keys.filter((key) => !this.#shares(request, key) && isWaitedFor(request, key))
    return keys.flatMap((key) => [...this.#leases(key).flatMap(this.#keepers), ...this.#before(request, key)])
  }

  #shares(request: Waits, key: string): boolean {
    const [holder] = this.#states.get(key)?.holders ?? []
    return holder !== undefined && request.guest.get(key) === holder.token
  }

  #leases(key: string): string[] {
    return this.#states.get(key)?.holders.map(({ id }) => id) ?? []
  }

  readonly #keepers = (lease: string): string[] =>
    [...this.#waiting.values()].filter(({ holds }) => holds?.includes(lease)).map(({ id }) => id)

  #before(request: Waits, key: string): string[] {
    const ids = this.#states.get(key)?.waiters.map(({ id }) => id) ?? []
    return request === this.beginning ? ids : ids.slice(0, ids.indexOf(request.id))
  }

  /** Whether the members are a circle in fact. */
  confirm(circle: readonly CircleMember[]): void {
    assert.equal(circle[0]?.id, this.beginning?.id)
    for (const [i, { id, keys, waitsFor, heldBy }] of circle.entries()) {
      const request = this.#find(id)
      const next = this.#find(circle[(i + 1) % circle.length]?.id ?? "")
      assert.deepEqual([...keys].sort(), [...request.keys].sort())
      assert.ok(keys.includes(waitsFor) && !this.#shares(request, waitsFor))
      if (heldBy) assert.ok(this.#leases(waitsFor).includes(heldBy.id) && next.holds?.includes(heldBy.id))
      else assert.ok(this.#before(request, waitsFor).includes(next.id))
    }
  }
}
