import { AsyncLocalStorage } from "node:async_hooks"
import { KeptLease } from "./kept-lease.js"
import type { Lease } from "./lease.js"

/**
 * What the tracked runs hold that the present code runs in, of all instances: two may share a store. Costs nothing
 * before the first tracked run; from then on, before Node 24, it costs at every promise of the process.
 */
const enclosing = new AsyncLocalStorage<readonly Lease[]>()

/** Runs `job` so that it, and all that it starts, holds `lease` for as long as that lasts. */
export function runHolding<T>(lease: Lease, job: () => T): T {
  // Without the filter a job that starts the next one, and so on, would keep the leases of all.
  return enclosing.run([...heldHere(), lease], job)
}

/**
 * Runs what no job waits for, such as a listener: it is called in the course of whichever job has led to the event, or has
 * set the timer.
 */
export function runHoldingNothing<T>(work: () => T): T {
  return enclosing.run([], work)
}

/** The leases of the enclosing tracked runs that have not ended. */
export function heldHere(): readonly Lease[] {
  return enclosing.getStore()?.filter((lease) => lease instanceof KeptLease && lease.isHeld) ?? []
}
