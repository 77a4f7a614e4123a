-- sorted_keys.lua - a set of byte strings in their order: a skip list.
--
-- Each node is in the list of level 1, half of them also in that of level 2, a quarter in that of
-- level 3, and so on. A search or an insertion makes about 2 log n comparisons, in whatever order
-- the keys are added. A node stays valid when keys are added, so an iteration holds a node, not an
-- index.

local compare = require "tidetable.core".compare_bytes

--- A node. At [1], [2], ... it has the next node of each of its levels.
---@class tidetable.SortedKey
---@field key string|nil                      nil: the head, which precedes all nodes
---@field previous tidetable.SortedKey|nil    previous node of level 1
---@field [integer] tidetable.SortedKey|nil

---@class tidetable.SortedKeys
---@field head tidetable.SortedKey     precedes all nodes
---@field tails tidetable.SortedKey[]  last node of each level; the head if there is none
---@field height integer               number of levels
---@field random integer               state of the generator of heights
local SortedKeys = {}
SortedKeys.__index = SortedKeys

--- Creates an empty set.
---@return tidetable.SortedKeys
function SortedKeys.new()
  local head = {}
  return setmetatable({ head = head, tails = { head }, height = 1, random = 1 }, SortedKeys)
end

--- Returns the last node for which is_before(key) is true, the head if there is none; is_before
--- must be true for the first keys and false for all others. Sets path[level] to the last such node
--- of each level.
---@param is_before fun(key: string): boolean
---@param path tidetable.SortedKey[]|nil
---@return tidetable.SortedKey
function SortedKeys:last_before(is_before, path)
  local node, after = self.head, nil
  for level = self.height, 1, -1 do
    local following = node[level]
    -- `after` is not before, as was seen on the level above.
    while following ~= after and is_before(following.key) do
      node, following = following, following[level]
    end
    after = following
    if path then
      path[level] = node
    end
  end
  return node
end

--- Returns the height of a new node: h with probability 2^-h, at most one more than the highest.
local function draw_height(self)
  -- A linear congruential generator modulo 2^64, whose high bits are used.
  local bits = self.random * 6364136223846793005 + 1442695040888963407
  self.random = bits
  local height = 1
  while bits < 0 and height <= self.height do
    bits, height = bits << 1, height + 1
  end
  return height
end

--- Adds a key that is not in the set. A key after all others takes one comparison.
---@param key string
function SortedKeys:add(key)
  local tails = self.tails
  local path, last = tails, tails[1].key
  if last and compare(last, key) > 0 then
    path = {}
    self:last_before(function(other)
      return compare(other, key) < 0
    end, path)
  end
  local height = draw_height(self)
  self.height = math.max(self.height, height)
  local node = { key = key, previous = path[1] }
  for level = 1, height do
    local before = path[level] or self.head
    node[level], before[level] = before[level], node
    if not node[level] then
      tails[level] = node
    end
  end
  if node[1] then
    node[1].previous = node
  end
end

return SortedKeys
