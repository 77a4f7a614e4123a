-- balance.lua - decides how the shards of a consumer are divided among its workers.
--
-- These functions take plain tables and call nothing, so that range.lua applies them to the ranges
-- in the file, and the model of the protocol (doc/leases.md) to each of its states.

local balance = {}

--- A range of shards. Other fields are not read.
---@class tidetable.ShardsAndPosition
---@field first integer
---@field last integer
---@field position integer
---@field attempts integer  failed attempts of the batch after the position

local function width(range)
  return range.last - range.first + 1
end

--- Returns the range that begins at a shard, and its index; nil if there is none.
---@generic T: tidetable.ShardsAndPosition
---@param list T[]  all ranges of the consumer, in order
---@param first integer|nil
---@return T|nil range, integer|nil index
function balance.find(list, first)
  for i, range in ipairs(list) do
    if range.first == first then
      return range, i
    end
  end
end

--- Returns the widest range that has no living owner, and the other results of has_owner for it;
--- nil if there is none.
---@generic T: tidetable.ShardsAndPosition
---@param list T[]
---@param has_owner fun(range: T): boolean, integer|nil, integer|nil  is its owner alive?
---@return T|nil range, integer|nil records, integer|nil last
function balance.find_free(list, has_owner)
  local found, records, last
  for _, range in ipairs(list) do
    if not found or width(range) > width(found) then
      local is_alive, count, at = has_owner(range)
      if not is_alive then
        found, records, last = range, count, at
      end
    end
  end
  return found, records, last
end

--- Returns true if the worker's range is the widest one with a living owner.
local function is_widest(list, alive, mine)
  for i, range in ipairs(list) do
    local more = width(range) - width(list[mine])
    if alive[i] and (more > 0 or more == 0 and i < mine) then
      return false
    end
  end
  return true
end

--- Returns true if the owner of a range takes over the free range next to it, and not the owner of
--- the range on the other side. That of a range whose batch has failed does so only if the other's
--- has failed, too, because it may fail for a long time.
---@param side integer  1: the free range follows
local function takes(range, other, side)
  if (range.attempts > 0) ~= (other.attempts > 0) then
    return range.attempts == 0
  end
  local more = width(other) - width(range)
  return more > 0 or more == 0 and side == 1
end

--- Returns the free neighbour of the worker's range that this worker has to take over. Of two
--- neighbours with living owners the narrower one takes it over.
local function neighbour(list, alive, mine)
  for _, side in ipairs { -1, 1 } do
    local range, other = list[mine + side], list[mine + 2 * side]
    if range and not alive[mine + side]
        and (not other or not alive[mine + 2 * side] or takes(list[mine], other, side)) then
      return range
    end
  end
end

--- Returns the shard before which the worker's range has to be divided, so that a neighbour with a
--- narrower range can take over the other part, and whether the worker keeps the second part. nil:
--- the widths of the ranges are level.
local function level(list, alive, mine)
  local own = list[mine]
  for _, side in ipairs { -1, 1 } do
    local other = list[mine + side]
    local more = other and alive[mine + side] and width(own) - width(other) or 0
    if more >= 2 then
      local count = more // 2
      return side == 1 and own.last - count + 1 or own.first + count, side == -1
    end
  end
end

--- Decides how a worker that owns one range has to change it. Returns "divide", the shard before
--- which it divides its range, and whether it keeps the second part; "take" and the free range that
--- it takes over; nil if there is nothing to change.
---
--- A worker that has the records of a failed batch only takes over a range that is behind its own.
--- It handles that one before it tries the batch again.
---@generic T: tidetable.ShardsAndPosition
---@param list T[]
---@param alive boolean[]  for each range: has it a living owner? true for that of the worker
---@param mine integer     index of the worker's range
---@param live integer     number of the consumer's workers that are alive
---@param has_failed boolean
---@return "divide"|"take"|nil action, integer|T|nil what, boolean|nil keeps_right
function balance.decide(list, alive, mine, live, has_failed)
  local owned = 0
  for i = 1, #list do
    owned = owned + (alive[i] and 1 or 0)
  end
  local own, free, waiting = list[mine], #list - owned, live - owned
  if free > math.max(waiting, 0) then
    local range = neighbour(list, alive, mine)
    if range and (not has_failed or range.position < own.position) then
      return "take", range
    end
  elseif not has_failed and waiting > free then
    if width(own) > 1 and is_widest(list, alive, mine) then
      return "divide", own.first + (width(own) + 1) // 2, false
    end
  elseif not has_failed and free == 0 then
    local at, keeps_right = level(list, alive, mine)
    if at then
      return "divide", at, keeps_right
    end
  end
end

--- Returns which of two ranges of a worker it handles first: the one that is behind. The records of
--- the other one wait until both have the same position.
---@generic T: tidetable.ShardsAndPosition
---@param own T
---@param taken T
---@return T active, T held
function balance.order(own, taken)
  if taken.position < own.position then
    return taken, own
  end
  return own, taken
end

--- Returns the two ranges of a worker in the order of their shards if they can be united; nil if
--- their positions differ.
---@generic T: tidetable.ShardsAndPosition
---@param active T
---@param held T
---@return T|nil left, T|nil right
function balance.unite(active, held)
  if active.position ~= held.position then
    return nil
  elseif active.first < held.first then
    return active, held
  end
  return held, active
end

return balance
