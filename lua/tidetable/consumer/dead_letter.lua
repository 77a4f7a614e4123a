-- dead_letter.lua - stores records that a consumer gave up as items of a table.
--
-- An item has at most 400 KB, and a record can have two images of that size. So a dead letter has
-- one or more items, its parts. The images are binaries that continue in the next part:
--
--     partition key (S)   name of the consumer, a slash and the record's id
--     sort key (N)        part, from 1
--     parts               number of parts
--     old_image           piece of the old image's bytes (codec/value.h); absent if empty
--     new_image           piece of the new image's bytes; absent if empty
--     others              in part 1: fields of the record, the error and the number of attempts

local core = require "tidetable.core"

local dead_letters = {}

--- Maximum number of bytes of images in one item. The other attributes have at most 100 KB.
local PIECES_MAX = 300 * 1024

--- Attributes of dead letters. The key attributes of the table must have other names.
local attributes = {}
for _, name in ipairs { "consumer", "table", "event_name", "sequence_number", "created_at", "keys",
  "error", "attempts", "dead_at", "old_image", "new_image", "parts", "context", "origin" } do
  attributes[name] = true
end

local function invalid(name, text)
  return core.consumer_failure("VALIDATION", ("dead letter table %s: %s"):format(name, text))
end

--- Checks the definition of the dead letter table. Errors: NOT_FOUND, VALIDATION.
---@param database tidetable.Database
---@param name string
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function dead_letters.check(database, name)
  local handle, about, err, code
  handle, err, code = core.table(database.core, name)
  if handle then
    about, err, code = core.describe_table(handle)
  end
  if not about then
    return nil, err, code
  end
  local partition, sort = about.partition_key, about.sort_key
  if partition[2] ~= "S" or not sort or sort[2] ~= "N" then
    return invalid(name, "expected a partition key of type S and a sort key of type N")
  end
  for _, key in ipairs { partition[1], sort[1] } do
    if attributes[key] then
      return invalid(name, ("a key can't have the name %q, which dead letters use"):format(key))
    end
  end
  return true
end

--- Returns an array of parts, with the pieces of the images.
local function divide(record)
  local parts, left = { {} }, PIECES_MAX
  local images = { core.record_images(record) }
  for i, name in ipairs { "old_image", "new_image" } do
    local bytes = images[i] or ""
    while #bytes > 0 do
      if left == 0 then
        parts[#parts + 1], left = {}, PIECES_MAX
      end
      local piece = bytes:sub(1, left)
      parts[#parts][name] = core.values.binary(piece)
      bytes, left = bytes:sub(#piece + 1), left - #piece
    end
  end
  return parts
end

--- Adds the fields of the record, the error and the number of attempts.
local function describe(item, worker, each)
  local record = each.record
  item.consumer, item.table = worker.consumer.name, record.table_name
  for _, name in ipairs { "event_name", "sequence_number", "created_at", "keys", "context",
    "origin" } do
    item[name] = record[name]
  end
  item.error, item.attempts = each.reason, each.attempts
  item.dead_at = core.wall_clock(worker.database.core)
end

--- Puts a record into the dead letter table in the open transaction. It does not count towards the
--- size of the transaction. Raises the errors of a put.
local function put(worker, each)
  local database = worker.database.core
  local table_handle = assert(core.table(database, worker.settings.dead_letter))
  local about, err = core.describe_table(table_handle)
  if not about then
    error(err, 0)
  end
  local id = worker.consumer.name .. "/" .. each.record.id
  local parts = divide(each.record)
  describe(parts[1], worker, each)
  local written = core.set_written_bytes(database, 0)
  for part, item in ipairs(parts) do
    item.parts = #parts
    item[about.partition_key[1]], item[about.sort_key[1]] = id, part
    core.set_written_bytes(database, 0)
    core.tx_put(table_handle, item, false)
  end
  core.set_written_bytes(database, written)
  return core.count_dead_letter(database, worker.id)
end

--- Puts a record into the dead letter table in the open transaction. After a failure the
--- transaction can't be committed.
---@param worker tidetable.Worker
---@param each tidetable.ParkedInHandler
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function dead_letters.put(worker, each)
  local ok, result, err, code = pcall(put, worker, each)
  if ok then
    return result, err, code
  end
  return nil, result, type(result) == "table" and rawget(result, "code") or nil
end

return dead_letters
