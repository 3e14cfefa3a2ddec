import { randomBytes } from "node:crypto"
import {
  checkFlag,
  checkFunction,
  checkHolding,
  checkKeys,
  checkName,
  checkOptions,
  checkSignal,
  checkStore,
  checkTimeout,
  checkTtl,
} from "./arguments.js"
import { Coordinator } from "./coordinator.js"
import { asStoreError, LockTimeoutError } from "./errors.js"
import { guarded, type LockListener } from "./events.js"
import { KeptLease } from "./kept-lease.js"
import type { Lease } from "./lease.js"
import { heldHere, runHolding, runHoldingNothing } from "./nesting.js"
import type { Hold, KeyState, Session, Store } from "./store.js"
import type { AcquireRequest } from "./waiter.js"

export interface LockDefaults {
  /** How long a lease outlives a dead holder, in ms, up to 100 years; `Infinity`: it never expires. 30,000 by default. */
  ttl?: number | undefined
  /** How long a request waits, in ms; 0 tries once, `Infinity` waits for as long as it takes. 5,000 by default. */
  timeout?: number | undefined
}

export interface LocksOptions extends LockDefaults {
  /** Hears what happens to requests and leases. */
  on?: LockListener | undefined
  /**
   * Whether requests that are made in the job of a `run` of this instance hold its lease, and those of the runs around it,
   * without being told so by `holding`. By an AsyncLocalStorage, which before Node 24 costs at every promise of the
   * process. False by default.
   */
  trackNesting?: boolean | undefined
}

export interface TryOptions {
  /** See `LockDefaults`. A lease without an end (`Infinity`) is never renewed, and outlives its process. */
  ttl?: number | undefined
  /** Names the owner of the request. An owner re-enters what it holds; by default each request has an owner of its own. */
  owner?: string | undefined
  /** Stops the wait: the request is rejected with a `LockAbortedError`. It doesn't end a lease that was granted. */
  signal?: AbortSignal | undefined
  /** Whether the lease renews itself while it is held. True by default. */
  renew?: boolean | undefined
}

export interface AcquireOptions extends TryOptions {
  /** See `LockDefaults`. */
  timeout?: number | undefined
  /**
   * Leases that the caller doesn't release before this request is served. If the request would wait for itself through
   * them, it is rejected with a `LockDeadlockError` at once. Goes before what `trackNesting` knows: `[]` holds nothing.
   */
  holding?: Lease | readonly Lease[] | undefined
}

/** A distributed lock over any store. One instance per process and store is enough, and the cheapest. */
export class Locks implements AsyncDisposable {
  readonly #coordinator: Coordinator
  readonly #defaults: Required<LockDefaults>
  readonly #tracksNesting: boolean
  /** Makes the ids of this instance differ from those of any other, without randomness for each. */
  readonly #name = randomBytes(9).toString("base64url")
  #count = 0
  #closing: Promise<void> | undefined

  /** Throws `LockArgumentError` for what is no store, and for an option that is invalid. */
  constructor(store: Store, options: LocksOptions = {}) {
    const { on = {}, ttl = 30_000, timeout = 5_000, trackNesting = false } = checkOptions("options", options)
    this.#tracksNesting = checkFlag("trackNesting", trackNesting)
    this.#defaults = { ttl: checkTtl(ttl), timeout: checkTimeout(timeout) }
    this.#coordinator = new Coordinator(
      checkStore(store),
      guarded(checkOptions("on", on), trackNesting ? runHoldingNothing : undefined),
    )
  }

  /**
   * Locks all of `keys`, waiting in the queue for up to `timeout`.
   *
   * Throws `LockTimeoutError` where they stay busy, `LockDeadlockError` where it would wait for itself, `LockAbortedError`, `LockClosedError`, `LockStoreError`, `LockSetupError`,
   * or `LockArgumentError`.
   */
  acquire(keys: string | readonly string[], options: AcquireOptions = {}): Promise<Lease> {
    return this.#acquire(keys, options)
  }

  /** Locks all of `keys` if they are free at this moment, else returns null. Throws as `acquire` does, but never for being busy. */
  async tryAcquire(keys: string | readonly string[], options: TryOptions = {}): Promise<Lease | null> {
    const once = { ...checkOptions("options", options), timeout: 0 }
    const result = await this.#coordinator.acquire(this.#request(keys, once))
    return result instanceof KeptLease ? result : null
  }

  /**
   * Runs `job` while holding `keys`, and returns its result. The keys are freed when it is done, whatever happens.
   *
   * Where the lease is lost in the meantime `lease.signal` aborts, and `run` throws `LockLostError` in place of a
   * result, since the job did not run alone. Throws what `acquire` throws, and what `job` throws.
   */
  async run<T>(
    keys: string | readonly string[],
    job: (lease: Lease) => T | Promise<T>,
    options: AcquireOptions = {},
  ): Promise<T> {
    checkFunction("job", job)
    const lease = await this.#acquire(keys, options)
    let result: T
    try {
      result = await (this.#tracksNesting ? runHolding(lease, () => job(lease)) : job(lease))
    } catch (error) {
      await this.#releaseQuietly(lease)
      throw error
    }
    await this.#releaseQuietly(lease)
    if (lease.loss) throw lease.loss
    return result
  }

  /**
   * Locks `keys` under an id that the caller chooses, for a lease that outlives this process or is released in another:
   * it is not renewed here. Acquiring again under the same id extends it; one `releaseById` frees it. Returns the token.
   */
  async acquireById(
    id: string,
    keys: string | readonly string[],
    options: Omit<AcquireOptions, "renew"> = {},
  ): Promise<bigint> {
    const lease = await this.#acquire(keys, options, checkName("id", id))
    return lease.token
  }

  /** Makes the lease under `id` end at `ttl` from now. False, and nothing is changed, where it doesn't hold all of `keys`. */
  async renewById(id: string, keys: string | readonly string[], ttl: number): Promise<boolean> {
    return this.#coordinator
      .renew({ id: checkName("id", id), keys: checkKeys(keys), ttl: checkTtl(ttl) })
      .take()
  }

  /** Frees those of `keys` that are held under `id`. False where it didn't hold them all. */
  async releaseById(id: string, keys: string | readonly string[]): Promise<boolean> {
    return this.#coordinator.release({ id: checkName("id", id), keys: checkKeys(keys) })
  }

  /** All leases and waiting requests, of all processes that share the store, in the order of the keys. */
  async inspect(): Promise<readonly KeyState[]> {
    return [...(await this.#onSession((session) => session.inspect()))].sort(byKey)
  }

  /** Ends every lease on `key`, with all its keys; its holder's lease is lost. False where no lease held the key. */
  async forceRelease(key: string): Promise<boolean> {
    const name = checkName("key", key)
    return this.#onSession((session) => session.forceRelease(name))
  }

  /**
   * Ends this instance: waiting requests are rejected with `LockClosedError`, leases abort their signals with it and
   * are released, and connections that the store opened are given back. A store that doesn't answer is waited for no
   * longer than 5 s; what could not be released then ends by its ttl.
   */
  close(): Promise<void> {
    this.#closing ??= this.#coordinator.close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** A store that fails now leaves the keys to their ttl. It doesn't undo that the job ran while the lease was trusted. */
  async #releaseQuietly(lease: Lease): Promise<void> {
    await lease.release().catch(() => false)
  }

  async #onSession<T>(call: (session: Session) => T | Promise<T>): Promise<T> {
    const session = await this.#coordinator.session()
    try {
      return await call(session)
    } catch (error) {
      throw asStoreError(error)
    }
  }

  async #acquire(keys: string | readonly string[], options: AcquireOptions, id?: string): Promise<Lease> {
    const request = this.#request(keys, options, id)
    const answer = this.#coordinator.acquire(request)
    const result = answer instanceof Promise ? await answer : answer
    if (result instanceof KeptLease) return result
    throw new LockTimeoutError(request.keys, request.timeout, result.key)
  }

  /** @param id is given for a lease that is not kept here. */
  #request(keys: string | readonly string[], options: AcquireOptions, id?: string): AcquireRequest {
    const { owner, ttl, timeout, renew, signal, holding } = checkOptions("options", options)
    const name = id ?? `${this.#name}.${++this.#count}`
    return {
      id: name,
      owner: owner === undefined ? name : checkName("owner", owner),
      keys: checkKeys(keys),
      ttl: ttl === undefined ? this.#defaults.ttl : checkTtl(ttl),
      timeout: timeout === undefined ? this.#defaults.timeout : checkTimeout(timeout),
      renews: renew === undefined || checkFlag("renew", renew),
      kept: id === undefined,
      signal: signal === undefined ? undefined : checkSignal(signal),
      holds: this.#holds(holding),
    }
  }

  #holds(holding: AcquireOptions["holding"]): readonly Hold[] | undefined {
    if (holding !== undefined) return checkHolding(holding)
    return this.#tracksNesting ? checkHolding(heldHere()) : undefined
  }
}

export const byKey = (a: KeyState, b: KeyState): number => (a.key < b.key ? -1 : 1)
