import { randomUUID } from "node:crypto"
import { LockError, type Locks } from "@holdfast/lock"
import type { Context, ILockingProvider, Logger } from "@medusajs/framework/types"
import { MedusaError } from "@medusajs/framework/utils"
import { LeaseRenewer } from "./lease-renewer.js"
import type { LockingOptions } from "./options.js"
import { Ownerless } from "./ownerless.js"
import { milliseconds } from "./seconds.js"
import { atShutdown } from "./shutdown.js"
import { type LockView, toView } from "./view.js"

/** Medusa's arguments of `acquire`, and more of ours. The Locking Module passes them on as they are. */
export interface AcquireArgs {
  ownerId?: string | null | undefined
  /** Seconds until the lock expires; without, it never does. */
  expire?: number | undefined
  /**
   * Keeps the lock alive for as long as this process lives and the answer is true: it is renewed, and lasts beyond
   * that for `keepAlive` (an option of the provider), `expire` at most. Once the answer is false it is released.
   */
  keep?: (() => boolean) | undefined
  /** Seconds to wait in the queue while the keys are busy. By default the provider's option `wait`, which is 0 as in Medusa. */
  wait?: number | undefined
  /** Medusa's Redis provider's word for a wait without an end. `wait` goes before it. */
  awaitQueue?: boolean | undefined
  /**
   * Names a group of locks that may overlap, such as those of one run of a workflow and its nested workflows. Each
   * is released by its own `ownerId`. By default a lock overlaps only with one of the same `ownerId`, and extends it.
   */
  within?: string | undefined
  /** The provider fills it in: the Locking Module returns nothing. */
  receipt?: Receipt | undefined
}

export interface Receipt {
  /** Set as soon as the provider has accepted the request: it waits in the queue, so that its caller doesn't have to retry. */
  accepted?: true | undefined
  /** The fencing token, in decimal. */
  token?: string | undefined
}

export interface ExecuteArgs {
  /** Seconds to wait for the lock. By default the provider's option `waitLockingTimeout`, which is 30. */
  timeout?: number | undefined
  /** Seconds that the lock outlives a process that dies. By default the provider's option `keepAlive`. It is renewed while the job runs. */
  expire?: number | undefined
  /** See `AcquireArgs`: lets the job run inside a lock that was acquired within the same name. */
  within?: string | undefined
}

/** The Locking Module passes on to its provider what it is given: its types accept it where this package is imported. */
declare module "@medusajs/framework/types" {
  interface ILockingModule {
    acquire(
      keys: string | string[],
      args?: AcquireArgs & { provider?: string | undefined },
      sharedContext?: Context,
    ): Promise<void>
    execute<T>(
      keys: string | string[],
      job: (signal?: AbortSignal) => Promise<T>,
      args?: ExecuteArgs & { provider?: string | undefined },
      sharedContext?: Context,
    ): Promise<T>
  }
}

/** An argument of `release`: the provider writes itself into this object. */
export const REACH = Symbol.for("@holdfast/medusa-lock.reach")

interface ReleaseArgs {
  ownerId?: string | null | undefined
  [REACH]?: { provider?: HoldfastLockingProvider }
}

/** For how long a shutdown waits for the jobs that run in a lock, in ms. */
const LAST_JOBS = 5_000

interface Dependencies {
  locks: Locks
  lockingOptions: LockingOptions
  logger?: Logger | undefined
}

/**
 * Medusa's Locking Module on `@holdfast/lock`: a translation, and no more. An `ownerId` is the id of a lease, so a
 * second `acquire` extends it, and one `release` ends it, in whichever process it comes.
 */
export class HoldfastLockingProvider implements ILockingProvider {
  readonly #locks: Locks
  readonly #renewer: LeaseRenewer
  readonly #logger: Logger | undefined
  readonly #keepAlive: number
  readonly #wait: number
  readonly #timeout: number
  readonly #jobs = new Set<Promise<unknown>>()
  readonly #ownerless = new Ownerless()

  constructor({ locks, lockingOptions, logger }: Dependencies) {
    const { wait = 0, waitLockingTimeout = 30, keepAlive = 10 } = lockingOptions
    this.#locks = locks
    this.#renewer = new LeaseRenewer(locks)
    this.#logger = logger
    this.#wait = wait
    this.#timeout = waitLockingTimeout
    this.#keepAlive = keepAlive
    atShutdown(() => this.close())
  }

  async execute<T>(
    keys: string | string[],
    job: (signal?: AbortSignal) => Promise<T>,
    args: ExecuteArgs = {},
  ): Promise<T> {
    if (toList(keys).length === 0) return job()
    const timeout = atLeastASecond(args.timeout, this.#timeout)
    const ttl = atLeastASecond(args.expire, this.#keepAlive)
    const owner = args.within
    const [outcome] = await this.#locks
      .run(keys, (lease) => this.#watched(job, lease.signal), { timeout, ttl, owner })
      .catch((error) => {
        throw translated(error, "Timed-out acquiring lock.")
      })
    if (outcome.status === "rejected") throw outcome.reason
    return outcome.value
  }

  #watched<T>(job: (signal?: AbortSignal) => Promise<T>, signal: AbortSignal) {
    const running = Promise.allSettled([(async () => job(signal))()])
    this.#jobs.add(running)
    return running.finally(() => this.#jobs.delete(running))
  }

  async acquire(keys: string | string[], args: AcquireArgs = {}): Promise<void> {
    if (args.receipt) args.receipt.accepted = true
    const wanted = toList(keys)
    if (wanted.length === 0) return
    const id = args.ownerId ?? `ownerless:${randomUUID()}`
    const expire = args.expire ? milliseconds("expire", args.expire) : Number.POSITIVE_INFINITY
    const ttl = args.keep ? Math.min(expire, this.#keepAlive * 1000) : expire
    const timeout = milliseconds(
      "wait",
      args.wait ?? (args.awaitQueue ? Number.POSITIVE_INFINITY : this.#wait),
    )
    try {
      const token = await this.#locks.acquireById(id, wanted, { owner: args.within ?? id, ttl, timeout })
      if (args.receipt) args.receipt.token = String(token)
    } catch (error) {
      const busy = (error as { busyKey?: string }).busyKey ?? wanted[0]
      throw translated(error, `Failed to acquire lock for key "${busy}"`)
    }
    if (args.keep) this.#keep(id, wanted, ttl, args.keep)
    else this.#renewer.stop(id, wanted)
    if (args.ownerId == null) for (const key of wanted) this.#ownerless.remember(key, id, ttl)
  }

  #keep(id: string, keys: string[], ttl: number, isWanted: () => boolean): void {
    const onLost = (lost: readonly string[]) =>
      this.#logger?.warn(`Lost the lock on ${lost.join(", ")}, held by ${id}: it expired or was taken away`)
    this.#renewer.keep({ id, keys, ttl, isWanted, onLost })
  }

  async release(keys: string | string[], args: ReleaseArgs = {}): Promise<boolean> {
    if (args[REACH]) args[REACH].provider = this
    const wanted = toList(keys)
    if (wanted.length === 0) return true
    try {
      if (args.ownerId != null) return await this.#releaseById(args.ownerId, wanted)
      const released = await Promise.all(wanted.map((key) => this.#releaseOwnerless(key)))
      return released.every(Boolean)
    } catch (error) {
      throw translated(error)
    }
  }

  async releaseAll(args: { ownerId?: string | null } = {}): Promise<void> {
    const { ownerId } = args
    if (ownerId == null) this.#ownerless.forgetAll()
    try {
      const held = (await this.#locks.inspect()).filter(({ holders }) => holders.length > 0)
      const own = held.filter(({ holders }) => holders.some(({ id }) => id === ownerId)).map(({ key }) => key)
      if (ownerId == null) await Promise.all(held.map(({ key }) => this.#locks.forceRelease(key)))
      else if (own.length > 0) await this.#releaseById(ownerId, own)
    } catch (error) {
      throw translated(error)
    }
  }

  async #releaseOwnerless(key: string): Promise<boolean> {
    const id = this.#ownerless.take(key)
    return id !== undefined && this.#locks.releaseById(id, key)
  }

  #releaseById(id: string, keys: string[]): Promise<boolean> {
    this.#renewer.stop(id, keys)
    return this.#locks.releaseById(id, keys)
  }

  /** All locks and waiting requests, of all processes that share the store. */
  async inspect(): Promise<LockView[]> {
    try {
      return (await this.#locks.inspect()).map(toView)
    } catch (error) {
      throw translated(error)
    }
  }

  /** Ends every lock on `key`, with all keys of that lock. False where no lock holds it. */
  async forceRelease(key: string): Promise<boolean> {
    try {
      return await this.#locks.forceRelease(key)
    } catch (error) {
      throw translated(error)
    }
  }

  /**
   * Gives back all connections, once the jobs that run in a lock have ended, or 5 s later. A lock that a workflow
   * acquired is not freed, since the workflow may still run: the lock ends by itself.
   */
  async close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, LAST_JOBS)
    })
    await Promise.race([Promise.all(this.#jobs), late])
    clearTimeout(timer)
    this.#renewer.stopAll()
    await this.#locks.close()
  }
}

function toList(keys: string | string[]): string[] {
  return Array.isArray(keys) ? keys : [keys]
}

/** In `execute` Medusa takes a value that is not a number, or not above 0, as one second. */
function atLeastASecond(seconds: number | undefined, otherwise: number): number {
  const given = seconds ?? otherwise
  return given > 0 ? given * 1000 : 1000
}

const TYPES = {
  LOCK_TIMEOUT: MedusaError.Types.CONFLICT,
  LOCK_DEADLOCK: MedusaError.Types.CONFLICT,
  LOCK_LOST: MedusaError.Types.CONFLICT,
  LOCK_FENCED: MedusaError.Types.CONFLICT,
  LOCK_ABORTED: MedusaError.Types.CONFLICT,
  LOCK_INVALID_ARGUMENT: MedusaError.Types.INVALID_ARGUMENT,
  LOCK_CLOSED: MedusaError.Types.UNEXPECTED_STATE,
  LOCK_STORE_FAILED: MedusaError.Types.UNEXPECTED_STATE,
  LOCK_NOT_SET_UP: MedusaError.Types.UNEXPECTED_STATE,
}

/** The same error in Medusa's terms, with Medusa's own message where the lock was busy. */
function translated(error: unknown, whenBusy?: string): unknown {
  if (!(error instanceof LockError)) return error
  const message = error.code === "LOCK_TIMEOUT" && whenBusy ? whenBusy : error.message
  return Object.assign(new MedusaError(TYPES[error.code], message), { cause: error })
}
