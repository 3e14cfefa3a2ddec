import { Deferred } from "./deferred.js"
import type { KeptLease } from "./kept-lease.js"
import type { Cancellation, Release, Renewal } from "./store.js"
import type { Waiter } from "./waiter.js"

export class ReleaseOrder extends Deferred<boolean> implements Release {
  constructor(
    readonly id: string,
    readonly keys: readonly string[],
    readonly token: number | undefined,
  ) {
    super()
  }
}

/** Of a lease that is kept here, or of one that is only known by its id. */
export class RenewalOrder extends ReleaseOrder implements Renewal {
  readonly ttl: number

  constructor(
    { id, keys, token, ttl }: Renewal,
    readonly lease: KeptLease | undefined,
  ) {
    super(id, keys, token)
    this.ttl = ttl
  }

  settle(held: boolean, sentAt: number): void {
    if (held) this.lease?.renewed(sentAt, this.ttl)
    else this.lease?.lose("it had expired, or was taken away, when it was to be renewed")
    this.resolve(held)
  }

  override reject(error: Error): void {
    super.reject(error)
    this.lease?.retryRenewal()
  }
}

/** The next batch: collects all orders of one tick, or of the time in which a result is awaited. */
export class PendingBatch {
  renew: RenewalOrder[] = []
  release: ReleaseOrder[] = []
  cancel: Cancellation[] = []
  acquire: Waiter[] = []
  /** When it was sent to the store, as a time of `performance.now()`. */
  sentAt = 0

  get size(): number {
    return this.renew.length + this.release.length + this.cancel.length + this.acquire.length
  }

  /** Takes out as many as one batch may hold: a server that executes 8,000 at once serves no others for seconds. */
  takeFirst(most: number): PendingBatch {
    const first = new PendingBatch()
    for (const list of ["renew", "release", "cancel", "acquire"] as const)
      first[list] = this[list].splice(0, most - first.size) as never[]
    return first
  }
}
