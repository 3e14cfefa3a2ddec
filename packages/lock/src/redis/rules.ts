/**
 * The rules of `lock-table.ts`, in the same words and the same order; `histories` in the tests hold the two together.
 * A session is woken by a message to its channel: when to call, and what it has lost.
 */
export const RULES = `
local caller
-- What the caller is granted now, or was granted since its last call.
local mine, changed = {}, {}
-- SEQ and circle of what would have waited for itself.
local deadlocked = {}
-- In circle.ts.
local circle_closed_by
-- For each session: within how many µs to call, and what it has lost.
local wakes, taken = {}, {}

local function wake(session, within)
  wakes[session] = math.min(wakes[session] or within, within)
end

local function number_on(request, key)
  return request.shared and request.shared[key] or request.number
end

-- Whether no other request is before this one on the key.
local function admits(request, key)
  local queue = queue_of(key)
  if #queue.holders > 0 then
    return request.shared and request.shared[key] == number_on(request_of(queue.holders[1]), key)
  end
  return queue.waiting == 0 or head_of(key) == request
end

local function blocker_of(request)
  for _, key in ipairs(request.keys) do
    if key and not admits(request, key) then return key end
  end
end

-- Every waiting session learns when the first lease may end, so that any of them can expire it.
local function announce(due)
  if latest_wakeup <= due then return end
  for _, session in ipairs(call('ZRANGEBYSCORE', WAKEUPS, string.format('(%.0f', due), '+inf')) do
    if session ~= caller then
      call('ZADD', WAKEUPS, due, session)
      wake(session, due - now)
    end
  end
  latest_wakeup = due
end

local function set_endless(request, is)
  if request.endless == is then return end
  request.endless = is
  request.changed = true
  endless = endless + (is and 1 or -1)
end

-- A ttl of 0 has no end.
local function end_after(request, ttl)
  set_endless(request, ttl == 0)
  if ttl == 0 then
    dues[request.ref] = false
  else
    local due = now + ttl * 1000
    dues[request.ref] = due
    latest = math.max(latest, due)
    announce(due)
  end
end

local function wait_no_longer(request)
  if not request.waits then return end
  request.waits = false
  local session = session_of(request.ref)
  local state = state_of(session)
  state.waiting = state.waiting - 1
  state.changed = true
  call('ZREM', WAITERS, place('\\0' .. session, request))
  if state.waiting == 0 then call('ZREM', WAKEUPS, session) end
end

-- False where the request isn't there.
local function remove(request, key, queue)
  if request.held then
    for i, ref in ipairs(queue.holders) do
      if ref == request.ref then
        table.remove(queue.holders, i)
        return true
      end
    end
    return false
  end
  if call('ZREM', WAITERS, place(key, request)) == 0 then return false end
  queue.waiting = queue.waiting - 1
  queue.head = nil
  return true
end

local function strike(request, key)
  local keys = request.keys
  if keys[1] == key then
    keys[1] = false
    return
  end
  if not request.places then
    request.places = {}
    for i, other in ipairs(keys) do
      if other then request.places[other] = i end
    end
  end
  keys[request.places[key]] = false
end

local function leave_key(request, key)
  local queue = queue_of(key)
  if request.gone or not remove(request, key, queue) then return end
  queue.changed = true
  if #queue.holders > 0 or queue.waiting > 0 then changed[#changed + 1] = key end
  strike(request, key)
  request.changed = true
  request.left = request.left - 1
  if request.left > 0 then return end
  if request.held then
    set_endless(request, false)
    dues[request.ref] = false
  end
  wait_no_longer(request)
  request.gone = true
end

local function leave(request)
  for _, key in ipairs(request.keys) do
    if key then leave_key(request, key) end
  end
end

local function claim(request)
  request.claimed = true
  request.changed = true
  end_after(request, request.ttl)
end

local function hold(request, key)
  local queue = queue_of(key)
  local older
  for _, ref in ipairs(queue.holders) do
    local other = request_of(ref)
    if other.id == request.id then older = other end
  end
  if request.waits then
    call('ZREM', WAITERS, place(key, request))
    queue.waiting = queue.waiting - 1
    queue.head = nil
  end
  if #queue.holders == 0 and request.shared then request.shared[key] = nil end
  request.token = math.max(request.token, number_on(request, key))
  queue.holders[#queue.holders + 1] = request.ref
  queue.changed = true
  return older
end

local function grant(request)
  local older = {}
  for _, key in ipairs(request.keys) do
    if key then older[#older + 1] = {hold(request, key), key} end
  end
  request.held = true
  request.since = now
  request.changed = true
  wait_no_longer(request)
  for _, it in ipairs(older) do
    if it[1] then leave_key(it[1], it[2]) end
  end
  local session = session_of(request.ref)
  if session == caller then
    mine[#mine + 1] = request
    claim(request)
    return
  end
  local state = state_of(session)
  state.granted[#state.granted + 1] = request.ref
  state.changed = true
  end_after(request, request.ttl == 0 and CLAIM_WINDOW or math.min(request.ttl, CLAIM_WINDOW))
  wake(session, 0)
end

-- Grants what may be granted on the keys whose queues have changed.
local function advance()
  while #changed > 0 do
    local request = head_of(table.remove(changed))
    if request and not blocker_of(request) then grant(request) end
  end
end

-- Takes a grant back that its session has not collected.
local function withdraw(request, session)
  local state = state_of(session)
  for i, ref in ipairs(state.granted) do
    if ref == request.ref then table.remove(state.granted, i) end
  end
  state.changed = true
end

-- The session did not collect its grant in time: its waiting requests leave the queues.
local function drop(session)
  local state = state_of(session)
  local granted = state.granted
  state.granted = {}
  state.changed = true
  local prefix = '\\0' .. session
  for _, member in ipairs(call('ZRANGEBYLEX', WAITERS, '[' .. prefix .. '\\0', '(' .. prefix .. '\\1')) do
    local request = request_of(string.sub(member, #prefix + 18))
    if request then leave(request) end
  end
  for _, ref in ipairs(granted) do
    local request = request_of(ref)
    if request then leave(request) end
  end
end

-- Removes the leases that have expired since the last call.
local function expire()
  local first = call('ZRANGE', EXPIRIES, 0, 0, 'WITHSCORES')
  if not first[1] and raw[''] then damaged() end
  if not first[1] or tonumber(first[2]) > now then return end
  local expired = call('ZRANGEBYSCORE', EXPIRIES, '-inf', now)
  local fields = {}
  for i, ref in ipairs(expired) do fields[i] = '\\0e' .. ref end
  fetch(fields)
  for _, ref in ipairs(expired) do
    dues[ref] = false
    local request = request_of(ref)
    if request and not request.claimed then drop(session_of(ref)) end
    if request and not request.gone then leave(request) end
  end
  advance()
end

local function find(key, id, token)
  for _, ref in ipairs(queue_of(key).holders) do
    local request = request_of(ref)
    if request.id == id and (token == 0 or token == request.token) then return request end
  end
end

local function renew(renewal)
  local id, keys, token, ttl = unpack(renewal)
  local found = {}
  for i, key in ipairs(keys) do
    found[i] = find(key, id, token)
    if not found[i] then return 0 end
  end
  for _, request in ipairs(found) do end_after(request, ttl) end
  return 1
end

local function release(lease)
  local id, keys, token = unpack(lease)
  local all = 1
  for _, key in ipairs(keys) do
    local request = find(key, id, token)
    if request then leave_key(request, key) else all = 0 end
  end
  return all
end

local function cancel(cancellation)
  local request = request_of(caller .. ':' .. cancellation[1])
  if not request then return end
  for _, key in ipairs(cancellation[2]) do leave_key(request, key) end
  if #cancellation[2] == 0 then leave(request) end
end

local function arrive(request, key)
  local holder = request_of(queue_of(key).holders[1])
  if holder.owner ~= request.owner then return end
  request.shared = request.shared or {}
  request.shared[key] = number_on(holder, key)
end

local function wait(request)
  local session = session_of(request.ref)
  local members = {0, place('\\0' .. session, request)}
  for _, key in ipairs(request.keys) do
    local queue = queue_of(key)
    queue.waiting = queue.waiting + 1
    queue.changed = true
    members[#members + 1] = 0
    members[#members + 1] = place(key, request)
  end
  in_chunks('ZADD', WAITERS, members)
  request.waits = true
  request.changed = true
  local state = state_of(session)
  state.waiting = state.waiting + 1
  state.changed = true
end

-- Returns the key that is busy, if one is.
local function acquire(asked)
  local seq, id, owner, ttl, waits, keys, holds = unpack(asked)
  local ref = caller .. ':' .. seq
  local known = request_of(ref)
  if known then
    -- A client that lost its connection has sent the batch twice, or has never got the answer. It trusts the
    -- lease for a ttl from this batch, so that it has to last for as long.
    if known.claimed then
      claim(known)
      mine[#mine + 1] = known
    end
    return
  end
  last = math.max(last + 1, now)
  local request = {ref = ref, number = last, id = id, owner = owner ~= 0 and owner or id, ttl = ttl, since = now,
    held = false, claimed = false, token = 0, endless = false, shared = false, keys = keys, left = #keys}
  for _, key in ipairs(keys) do
    if #queue_of(key).holders > 0 then arrive(request, key) end
  end
  local busy = blocker_of(request)
  local circle = busy and waits == 1 and holds and circle_closed_by(request, holds)
  if circle then
    deadlocked[#deadlocked + 1] = seq
    deadlocked[#deadlocked + 1] = circle
    return
  end
  if not busy or waits == 1 then requests[ref] = request end
  if not busy then grant(request) elseif waits == 1 then wait(request) end
  advance()
  return waits == 0 and busy or nil
end
`
