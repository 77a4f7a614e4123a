-- definition.lua - checks the definition of a view and completes it.

local options = require "tidetable.options"
local types = require "tidetable.types"

local definitions = {}

--- A tumbling window.
---@class tidetable.ViewWindow
---@field size integer            seconds; windows begin at the multiples of it
---@field stamp fun(item: table): number|tidetable.Number|nil  time of an item, seconds since 1970;
---                               nil: the item isn't in the view
---@field grace number|nil        seconds for which a closed window is still corrected; default 0
---@field attribute string|nil    key attribute of the view with the start of the window; default
---                               "window"

---@class tidetable.ViewReduce
---@field add fun(group: table, item: table): table|nil  adds an item to the attributes of a group
---@field remove (fun(group: table, item: table): table|nil)|nil  inverts add; nil: groups are
---                               computed again from their items
---@field initial table|(fun(): table)|nil  attributes of a group before the first item; default {}

---@class tidetable.ViewDefinition
---@field name string
---@field kind "view"|nil
---@field from string|tidetable.Table   the source
---@field into string|nil         name of the view's table; default: the name
---@field version integer|nil     a greater one rebuilds the view; default 1
---@field key (fun(item: table): table|nil)|nil  key attributes of an item's group; nil: in none
---@field reduce tidetable.ViewReduce|nil
---@field select (fun(item: table): table|table[]|nil)|nil  items of the view for an item
---@field window tidetable.ViewWindow|nil
---@field table table|nil         partition_key, sort_key, stream, ttl of the view's table
---@field batch_size integer|nil  default 1000
---@field batch_bytes integer|nil
---@field handler_limit number|nil
---@field hold boolean|nil        default true
---@field hold_limit number|nil
---@field lease number|nil
---@field mode "optimistic"|"locked"|nil
---@field wait (fun(wakeup: tidetable.Wakeup, seconds: number|nil))|nil

--- Longest name: that of the state's table is longer by SUFFIX.
local NAME_MAX = 255
local SUFFIX = ".state"

--- Greatest size and grace of a window in seconds, 1,000 years.
local SECONDS_MAX = 31556952000

local function is_source(value)
  return type(value) ~= "string" and not (type(value) == "table"
    and type(rawget(value, "name")) == "string") and "the name of a table, or a table" or nil
end

local function check_name(value)
  if type(value) ~= "string" or not value:find "^[%w_.-]+$" or #value < 3
      or #value > NAME_MAX - #SUFFIX then
    return ("a name of 3 to %d characters of a-z, A-Z, 0-9, '_', '-' and '.'"):format(
      NAME_MAX - #SUFFIX)
  end
end

local function finite(least)
  return function(value)
    if options.seconds(value) or value < least or value > SECONDS_MAX then
      return ("a finite number of seconds from %g"):format(least)
    end
  end
end

local known = {
  name = check_name, kind = options.one_of { "view" }, from = is_source, into = "string",
  version = options.integer_from(1, 2 ^ 53 // 1 | 0), key = "function", reduce = "table",
  select = "function", window = "table", table = "table", batch_size = options.integer_from(1),
  batch_bytes = options.integer_from(1), handler_limit = finite(1), hold = "boolean",
  hold_limit = finite(1), lease = finite(0.1), mode = options.one_of { "optimistic", "locked" },
  wait = "function",
}

--- Options of a definition; the keys are their names.
definitions.options = known

local known_reduce = { add = "function", remove = "function", initial = { "table", "function" } }

local known_window = {
  size = options.integer_from(1, SECONDS_MAX), stamp = "function", grace = finite(0),
  attribute = "string",
}

local key_types = { S = true, N = true, B = true }

local function check_key(value)
  if type(value) == "string" or type(value) == "table" and type(value[1]) == "string"
      and (options.is_tuple(value, 1) or options.is_tuple(value, 2) and key_types[value[2]]) then
    return nil
  end
  return 'a name, or { name, "S" | "N" | "B" }'
end

--- Options of the view's table.
local known_table = {
  partition_key = check_key, sort_key = check_key,
  stream = { "table", "boolean" }, ttl = { "string", "boolean" },
}

--- Settings of the consumer that a definition can contain.
local settings = { "batch_size", "batch_bytes", "handler_limit", "hold", "hold_limit", "lease",
  "mode", "wait" }

--- Returns the defect of a table of options; nil: none (options.check).
local function wrong(given, names, subject)
  local ok, err = pcall(options.check, given, names, subject)
  if not ok then
    return (tostring(err):gsub("^.-" .. subject:gsub("%p", "%%%0") .. ":", subject .. ":", 1))
  end
end

local function is_encodable(value)
  return (pcall(types.equal, value, value))
end

--- Returns the defect of the parts of a definition; nil: none.
local function wrong_parts(given)
  local reduce, window = given.reduce, given.window
  if given.select and (given.key or reduce or window) then
    return 'view: the option "select" excludes "key", "reduce" and "window"'
  elseif not given.select and not (given.key and reduce) then
    return 'view: expected "key" and "reduce", or "select"'
  end
  local text = reduce and wrong(reduce, known_reduce, "view: reduce")
    or window and wrong(window, known_window, "view: window")
    or given.table and wrong(given.table, known_table, "view: table")
  if text then
    return text
  elseif reduce and not reduce.add then
    return 'view: reduce: the function "add" is missing'
  elseif reduce and type(reduce.initial) == "table" and not is_encodable(reduce.initial) then
    return "view: reduce: initial contains a value that can't be stored"
  elseif window and not (window.size and window.stamp) then
    return ('view: window: the option "%s" is missing'):format(window.size and "stamp" or "size")
  elseif window and #(window.attribute or "window") == 0 then
    return "view: window: the attribute has no name"
  elseif given.table and not given.table.partition_key then
    return 'view: table: the option "partition_key" is missing'
  elseif given.table and given.table.ttl and not window then
    return "view: table: ttl is available for views with a window only, because the items of other"
      .. " views follow the source"
  end
end

local function name_of(source)
  return type(source) == "table" and rawget(source, "name") or source
end

--- Returns the defect of a definition; nil: none.
local function wrong_definition(given)
  if type(given) ~= "table" then
    return "view: expected a definition, got " .. type(given)
  end
  local text = wrong(given, known, "view")
  if text then
    return text
  end
  for _, name in ipairs { "name", "from" } do
    if given[name] == nil then
      return ("view: the option %q is missing"):format(name)
    end
  end
  text = wrong_parts(given)
  if text then
    return text
  end
  local into = given.into or given.name
  if name_of(given.from) == into then
    return ("view: the source and the view are the same table, %s"):format(into)
  elseif into == given.name .. SUFFIX or name_of(given.from) == given.name .. SUFFIX then
    return ("view: the table %s contains the state of the view"):format(given.name .. SUFFIX)
  end
end

--- Returns the name of the table with the state of a view.
---@param name string
---@return string
function definitions.state_name(name)
  return name .. SUFFIX
end

--- Validates a definition without a database. Returns true; nil and a message.
---@param given any
---@return true|nil ok, string|nil message
function definitions.validate(given)
  local text = wrong_definition(given)
  if text then
    return nil, text
  end
  return true
end

--- Returns how the view keeps the state of its groups: "sum": their attributes and number of items;
--- "members": their items; "select": nothing, once it is built.
local function strategy_of(given)
  return given.select and "select" or given.reduce.remove and "sum" or "members"
end

--- Returns a text that is equal for two definitions only if one can continue with the state of the
--- other.
local function shape_of(given)
  local window = given.window
  if not window then
    return strategy_of(given)
  end
  return ("%s, windows of %d s in %s"):format(strategy_of(given), window.size,
    window.attribute or "window")
end

--- A definition with its defaults.
---@class tidetable.CompleteView
---@field name string
---@field from string
---@field into string
---@field state string             name of the table with the state
---@field version integer
---@field strategy "sum"|"members"|"select"
---@field shape string
---@field key (fun(item: table): table|nil)|nil
---@field reduce tidetable.ViewReduce|nil
---@field select (fun(item: table): table|table[]|nil)|nil
---@field window { size: integer, stamp: function, grace: number, attribute: string }|nil
---@field table table|nil
---@field settings table           settings of the consumer

--- Completes a definition. Raises an error if it is not valid.
---@param given tidetable.ViewDefinition
---@return tidetable.CompleteView
function definitions.complete(given)
  local text = wrong_definition(given)
  if text then
    options.misuse(text)
  end
  local window = given.window
  local complete = {
    name = given.name, from = name_of(given.from), into = given.into or given.name,
    state = definitions.state_name(given.name), version = given.version or 1,
    strategy = strategy_of(given),
    shape = shape_of(given), key = given.key, reduce = given.reduce, select = given.select,
    window = window and { size = window.size, stamp = window.stamp, grace = window.grace or 0,
      attribute = window.attribute or "window" },
    table = given.table,
    settings = { batch_size = 1000, hold = true },
  }
  for _, name in ipairs(settings) do
    if given[name] ~= nil then
      complete.settings[name] = given[name]
    end
  end
  return complete
end

return definitions
