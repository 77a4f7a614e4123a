-- range.lua - divides the shards of a consumer among its workers.
--
-- A worker owns one range of shards. There is no leader: between two batches each worker compares
-- the ranges in the file with the number of workers that are alive.
--
-- If a worker waits, the owner of the widest range divides it, and the worker joins the part
-- without an owner. If a range has no living owner and no worker waits, the owner of an adjacent
-- range takes it over: it handles the records of the range with the lower position until both
-- ranges have the same position, and then unites them. If adjacent ranges differ by two or more
-- shards, the owner of the wider one divides it, and the other owner takes over the free part.
-- balance.lua makes these decisions.

local balance = require "tidetable.consumer.balance"
local core = require "tidetable.core"
local settings = require "tidetable.consumer.settings"
local wait = require "tidetable.wait"

local ranges = {}

--- A range of shards, as core.consumer_describe returns it.
---@class tidetable.ShardRange
---@field first integer
---@field last integer
---@field epoch integer
---@field position integer
---@field attempts integer
---@field largest_batch integer
---@field limit_until integer
---@field opening string|nil       owner; nil: none
---@field worker integer|nil
---@field is_of_this_opening boolean|nil

--- Returns the range that begins at a shard, and its index; nil if there is none.
---@param row table  as core.consumer_describe returns it
---@param first integer|nil
---@return tidetable.ShardRange|nil range, integer|nil index
function ranges.find(row, first)
  return balance.find(row.ranges, first)
end

--- Returns the widest range that has no living owner, and the batch in whose handler its owner died
--- (Worker:has_rival); nil if there is none.
---@param worker tidetable.Worker
---@param row table
---@return tidetable.ShardRange|nil range, integer|nil records, integer|nil last
function ranges.find_free(worker, row)
  return balance.find_free(row.ranges, function(range)
    return worker:has_rival(range)
  end)
end

--- Returns true if the worker has read records for a batch, so it may not change its range.
local function is_busy(worker)
  return worker.records ~= nil or worker.delivery ~= nil
    or worker.gathered ~= nil and #worker.gathered > 0
end

--- Makes the worker continue with a range that it owns.
---@param worker tidetable.Worker
---@param range tidetable.ShardRange
---@return true|nil ok, tidetable.error|nil err, tidetable.code|nil code
function ranges.adopt(worker, range)
  worker:close_reader()
  worker:forget_batch()
  worker.first, worker.last = range.first, range.last
  worker.epoch, worker.joined_epoch = range.epoch, range.epoch
  worker.position, worker.attempts = range.position, range.attempts
  worker.largest, worker.limit_until = range.largest_batch, range.limit_until
  worker.parked_keys, worker.verified_at = nil, 0
  return worker:open_reader()
end

--- Continues after a change of ranges. Returns true; false if the consumer was lost; nil, err, code
--- on failure.
local function after_change(worker, range, err, code)
  if range then
    return ranges.adopt(worker, range)
  elseif code == "LEASE_LOST" then
    worker:lose()
    return false
  end
  return nil, err, code
end

--- Divides the worker's range before the shard `at`.
local function divide(worker, at, keeps_right)
  return after_change(worker, wait.try(worker.database, core.split_range, worker.database.core,
    worker.id, worker.epoch, worker.first, at, keeps_right))
end

--- Unites the two ranges of the worker if they have the same position.
local function unite(worker)
  local left, right = balance.unite(worker, worker.held)
  if not left or is_busy(worker) then
    return true
  end
  local death = worker.follows_death
  worker.held = nil
  local owns, err, code = after_change(worker, wait.try(worker.database, core.merge_ranges,
    worker.database.core, worker.id, left.epoch, left.first, worker.id, right.epoch, right.first))
  if owns then
    worker.follows_death = death
  end
  return owns, err, code
end

--- Takes over a free range. The worker first handles the records of the range with the lower
--- position.
local function take(worker, range)
  local _, records, last = worker:has_rival(range)
  local taken, err, code = wait.try(worker.database, core.consumer_join, worker.database.core,
    worker.id, range.epoch, range.first, worker.number, records, last)
  if not taken then
    worker.verified_at = 0
    if code == "LEASE_LOST" then
      return true                -- another worker has taken it
    end
    return nil, err, code
  end
  local ok = true
  if balance.order(worker, taken) == taken then
    worker.held = {
      first = worker.first, last = worker.last, epoch = worker.epoch, position = worker.position,
    }
    ok, err, code = ranges.adopt(worker, taken)
  else
    worker.held = taken
    worker.parked_keys, worker.verified_at = nil, 0
  end
  if records == 1 then
    worker.follows_death = last
  end
  if not ok then
    return nil, err, code
  end
  return unite(worker)
end

--- Returns for each range a value that identifies its owner; false if no living worker owns it.
local function find_owners(worker, row)
  local owners = {}
  for i, range in ipairs(row.ranges) do
    local is_alive = range.first == worker.first or (worker:has_rival(range))
    owners[i] = is_alive and range.opening .. range.worker
  end
  return owners
end

local function is_known(range, known)
  return known ~= nil and range.first == known.first and range.epoch == known.epoch
end

--- Gives up the ranges whose owner in the file is this worker, but which it does not remember. Such
--- ranges can exist after LEASE_LOST or a failed commit. Other workers would not take them over
--- while this worker is alive.
---@param worker tidetable.Worker
---@param row table  as core.consumer_describe has just returned it
function ranges.give_up_unknown(worker, row)
  for _, range in ipairs(row.ranges) do
    if range.is_of_this_opening and range.worker == worker.number
        and not is_known(range, worker) and not is_known(range, worker.held) then
      worker:give_up(range)
      worker.verified_at = 0
    end
  end
end

--- Divides the worker's range or takes over another one, if balance.decide says so. Unites two
--- ranges of the worker if they have the same position. Returns true; false if a range was lost;
--- nil, err, code on failure.
---@param worker tidetable.Worker
---@param row table  as core.consumer_describe has just returned it
---@return boolean|nil owns, tidetable.error|nil err, tidetable.code|nil code
function ranges.balance(worker, row)
  worker.live = nil
  if worker.held then
    return unite(worker)
  end
  local has_failed = worker.records ~= nil and worker.attempts > 0
  if row.shards == 1 or worker.copy or is_busy(worker) and not has_failed then
    return true
  end
  local _, mine = ranges.find(row, worker.first)
  local live = core.live_workers(worker.database.core, worker.id, worker.settings.lease,
    worker.settings.handler_limit)
  worker.live = live
  local action, what, keeps_right = balance.decide(row.ranges, find_owners(worker, row), mine,
    live, has_failed)
  if action == "divide" then
    return divide(worker, what, keeps_right)
  elseif action == "take" then
    return take(worker, what)
  end
  return true
end

-- Listing --------------------------------------------------------------------

--- Implements Consumer:workers.
---@param consumer tidetable.Consumer
---@return tidetable.ConsumerWorker[]|nil, tidetable.error|nil err, tidetable.code|nil code
function ranges.list(consumer)
  local database = consumer.database.core
  local row, err, code = core.consumer_describe(database, consumer.name)
  if not row then
    return nil, err, code
  end
  local complete = settings.complete(row.settings)
  local workers, owned, list = {}, {}, {}
  for i, each in ipairs(core.list_workers(database, row.id, complete.lease,
    complete.handler_limit)) do
    each.id = i
    workers[#workers + 1] = each
    workers[each.opening .. each.worker] = each
  end
  for i, range in ipairs(row.ranges) do
    local owner = range.opening and workers[range.opening .. range.worker] or {}
    owned[owner] = true
    list[i] = { first = range.first, last = range.last, position = range.position,
      attempts = range.attempts, id = owner.id, pid = owner.pid, is_alive = owner.is_alive or false,
      in_handler = owner.in_handler, seconds = owner.seconds, waits_for = owner.waits_for }
  end
  for _, each in ipairs(workers) do
    if not owned[each] then
      list[#list + 1] = { id = each.id, pid = each.pid, is_alive = each.is_alive,
        in_handler = each.in_handler, seconds = each.seconds, waits_for = each.waits_for }
    end
  end
  return list
end

return ranges
