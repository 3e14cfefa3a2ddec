/**
 * The tables of a lock space, and how they are read and written: everything that a call needs is fetched with one
 * HMGET for all its requests, and written back with one HSET. A script costs as much as its number of Redis calls.
 *
 * records   hash. "" the space itself; KEY its queue; "\0s" SESSION its state; "\0e" SESSION:SEQ a request
 * expiries  SESSION:SEQ by the time when the lease ends, in µs
 * waiters   KEY "\0" NUMBER SESSION:SEQ, and "\0" SESSION "\0" NUMBER SESSION:SEQ, in the order of the bytes
 * wakeups   each SESSION that waits, by the time of its next call
 *
 * A lease that waiting requests hold has one value more than another, a list of those requests. Earlier versions neither
 * read it nor write it, and leave it out of a lease that they change.
 *
 * Each sorted set has a member "" that stays, so that none vanishes and comes back without its time to live.
 */
export const TABLES = `
local raw, queues, requests, states = {}, {}, {}, {}
local dues = {}
local last, latest_wakeup, horizon, endless
-- The latest end of a lease that this call has set.
local latest = 0

local function fetch(fields)
  for from = 1, #fields, CHUNK do
    local values = call('HMGET', RECORDS, unpack(fields, from, math.min(from + CHUNK - 1, #fields)))
    for i = 1, #values do raw[fields[from + i - 1]] = values[i] end
  end
end

local function read(field)
  if raw[field] == nil then raw[field] = call('HGET', RECORDS, field) end
  return raw[field]
end

local function clear()
  call('DEL', RECORDS, EXPIRIES, WAITERS, WAKEUPS)
end

-- A space that Redis has evicted in part would never free its keys.
local function damaged()
  clear()
  error('a part of the lock space was missing, so all of it has been cleared')
end

local function open()
  local space = raw['']
  last, latest_wakeup, horizon, endless = 0, 0, 0, 0
  if space then last, latest_wakeup, horizon, endless = unpacked(space) else clear() end
end

local function queue_of(key)
  local queue = queues[key]
  if not queue then
    queue = {waiting = 0, holders = {}}
    local packed = read(key)
    if packed then queue.waiting, queue.holders = unpacked(packed) end
    queues[key] = queue
  end
  return queue
end

-- A request that waits, or the lease that it became; nil where there is none.
local function request_of(ref)
  local request = requests[ref]
  if request == nil then
    local packed = read('\\0e' .. ref)
    request = packed and {ref = ref}
    if request then
      request.number, request.id, request.owner, request.ttl, request.since, request.held, request.claimed,
        request.token, request.endless, request.shared, request.left, request.keys, request.kept_for = unpacked(packed)
      request.waits = not request.held
    end
    requests[ref] = request
  end
  return request and not request.gone and request or nil
end

local function state_of(session)
  local state = states[session]
  if not state then
    state = {session = session, waiting = 0, granted = {}}
    local packed = read('\\0s' .. session)
    if packed then state.waiting, state.granted = unpacked(packed) end
    states[session] = state
  end
  return state
end

local function session_of(ref)
  return string.match(ref, '^(.*):')
end

local function seq_of(ref)
  return tonumber(string.match(ref, ':(.*)$'))
end

local function place(before, request)
  return before .. '\\0' .. string.format('%016.0f', request.number) .. request.ref
end

-- The first that waits for a key.
local function head_of(key)
  local queue = queue_of(key)
  if queue.waiting == 0 then return nil end
  if not queue.head then
    local found = call('ZRANGEBYLEX', WAITERS, '[' .. key .. '\\0', '(' .. key .. '\\1', 'LIMIT', 0, 1)
    if not found[1] then damaged() end
    queue.head = string.sub(found[1], #key + 18)
  end
  return request_of(queue.head)
end

local function pack_request(it)
  local values = {it.number, it.id, it.owner, it.ttl, it.since, it.held, it.claimed, it.token, it.endless, it.shared,
    it.left, it.keys, it.kept_for}
  return pack(unpack(values))
end

local function in_chunks(command, name, arguments)
  for from = 1, #arguments, CHUNK do
    call(command, name, unpack(arguments, from, math.min(from + CHUNK - 1, #arguments)))
  end
end

local function write_dues()
  local set, ended = {}, {}
  for ref, due in pairs(dues) do
    if due then
      set[#set + 1] = due
      set[#set + 1] = ref
    else
      ended[#ended + 1] = ref
    end
  end
  dues = {}
  in_chunks('ZREM', EXPIRIES, ended)
  in_chunks('ZADD', EXPIRIES, set)
end

-- All of the space lives for as long as any lease may, and a while longer to keep its last number.
-- Returns for how long from now, in µs, where that changes; -1 without an end.
local function live_on()
  if endless > 0 then
    if horizon == -1 then return nil end
    horizon = -1
    return -1
  end
  if horizon == -1 or latest + SPARE > horizon then
    local final = call('ZREVRANGEBYSCORE', EXPIRIES, '(+inf', '-inf', 'WITHSCORES', 'LIMIT', 0, 1)
    horizon = math.max(now, tonumber(final[2] or 0)) + KEPT
    return horizon - now
  end
end

local function set_life(life)
  if not raw[''] then
    call('ZADD', EXPIRIES, '+inf', '')
    call('ZADD', WAITERS, 0, '')
    call('ZADD', WAKEUPS, '-inf', '')
  end
  for i = 1, 4 do
    if life == -1 then call('PERSIST', KEYS[i]) else call('PEXPIRE', KEYS[i], math.ceil(life / 1000)) end
  end
end

local function write_records()
  local set, gone = {}, {}
  local function put(field, packed)
    if packed then
      set[#set + 1] = field
      set[#set + 1] = packed
    elseif raw[field] then
      gone[#gone + 1] = field
    end
  end
  for key, it in pairs(queues) do
    if it.changed then put(key, (it.waiting > 0 or #it.holders > 0) and pack(it.waiting, it.holders)) end
  end
  for session, it in pairs(states) do
    if it.changed then
      put('\\0s' .. session, (it.waiting > 0 or #it.granted > 0) and pack(it.waiting, it.granted))
    end
  end
  for ref, it in pairs(requests) do
    if it and it.changed then
      put('\\0e' .. ref, not it.gone and pack_request(it))
    end
  end
  in_chunks('HDEL', RECORDS, gone)
  if #set == 0 and not raw[''] then return end
  local life = live_on()
  local space = pack(last, latest_wakeup, horizon, endless)
  if space ~= raw[''] then put('', space) end
  in_chunks('HSET', RECORDS, set)
  if life then set_life(life) end
end

-- Deletes before it sets, so that a Redis without memory, which refuses to set, still frees keys.
local function write()
  write_dues()
  write_records()
end
`
