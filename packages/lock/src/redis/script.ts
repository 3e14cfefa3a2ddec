import { createHash } from "node:crypto"
import { CALLS } from "./calls.js"
import { RULES } from "./rules.js"
import { SHORT_WAYS } from "./short-ways.js"
import { TABLES } from "./tables.js"

const OPENING = `
local RECORDS, EXPIRIES, WAITERS, LOOKOUTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, pack, unpacked = redis.call, cmsgpack.pack, cmsgpack.unpack
-- The space has so long to live when a lease ends, in µs, at least; and when its life is prolonged.
local SPARE, KEPT = 1800000000, 3600000000
-- How long a session has to collect a grant, in ms.
local CLAIM_WINDOW = 1000
-- Lua's stack holds 8,000 arguments.
local CHUNK = 4000

local now = ARGV[5] and tonumber(ARGV[5])
if not now then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
if ARGV[4] ~= '' and now > tonumber(ARGV[4]) then return {now} end
local question = ARGV[1] == 'ask' and cjson.decode(ARGV[3])
`

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
export const SCRIPT = `${OPENING}${SHORT_WAYS}${TABLES}${RULES}${CALLS}`

export const SHA = createHash("sha1").update(SCRIPT).digest("hex")

/** Without the short ways, which make no difference but in time; for tests. */
export const RULES_ALONE = `${OPENING}${TABLES}${RULES}${CALLS}`
