import type { Grant, Request } from "./store.js"

/** What the lock table knows of a session: what it waits for, and what its next result has to report. */
export class SessionState {
  /** How many of its requests wait. */
  waiting = 0
  granted: Entry[] = []
  dropped: number[] = []
  taken: number[] = []
  /** When it is going to call again, as far as it knows. */
  wakeAt = Number.POSITIVE_INFINITY
  constructor(readonly wake: (within: number) => void) {}
}

const NONE: readonly Entry[] = []

/** A request that waits, then a lease. */
export class Entry {
  due = Number.POSITIVE_INFINITY
  slot = -1
  waits = false
  held = false
  /** Whether the session knows that it holds. */
  claimed = false
  token = 0
  /** On keys that its owner held when it arrived: the number of that lease, which it shares. */
  shared: Map<string, number> | undefined
  /** On how many of its keys it is still in the queue. */
  left: number
  /** Of a request that waits: the leases that are not released before it is served. */
  keeps: readonly Entry[] | undefined
  /** Of a lease: the requests that keep it while they wait. */
  #keptFor: readonly Entry[] = NONE
  constructor(
    readonly session: SessionState,
    readonly request: Request,
    readonly number: number,
    public since: number,
  ) {
    this.left = request.keys.length
  }

  keepFor(request: Entry): void {
    this.#keptFor = [...this.keepers(request), request]
  }

  /** Those of the requests that keep this lease which wait, or begin to. */
  keepers(beginning: Entry): readonly Entry[] {
    return this.#keptFor.filter((it) => it.waits || it === beginning)
  }

  numberOn(key: string): number {
    return this.shared?.get(key) ?? this.number
  }

  /** Arrives at the queue of `key`: it may re-enter what its owner holds there for as long as that is held. */
  arrive(key: string, queue: Queue | undefined): void {
    const holder = queue?.holders[0]
    if (holder?.request.owner !== this.request.owner) return
    this.shared ??= new Map()
    this.shared.set(key, holder.numberOn(key))
  }

  /** Whether it passes the queue of `key`, since its owner holds that. */
  sharesWith({ holders }: Queue, key: string): boolean {
    const holder = holders[0]
    return holder !== undefined && this.shared?.get(key) === holder.numberOn(key)
  }

  /** Holds `key`, with `holder` if there is one. */
  enter(key: string, holder: Entry | undefined): void {
    if (!holder) this.shared?.delete(key)
    this.token = Math.max(this.token, this.numberOn(key))
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

  /** Whether no other entry is before `entry`, which waits here or has just arrived. */
  admits(entry: Entry, key: string): boolean {
    if (this.holders[0]) return entry.sharesWith(this, key)
    return this.waiters.length === 0 || this.waiters[0] === entry
  }

  has(entry: Entry): boolean {
    return (entry.held ? this.holders : this.waiters).includes(entry)
  }

  /** False where it isn't here. */
  remove(entry: Entry): boolean {
    return removeFrom(entry.held ? this.holders : this.waiters, entry)
  }

  admit(entry: Entry, key: string): void {
    removeFrom(this.waiters, entry)
    entry.enter(key, this.holders[0])
    this.holders.push(entry)
  }
}

function removeFrom(entries: Entry[], entry: Entry): boolean {
  // Nearly always the first, and `shift` takes that from a list of 10,000 without moving the others.
  const at = entries[0] === entry ? 0 : entries.indexOf(entry)
  if (at === 0) entries.shift()
  else if (at > 0) entries.splice(at, 1)
  return at >= 0
}
