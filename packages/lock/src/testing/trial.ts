import assert from "node:assert/strict"
import { type Lease, type LockDefaults, type LockError, type LockErrorCode, Locks } from "../index.js"
import type { KeyState, Session, Store } from "../store.js"

/** A lock space that is used by one case only, empty at the start. */
export interface TestSpace {
  /** A store on this space, with connections of its own where it has any: another process, as far as it can tell. */
  store(): Store
  /** Gives back what the space has taken up. */
  close?(): void | Promise<void>
}

/** A case that fails doesn't await its requests: their rejections must not be reported as unhandled. */
class Participant extends Locks {
  override acquire(...request: Parameters<Locks["acquire"]>): Promise<Lease> {
    const lease = super.acquire(...request)
    lease.catch(() => undefined)
    return lease
  }

  override run<T>(...request: Parameters<typeof Locks.prototype.run<T>>): Promise<T> {
    const result = super.run(...request)
    result.catch(() => undefined)
    return result
  }
}

/** One run of one case: the processes that take part, and their end. */
export class Trial {
  readonly #space: TestSpace
  readonly #locks: Locks[] = []
  readonly #mortals: Locks[] = []
  readonly #sessions: Session[] = []

  constructor(
    space: TestSpace,
    /** For how many ms to wait for an event that must happen soon. */
    readonly timeoutMs: number,
  ) {
    this.#space = space
  }

  /** Another process. */
  locks(defaults: LockDefaults = {}): Locks {
    const locks = this.#start(this.#space.store(), defaults)
    this.#locks.push(locks)
    return locks
  }

  /** Connects `processes`, which on some stores takes longer than a short lease lasts. */
  async ready(...processes: Locks[]): Promise<void> {
    await Promise.all(processes.map((locks) => locks.inspect()))
  }

  /** Another process that may die, at any moment and without a word, or lose its store for a while. */
  mortal(defaults: LockDefaults = {}): { locks: Locks; life: Life } {
    const life: Life = { dead: false, failing: false }
    const locks = this.#start(mortal(this.#space.store(), life), defaults)
    this.#mortals.push(locks)
    return { locks, life }
  }

  #start(store: Store, defaults: LockDefaults): Locks {
    return new Participant(store, { ttl: 60_000, timeout: this.timeoutMs, ...defaults })
  }

  /** Another process, on the store's own terms. */
  async session(): Promise<Session> {
    const session = await this.#space.store().connect(() => undefined)
    this.#sessions.push(session)
    return session
  }

  /** Waits until `key` has as many waiters as that: the order of arrival is certain then. */
  async waiters(key: string, count: number): Promise<void> {
    const witness = this.#locks[0] ?? this.locks()
    await this.#eventually(`${count} requests wait for ${JSON.stringify(key)}`, async () => {
      const state = await stateOf(witness, key)
      return (state?.waiters.length ?? 0) === count
    })
  }

  /** Waits until nothing is held or waited for: a request is cancelled a little later than its caller gets the error. */
  async empty(witness: Locks): Promise<void> {
    await this.#eventually("nothing is left behind", async () => (await witness.inspect()).length === 0)
  }

  /** The outcome of `promise`, which has to be there soon. */
  soon<T>(what: string, promise: PromiseLike<T>): Promise<T> {
    return within(this.timeoutMs, what, promise)
  }

  async rejects(promise: Promise<unknown>, code: LockErrorCode): Promise<LockError> {
    let failure: unknown
    const outcome = this.soon(`a rejection with ${code}`, promise)
    await assert.rejects(outcome, (error: LockError) => {
      failure = error
      assert.equal(error.code, code)
      return true
    })
    return failure as LockError
  }

  async #eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + this.timeoutMs
    while (!(await holds())) {
      assert.ok(performance.now() < deadline, `never came about: ${what}`)
      await pause(5)
    }
  }

  /** Ends all processes. Nothing may be left in the store then, but for leases of the dead that have to run out. */
  async end(): Promise<void> {
    try {
      // The dead don't answer, so their end is not awaited.
      for (const locks of this.#mortals) void locks.close()
      await Promise.all(this.#locks.map((locks) => locks.close()))
      for (const session of this.#sessions) await session.close()
      const witness = new Locks(this.#space.store())
      await this.empty(witness)
      await witness.close()
    } finally {
      await this.#space.close?.()
    }
  }
}

export interface Life {
  /** It sends nothing and receives nothing any more. */
  dead: boolean
  /** Every call fails before it has reached the store. */
  failing: boolean
}

function mortal(store: Store, life: Life): Store {
  return {
    async connect(wake) {
      const session = await store.connect((ms) => {
        if (!life.dead) wake(ms)
      })
      const guard = <T>(call: () => T): T | Promise<never> => {
        if (life.dead) return new Promise<never>(() => undefined)
        if (life.failing) return Promise.reject(new Error("The store can't be reached"))
        return call()
      }
      const guarded: Session = {
        execute: (batch) => guard(() => session.execute(batch)),
        inspect: () => guard(() => session.inspect()),
        forceRelease: (key) => guard(() => session.forceRelease(key)),
        close: (within) => guard(() => session.close(within)),
      }
      return guarded
    },
  }
}

export async function stateOf(locks: Locks, key: string): Promise<KeyState | undefined> {
  return (await locks.inspect()).find((state) => state.key === key)
}

/** The outcome of `promise`, which has to be there in `ms`. */
export async function within<T>(ms: number, what: string, promise: PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new assert.AssertionError({ message: `${what} took longer than ${ms} ms` })),
      ms,
    )
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Whether `promise` is still undecided after a full exchange with the store has had its time. */
export async function isPending(promise: PromiseLike<unknown>, ms = 50): Promise<boolean> {
  const pending = Symbol("pending")
  return (await Promise.race([promise, pause(ms).then(() => pending)])) === pending
}

/** Keeps the event loop from running, as a long computation does. */
export function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
