import { createHash } from "node:crypto"
import { CLAIM_WINDOW } from "../store.js"
import { CIRCLE } from "./circle.js"
import { COMMANDS } from "./commands.js"
import { FAST_PATHS } from "./fast-paths.js"
import { RULES } from "./rules.js"
import { TABLES } from "./tables.js"

const OPENING = `
local RECORDS, EXPIRIES, WAITERS, WAKEUPS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, pack, unpacked = redis.call, cmsgpack.pack, cmsgpack.unpack
-- How long the space lives after a lease ends, in µs: at least; and when its life is prolonged.
local SPARE, KEPT = 1800000000, 3600000000
-- How long a session has to collect a grant, in ms.
local CLAIM_WINDOW = ${CLAIM_WINDOW}
-- Lua's stack holds 8,000 arguments.
local CHUNK = 4000

local now = ARGV[5] and tonumber(ARGV[5])
if not now then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
if ARGV[4] ~= '' and now > tonumber(ARGV[4]) then return {now} end
local batch = ARGV[1] == 'execute' and cjson.decode(ARGV[3])
`

/**
 * All commands of the store: one script, in which one call is one instant.
 *
 * KEYS  the four of a space, in one slot: records (hash), expiries, waiters and wakeups (sorted sets)
 * ARGV  1 the command: execute, inspect, forceRelease or closeSession
 *       2 the session
 *       3 execute: the batch, as JSON; forceRelease: the key
 *       4 the time by Redis's clock, in µs, after which the answer is no longer awaited; then nothing is done. Or empty
 *       5 the time in µs, in place of Redis's own; tests only
 * Returns a list that begins with the time in µs; of a call that came too late nothing more.
 */
export const SCRIPT = `${OPENING}${FAST_PATHS}${TABLES}${RULES}${CIRCLE}${COMMANDS}`

export const SHA = createHash("sha1").update(SCRIPT).digest("hex")

/** Without the fast paths, which differ from the rules in time only; for tests. */
export const RULES_ALONE = `${OPENING}${TABLES}${RULES}${CIRCLE}${COMMANDS}`
