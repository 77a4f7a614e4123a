-- lease_states.lua - the states of the protocol by which workers share the shards of a consumer
-- (doc/leases.md), and its invariants.
--
-- A state contains the file and an array of workers. These tables are never changed: a transition
-- makes new ones. A violation of an invariant is raised as { violation = text }.
--
-- The number of states is finite:
--   - Only two facts about epochs matter: their order among the rows, and whether the epoch that a
--     worker remembers is still that of the row. So epochs are replaced by their ranks, and an
-- outdated epoch by STALE. This is valid while epochs only increase, which check_epochs verifies
--     before they are replaced.
--   - Workers differ only in what they remember and own, so their order does not matter.
--   - A worker that ends and starts again is a new worker; the ranges that it owned belong to GONE.

local balance = require "tidetable.consumer.balance"

local NONE, GONE, STALE = 0, -1, 0

local function violation(...)
  error({ violation = string.format(...) }, 0)
end

---@class LeaseRow       a row of progress
---@field first integer
---@field last integer
---@field epoch integer
---@field owner integer     index of a worker, NONE, GONE
---@field position integer
---@field attempts integer  0; 1: the batch has failed

---@class LeaseFile
---@field rows LeaseRow[]
---@field shards integer
---@field head integer      number of records in the stream
---@field done integer[]    for each key: number of its records that were handled and committed
---@field is_paused boolean
---@field is_deleted boolean
---@field left table<string, integer>  transitions of each kind that may still happen

---@class LeaseMemory    what a worker remembers of a range
---@field first integer
---@field last integer
---@field epoch integer
---@field position integer

---@class LeaseWorker
---@field at "out"|"idle"|"own"|"handler"|"decided"|"leaving"
---@field is_fresh boolean          it has beaten within the lease
---@field active LeaseMemory|nil
---@field held LeaseMemory|nil
---@field to integer|nil            last record of the worker's batch
---@field action string|nil         decided: "join", "divide", "take", "unite", "give_up"
---@field what table|nil            decided: the range it has seen, or { at, keeps_right }
---@field next "idle"|"out"|nil     leaving: the state after it

---@class LeaseModel
---@field keys integer     number of keys, and greatest number of shards
---@field records integer  number of records; the key of record i is (i - 1) % keys
---@field rules table<string, true>  mutations of the protocol
---@field good_alone table<string, true>     keys of states in which check_alone succeeded
---@field good_together table<string, true>  the same for check_together
local Model = {}
Model.__index = Model

-- Tables ---------------------------------------------------------------------

local REMOVED = {}

local function copy_with(original, changes)
  local copy = {}
  for name, value in pairs(original) do copy[name] = value end
  for name, value in pairs(changes) do
    if value == REMOVED then value = nil end
    copy[name] = value
  end
  copy.code = nil
  return copy
end

local function copy_list(list)
  return table.move(list, 1, #list, 1, {})
end

local function with_worker(state, i, worker)
  local copy = copy_list(state)
  copy[i], copy.file, copy.failing = worker, state.file, state.failing
  return copy
end

local function with_file(state, file)
  local copy = copy_list(state)
  copy.file, copy.failing = file, state.failing
  return copy
end

local function memory_of(row)
  return { first = row.first, last = row.last, epoch = row.epoch, position = row.position }
end

-- The key of a state ---------------------------------------------------------

local function memory_code(memory)
  if not memory then return "-" end
  if not memory.code then
    memory.code = memory.first .. "," .. memory.last .. "," .. memory.epoch .. ","
      .. memory.position
  end
  return memory.code
end

local function worker_code(worker)
  local what = worker.what
  return table.concat({ worker.at, worker.is_fresh and "f" or "-", memory_code(worker.active),
    memory_code(worker.held), worker.to or "-", worker.action or "-",
    what and (what.at and what.at .. tostring(what.keeps_right) or memory_code(what)) or "-",
    worker.next or "-" }, " ")
end

--- Returns a text that is equal for two states if and only if they differ at most in the order of
--- their workers.
function Model.key(_, state)
  local file, parts = state.file, {}
  if not file.code then
    local rows = {}
    for i, row in ipairs(file.rows) do
      rows[i] = memory_code(row) .. row.attempts .. (row.owner > 0 and "w" or row.owner)
    end
    file.code = table.concat({ table.concat(rows, " "), file.shards, file.head,
      file.is_paused and "p" or "-", file.is_deleted and "d" or "-",
      table.concat(file.done, ""), file.left_code }, " ")
  end
  for i, worker in ipairs(state) do
    worker.code = worker.code or worker_code(worker)
    local owned = 0
    for j, row in ipairs(file.rows) do
      if row.owner == i then owned = owned + (1 << j) end
    end
    parts[i] = worker.code .. owned .. (state.failing == i and "!" or "")
  end
  table.sort(parts)
  return file.code .. "|" .. table.concat(parts, "|")
end

-- Invariants -----------------------------------------------------------------

function Model:shard_of(key, file)
  return key * file.shards // self.keys
end

local function row_of(rows, shard)
  for _, row in ipairs(rows) do
    if row.first <= shard and shard <= row.last then return row end
  end
end

--- Checks that the epoch of a key's shard never decreases, and increases if the shard gets another
--- owner, its range other bounds, or a command moves the position.
function Model:check_epochs(before, after, what)
  if after.is_deleted then return end
  for key = 0, self.keys - 1 do
    local old = row_of(before.rows, self:shard_of(key, before))
    local new = row_of(after.rows, self:shard_of(key, after))
    local changed = (new.owner ~= old.owner and new.owner > 0) or new.first ~= old.first
      or new.last ~= old.last or before.shards ~= after.shards
      or new.position ~= old.position and what ~= "commit"
    if new.epoch < old.epoch or changed and new.epoch == old.epoch then
      violation("%s: the epoch of the shard of key %d changes from %d to %d", what, key, old.epoch,
        new.epoch)
    end
  end
end

--- Checks that at most one worker can commit for each row, that this worker is the row's owner, and
--- that it remembers the bounds and the position of the row.
local function check_owners(state)
  local count = {}
  for i, worker in ipairs(state) do
    for _, memory in ipairs { worker.active or worker.held, worker.active and worker.held } do
      local row = balance.find(state.file.rows, memory.first)
      if row and row.epoch == memory.epoch and worker.at ~= "out" then
        if count[row] then violation("two workers can commit for shard %d", row.first) end
        count[row] = true
        if row.owner ~= i then
          violation("worker %d can commit for shard %d, which it does not own", i, row.first)
        elseif row.last ~= memory.last or row.position ~= memory.position then
          violation("worker %d has outdated bounds or position of shard %d", i, row.first)
        end
      end
    end
  end
end

--- Checks that exactly the records up to the position of each range were handled.
local function check_done(self, file)
  for key = 0, self.keys - 1 do
    local position = row_of(file.rows, self:shard_of(key, file)).position
    local expected = (position - key + self.keys - 1) // self.keys
    if file.done[key + 1] ~= expected then
      violation("key %d: %d records were handled, %d are before the position", key,
        file.done[key + 1], expected)
    end
  end
end

--- Checks a state.
function Model:check(state)
  if not state.file.is_deleted then
    check_owners(state)
    check_done(self, state.file)
  end
end

-- Epochs ---------------------------------------------------------------------

--- Replaces the epochs of rows by their ranks. Replaces an epoch that a worker remembers by the
--- rank of its row; by STALE if it is outdated.
local function rank_epochs(state)
  local rows, ranks, values = state.file.rows, {}, {}
  for _, row in ipairs(rows) do values[#values + 1] = row.epoch end
  table.sort(values)
  for _, value in ipairs(values) do
    if not ranks[value] then
      local count = 0
      for _ in pairs(ranks) do count = count + 1 end
      ranks[value] = count + 1
    end
  end
  local function rank(memory)
    local row = memory and memory.epoch and balance.find(rows, memory.first)
    if not memory or not memory.epoch then return memory end
    local epoch = row and row.epoch == memory.epoch and ranks[row.epoch] or STALE
    return epoch == memory.epoch and memory or copy_with(memory, { epoch = epoch })
  end
  local result, ranked = copy_list(state), {}
  result.failing = state.failing
  for i, worker in ipairs(state) do
    local active, held, what = rank(worker.active), rank(worker.held), rank(worker.what)
    if active ~= worker.active or held ~= worker.held or what ~= worker.what then
      result[i] = copy_with(worker, { active = active, held = held, what = what })
    end
  end
  for i, row in ipairs(rows) do
    ranked[i] = ranks[row.epoch] == row.epoch and row
      or copy_with(row, { epoch = ranks[row.epoch] })
  end
  result.file = copy_with(state.file, { rows = ranked })
  return result
end

--- Transactions that change no epoch.
local keeps_epochs = { commit = true, fail = true, leave = true }

--- Returns the state after a transaction.
function Model:store(state, file, what)
  self:check_epochs(state.file, file, what)
  state = with_file(state, file)
  return keeps_epochs[what] and state or rank_epochs(state)
end

local function with_row(file, i, row, ...)
  local rows = copy_list(file.rows)
  rows[i] = row
  for n = 1, select("#", ...) do table.insert(rows, i + n, (select(n, ...))) end
  return copy_with(file, { rows = rows })
end

--- Returns the row that a worker remembers, and its index; nil if it has another epoch.
local function row_with(file, memory)
  local row, i = balance.find(file.rows, memory.first)
  if row and row.epoch == memory.epoch then return row, i end
end

return {
  Model = Model, NONE = NONE, GONE = GONE, REMOVED = REMOVED, violation = violation,
  copy_with = copy_with, copy_list = copy_list, with_worker = with_worker, with_file = with_file,
  with_row = with_row, memory_of = memory_of, row_with = row_with,
}
