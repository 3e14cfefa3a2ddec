/**
 * What a store has to do: execute one atomic batch. Waiting, renewing, timing out and notifying
 * are the core's (`Locks`), so a store holds no timers and no promises of its callers.
 *
 * The rules that every store keeps are written in `memory.ts`; `exerciseStore` in
 * `@holdfast/lock/testing` checks them. All times are milliseconds.
 */
export interface Store {
  /**
   * Opens one client's session: the unit that can crash. `wake` asks the client to call `execute` again in at
   * most so many ms: at once, with 0, when another client's call has granted or taken away something of this
   * session's; later, when a lease may end before the time that the last result gave.
   */
  connect(wake: (within: number) => void): Session | Promise<Session>
}

export interface Session {
  /**
   * Executes all of `batch` at one instant of the store's clock, in this order: expire leases,
   * renew, release, cancel, then acquire; and grants every request that may now be granted, of any session.
   * A client collects what it was woken for by an empty batch. The core never calls it
   * again before the last result is there, so a store that can't be reached has to reject in time.
   */
  execute(batch: Batch): BatchResult | Promise<BatchResult>
  /** All leases and all waiting requests, in the order of the keys' queues. */
  inspect(): readonly KeyState[] | Promise<readonly KeyState[]>
  /** Ends every lease on `key`, with all keys of that lease. False where no lease held it. */
  forceRelease(key: string): boolean | Promise<boolean>
  /**
   * Gives back connections. The session's waiting requests are dropped; its leases expire by their ttl. A server that
   * doesn't answer is waited for no longer than `within` ms; with 0 it isn't told at all. Then connections end at once.
   */
  close(within?: number): void | Promise<void>
}

/**
 * What `execute` rejects with where the connection was lost, or no answer came on it, and its next call goes over
 * another one. What the store did of the batch is unknown: the core cancels its requests, and asks once more for those
 * that are still waited for.
 */
export class UnansweredError extends Error {
  override readonly name = "UnansweredError"
  /** To be known by, since there may be two copies of the class. */
  readonly isUnanswered = true
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** The time from which a connection that has been silent is checked before it is used, in ms: a network may have forgotten it. */
export const QUIET = 15_000

/** How long a server may take to answer such a check, in ms. */
export const CHECK_WITHIN = 1_000

/** When TCP itself first checks a silent connection, in ms. The nearest of those that forget wait for 240,000. */
export const KEEP_ALIVE = 30_000

export interface Batch {
  readonly renew: readonly Renewal[]
  readonly release: readonly Release[]
  readonly cancel: readonly Cancellation[]
  readonly acquire: readonly Request[]
}

/** Asks for all of `keys` at one instant. */
export interface Request {
  /** Names the request within its session; no two requests of a session share one. */
  readonly seq: number
  /** Names the lease that the request becomes, in any session. Asking again under an id that holds a key extends it. */
  readonly id: string
  /** Whose leases may overlap: an owner re-enters what it holds. */
  readonly owner: string
  /** Without duplicates, in any order. */
  readonly keys: readonly string[]
  /** How long the lease lasts without renewal; `Infinity`: it never expires. */
  readonly ttl: number
  /** Whether to stay in the queue when the keys are busy. */
  readonly wait: boolean
  /**
   * Leases that are not released before this request is served. Where it would wait for them, through whatever chain of
   * requests and leases, it is refused as `deadlocked` in place of being queued. What isn't held counts for nothing.
   */
  readonly holds?: readonly Hold[] | undefined
}

/** Names a lease. */
export interface Hold {
  readonly id: string
  /** One of its keys, by which a store finds it. */
  readonly key: string
}

/** Frees `keys` that are held under `id`; of the lease with that token only, where one is given. */
export interface Release {
  readonly id: string
  readonly keys: readonly string[]
  readonly token?: number | undefined
}

/** Like a release, and makes the lease end at `ttl` from now. Renews all of `keys` or none. */
export interface Renewal extends Release {
  readonly ttl: number
}

/** Undoes the request `seq` of this session, whether it waits or was granted in the meantime. */
export interface Cancellation {
  readonly seq: number
  readonly keys: readonly string[]
}

export interface BatchResult {
  /** One for each renewal: whether the lease was still held. */
  readonly renewed: readonly boolean[]
  /** One for each release: whether all of its keys were still held. */
  readonly released: readonly boolean[]
  /** Requests of this session that were granted by this call or since its last, and are the session's from now on. */
  readonly granted: readonly Grant[]
  /** Requests that don't wait, with the key that was busy. */
  readonly refused: readonly { readonly seq: number; readonly key: string }[]
  /** Requests that were not queued, since each of them would have waited for itself. */
  readonly deadlocked?: readonly Deadlock[] | undefined
  /** Waiting requests that are no longer in the queue, since the session was silent when its turn came. */
  readonly dropped: readonly number[]
  /** Leases that `forceRelease` has ended. */
  readonly taken: readonly number[]
  /** In how many ms to call `execute` again at the latest: when the first lease may end that this session's requests wait for. */
  readonly wakeIn: number | undefined
}

export interface Grant {
  readonly seq: number
  /** A safe integer, the fencing token: greater than that of any earlier grant of these keys. */
  readonly token: number
  /** Each key's own token, in the order of the request's keys, where re-entry made them differ. */
  readonly tokens?: readonly number[] | undefined
}

export interface Deadlock {
  readonly seq: number
  /** The refused request first. Each waits for the next, and the last for the first. */
  readonly circle: readonly CircleMember[]
}

/** A request of a circle. */
export interface CircleMember {
  readonly id: string
  readonly owner: string
  /** All keys that it waits for. */
  readonly keys: readonly string[]
  /** The key on which the next member of the circle is before it. */
  readonly waitsFor: string
  /** The lease of that key which the next member keeps; undefined where that member is before it in the queue of the key. */
  readonly heldBy: { readonly id: string; readonly owner: string } | undefined
}

export interface KeyState {
  readonly key: string
  readonly holders: readonly LeaseState[]
  /** In the order of their turns. */
  readonly waiters: readonly WaiterState[]
}

export interface WaiterState {
  readonly id: string
  readonly owner: string
  readonly keys: readonly string[]
  /** Since when it has waited, in ms before now. */
  readonly age: number
  /** The ids of the leases that are kept until it is served; left out where there are none. */
  readonly holds?: readonly string[] | undefined
}

export interface LeaseState extends Omit<WaiterState, "holds"> {
  readonly token: bigint
  /** `Infinity` where the lease has no end. */
  readonly expiresIn: number
}

/** How long a session that was woken for a grant has to collect it before its turn passes to the next. */
export const CLAIM_WINDOW = 1_000
