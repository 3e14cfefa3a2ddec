/**
 * The search of `circle.ts` beside the rules, in the same words and the same order. It is one function, so that a call
 * that searches for nothing makes none of the others.
 */
export const CIRCLE = `
-- The circle that a request closes if it begins to wait now, if it closes one. Otherwise the leases that it holds, as
-- pairs of ID and KEY, remember that they are kept for it.
circle_closed_by = function(closing, holds)
  local kept, keeps = {}, {}
  for _, hold in ipairs(holds) do
    local lease = find(hold[2], hold[1], 0)
    if lease and not keeps[lease.ref] then
      keeps[lease.ref] = true
      kept[#kept + 1] = lease
    end
  end

  -- With one command for all of them.
  local function fetch_missing(fields, prefix)
    local missing = {}
    for _, field in ipairs(fields) do
      if field and raw[prefix .. field] == nil then missing[#missing + 1] = prefix .. field end
    end
    fetch(missing)
  end

  -- The requests that keep a lease while they wait.
  local function keepers(lease)
    local list = {}
    for _, ref in ipairs(lease.kept_for or {}) do
      local request = request_of(ref)
      if request and request.waits then list[#list + 1] = request end
    end
    if keeps[lease.ref] then list[#list + 1] = closing end
    return list
  end

  local function is_wanted(lease)
    fetch_missing(lease.keys, '')
    for _, key in ipairs(lease.keys) do
      if key and queue_of(key).waiting > 0 then return true end
    end
    for _, key in ipairs(closing.keys) do
      for _, ref in ipairs(queue_of(key).holders) do
        if ref == lease.ref then return true end
      end
    end
    return false
  end

  local steps, found, explored = {{request = closing}}, {[closing.ref] = true}, {}

  -- Returns the step that closes the circle.
  local function visit(request, from, key, lease)
    local step = {request = request, from = from, key = key, lease = lease}
    if request == closing then return step end
    if not found[request.ref] then
      found[request.ref] = true
      steps[#steps + 1] = step
    end
  end

  -- Those that wait for the key before the request, and have not been looked at yet.
  local function waiting_before(request, key)
    local known = explored[key] or 0
    if request.number <= known then return {} end
    explored[key] = request.number
    local function bound(number) return key .. '\\0' .. string.format('%016.0f', number) end
    local refs = call('ZRANGEBYLEX', WAITERS, '[' .. bound(known), '(' .. bound(request.number))
    for i, member in ipairs(refs) do refs[i] = string.sub(member, #key + 18) end
    fetch_missing(refs, '\\0e')
    return refs
  end

  local function closing_step(from, key)
    local queue, request = queue_of(key), from.request
    if queue.holders[1] and admits(request, key) then return end
    if not explored[key] then
      for _, ref in ipairs(queue.holders) do
        local lease = request_of(ref)
        for _, keeper in ipairs(keepers(lease)) do
          local step = visit(keeper, from, key, lease)
          if step then return step end
        end
      end
    end
    -- A request for one key waits for nothing that those behind it don't wait for, too.
    for _, ref in ipairs(waiting_before(request, key)) do
      local before = request_of(ref)
      if #before.keys > 1 then visit(before, from, key) end
    end
  end

  -- Breadth first, so that the circle is a shortest one.
  local function search()
    for _, from in ipairs(steps) do
      fetch_missing(from.request.keys, '')
      for _, key in ipairs(from.request.keys) do
        local step = key and closing_step(from, key)
        if step then return step end
      end
    end
  end

  -- ID, OWNER, KEYS, the key that it waits for, and of the lease that has it ID and OWNER.
  local function members_of(step)
    local members = {}
    while step.from do
      local it, lease, keys = step.from.request, step.lease, {}
      for _, key in ipairs(it.keys) do
        if key then keys[#keys + 1] = key end
      end
      table.insert(members, 1, {it.id, it.owner, keys, step.key, lease and lease.id or false, lease and lease.owner or false})
      step = step.from
    end
    return members
  end

  for _, lease in ipairs(kept) do
    if is_wanted(lease) then
      local step = search()
      if step then return members_of(step) end
      break
    end
  end
  for _, lease in ipairs(kept) do
    local refs = {}
    for i, request in ipairs(keepers(lease)) do refs[i] = request.ref end
    lease.kept_for = refs
    lease.changed = true
  end
end
`
