/** The commands of a client: the entry points of the script. */
export const COMMANDS = `
local function publish()
  for session, within in pairs(wakes) do
    local lost = taken[session] or {granted = {}, taken = {}}
    lost.within = within / 1000
    call('PUBLISH', RECORDS .. ':' .. session, cjson.encode(lost))
  end
end

-- SEQ, TOKEN, and the token of each key where they differ.
local function granted(requests, text)
  local list = {}
  for _, request in ipairs(requests) do
    local tokens = 0
    if request.shared then
      tokens = {}
      for i, key in ipairs(request.keys) do tokens[i] = text(number_on(request, key)) end
    end
    list[#list + 1] = seq_of(request.ref)
    list[#list + 1] = text(request.token)
    list[#list + 1] = tokens
  end
  return list
end

local function number(value)
  return value
end

-- Lua's JSON keeps 14 digits of a number only.
local function exactly(value)
  return string.format('%.0f', value)
end

local function fetch_batch(renewals, releases, cancellations, acquisitions)
  local fields = {'', '\\0s' .. caller}
  local function add(keys)
    for _, key in ipairs(keys) do fields[#fields + 1] = key end
  end
  for _, it in ipairs(renewals) do add(it[2]) end
  for _, it in ipairs(releases) do add(it[2]) end
  for _, it in ipairs(cancellations) do
    fields[#fields + 1] = '\\0e' .. caller .. ':' .. it[1]
    add(it[2])
  end
  for _, it in ipairs(acquisitions) do
    fields[#fields + 1] = '\\0e' .. caller .. ':' .. it[1]
    add(it[6])
    for _, hold in ipairs(it[7] or {}) do fields[#fields + 1] = hold[2] end
  end
  fetch(fields)
  return fields
end

-- Each once: a lease of 2,000 keys, 60 kB of them, was fetched 2,000 times over, which blocked Redis for 6 s.
local function fetch_holders(fields)
  local more, known = {}, {}
  for _, field in ipairs(fields) do
    if raw[field] and string.byte(field) ~= 0 and field ~= '' then
      for _, ref in ipairs(queue_of(field).holders) do
        local request = '\\0e' .. ref
        if raw[request] == nil and not known[request] then more[#more + 1] = request end
        known[request] = true
      end
    end
  end
  fetch(more)
end

-- The SEQs of the session's requests that Redis knows, or false where their number is the one that the session expects.
local function difference(count)
  local state = state_of(caller)
  local seqs = {}
  for _, request in ipairs(mine) do
    if not request.gone then seqs[#seqs + 1] = seq_of(request.ref) end
  end
  for _, ref in ipairs(state.granted) do
    if request_of(ref) then seqs[#seqs + 1] = seq_of(ref) end
  end
  if #seqs + state.waiting == count then return false end
  local prefix = '\\0' .. caller
  for _, member in ipairs(call('ZRANGEBYLEX', WAITERS, '[' .. prefix .. '\\0', '(' .. prefix .. '\\1')) do
    seqs[#seqs + 1] = seq_of(string.sub(member, #prefix + 18))
  end
  return seqs
end

-- Claims what the session was granted since its last call.
local function collect()
  local state = state_of(caller)
  if #state.granted == 0 then return end
  local old = {}
  for i, ref in ipairs(state.granted) do
    local request = request_of(ref)
    if request then claim(request) end
    old[i] = requests[ref] or nil
  end
  for _, request in ipairs(mine) do old[#old + 1] = request end
  mine = old
  state.granted = {}
  state.changed = true
end

-- Returns in how many µs the session has to call again; -1 for never.
local function schedule_wakeup()
  if state_of(caller).waiting == 0 then return -1 end
  local first = call('ZRANGE', EXPIRIES, 0, 0, 'WITHSCORES')
  local due = tonumber(first[2] or '+inf')
  call('ZADD', WAKEUPS, due, caller)
  latest_wakeup = math.max(latest_wakeup, due)
  return due < math.huge and due - now or -1
end

local function execute()
  caller = ARGV[2]
  local renewals, releases, cancellations, acquisitions, count = unpack(batch)
  local fields = fetch_batch(renewals, releases, cancellations, acquisitions)
  open()
  fetch_holders(fields)
  expire()
  local renewed, released, refused = {}, {}, {}
  for i, it in ipairs(renewals) do renewed[i] = renew(it) end
  for i, it in ipairs(releases) do released[i] = release(it) end
  for _, it in ipairs(cancellations) do cancel(it) end
  local known = difference(count)
  advance()
  for _, it in ipairs(acquisitions) do
    local busy = acquire(it)
    if busy then
      refused[#refused + 1] = it[1]
      refused[#refused + 1] = busy
    end
  end
  collect()
  write_dues()
  local wake_in = schedule_wakeup()
  write_records()
  publish()
  return {now, renewed, released, granted(mine, number), refused, known, wake_in, deadlocked[1] and deadlocked}
end

local function force_release(key)
  fetch({'', key})
  open()
  expire()
  local leases = {}
  for i, ref in ipairs(queue_of(key).holders) do leases[i] = request_of(ref) end
  for _, request in ipairs(leases) do
    local session = session_of(request.ref)
    local lost = taken[session] or {granted = {}, taken = {}}
    taken[session] = lost
    lost.taken[#lost.taken + 1] = seq_of(request.ref)
    if not request.claimed then
      for _, part in ipairs(granted({request}, exactly)) do lost.granted[#lost.granted + 1] = part end
      withdraw(request, session)
    end
    leave(request)
    wake(session, 0)
  end
  advance()
  write()
  publish()
  return {now, #leases}
end

local function close_session(session)
  fetch({'', '\\0s' .. session})
  open()
  expire()
  drop(session)
  advance()
  write()
  publish()
  return {now}
end

local function describe(ref, due)
  local it = request_of(ref)
  local numbers = {}
  for i, key in ipairs(it.keys) do numbers[i] = number_on(it, key) end
  return {ref, it.id, it.owner, now - it.since, due and due - now or -1, it.keys, numbers, it.number, it.kept_for}
end

local function inspect()
  fetch({''})
  open()
  expire()
  write()
  publish()
  local dues, leases, waiting, held = {}, {}, {}, {}
  local expiries = call('ZRANGE', EXPIRIES, 0, -1, 'WITHSCORES')
  for i = 1, #expiries, 2 do dues[expiries[i]] = tonumber(expiries[i + 1]) end
  local all = call('HGETALL', RECORDS)
  for i = 1, #all, 2 do
    local field = all[i]
    raw[field] = all[i + 1]
    if string.sub(field, 1, 2) == '\\0e' then
      local ref = string.sub(field, 3)
      local list = request_of(ref).held and leases or waiting
      list[#list + 1] = describe(ref, dues[ref])
    elseif field ~= '' and string.byte(field) ~= 0 then
      held[#held + 1] = {field, queue_of(field).holders}
    end
  end
  return {now, held, leases, waiting}
end

if ARGV[1] == 'execute' then return execute() end
if ARGV[1] == 'inspect' then return inspect() end
if ARGV[1] == 'forceRelease' then return force_release(ARGV[3]) end
return close_session(ARGV[2])
`
