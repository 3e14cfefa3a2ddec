import type { Grant, Request } from "./store.js"

/** So many queues may be empty before they are looked for. */
const IDLE_QUEUES = 1_024

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
  /** On keys that its owner held when it came: the number of that lease, which it shares. */
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

  /** Comes to the queue of `key`: what its owner holds there, it may enter for as long as that is held. */
  arrive(key: string, queue: Queue | undefined): void {
    const holder = queue?.holders[0]
    if (holder?.request.owner !== this.request.owner) return
    this.shared ??= new Map()
    this.shared.set(key, holder.numberOn(key))
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

  /** Whether nobody is before `entry`, which waits here or has just come. */
  admits(entry: Entry, key: string): boolean {
    const holder = this.holders[0]
    if (holder) return entry.shared?.get(key) === holder.numberOn(key)
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

/**
 * The queues by key. One that is empty stays for the next request of its key until there have been as many as there
 * are keys: a `Map` that is added to and deleted from at each turn has V8 promote its old tables, and all that they
 * hold; of 7.5 µs for an acquire and a release 5 were spent on that.
 */
export class Queues {
  readonly #queues = new Map<string, Queue>()
  #emptied = 0

  get(key: string): Queue | undefined {
    return this.#queues.get(key)
  }

  /** The queue of `key`, for somebody who joins it. */
  open(key: string): Queue {
    let queue = this.#queues.get(key)
    if (!queue) {
      queue = new Queue()
      this.#queues.set(key, queue)
    }
    return queue
  }

  /** To be told of each queue that has become empty. */
  leave(): void {
    if (++this.#emptied <= Math.max(this.#queues.size, IDLE_QUEUES)) return
    this.#emptied = 0
    for (const [key, queue] of this.#queues) if (queue.isEmpty) this.#queues.delete(key)
  }

  /** Those in which somebody stands. */
  get inUse(): [string, Queue][] {
    return [...this.#queues].filter(([, queue]) => !queue.isEmpty)
  }
}

function removeFrom(entries: Entry[], entry: Entry): boolean {
  // Nearly always the first, and `shift` takes that from a list of 10,000 without moving the others.
  const at = entries[0] === entry ? 0 : entries.indexOf(entry)
  if (at === 0) entries.shift()
  else if (at > 0) entries.splice(at, 1)
  return at >= 0
}
