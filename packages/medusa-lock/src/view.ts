import type { KeyState, LeaseState, WaiterState } from "@holdfast/lock"

/** One key with its holders and its waiters: plain JSON, with times in seconds. */
export interface LockView {
  key: string
  /** One, or several within the same name. */
  holders: HolderView[]
  /** In the order of their turns. */
  waiters: WaiterView[]
}

export interface HolderView {
  /** The `ownerId` of the lock; one was made up where none was given. */
  ownerId: string
  /** The name that locks may overlap in. */
  within: string
  /** All keys of this lock. */
  keys: readonly string[]
  heldFor: number
  /** Null where it never does. */
  expiresIn: number | null
  /** The fencing token in decimal. */
  token: string
}

export interface WaiterView extends Pick<HolderView, "ownerId" | "within" | "keys"> {
  waitsFor: number
}

export function toView({ key, holders, waiters }: KeyState): LockView {
  return { key, holders: holders.map(toHolder), waiters: waiters.map(toWaiter) }
}

function toHolder({ id, owner, keys, age, expiresIn, token }: LeaseState): HolderView {
  return {
    ownerId: id,
    within: owner,
    keys,
    heldFor: age / 1000,
    expiresIn: expiresIn === Number.POSITIVE_INFINITY ? null : expiresIn / 1000,
    token: String(token),
  }
}

function toWaiter({ id, owner, keys, age }: WaiterState): WaiterView {
  return { ownerId: id, within: owner, keys, waitsFor: age / 1000 }
}
