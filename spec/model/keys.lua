-- keys.lua - random keys for the model: of every type, up to the limits, with common prefixes.
--
-- LMDB's keys have at most 511 bytes, so longer keys are split at 510, 1,012 and so on; a partition
-- key of more than 128 bytes is hashed. Many keys have lengths near these limits and share all but
-- their last few bytes.
local values = require "spec.model.values"

local keys = {}
local random = math.random

keys.PARTITION_MAX, keys.SORT_MAX = 2048, 1024

local widths = {
  partition = { 0, 0, 0, 0, 118, 122, 124, 300, 505, 1020, 2030, 2040, 2044 },
  sort = { 0, 0, 0, 0, 120, 360, 375, 378, 382, 480, 500, 504, 508, 870, 884, 980, 1006, 1019 },
}

local limits = { partition = keys.PARTITION_MAX, sort = keys.SORT_MAX }

local makers = {
  S = function(width, limit)
    local text = ("shared prefix, "):rep(140):sub(1, width) .. values.text(random(1, 3))
    while #text > limit do
      text = text:sub(1, utf8.offset(text, -1) - 1)
    end
    return values.string(text)
  end,
  B = function(width, limit)
    local bytes = ("\0\255shared\0\1"):rep(210):sub(1, width) .. values.noise(random(1, 4))
    return values.binary(bytes:sub(1, limit))
  end,
  N = values.number,
}

--- Returns a key value; role is "partition" or "sort", kind S, N or B.
function keys.make(role, kind)
  local width = widths[role][random(#widths[role])]
  return makers[kind](math.max(0, width + random(-3, 3)), limits[role])
end

--- Returns `count` different keys.
function keys.pool(role, kind, count)
  local pool, seen, tries = {}, {}, 0
  while #pool < count and tries < count * 20 do
    local value = keys.make(role, kind)
    tries = tries + 1
    if not seen[value.text] then
      seen[value.text] = true
      pool[#pool + 1] = value
    end
  end
  return pool
end

--- Returns -1, 0 or 1: a is less than, equal to, or greater than b.
function keys.compare(a, b)
  if a.number then
    return values.compare_numbers(a.number, b.number)
  end
  return a.raw == b.raw and 0 or a.raw < b.raw and -1 or 1
end

--- Returns true if a partition key is hashed, so a scan does not return it in order.
function keys.is_hashed(value)
  if value.number then
    return false
  end
  local _, zeros = value.raw:gsub("\0", "")
  return 3 + #value.raw + zeros > 128
end

return keys
