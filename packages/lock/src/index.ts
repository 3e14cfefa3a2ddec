export {
  LockAbortedError,
  LockArgumentError,
  LockClosedError,
  LockDeadlockError,
  LockError,
  type LockErrorCode,
  LockFencedError,
  LockLostError,
  LockSetupError,
  LockStoreError,
  LockTimeoutError,
} from "./errors.js"
export type { GrantEvent, HoldEvent, LockEvent, LockListener, WaitEvent } from "./events.js"
export type { Lease } from "./lease.js"
export { type AcquireOptions, type LockDefaults, Locks, type LocksOptions, type TryOptions } from "./locks.js"
export type {
  Batch,
  BatchResult,
  Cancellation,
  CircleMember,
  Deadlock,
  Grant,
  Hold,
  KeyState,
  LeaseState,
  Release,
  Renewal,
  Request,
  Session,
  Store,
  WaiterState,
} from "./store.js"
export { CLAIM_WINDOW, UnansweredError } from "./store.js"
