-- expression_options.lua - reads expressions, the names and values of their placeholders, and the
-- context of a change.
--
--   --filter '#s = :s' --names '{"#s":"status"}' --values '{":s":"open"}'
--
-- A malformed option ends the command with status 2. The library checks the expressions.

local console = require "tidetable.cli.console"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local types = require "tidetable.types"

local expression_options = {}

--- Options whose value is an expression.
local EXPRESSIONS = { "key_condition", "filter", "projection", "condition" }

--- Ends the command if an expression has a value by position: the command line has none.
---@param label string  name of the option or argument
---@param text string
function expression_options.check(label, text)
  if text:find("?", 1, true) then
    console.misused(label .. ": '?' has no value", "use a placeholder such as :v, and --values")
  end
end

local function read_names(text)
  local tree, err, code = json_text.decode(text)
  if code then
    console.misused("--names: " .. err.message)
  end
  local are_texts = types.type(tree) == "M"
  for _, name in next, are_texts and tree or {} do
    are_texts = are_texts and type(name) == "string"
  end
  return are_texts and tree
    or console.misused [[--names: expected an object of texts, such as {"#s":"status"}]]
end

local function read_item(option, text, form)
  local item, err = json.decode_item(text, form)
  if not item then
    console.misused(option .. ": " .. err.message)
  end
  return item
end

--- Adds the expressions of a command line, and their names and values, to options of the library.
---@param args table
---@param form tidetable.json.form  of --values
---@param given table
---@return table given
function expression_options.read(args, form, given)
  for _, name in ipairs(EXPRESSIONS) do
    if args[name] then
      expression_options.check("--" .. name:gsub("_", "-"), args[name])
      given[name] = args[name]
    end
  end
  given.names = args.names and read_names(args.names)
  given.values = args.values and read_item("--values", args.values, form)
  return given
end

--- Adds the context and the origin of a change to options of the library.
---@param args table
---@param form tidetable.json.form  of --context
---@param given table
---@return table given
function expression_options.read_annotation(args, form, given)
  given.context = args.context and read_item("--context", args.context, form)
  given.origin = args.origin
  return given
end

return expression_options
