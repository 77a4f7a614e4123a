-- item_argument.lua - keys and items, as they are written on the command line.
--
--   customer=ann placed_at=1       text; of a key attribute, what its type makes of it
--   total:=12.5 tags:='["a"]'      JSON
--   '{"customer":"ann"}'           all of it in JSON

local base64 = require "tidetable.dynamodb.base64"
local binary = require "tidetable.types".binary
local console = require "tidetable.cli.console"
local display = require "tidetable.cli.display"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local options = require "tidetable.options"

local item_argument = {}

local readers = {
  S = function(value)
    return value
  end,
  N = function(value)
    local number, err = json_text.number(value)
    return number, err and err.message
  end,
  B = function(value)
    local bytes = base64.decode(value)
    return bytes and binary(bytes), "a binary is written in base64"
  end,
}

--- The types of a table's key attributes, by name.
---@param description tidetable.TableDescription
---@return table<string, string>
function item_argument.key_types(description)
  local types = { [description.partition_key[1]] = description.partition_key[2] }
  if description.sort_key then
    types[description.sort_key[1]] = description.sort_key[2]
  end
  return types
end

--- A key attribute's value.
---@param name string
---@param kind string   S, N or B
---@param value string
---@return any
function item_argument.key_value(name, kind, value)
  local read, problem = readers[kind](value)
  if read == nil then
    console.misused(("%s: %s"):format(name, problem))
  end
  return read
end

local function json_value(name, value, form)
  local tree, err, code = json_text.decode(value)
  local read
  if not code then
    read, err, code = json.value(tree, form, name)
  end
  if code then
    console.misused(err.line and ("%s: %s"):format(name, err.message) or err.message,
      "NAME:=VALUE takes JSON; NAME=VALUE takes text as it is")
  end
  return read
end

--- The name of a word and its value.
local function read_word(word, types, form)
  local name, value = word:match "^(.-)=(.*)$"
  local bare = name and name:match "^(.*):$"
  if not name or name == "" or bare == "" then
    console.misused(("'%s' is not NAME=VALUE"):format(word),
      "an attribute is NAME=TEXT or NAME:=JSON; a whole item is one word of JSON")
  elseif bare then
    return bare, json_value(bare, value, form)
  end
  return name, item_argument.key_value(name, types[name] or "S", value)
end

--- The attributes of these words.
---@param given string[]
---@param description tidetable.TableDescription
---@param form tidetable.json.form
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
  for _, word in ipairs(given) do
    local name, value = read_word(word, types, form)
    if item[name] ~= nil then
      console.misused(("%s is given twice"):format(name))
    end
    item[name] = value
  end
  return item
end

--- A key's attributes, as a hint shows them.
---@param description tidetable.TableDescription
---@return string
function item_argument.key_shape(description)
  local shape = description.partition_key[1] .. "=..."
  if description.sort_key then
    shape = shape .. " " .. description.sort_key[1] .. "=..."
  end
  return shape
end

--- Ends the command unless the attributes are of the key, all or some of it.
local function check_names(key, types, description)
  for name in pairs(key) do
    if not types[name] then
      local near = options.nearest(name, types)
      console.misused(("%s is no key attribute of %s"):format(name, description.name),
        near and ("did you mean %s?"):format(near)
          or "its key is " .. item_argument.key_shape(description))
    end
  end
end

--- A whole key.
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
      console.misused(("the key lacks %s"):format(name),
        "a whole key is " .. item_argument.key_shape(description))
    end
  end
  return key
end

--- A partition key, and a sort key where it is given.
---@param given string[]
---@param description tidetable.TableDescription
---@param form tidetable.json.form
---@return any partition, any sort
function item_argument.partition(given, description, form)
  local key = item_argument.attributes(given, description, form)
  check_names(key, item_argument.key_types(description), description)
  local partition = key[description.partition_key[1]]
  if partition == nil then
    console.misused(("the partition key %s is missing"):format(description.partition_key[1]))
  end
  return partition, description.sort_key and key[description.sort_key[1]]
end

--- A key in the shell's words, to be given again.
---@param key table<string, any>
---@param form tidetable.json.form
---@return string
function item_argument.quoted(key, form)
  return display.word((assert(json.encode_item(key, form))))
end

return item_argument
