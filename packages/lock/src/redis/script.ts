import { createHash } from "node:crypto"
import { CALLS } from "./calls.js"
import { RULES } from "./rules.js"
import { SHORT_WAY } from "./short-way.js"
import { TABLES } from "./tables.js"

/**
 * All that the store asks of Redis: one script, in which one call is one instant.
 *
 * KEYS  the four of a space, in one slot: records (hash), expiries, waiters and lookouts (sorted sets)
 * ARGV  1 what to do: ask, inspect, forceRelease or close
 *       2 the session
 *       3 ask: the question, as JSON; forceRelease: the key
 *       4 the time by Redis's clock, in µs, after which nobody waits for the answer; then nothing is done. Or empty
 *       5 the time in µs, in place of Redis's own; tests only
 * Returns a list that begins with the time in µs; of a call that came too late nothing more.
 */
export const SCRIPT = `${SHORT_WAY}\n${TABLES}\n${RULES}\n${CALLS}`

export const SHA = createHash("sha1").update(SCRIPT).digest("hex")
