import type { Trial } from "./trial.js"

/** A check that a store has to pass, named by the behaviour. */
export type Case = (trial: Trial) => Promise<void>
