-- balance.lua - decides how the shards of a consumer are divided among its workers.
--
-- The functions take plain tables and do not read the file. range.lua calls them with the ranges in
-- the file, and the model of the protocol (doc/leases.md) with the ranges of each state.

local balance = {}

--- A range of shards. These functions read no other fields.
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
local function is_widest(list, owners, mine)
  for i, range in ipairs(list) do
    local more = width(range) - width(list[mine])
    if owners[i] and (more > 0 or more == 0 and i < mine) then
      return false
    end
  end
  return true
end

--- Returns true if this worker should take over the free range on this side of its own range; false
--- if the owner of the range beyond the free one should. The owner with fewer shards takes it over.
--- But if the batch of only one of the two has failed, the other one does, because the batch may
--- fail for a long time.
local function takes(list, owners, mine, side)
  local own, i = list[mine], mine + 2 * side
  local other = list[i]
  if not other or not owners[i] then
    return true
  elseif (own.attempts > 0) ~= (other.attempts > 0) then
    return own.attempts == 0
  end
  local more = width(other) - width(own)
  if owners[i + side] == owners[i] then        -- it will unite both
    more = more + width(list[i + side])
  end
  return more > 0 or more == 0 and side == 1
end

--- Returns the free range next to the worker's range that this worker has to take over; nil if
--- there is none.
local function neighbour(list, owners, mine)
  for _, side in ipairs { -1, 1 } do
    local range = list[mine + side]
    if range and not owners[mine + side] and takes(list, owners, mine, side) then
      return range
    end
  end
end

--- Returns the shard before which the worker's range has to be divided, so that the owner of a
--- narrower adjacent range can take over a part, and whether the worker keeps the second part.
--- Returns nil if the widths differ by less than two, or if that owner would not take over the part
--- now, because it first has to unite two ranges or its batch has failed.
local function level(list, owners, mine)
  local own = list[mine]
  for _, side in ipairs { -1, 1 } do
    local i = mine + side
    local more = list[i] and owners[i] and width(own) - width(list[i]) or 0
    if more >= 2 and list[i].attempts == 0 and owners[i + side] ~= owners[i] then
      local count = more // 2
      return side == 1 and own.last - count + 1 or own.first + count, side == -1
    end
  end
end

--- Decides how a worker that owns one range has to change it. Returns "divide", the shard before
--- which the range is divided, and whether the worker keeps the second part; or "take" and the free
--- range to take over; or nil if there is nothing to change.
---
--- A worker that has the records of a failed batch only takes over a range whose position is lower
--- than that of its own range. It handles the records of that range before it runs the batch again.
---@generic T: tidetable.ShardsAndPosition
---@param list T[]
---@param owners any[]     for each range: a value that identifies its owner; false if it has no
---                        owner that is alive
---@param mine integer     index of the worker's range
---@param live integer     number of the consumer's workers that are alive
---@param has_failed boolean
---@return "divide"|"take"|nil action, integer|T|nil what, boolean|nil keeps_right
function balance.decide(list, owners, mine, live, has_failed)
  local free, waiting = 0, live
  for i = 1, #list do
    free = free + (owners[i] and 0 or 1)
    waiting = waiting - (owners[i] and owners[i] ~= owners[i - 1] and 1 or 0)
  end
  local own = list[mine]
  if free > math.max(waiting, 0) then
    local range = neighbour(list, owners, mine)
    if range and (not has_failed or range.position < own.position) then
      return "take", range
    end
  elseif not has_failed and waiting > free then
    if width(own) > 1 and is_widest(list, owners, mine) then
      return "divide", own.first + (width(own) + 1) // 2, false
    end
  elseif not has_failed and free == 0 then
    local at, keeps_right = level(list, owners, mine)
    if at then
      return "divide", at, keeps_right
    end
  end
end

--- Returns the two ranges of a worker in the order in which it handles them: first the one with the
--- lower position. The records of the other one wait until both have the same position.
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
