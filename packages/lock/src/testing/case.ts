import type { Trial } from "./trial.js"

/** What a store has to stand, named by the behaviour. */
export type Case = (trial: Trial) => Promise<void>
