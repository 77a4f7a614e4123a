-- history.lua - the records of one item in the stream of its table.

local core = require "tidetable.core"
local options = require "tidetable.options"
local readers = require "tidetable.stream.reader"
local request = require "tidetable.request"

local histories = {}

---@class tidetable.HistoryOptions : tidetable.Parameters
---@field filter string|nil       only records that satisfy this condition on their fields
---@field projection string|nil   the attributes that images contain; nil: all
---@field descending boolean|nil  true: newest record first; default false
---@field limit integer|nil       maximum number of records

local history_options = {
  filter = "string", projection = "string", names = "table", values = "table",
  descending = "boolean", limit = options.integer_from(1),
}

--- Returns the options that select the records of the item with this key.
local function selection_of(key, opts)
  -- The length of the copy may differ if the array part has nils.
  local selection = { key = key, n = #opts > 0 and #opts or nil }
  for name, value in next, opts do
    selection[name] = value
  end
  return selection
end

--- Returns an iterator over the records of an item in the newest stream of its table. It raises its
--- errors, as those of stream:records; if it reads backward, an expired record ends it.
---@param database tidetable.Database
---@param name string  name of the table
---@param key table<string, any>
---@param opts tidetable.HistoryOptions|nil
---@return fun(): tidetable.Record|nil
function histories.of_item(database, name, key, opts)
  opts = request.check(opts, history_options, "history")
  local id, err = core.stream_of(database.core, name)
  if not id then
    error(err, 0)
  end
  local reader
  reader, err = readers.open({ database = database, id = id }, selection_of(key, opts),
    { descending = opts.descending }, "history", opts.limit)
  if not reader then
    error(err, 0)
  end
  return core.records(reader.core), nil, nil, reader.core
end

return histories
