-- request.lua - requests with expressions: checks their options and the number of their values.

local annotations = require "tidetable.annotation"
local core = require "tidetable.core"
local options = require "tidetable.options"
local wait = require "tidetable.wait"

local request = {}

request.PUT, request.UPDATE, request.DELETE = 0, 1, 2

local returns = { NONE = 0, ALL_OLD = 1, ALL_NEW = 2, UPDATED_OLD = 3, UPDATED_NEW = 4 }

local function write_options(return_values)
  return annotations.with_options {
    condition = "string", names = "table", values = "table",
    return_values = options.one_of(return_values),
    return_values_on_failure = options.one_of { "NONE", "ALL_OLD" },
  }
end

local put_options = write_options { "NONE", "ALL_OLD" }
local update_options =
  write_options { "NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW" }

--- Options of every query and scan.
request.read_options = {
  filter = "string", projection = "string", names = "table", values = "table", count = "boolean",
}

local with_key_condition = setmetatable({}, { __mode = "k" })

--- Returns the options of a query whose partition is in a key condition.
function request.with_key_condition(known)
  if not with_key_condition[known] then
    local more = { key_condition = "string" }
    for name, check in pairs(known) do
      if name ~= "sort" then
        more[name] = check
      end
    end
    with_key_condition[known] = more
  end
  return with_key_condition[known]
end

--- Returns the options if the core must read expressions from them; otherwise nil.
function request.reads(given)
  if given.filter or given.projection or given.key_condition or given.names or given.values
      or given.n or given[1] ~= nil then
    return given
  end
end

--- Adds the options that select records, and the projection of their images, to the known options
--- of a stream (options.check), and returns them.
---@param known table<string, string|string[]|fun(value: any): string|nil>
---@return table<string, string|string[]|fun(value: any): string|nil>
function request.with_selection(known)
  known.filter, known.names, known.values, known.key = "string", "table", "table", "table"
  known.projection = "string"
  return known
end

--- Returns true if options of a stream contain a filter, a key or a projection.
---@param given table
---@return boolean
function request.selects(given)
  return given.key ~= nil or request.reads(given) ~= nil
end

---@class tidetable.SelectionOptions : tidetable.Parameters
---@field filter string|nil   only records that satisfy this condition on their fields
---@field key table<string, any>|nil  only records of the item with this key
---@field projection string|nil  projection expression: the attributes that images contain; nil: all

---@class tidetable.Parameters
---@field names table<string, string>|nil   attribute names of the placeholders `#name`
---@field values table<string, any>|nil     values of the placeholders `:name`
---@field n integer|nil                     number of values in the array part; default: its length
---@field [integer] any                     values of the `?`, in order

---@class tidetable.WriteOptions : tidetable.Parameters, tidetable.AnnotationOptions
---@field condition string|nil     the write is made only if the stored item satisfies it
---@field return_values "NONE"|"ALL_OLD"|nil     ALL_OLD: the replaced item is returned
---@field return_values_on_failure "NONE"|"ALL_OLD"|nil  ALL_OLD: err.item is the stored item

---@class tidetable.UpdateOptions : tidetable.Parameters, tidetable.AnnotationOptions
---@field condition string|nil     the update is made only if the stored item satisfies it
---@field return_values "NONE"|"ALL_OLD"|"ALL_NEW"|"UPDATED_OLD"|"UPDATED_NEW"|nil
---@field return_values_on_failure "NONE"|"ALL_OLD"|nil  ALL_OLD: err.item is the stored item

local type_of = math.type

local function is_count(n)
  return type_of(n) == "integer" and n >= 0
end

--- Checks options that may have an array part.
---@return table given
function request.check(given, known, what)
  if type(given) ~= "table" then
    return options.check(given, known, what)
  end
  local named
  for name, value in next, given do
    if name == "n" then
      if not is_count(value) then
        options.misuse(what .. ': option "n" must be the number of values in the array part')
      end
    elseif type_of(name) ~= "integer" then
      named = named or {}
      named[name] = value
    end
  end
  if named then
    options.check(named, known, what)
  end
  return given
end

--- Raises the misuse of an array part that does not fit the `?` of the expressions.
local function misuse_positions(what, wanted, count, is_nil)
  if is_nil > 0 then
    options.misuse(("%s: value %d of the array part is nil"):format(what, is_nil))
  end
  options.misuse(("%s: the expressions have %d `?`, the array part has %d values"):format(what,
    wanted, count))
end

--- Returns the results of a core function. Raises the misuse if the first is false, which means
--- that the array part does not fit the expressions.
function request.results(what, ok, a, b, c)
  if ok == false then
    misuse_positions(what, a, b, c)
  end
  return ok, a, b
end

--- Returns true if options of a put or delete need core.write: expressions or an annotation.
function request.has_expressions(given)
  for name in next, given do
    if name ~= "return_values" then
      return true
    end
  end
  return false
end

--- Checks the options of a put or delete; `given` may be nil.
function request.check_write(given, what)
  return request.check(given, put_options, what)
end

--- Checks the expression and the options of an update.
function request.check_update(expression, given)
  if expression ~= nil and type(expression) ~= "string" then
    options.misuse("update: expected an update expression (a string), got " .. type(expression))
  end
  return request.check(given, update_options, "update")
end

--- Checks the same in a transaction, whose annotation is that of db:transact.
function request.check_tx_write(given, what)
  annotations.refuse(given, what)
  return request.check_write(given, what)
end

function request.check_tx_update(expression, given)
  if type(given) ~= "table" or given.context ~= nil or given.origin ~= nil then
    annotations.refuse(given, "update")
  end
  return request.check_update(expression, given)
end

--- Returns the arguments of core.write that follow the item.
function request.arguments(expression, given)
  return expression, given, returns[given.return_values or "NONE"],
    given.return_values_on_failure == "ALL_OLD"
end

--- Does a write in a new transaction.
---@return integer|nil sequence_number, table|tidetable.error|nil item, tidetable.code|nil code
function request.write(self, operation, item, expression, given, what)
  local annotation, err, code = annotations.encode(self.database, given)
  if not annotation then
    return nil, err, code
  end
  local update, opts, returned, wants_failed = request.arguments(expression, given)
  return request.results(what, wait.try(self.database, core.write, self.core, operation, item,
    update, opts, returned, wants_failed, annotation))
end

--- Does a write in the open transaction. Raises failures.
---@return true ok, table|nil item
function request.tx_write(self, operation, item, expression, given, what)
  return request.results(what, core.tx_write(self.core, operation, item,
    request.arguments(expression, given)))
end

return request
