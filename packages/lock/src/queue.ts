import type { Grant, Request } from "./store.js"

/** What the rules know of a session: what it waits for, and what it has yet to be told. */
export class Party {
  readonly waiting = new Set<Entry>()
  granted: Entry[] = []
  dropped: number[] = []
  taken: number[] = []
  /** When it is going to ask again, by what it has been told. */
  askAt = Number.POSITIVE_INFINITY
  constructor(readonly wake: (within: number) => void) {}
}

/** A request that waits, then a lease. */
export class Entry {
  due = Number.POSITIVE_INFINITY
  slot = -1
  held = false
  /** Whether the session knows that it holds. */
  claimed = false
  token = 0
  /** The numbers that it shares on the keys that it re-entered. */
  shared: Map<string, number> | undefined
  /** On how many of its keys it still stands. */
  left: number
  constructor(
    readonly party: Party,
    readonly request: Request,
    readonly number: number,
    public since: number,
  ) {
    this.left = request.keys.length
  }

  numberOn(key: string): number {
    return this.shared?.get(key) ?? this.number
  }

  /** Holds `key` with `number` from now on. */
  take(key: string, number: number): void {
    if (number !== this.number) {
      this.shared ??= new Map()
      this.shared.set(key, number)
    }
    this.token = Math.max(this.token, number)
  }

  toGrant(): Grant {
    const grant = { seq: this.request.seq, token: this.token }
    return this.shared ? { ...grant, tokens: this.request.keys.map((key) => this.numberOn(key)) } : grant
  }
}

export class Queue {
  /** One, or several of one owner, who share a number. */
  readonly holders: Entry[] = []
  readonly waiters: Entry[] = []

  get isEmpty(): boolean {
    return this.holders.length === 0 && this.waiters.length === 0
  }

  /** Whether nobody is before `entry`, which waits here or has just come. */
  admits(entry: Entry): boolean {
    const holder = this.holders[0]
    if (holder) return holder.request.owner === entry.request.owner
    return this.waiters.length === 0 || this.waiters[0] === entry
  }

  has(entry: Entry): boolean {
    return (entry.held ? this.holders : this.waiters).includes(entry)
  }

  /** False where it isn't here. */
  remove(entry: Entry): boolean {
    return removeFrom(entry.held ? this.holders : this.waiters, entry)
  }

  /** Returns the number with which `entry` holds: its own, or that of the lease that it re-enters. */
  admit(entry: Entry, key: string): number {
    removeFrom(this.waiters, entry)
    const [holder] = this.holders
    this.holders.push(entry)
    return holder ? holder.numberOn(key) : entry.number
  }
}

function removeFrom(entries: Entry[], entry: Entry): boolean {
  // Nearly always the first, and `shift` takes that from a list of 10,000 without moving the others.
  const at = entries[0] === entry ? 0 : entries.indexOf(entry)
  if (at === 0) entries.shift()
  else if (at > 0) entries.splice(at, 1)
  return at >= 0
}
