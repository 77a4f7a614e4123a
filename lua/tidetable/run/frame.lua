-- frame.lua - messages between the supervisor and its child processes: a name and string fields.
--
--     frame   [ length of the rest, u32 ][ name, s4 ][ field, s4 ]...
--
-- Numbers are little-endian; s4 is a length (u32) and as many bytes.

local frames = {}

--- Greatest length of a frame. Scripts and modules are sent in one frame each.
local LENGTH_MAX = 64 * 1024 * 1024

--- Returns a message as bytes.
---@param name string
---@param ... string|number
---@return string
function frames.encode(name, ...)
  local parts = { string.pack("<s4", name) }
  for i = 1, select("#", ...) do
    parts[i + 1] = string.pack("<s4", tostring((select(i, ...))))
  end
  return string.pack("<s4", table.concat(parts))
end

--- Splits a byte stream into messages.
---@class tidetable.run.FrameReader
---@field bytes string  not returned yet
local Reader = {}
Reader.__index = Reader

---@return tidetable.run.FrameReader
function frames.reader()
  return setmetatable({ bytes = "" }, Reader)
end

---@param bytes string
function Reader:feed(bytes)
  self.bytes = self.bytes .. bytes
end

local function decode(body)
  local fields, at = {}, 1
  while at <= #body do
    local ok, field, after = pcall(string.unpack, "<s4", body, at)
    if not ok then
      return nil
    end
    fields[#fields + 1], at = field, after
  end
  return table.remove(fields, 1), fields
end

--- Returns the next message; nil if it is not complete; nil, true if the bytes are no message.
---@return string|nil name, string[]|true|nil fields
function Reader:next()
  if #self.bytes < 4 then
    return nil
  end
  local len = string.unpack("<I4", self.bytes)
  if len > LENGTH_MAX then
    return nil, true
  elseif #self.bytes < 4 + len then
    return nil
  end
  local body = self.bytes:sub(5, 4 + len)
  self.bytes = self.bytes:sub(5 + len)
  local name, fields = decode(body)
  return name, name and fields or true
end

return frames
