-- row.lua - reads a consumer from the file.

local core = require "tidetable.core"

local rows = {}

--- Reads the consumer from the file. Returns CONSUMER_GONE if it was deleted, even if another one
--- has its name now.
---@param consumer tidetable.Consumer
---@return table|nil row  as core.consumer_describe returns it
---@return tidetable.error|nil err, tidetable.code|nil code
function rows.read(consumer)
  local row, err, code = core.consumer_describe(consumer.database.core, consumer.name)
  if not row and code ~= "NOT_FOUND" then
    return nil, err, code
  elseif not row or row.id ~= consumer.id then
    return core.consumer_failure("CONSUMER_GONE", ("consumer %s was deleted"):format(consumer.name))
  end
  return row
end

return rows
