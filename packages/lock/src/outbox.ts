import type { KeptLease } from "./kept-lease.js"
import type { Cancellation, Release, Renewal } from "./store.js"
import type { Settlement, Waiter } from "./waiter.js"

/** Of a lease that is kept here, or of one that is only known by its id. */
export type LeaseRenewal = Renewal & Settlement<boolean> & { readonly lease?: KeptLease }

/** What is to be asked next: all that comes up in one tick, or while an answer is awaited, is one question. */
export class Outbox {
  readonly renew: LeaseRenewal[] = []
  readonly release: (Release & Settlement<boolean>)[] = []
  readonly cancel: Cancellation[] = []
  acquire: Waiter[] = []
  /** When the store was asked, as a time of `performance.now()`. */
  asked = 0
}
