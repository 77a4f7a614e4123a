-- range.lua - divides the shards of a consumer among its workers.
--
-- A worker owns one range of shards. No worker leads: each compares, between two batches, the
-- ranges in the file with the number of workers that are alive.
--
-- If workers wait, the owner of the widest range divides it, and one of them joins the part without
-- an owner. If a range has no living owner and no worker waits, the owner of a neighbouring range
-- takes it over: it handles the records of the range that is behind until both have the same
-- position, and unites them. A range that is wider than its neighbour gives it shards in the same
-- way.

local core = require "tidetable.core"
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

local function width(range)
  return range.last - range.first + 1
end

--- Returns the range that begins at a shard, and its index; nil if there is none.
---@param row table  as core.consumer_describe returns it
---@param first integer|nil
---@return tidetable.ShardRange|nil range, integer|nil index
function ranges.find(row, first)
  for i, range in ipairs(row.ranges) do
    if range.first == first then
      return range, i
    end
  end
end

--- Returns the widest range that has no living owner, and the batch in whose handler its owner died
--- (Worker:has_rival); nil if there is none.
---@param worker tidetable.Worker
---@param row table
---@return tidetable.ShardRange|nil range, integer|nil records, integer|nil last
function ranges.find_free(worker, row)
  local found, records, last
  for _, range in ipairs(row.ranges) do
    if not found or width(range) > width(found) then
      local is_alive, count, at = worker:has_rival(range)
      if not is_alive then
        found, records, last = range, count, at
      end
    end
  end
  return found, records, last
end

--- Returns true if the worker may not change its range, because it has read records for a batch.
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
  local held = worker.held
  if held.position ~= worker.position or is_busy(worker) then
    return true
  end
  local left, right = held, worker
  if worker.first < held.first then
    left, right = worker, held
  end
  worker.held = nil
  return after_change(worker, wait.try(worker.database, core.merge_ranges, worker.database.core,
    worker.id, left.epoch, left.first, worker.id, right.epoch, right.first))
end

--- Takes over a free range. The worker first handles the records of the range that is behind.
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
  if taken.position < worker.position then
    worker.held = {
      first = worker.first, last = worker.last, epoch = worker.epoch, position = worker.position,
    }
    ok, err, code = ranges.adopt(worker, taken)
  else
    worker.held = taken
    worker.parked_keys, worker.verified_at = nil, 0
  end
  if not ok then
    return nil, err, code
  end
  return unite(worker)
end

--- Returns which ranges have a living owner, and the number of those.
local function owners(worker, row)
  local alive, count = {}, 0
  for i, range in ipairs(row.ranges) do
    alive[i] = range.first == worker.first or (worker:has_rival(range))
    count = count + (alive[i] and 1 or 0)
  end
  return alive, count
end

--- Returns true if the worker's range is the widest one with a living owner.
local function is_widest(row, alive, mine)
  for i, range in ipairs(row.ranges) do
    local more = width(range) - width(row.ranges[mine])
    if alive[i] and (more > 0 or more == 0 and i < mine) then
      return false
    end
  end
  return true
end

--- Returns the free neighbour of the worker's range that this worker has to take over. Of two
--- neighbours with living owners the narrower one takes it over.
local function neighbour(row, alive, mine)
  for _, side in ipairs { -1, 1 } do
    local range, other = row.ranges[mine + side], row.ranges[mine + 2 * side]
    if range and not alive[mine + side] then
      local more = other and alive[mine + 2 * side] and width(other) - width(row.ranges[mine])
      if not more or more > 0 or more == 0 and side == 1 then
        return range
      end
    end
  end
end

--- Gives shards to a neighbour whose range is narrower.
local function level(worker, row, alive, mine)
  for _, side in ipairs { -1, 1 } do
    local other = row.ranges[mine + side]
    local more = other and alive[mine + side] and width(row.ranges[mine]) - width(other) or 0
    if more >= 2 then
      local count = more // 2
      return divide(worker, side == 1 and worker.last - count + 1 or worker.first + count,
        side == -1)
    end
  end
  return true
end

--- Changes the worker's range if the ranges do not fit the workers, and sets worker.is_balanced.
--- Returns true; false if the consumer was lost; nil, err, code on failure.
---@param worker tidetable.Worker
---@param row table  as core.consumer_describe has just returned it
---@return boolean|nil owns, tidetable.error|nil err, tidetable.code|nil code
function ranges.balance(worker, row)
  worker.is_balanced = not worker.held or is_busy(worker)
  if worker.held then
    return unite(worker)
  elseif row.shards == 1 or worker.copy or is_busy(worker) then
    return true
  end
  local _, mine = ranges.find(row, worker.first)
  local alive, count = owners(worker, row)
  local free = #row.ranges - count
  local waiting = core.live_workers(worker.database.core, worker.id, worker.settings.lease,
    worker.settings.handler_limit) - count
  if waiting > free then
    if width(worker) > 1 and is_widest(row, alive, mine) then
      return divide(worker, worker.first + (width(worker) + 1) // 2, false)
    end
  elseif free > math.max(waiting, 0) then
    local range = neighbour(row, alive, mine)
    if range then
      worker.is_balanced = false
      return take(worker, range)
    end
  elseif free == 0 then
    return level(worker, row, alive, mine)
  end
  return true
end

return ranges
