-- selection.lua - the filter and the projection of a consumer as settings.
--
-- The options filter, projection, names and values, and the values of the `?`, are stored as:
--
--     filter = { expression = text, names = { ["#n"] = name }, values = { [":v"] = value },
--                positions = { value, ... } }
--     projection = { expression = text, names = { ["#n"] = name } }
--
-- Values have their canonical form in the file, so equal filters are equal in every Lua form. The
-- expressions are verified by the core before they are stored.

local readers = require "tidetable.stream.reader"
local request = require "tidetable.request"
local types = require "tidetable.types"

local selections = {}

--- Known options (options.check), in addition to the array part.
selections.options = {
  filter = "string", projection = "string", names = "table", values = "table",
}

--- Names of the settings in which the options are stored.
selections.settings = { "filter", "projection" }

--- Returns true if the options contain an expression or parameters of one.
---@param opts table
---@return boolean
function selections.are_given(opts)
  return request.reads(opts) ~= nil
end

--- Verifies the options. Raises an error if the number of values in the array part is wrong, or if
--- the filter reads an image that the stream does not contain. Errors: VALIDATION; NOT_FOUND if
--- there is no such stream.
---@param database tidetable.Database
---@param opts table
---@param stream integer|nil  id; nil: several streams, in which an image can be missing
---@return true|nil ok, tidetable.error|nil err, tidetable.code|nil code
function selections.check(database, opts, stream)
  if not selections.are_given(opts) then
    return true
  end
  local selected = { n = opts.n, table.unpack(opts, 1, opts.n or #opts) }
  for name in pairs(selections.options) do
    selected[name] = opts[name]
  end
  local reader <close>, err, code = readers.open({ database = database, id = stream }, selected,
    { from = "LATEST" }, "consumer")
  if not reader then
    return nil, err, code
  end
  return true
end

--- Returns the entries of `names` or `values` whose placeholders are in an expression; nil if there
--- are none.
local function used(parameters, expression, pattern)
  local found
  for placeholder in expression:gmatch(pattern) do
    found = found or {}
    found[placeholder] = parameters[placeholder]
  end
  return found and types.map(found)
end

--- Returns a filter in its stored form.
local function stored_filter(opts)
  local count = opts.n or #opts
  return {
    expression = opts.filter, names = used(opts.names, opts.filter, "#[%w_]+"),
    values = used(opts.values, opts.filter, ":[%w_]+"),
    positions = count > 0 and types.list { table.unpack(opts, 1, count) } or nil,
  }
end

--- Returns the settings for options that were verified.
---@param opts table
---@return { filter: table|nil, projection: table|nil }
function selections.stored(opts)
  local projection = opts.projection
  return {
    filter = opts.filter and stored_filter(opts),
    projection = projection and { expression = projection,
      names = used(opts.names, projection, "#[%w_]+") },
  }
end

--- Converts the stored settings back to options.
---@param stored table
---@return table
function selections.given(stored)
  local filter, projection, opts = stored.filter or {}, stored.projection or {}, {}
  local positions = filter.positions or {}
  table.move(positions, 1, #positions, 1, opts)
  opts.filter, opts.values, opts.projection = filter.expression, filter.values,
    projection.expression
  for _, names in ipairs { filter.names or {}, projection.names or {} } do
    for placeholder, name in pairs(names) do
      opts.names = opts.names or {}
      opts.names[placeholder] = name
    end
  end
  return opts
end

--- Returns true if two values of one of the settings are equal.
---@param a table|nil
---@param b table|nil
---@return boolean
function selections.are_equal(a, b)
  if a == nil or b == nil then
    return a == b
  end
  return types.equal(a, b)
end

--- Returns the selection in the settings of a consumer. Returns the table `before` if the selection
--- is equal to it, otherwise a new table.
---@param before table
---@param stored table
---@return table
function selections.changed(before, stored)
  local now, is_equal = {}, true
  for _, name in ipairs(selections.settings) do
    now[name] = stored[name]
    is_equal = is_equal and selections.are_equal(before[name], now[name])
  end
  return is_equal and before or now
end

return selections
