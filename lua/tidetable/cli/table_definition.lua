-- table_definition.lua - definition of a table in an export, as a CreateTable request.
--
--   {"Table":{"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],
--             "KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"TableName":"orders",
--             "StreamSpecification":{"StreamEnabled":true,"StreamViewType":"KEYS_ONLY",
--                                    "Retention":{"age":86400},
--                                    "Hold":{"age":604800,"bytes":1073741824}}}}
--
-- All names are DynamoDB's except Retention and Hold, which DynamoDB does not have: `age` in
-- seconds, `bytes` and `count`, as in stream:set_retention. An unknown name is an
-- error, because a table without that property would be a different one.

local types = require "tidetable.types"

local table_definition = {}

local function key_element(key, kind)
  return { AttributeName = key[1], KeyType = kind }
end

local function attribute(key)
  return { AttributeName = key[1], AttributeType = key[2] }
end

local function stream_tree(stream)
  local retention = stream.retention
  return {
    StreamEnabled = true, StreamViewType = stream.view_type,
    Retention = { age = retention.age, bytes = retention.bytes, count = retention.count },
    Hold = { age = stream.hold.age, bytes = stream.hold.bytes },
  }
end

--- Returns the definition of a table as a tree for json_text.encode.
---@param description tidetable.TableDescription
---@return table
function table_definition.tree(description)
  local partition, sort = description.partition_key, description.sort_key
  return {
    TableName = description.name,
    KeySchema = { key_element(partition, "HASH"), sort and key_element(sort, "RANGE") },
    AttributeDefinitions = { attribute(partition), sort and attribute(sort) },
    StreamSpecification = description.stream and stream_tree(description.stream),
  }
end

-- Reading --------------------------------------------------------------------

local Fault = {}

local function fail(reason, ...)
  error(setmetatable({ reason = reason:format(...) }, Fault), 0)
end

--- Checks that the tree is an object with these members of these types. A type that ends in "?" is
--- optional.
local function check_members(tree, what, known)
  if types.type(tree) ~= "M" then
    fail("%s: expected an object", what)
  end
  for name in pairs(tree) do
    if not known[name] then
      fail("%s: unknown name %s", what, name)
    end
  end
  for name, expected in pairs(known) do
    local kind, optional = expected:match "^(%u+)(%??)$"
    local found = types.type(tree[name])
    if found ~= kind and not (tree[name] == nil and optional == "?") then
      fail(tree[name] == nil and "%s: missing %s" or "%s: wrong type of %s", what, name)
    end
  end
end

local key_kinds = { "HASH", "RANGE" }

--- Returns the i-th key attribute as { name, type }; nil if there is none.
local function read_key(tree, i, attribute_types)
  local element = tree.KeySchema[i]
  if not element then
    return nil
  end
  check_members(element, ("KeySchema[%d]"):format(i), { AttributeName = "S", KeyType = "S" })
  local kind = attribute_types[element.AttributeName]
  if element.KeyType ~= key_kinds[i] then
    fail("KeySchema[%d]: KeyType must be %s", i, key_kinds[i])
  elseif not kind then
    fail("AttributeDefinitions: missing %s", element.AttributeName)
  end
  return { element.AttributeName, kind }
end

local function read_attributes(tree)
  local attribute_types = {}
  for i, element in ipairs(tree.AttributeDefinitions) do
    local what = ("AttributeDefinitions[%d]"):format(i)
    check_members(element, what, { AttributeName = "S", AttributeType = "S" })
    if not element.AttributeType:find "^[SNB]$" then
      fail("%s: AttributeType must be S, N or B", what)
    end
    attribute_types[element.AttributeName] = element.AttributeType
  end
  return attribute_types
end

local view_types = { KEYS_ONLY = true, NEW_IMAGE = true, OLD_IMAGE = true,
  NEW_AND_OLD_IMAGES = true }

--- Maximum of the limits of a retention; a larger number has the same effect.
local LIMIT_MAX = 1e12

local function check_limit(retention, name, least, kind, what)
  local value = retention[name]
  if value == nil then
    return
  elseif not math.type(value) or value < least or value > LIMIT_MAX or
      kind == "integer" and math.type(value) ~= kind then
    fail("%s: %s must be %s from %g to %g", what or "Retention", name,
      kind == "integer" and "an integer" or "a number", least, LIMIT_MAX)
  end
end

local function read_stream(tree)
  local stream = tree.StreamSpecification
  if not stream then
    return nil
  end
  check_members(stream, "StreamSpecification",
    { StreamEnabled = "BOOL", StreamViewType = "S?", Retention = "M?", Hold = "M?" })
  if not stream.StreamEnabled then
    return nil
  elseif not view_types[stream.StreamViewType] then
    fail "StreamSpecification: invalid StreamViewType"
  end
  local retention = stream.Retention
  if retention then
    check_members(retention, "Retention", { age = "N?", bytes = "N?", count = "N?" })
    check_limit(retention, "age", 0.001)
    check_limit(retention, "bytes", 1, "integer")
    check_limit(retention, "count", 1, "integer")
  end
  local hold = stream.Hold
  if hold then
    check_members(hold, "Hold", { age = "N?", bytes = "N?" })
    check_limit(hold, "age", 0.001, nil, "Hold")
    check_limit(hold, "bytes", 1, "integer", "Hold")
  end
  return { view_type = stream.StreamViewType, retention = retention, hold = hold }
end

local function read(tree)
  check_members(tree, "Table", { TableName = "S", KeySchema = "L", AttributeDefinitions = "L",
    StreamSpecification = "M?" })
  local attribute_types = read_attributes(tree)
  local partition = read_key(tree, 1, attribute_types)
  if not partition or tree.KeySchema[3] then
    fail "KeySchema: expected one or two elements"
  end
  return {
    name = tree.TableName, partition_key = partition, sort_key = read_key(tree, 2, attribute_types),
    stream = read_stream(tree),
  }
end

--- Returns the options of db:create_table for the tree of a definition, or nil and a message.
---@param tree any
---@return table|nil spec, string|nil problem
function table_definition.spec(tree)
  local ok, result = pcall(read, tree)
  if ok then
    return result
  elseif getmetatable(result) ~= Fault then
    error(result, 0)
  end
  return nil, result.reason
end

local function same_key(a, b)
  return a == b or a and b and a[1] == b[1] and a[2] == b[2]
end

--- Returns true if a table has the keys of a definition.
---@param spec table
---@param description tidetable.TableDescription
---@return boolean
function table_definition.matches(spec, description)
  return (same_key(spec.partition_key, description.partition_key)
    and same_key(spec.sort_key, description.sort_key)) and true or false
end

return table_definition
