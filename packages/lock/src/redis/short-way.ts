/**
 * The short way for what is asked most: to let go of keys that nobody else holds or waits for, and to take keys that
 * are free, one key a request. It does what the rules would do, or nothing: then they are followed. It stands before
 * them since to set up their functions alone costs the script 15 µs of 50.
 */
export const SHORT_WAY = `
local RECORDS, EXPIRIES, WAITERS, LOOKOUTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local call, pack, unpacked = redis.call, cmsgpack.pack, cmsgpack.unpack
-- The space has so long to live when a lease ends, in µs, at least; and when its life is prolonged.
local SPARE, KEPT = 1800000000, 3600000000
-- Lua's stack holds 8,000 arguments.
local CHUNK = 4000

local now = ARGV[5] and tonumber(ARGV[5])
if not now then
  local time = call('TIME')
  now = time[1] * 1000000 + time[2]
end
if ARGV[4] ~= '' and now > tonumber(ARGV[4]) then return {now} end
local question = ARGV[1] == 'ask' and cjson.decode(ARGV[3])

local function short_way()
  local releases, acquisitions, session = question[2], question[4], ARGV[2]
  if question[5] > 0 or question[1][1] or question[3][1] then return end
  if #releases + #acquisitions > CHUNK / 4 then return end
  local first = call('ZRANGE', EXPIRIES, 0, 0, 'WITHSCORES')
  if not first[1] or tonumber(first[2]) <= now then return end

  local fields = {'', '\\0s' .. session}
  for i = 1, #releases do
    fields[#fields + 1] = releases[i][2][1]
    if releases[i][2][2] then return end
  end
  for i = 1, #acquisitions do
    fields[#fields + 1] = acquisitions[i][6][1]
    if acquisitions[i][6][2] then return end
  end
  local values = call('HMGET', RECORDS, unpack(fields))
  if not values[1] or values[2] then return end
  local last, lookout, horizon, endless = unpacked(values[1])

  local gone, ended, released = {}, {}, {}
  for i = 1, #releases do
    local packed = values[i + 2]
    if not packed then return end
    local waiting, holders = unpacked(packed)
    if waiting > 0 or holders[2] then return end
    ended[i] = holders[1]
    gone[i] = '\\0e' .. holders[1]
    released[i] = 1
  end
  if gone[1] then
    local requests = call('HMGET', RECORDS, unpack(gone))
    for i = 1, #releases do
      local _, id, _, _, _, _, claimed, token, has_no_end, _, left = unpacked(requests[i])
      local wanted = releases[i][3]
      if id ~= releases[i][1] or wanted ~= 0 and wanted ~= token then return end
      if not claimed or has_no_end or left > 1 then return end
      gone[#gone + 1] = releases[i][2][1]
    end
  end

  local set, dues, granted, taken = {'', ''}, {}, {}, {}
  for i = 1, #acquisitions do
    local it = acquisitions[i]
    local keys, ref, due = it[6], session .. ':' .. it[1], now + it[4] * 1000
    local key = keys[1]
    if values[#releases + i + 2] or taken[key] or it[4] == 0 then return end
    if due < lookout or horizon >= 0 and due + SPARE > horizon then return end
    taken[key] = true
    last = math.max(last + 1, now)
    local n = #set
    set[n + 1], set[n + 2] = key, pack(0, {ref})
    set[n + 3], set[n + 4] = '\\0e' .. ref, pack(last, it[2], it[3] == 0 and it[2] or it[3], it[4], now, true, true,
      last, false, false, 1, keys)
    dues[2 * i - 1], dues[2 * i] = due, ref
    granted[3 * i - 2], granted[3 * i - 1], granted[3 * i] = it[1], last, 0
  end

  if gone[1] then
    call('HDEL', RECORDS, unpack(gone))
    call('ZREM', EXPIRIES, unpack(ended))
  end
  if dues[1] then
    set[2] = pack(last, lookout, horizon, endless)
    call('HSET', RECORDS, unpack(set))
    call('ZADD', EXPIRIES, unpack(dues))
  end
  return {now, {}, released, granted, {}, false, -1}
end

if question then
  local answer = short_way()
  if answer then return answer end
end
`
