-- item_argument.lua - parses keys and items given on the command line.
--
--   customer=ann placed_at=1       text; a key attribute has its type in the table
--   total:=12.5 tags:='["a"]'      JSON
--   '{"customer":"ann"}'           the whole key or item as JSON
--
-- A malformed argument ends the command with status 2.

local base64 = require "tidetable.dynamodb.base64"
local binary = require "tidetable.types".binary
local console = require "tidetable.cli.console"
local display = require "tidetable.cli.display"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local options = require "tidetable.options"

local item_argument = {}

--- Parsers of a key attribute, by type: value, or nil and a message.
local PARSERS = {
  S = function(text)
    return text
  end,
  N = function(text)
    local number, err = json_text.number(text)
    return number, err and err.message
  end,
  B = function(text)
    local bytes = base64.decode(text)
    return bytes and binary(bytes), "expected a binary in base64"
  end,
}

--- Returns the types of the key attributes, by name.
---@param description tidetable.TableDescription
---@return table<string, string>
function item_argument.key_types(description)
  local types = { [description.partition_key[1]] = description.partition_key[2] }
  if description.sort_key then
    types[description.sort_key[1]] = description.sort_key[2]
  end
  return types
end

--- Parses the text of a value.
---@param kind string   S, N or B
---@param text string
---@return any value, string|nil problem  nil and a message if the text is invalid
function item_argument.parse(kind, text)
  return PARSERS[kind](text)
end

--- Parses the value of a key attribute.
---@param name string
---@param kind string   S, N or B
---@param text string
---@return any
function item_argument.key_value(name, kind, text)
  local value, problem = PARSERS[kind](text)
  if value == nil then
    console.misused(("%s: %s"):format(name, problem))
  end
  return value
end

local function json_value(name, text, form)
  local tree, err, code = json_text.decode(text)
  local value
  if not code then
    value, err, code = json.value(tree, form, name)
  end
  if code then
    console.misused(err.line and ("%s: %s"):format(name, err.message) or err.message,
      "NAME:=VALUE expects JSON; use NAME=VALUE for text")
  end
  return value
end

--- Parses NAME=TEXT or NAME:=JSON. Returns the name and the value.
local function parse_attribute(argument, types, form)
  local name, text = argument:match "^(.-)=(.*)$"
  local json_name = name and name:match "^(.*):$"
  if not name or name == "" or json_name == "" then
    console.misused(("'%s': expected NAME=VALUE"):format(argument),
      "an attribute is NAME=TEXT or NAME:=JSON; a whole item is one JSON argument")
  elseif json_name then
    return json_name, json_value(json_name, text, form)
  end
  return name, item_argument.key_value(name, types[name] or "S", text)
end

--- Parses an item.
---@param given string[]  arguments of the command line
---@param description tidetable.TableDescription
---@param form tidetable.json.form  of JSON
---@return table<string, any>
function item_argument.attributes(given, description, form)
  if #given == 1 and given[1]:find "^%s*{" then
    local item, err = json.decode_item(given[1], form)
    if not item then
      console.misused(err.message)
    end
    return item
  end
  local item, types = {}, item_argument.key_types(description)
  for _, argument in ipairs(given) do
    local name, value = parse_attribute(argument, types, form)
    if item[name] ~= nil then
      console.misused(("%s: duplicate attribute"):format(name))
    end
    item[name] = value
  end
  return item
end

--- Returns the form of a key on the command line, for a hint: "customer=... placed_at=...".
---@param description tidetable.TableDescription
---@return string
function item_argument.key_shape(description)
  local shape = description.partition_key[1] .. "=..."
  if description.sort_key then
    shape = shape .. " " .. description.sort_key[1] .. "=..."
  end
  return shape
end

--- Ends the command if an attribute is not a key attribute.
local function check_names(key, types, description)
  for name in pairs(key) do
    if not types[name] then
      local near = options.nearest(name, types)
      console.misused(("%s: not a key attribute of %s"):format(name, description.name),
        near and ("did you mean %s?"):format(near)
          or "its key is " .. item_argument.key_shape(description))
    end
  end
end

--- Parses a whole key.
---@param given string[]
---@param description tidetable.TableDescription
---@param form tidetable.json.form
---@return table<string, any>
function item_argument.key(given, description, form)
  local key = item_argument.attributes(given, description, form)
  local types = item_argument.key_types(description)
  check_names(key, types, description)
  for name in pairs(types) do
    if key[name] == nil then
      console.misused(("key: missing attribute %s"):format(name),
        "a whole key is " .. item_argument.key_shape(description))
    end
  end
  return key
end

--- Parses a partition key and an optional sort key.
---@param given string[]
---@param description tidetable.TableDescription
---@param form tidetable.json.form
---@return any partition, any sort  sort: nil if it is not given
function item_argument.partition(given, description, form)
  local key = item_argument.attributes(given, description, form)
  check_names(key, item_argument.key_types(description), description)
  local partition = key[description.partition_key[1]]
  if partition == nil then
    console.misused(("key: missing partition key %s"):format(description.partition_key[1]))
  end
  return partition, description.sort_key and key[description.sort_key[1]]
end

--- Returns a key as one JSON argument, quoted for the shell.
---@param key table<string, any>
---@param form tidetable.json.form
---@return string
function item_argument.quoted(key, form)
  return display.word((assert(json.encode_item(key, form))))
end

return item_argument
