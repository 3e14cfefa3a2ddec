import type { Case } from "./case.js"
import { deadlock } from "./deadlock.js"
import { exclusion } from "./exclusion.js"
import { loss } from "./loss.js"
import { order } from "./order.js"
import { outside } from "./outside.js"
import { reentry } from "./reentry.js"
import { time } from "./time.js"
import { type TestSpace, Trial } from "./trial.js"

export type { TestSpace } from "./trial.js"

/** The cases that every store has to pass, by the promises that they belong to. */
const CASES: Readonly<Record<string, Readonly<Record<string, Case>>>> = {
  "exclusion, all or nothing": exclusion,
  "order and fencing tokens": order,
  "timeouts, ttl and renewal": time,
  "loss, and only this lease": loss,
  "re-entry": reentry,
  deadlocks: deadlock,
  "seen from outside, and cleaned up": outside,
}

export interface Exercise {
  /** The test runner's, of whatever kind. */
  describe(name: string, body: () => void): void
  it(name: string, body: () => Promise<void>): void
  /** Opens an empty lock space that is used by this case only. */
  open(): TestSpace | Promise<TestSpace>
  /** For how many ms to wait for an event that must happen soon, on a machine that may be busy. 10,000 by default. */
  timeoutMs?: number | undefined
  /** Cases that are skipped for this store, each with the reason. */
  exempt?: Readonly<Record<string, string>> | undefined
}

/**
 * Checks a store against every promise. A case may take twice `timeoutMs` on a store that fails it.
 *
 * ```ts
 * exerciseStore({ describe, it, open: () => ({ store: () => myStore({ prefix }), close: () => cleanUp(prefix) }) })
 * ```
 */
export function exerciseStore({ describe, it, open, timeoutMs = 10_000, exempt = {} }: Exercise): void {
  const names = new Set(Object.values(CASES).flatMap((cases) => Object.keys(cases)))
  for (const name of Object.keys(exempt))
    if (!names.has(name)) throw new RangeError(`There is no case "${name}"`)
  for (const [promise, cases] of Object.entries(CASES)) {
    describe(promise, () => {
      for (const [name, run] of Object.entries(cases))
        if (!(name in exempt)) it(name, async () => runCase(run, new Trial(await open(), timeoutMs)))
    })
  }
}

async function runCase(run: Case, trial: Trial): Promise<void> {
  try {
    await run(trial)
  } catch (failure) {
    // An error about what it left behind would hide the cause.
    await trial.end().catch(() => undefined)
    throw failure
  }
  await trial.end()
}
