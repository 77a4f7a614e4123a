-- frames.lua - encoder and decoder of the frames of a replication (csrc/codec/frame.h), for specs.
local core = require "tidetable.core"

local frames = {}

-- CRC-32C with the reflected polynomial, one byte at a time.
local remainders = {}
for byte = 0, 255 do
  local crc = byte
  for _ = 1, 8 do crc = crc & 1 == 1 and crc >> 1 ~ 0x82f63b78 or crc >> 1 end
  remainders[byte] = crc
end

--- Returns the checksum of a frame's bytes.
function frames.checksum(bytes)
  local crc = 0xffffffff
  for at = 1, #bytes do crc = remainders[(crc ~ bytes:byte(at)) & 255] ~ crc >> 8 end
  return ~crc & 0xffffffff
end

--- Returns the bytes of a frame.
function frames.encode(frame)
  local rest = (">I8"):pack(frame.number) .. frame.kind .. frame.body
  return (">I4I4"):pack(#rest, frames.checksum(rest)) .. rest
end

--- Returns an array of the frames in these bytes: number, kind, body.
function frames.decode(bytes)
  local all, at = {}, 1
  while at <= #bytes do
    local len, checksum, number, kind = (">I4I4I8c1"):unpack(bytes, at)
    local rest = bytes:sub(at + 8, at + 7 + len)
    assert(#rest == len and frames.checksum(rest) == checksum, "a damaged frame")
    all[#all + 1] = { number = number, kind = kind, body = rest:sub(10) }
    at = at + 8 + len
  end
  return all
end

--- Returns the bytes of all frames of an array.
function frames.join(all)
  local parts = {}
  for i, frame in ipairs(all) do parts[i] = frames.encode(frame) end
  return table.concat(parts)
end

function frames.put_varint(n)
  local bytes = {}
  while n >= 0x80 do
    bytes[#bytes + 1], n = string.char(n & 0x7f | 0x80), n >> 7
  end
  return table.concat(bytes) .. string.char(n)
end

local function varint(bytes, at)
  local n, shift = 0, 0
  while true do
    local byte = bytes:byte(at)
    n, at, shift = n | (byte & 0x7f) << shift, at + 1, shift + 7
    if byte < 0x80 then return n, at end
  end
end

local function counted(bytes, at)
  local len
  len, at = varint(bytes, at)
  return bytes:sub(at, at + len - 1), at + len
end

--- Returns the fields of a TRANSACTION's body.
function frames.transaction(body)
  local given = { records = {} }
  given.from, given.id, given.time, given.incarnation = (">I8I8I8c16"):unpack(body)
  local annotation, at = counted(body, 41)
  given.annotation = annotation
  local count = (">I4"):unpack(body, at)
  at = at + 4
  for i = 1, count do
    local record = {}
    record.table, record.event, record.is_expiry, at = (">I4BB"):unpack(body, at)
    record.distance, at = varint(body, at)
    record.body, at = counted(body, at)
    given.records[i] = record
  end
  assert(at == #body + 1, "bytes after the records")
  return given
end

--- Returns the body of a TRANSACTION.
function frames.put_transaction(given)
  local parts = { (">I8I8I8c16"):pack(given.from, given.id, given.time, given.incarnation),
    frames.put_varint(#given.annotation), given.annotation, (">I4"):pack(#given.records) }
  for _, record in ipairs(given.records) do
    parts[#parts + 1] = (">I4BB"):pack(record.table, record.event, record.is_expiry)
      .. frames.put_varint(record.distance) .. frames.put_varint(#record.body) .. record.body
  end
  return table.concat(parts)
end

--- Returns what a source would send next to this replica, as bytes.
function frames.read(source, target, name, tables)
  local sender = assert(core.sender(source.core,
    assert(core.replica_start(target.core, name or "replica", tables or {})), false))
  local parts = {}
  repeat
    local bytes, has_changes = core.sender_read(sender, 1 << 20)
    parts[#parts + 1] = assert(bytes, has_changes)
  until bytes == ""
  parts[#parts + 1] = assert(core.sender_end(sender))
  core.finish(sender)
  return table.concat(parts)
end

return frames
