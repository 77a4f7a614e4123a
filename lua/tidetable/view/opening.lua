-- opening.lua - the tables of a view: checks and creates them when the view is opened.

local core = require "tidetable.core"
local state = require "tidetable.view.state"
local table_definitions = require "tidetable.definition"

local opening = {}

--- Returns the names of the key attributes of a description.
local function key_names(description)
  local names = { description.partition_key[1] }
  if description.sort_key then
    names[2] = description.sort_key[1]
  end
  return names
end

--- Returns the description of the source. VALIDATION if its stream lacks an image.
---@param database tidetable.Database
---@param definition tidetable.CompleteView
---@return tidetable.TableDescription|nil, tidetable.error|nil err, tidetable.code|nil code
function opening.describe_source(database, definition)
  local from, err, code = database:table(definition.from)
  local source
  if from then
    source, err, code = from:describe()
  end
  if not source then
    return nil, err, code
  elseif not source.stream then
    return core.invalid(("view %s: %s has no stream; enable one with the view type"
      .. " NEW_AND_OLD_IMAGES"):format(definition.name, definition.from))
  elseif source.stream.view_type ~= "NEW_AND_OLD_IMAGES" then
    return core.invalid(("view %s: the stream of %s has the view type %s; a view needs"
      .. " NEW_AND_OLD_IMAGES"):format(definition.name, definition.from, source.stream.view_type))
  end
  return source
end

--- Returns the definition of the view's table.
local function table_spec(definition, source)
  local spec = { name = definition.into }
  for name, value in pairs(definition.table or {}) do
    spec[name] = value
  end
  if not definition.table and definition.select then
    spec.partition_key, spec.sort_key = source.partition_key, source.sort_key
  end
  return spec.partition_key and spec
end

--- Returns the description of a table; nil if it does not exist; nil, err, code on failure.
local function describe(database, name)
  local handle, about, err, code
  handle, err, code = database:table(name)
  if handle then
    about, err, code = handle:definition()
  end
  if not about and code == "NOT_FOUND" then
    return nil
  end
  return about, err, code
end

--- Returns a key in the form of a description.
local function full_key(key)
  return key and (type(key) == "string" and { key, "S" } or { key[1], key[2] or "S" })
end

--- Returns VALIDATION unless the table fits the definition.
local function check_keys(definition, about)
  local window = definition.window
  if not window then
    if not about.ttl then
      return true
    end
    return core.invalid(("view %s: the table %s has a time to live, which only a view with a window"
      .. " can have"):format(definition.name, definition.into))
  end
  for _, key in ipairs { full_key(about.partition_key), full_key(about.sort_key) } do
    if key[1] == window.attribute and key[2] == "N" then
      return true
    end
  end
  return core.invalid(("view %s: the table %s has no key attribute %s of type N, the start of the"
    .. " window"):format(definition.name, definition.into, window.attribute))
end

--- Returns VALIDATION unless the existing table can be the one of the view.
local function check_existing(database, definition, spec, is_new)
  local into, err, code = database:table(definition.into)
  if into and spec then
    into, err, code = table_definitions.ensure(into, spec, false)
  end
  local items
  if into then
    items, err, code = into:scan_page { limit = 1 }
  end
  if not items then
    return nil, err, code
  elseif is_new and #items > 0 then
    return core.invalid(("view %s: the table %s has items that are not the view's; use an empty"
      .. " one"):format(definition.name, definition.into))
  end
  return true
end

--- Returns true and the definition with which the view's table is created or compared (nil: none);
--- nil, err, code if the table can't be the view's.
local function check_target(database, definition, source, is_new)
  local spec = table_spec(definition, source)
  local about, err, code = describe(database, definition.into)
  if err then
    return nil, err, code
  elseif not about and not spec then
    return core.invalid(("view %s: the table %s does not exist, and the definition has no option"
      .. " \"table\" with its keys"):format(definition.name, definition.into))
  elseif spec and spec.stream == nil and about then
    spec.stream = about.stream     -- a program may have enabled one
  end
  local ok
  ok, err, code = check_keys(definition, about or spec)
  if ok and about then
    ok, err, code = check_existing(database, definition, spec, is_new)
  end
  if not ok then
    return nil, err, code
  end
  return true, spec
end

local function differs(text, ...)
  return core.consumer_failure("CONSUMER_DIFFERS", text:format(...))
end

--- Returns CONSUMER_DIFFERS unless the stored state belongs to this definition.
---@param definition tidetable.CompleteView
---@param header tidetable.ViewHeader
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function opening.check_header(definition, header)
  local name = definition.name
  for _, part in ipairs { "from", "into" } do
    if header[part] ~= definition[part] then
      return differs("view %s exists with another %s: %s", name, part, header[part])
    end
  end
  if header.wanted > definition.version then
    return differs("view %s has version %d; this program declares %d", name, header.wanted,
      definition.version)
  elseif header.version == definition.version and header.shape ~= definition.shape then
    return differs("view %s has version %d with another definition (%s; this program: %s): declare"
      .. " another version", name, header.version, header.shape, definition.shape)
  end
  return true
end

--- Returns the header of the view; nil if there is none; nil, err, code on failure.
local function find_header(database, definition)
  local rows, err, code = database:table(definition.state)
  local header
  if rows then
    header, err, code = rows:get(state.HEADER)
  end
  if not header and code == "NOT_FOUND" then
    return nil
  end
  return header, err, code
end

--- Verifies a definition. Returns the header, false if there is no view yet, and the definition of
--- its table.
local function verify(database, definition)
  local source, err, code = opening.describe_source(database, definition)
  local header, ok
  if source then
    header, err, code = find_header(database, definition)
    ok = not err
  end
  if header then
    ok, err, code = opening.check_header(definition, header)
  elseif ok and core.consumer_describe(database.core, definition.name) then
    return differs("%s is the name of a consumer that does not maintain a view", definition.name)
  end
  local spec
  if ok then
    ok, spec, code = check_target(database, definition, source, not header)
    err = spec
  end
  if not ok then
    return nil, err, code
  end
  return header or false, spec
end

--- Implements views.verify.
---@param database tidetable.Database
---@param definition tidetable.CompleteView
---@return "create"|"open"|"rebuild"|nil, tidetable.error|nil err, tidetable.code|nil code
function opening.verify(database, definition)
  local header, err, code = verify(database, definition)
  if header == nil then
    return nil, err, code
  elseif not header then
    return "create"
  end
  return header.version == definition.version and "open" or "rebuild"
end

--- Creates the table of the state and its first row, unless they exist. Returns the header.
local function ensure_state(view)
  local database, definition = view.database, view.definition
  local rows, err, code = database:ensure_table { name = definition.state,
    partition_key = { "p", "B" }, sort_key = { "s", "B" } }
  if not rows then
    return nil, err, code
  end
  view.rows = rows
  local header
  header, err, code = rows:get(state.HEADER)
  if header or err then
    return header, err, code
  end
  header = state.new_header(definition)
  local ok
  ok, err, code = rows:put(header, { condition = "attribute_not_exists(p)" })
  if not ok and code == "CONDITION_FAILED" then     -- created by another program
    return rows:get(state.HEADER)
  elseif not ok then
    return nil, err, code
  end
  return header
end

--- Creates what does not exist of the view's tables. Sets the fields into, rows and names.
---@param view tidetable.View
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function opening.open(view)
  local database, definition = view.database, view.definition
  local header, spec, code = verify(database, definition)
  if header == nil then
    return nil, spec, code
  end
  local about, err
  if spec then
    view.into, err, code = database:ensure_table(spec)
  else
    view.into, err, code = database:table(definition.into)
  end
  if view.into then
    about, err, code = view.into:describe()
  end
  if about then
    view.names = key_names(about)
    header, err, code = ensure_state(view)
  end
  if not about or not header then
    return nil, err, code
  end
  return opening.check_header(definition, header)
end

return opening
