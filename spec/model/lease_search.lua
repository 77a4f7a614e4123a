-- lease_search.lua - explores the states of the protocol by which workers share the shards of a
-- consumer (doc/leases.md), and checks in each of them that no shard stays without an owner
-- forever.

local protocol = require "spec.model.lease_protocol"
local states = require "spec.model.lease_states"

local Model, begin = protocol.Model, protocol.begin
local is_alive, end_worker = protocol.is_alive, protocol.end_worker
local copy_with, with_file, violation = states.copy_with, states.with_file, states.violation

local search = {}

-- Progress -------------------------------------------------------------------

--- Makes a worker do its next step. `fails`: its handler fails.
local function step(model, state, i, fails)
  local at = state[i].at
  if at == "idle" then return model:look(state, i) end
  if at == "decided" then return model:act(state, i) end
  if at == "leaving" then return model:leave(state, i) end
  if at == "handler" then return fails and model:fail(state, i) or model:advance(state, i) end
  if at == "out" then return state end
  state = model:verify(state, i)
  local worker = state[i]
  if worker.at ~= "own" then return state end
  local readable = not worker.to and model:readable(state, worker) or {}
  if worker.to or readable[1] then return begin(state, i, worker.to or readable[#readable]) end
  if worker.held and worker.held.position > worker.active.position then
    return model:advance(state, i)
  end
  return state
end

local function resumed(state)
  if not state.file.is_paused then return state end
  return with_file(state, copy_with(state.file, { is_paused = false }))
end

local function is_finished(model, file)
  for key = 0, model.keys - 1 do
    if file.done[key + 1] ~= (file.head - key + model.keys - 1) // model.keys then return false end
  end
  return true
end

--- Checks that from this state one worker alone gets all shards and handles all records.
function Model:check_alone(state, i)
  for j in ipairs(state) do
    if j ~= i then state = end_worker(state, j) end
  end
  state = resumed(state)
  local path = {}
  for _ = 1, 40 do
    local key = self:key(state)
    if self.good_alone[key] then break end
    path[#path + 1] = key
    local rows = state.file.rows
    if #rows == 1 and rows[1].owner == i and state[i].at == "own"
        and is_finished(self, state.file) then
      break
    elseif #path == 40 then
      violation("worker %d alone does not get all shards and handle all records", i)
    end
    state = step(self, state, i)
  end
  for _, key in ipairs(path) do self.good_alone[key] = true end
end

--- Returns true if a range can stay without an owner although `other` is next to it, because
--- `other` has no living owner, or because its owner is the worker whose handler always fails, and
--- that worker has two ranges or `row` does not have the lower position.
local function may_be_free(state, row, other)
  local failing = state[state.failing]
  return not other or not is_alive(state, other.owner)
    or other.owner == state.failing and (failing.held or row.position >= other.position)
end

--- Returns an error text unless each range has a living owner, or may be free.
local function unowned(state)
  local rows = state.file.rows
  for i, row in ipairs(rows) do
    if not is_alive(state, row.owner) and not (state.failing
        and may_be_free(state, row, rows[i - 1]) and may_be_free(state, row, rows[i + 1])) then
      return ("shard %d has no owner"):format(row.first)
    end
  end
end

--- Returns an error text unless the workers share the shards, and have handled all records.
local function unshared(model, state)
  local live, owners = 0, {}
  for _, worker in ipairs(state) do live = live + (worker.at ~= "out" and 1 or 0) end
  for _, row in ipairs(state.file.rows) do
    if owners[row.owner] then return "a worker has two ranges" end
    owners[row.owner] = true
  end
  if #state.file.rows ~= math.min(live, state.file.shards) then
    return ("%d workers have %d ranges"):format(live, #state.file.rows)
  end
  return not is_finished(model, state.file) and "records are left" or nil
end

--- Checks that from this state the workers handle all records and reach a state in which no range
--- changes and each worker has one range. If `failing` is given, the handler of that worker always
--- fails; then only checks that each range has an owner in the end (may_be_free).
function Model:check_together(state, failing)
  state = with_file(state, resumed(state).file)
  state.failing = failing
  local path, seen = {}, {}
  repeat
    local key = self:key(state)
    if self.good_together[key] then break end
    if seen[key] then
      local text = unowned(state) or not failing and unshared(self, state)
      if text then
        violation("the workers%s no longer change, but %s", failing
          and (", of which %d fails,"):format(failing) or "", text)
      end
      break
    end
    seen[key], path[#path + 1] = true, key
    for i in ipairs(state) do state = step(self, state, i, i == failing) end
  until #path == 200
  if #path == 200 then violation("the workers keep changing their ranges") end
  for _, key in ipairs(path) do self.good_together[key] = true end
end

--- Checks that no shard stays without an owner forever after this state.
function Model:check_progress(state)
  if state.file.is_deleted then return end
  local live = 0
  for i, worker in ipairs(state) do
    if worker.at ~= "out" and worker.next ~= "out" then
      live = live + 1
      self:check_alone(state, i)
      self:check_together(state, i)
    end
  end
  if live > 0 then self:check_together(state) end
end

-- Exploring ------------------------------------------------------------------

---@class LeaseOptions
---@field workers integer
---@field keys integer       and shards
---@field records integer    number of records of each key
---@field puts integer|nil   number of those that are put later; default 0
---@field limits table<string, integer>  greatest number of transitions of these kinds, default 0:
---                          stops, kills, leaves, starts, fails, busy, and of commands: pauses,
---                          seeks, reshards, deletes
---@field rules table<string, true>|nil
---@field max_states integer|nil  number of states whose transitions are explored

--- Returns the state before the first worker joins.
local function begin_state(model, opts)
  local left, done = { stops = 0, kills = 0, leaves = 0, starts = 0, fails = 0, busy = 0,
    pauses = 0, seeks = 0, reshards = 0, deletes = 0 }, {}
  for kind, count in pairs(opts.limits) do
    assert(left[kind], kind)
    left[kind] = count
  end
  for key = 1, model.keys do done[key] = 0 end
  local row = { first = 0, last = model.keys - 1, epoch = 1, owner = states.NONE, position = 0,
    attempts = 0 }
  local state = { file = { rows = { row }, shards = model.keys, done = done, left = left,
    left_code = "", head = model.records - (opts.puts or 0), is_paused = false,
    is_deleted = false } }
  for i = 1, opts.workers do state[i] = { at = "idle", is_fresh = false } end
  return state
end

local function describe(err)
  return type(err) == "table" and err.violation and err or debug.traceback(tostring(err), 2)
end

--- Explores all reachable states, breadth first. Returns the number of states and of transitions,
--- and whether all states were explored; or nil, the violation, and the transitions to the state in
--- which it was found.
---@param opts LeaseOptions
---@return integer|nil states, integer|string transitions, boolean|string[] is_complete
function search.explore(opts)
  local model = setmetatable({ keys = opts.keys, records = opts.keys * opts.records,
    rules = opts.rules or {}, good_alone = {}, good_together = {} }, Model)
  local queue, parent, label = { begin_state(model, opts) }, {}, {}
  local seen = { [model:key(queue[1])] = true }
  local count, transitions, current = 1, 0, 0
  local function emit(name, state)
    transitions = transitions + 1
    local key = model:key(state)
    if not seen[key] then
      count = count + 1
      seen[key], queue[count], parent[count], label[count] = true, state, current, name
    end
  end
  local ok, err = xpcall(function()
    while current < count and current < (opts.max_states or math.maxinteger) do
      current = current + 1
      local state = queue[current]
      queue[current] = false             -- only its key is needed again
      model:check_progress(state)
      model:transitions(state, emit)
    end
  end, describe)
  if ok then
    return count, transitions, current == count
  elseif type(err) ~= "table" then
    error(err, 0)
  end
  local trace = {}
  while parent[current] do
    table.insert(trace, 1, label[current])
    current = parent[current]
  end
  return nil, err.violation, trace
end

return search
