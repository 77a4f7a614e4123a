-- base64.lua - strict base64 encoder and decoder (RFC 4648, section 4).
--
-- Other decoders skip invalid characters. With them two texts could represent the
-- same bytes, and so the same key.

local members = require "tidetable.members"

local base64 = {}

local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local pair_of = {} -- two letters for each 12-bit value
local value_of = {} -- 12-bit value of each two letters

for high = 0, 63 do
  for low = 0, 63 do
    local letters = alphabet:sub(high + 1, high + 1) .. alphabet:sub(low + 1, low + 1)
    pair_of[high << 6 | low] = letters
    value_of[letters] = high << 6 | low
  end
end

local function encode_three(group)
  local a, b, c = group:byte(1, 3)
  local bits = a << 16 | b << 8 | c
  return pair_of[bits >> 12] .. pair_of[bits & 0xfff]
end

local function encode_rest(rest)
  local a, b = rest:byte(1, 2)
  if b then
    local bits = a << 10 | b << 2
    return pair_of[bits >> 6] .. pair_of[(bits & 0x3f) << 6]:sub(1, 1) .. "="
  end
  return pair_of[a << 4] .. "=="
end

--- Returns bytes as base64, padded, without line breaks.
---@param bytes string
---@return string
function base64.encode(bytes)
  local whole = #bytes - #bytes % 3
  local text = bytes:sub(1, whole):gsub("...", encode_three)
  if whole < #bytes then
    text = text .. encode_rest(bytes:sub(whole + 1))
  end
  return text
end

local function decode_four(group)
  local high, low = value_of[group:sub(1, 2)], value_of[group:sub(3, 4)]
  return string.char(high >> 4, (high & 0xf) << 4 | low >> 8, low & 0xff)
end

--- Returns the bytes of the last four letters, of which one or two are padding; nil if unused bits
--- are set.
local function decode_padded(group)
  local letters = group:match("^[^=]+")
  local high = value_of[letters:sub(1, 2)]
  if #letters == 2 then
    return high & 0xf == 0 and string.char(high >> 4) or nil
  end
  local low = value_of[letters:sub(3, 3) .. "A"]
  return low & 0xff == 0 and string.char(high >> 4, (high & 0xf) << 4 | low >> 8) or nil
end

--- Returns the bytes of a base64 text; nil if the text is not a result of `encode`.
---@param text string
---@return string|nil
function base64.decode(text)
  if #text % 4 ~= 0 or not text:find("^[A-Za-z0-9+/]*=?=?$") then
    return nil
  end
  local padded = text:sub(-1) == "="
  local whole = padded and text:sub(1, -5) or text
  local bytes = whole:gsub("....", decode_four)
  if not padded then
    return bytes
  end
  local rest = decode_padded(text:sub(-4))
  return rest and bytes .. rest
end

return members.guard_module(base64, "base64")
