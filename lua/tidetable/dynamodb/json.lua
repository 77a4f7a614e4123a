-- json.lua - converts items and stream records to JSON and back, in DynamoDB's or in plain form.
--
--   item      { id = "a", n = 5, tags = set { "x" } }
--   dynamodb  {"id":{"S":"a"},"n":{"N":"5"},"tags":{"SS":["x"]}}
--   plain     {"id":"a","n":5,"tags":{"$SS":["x"]}}
--
-- The core converts items (tidetable.json). For requests, which contain items, this module converts
-- a value to a tree of the types that JSON has (strings, numbers, booleans, null, lists, maps),
-- which json_text.lua writes, and back.
--
-- Both forms are lossless. Plain JSON has no sets and binaries, so a set or binary is an object
-- whose only name is a mark: $SS, $NS, $BS or $B. A map whose only name is a mark gets another $
-- before it.

local base64 = require "tidetable.dynamodb.base64"
local core = require "tidetable.core"
local errors = require "tidetable.dynamodb.errors"
local json_text = require "tidetable.dynamodb.json_text"
local guard_module = require "tidetable.members".guard_module
local misuse = require "tidetable.options".misuse
local types = require "tidetable.types"

local json = {}

-- Path of the value, and errors ------------------------------------------------
--
-- Every conversion gets `at`: the names and indexes on the path to the value, and their number in
-- `at.depth`. The text of the path is made only for an error.

--- Maximum number of nested levels: more than an item may have. Stops a table that contains itself.
local DEPTH_MAX = 64

local Place = {}

local function path_of(at)
  local path = ""
  for i = 1, at.depth do
    local name = at[i]
    path = path .. (type(name) == "number" and ("[%d]"):format(name) or
      (path == "" and "" or ".") .. name)
  end
  return path
end

local function fail(at, exception, reason, ...)
  at.exception, at.reason = exception, reason:format(...)
  error(at, 0)
end

local function fail_value(at, ...)
  fail(at, "ValidationException", ...)
end

local function fail_structure(at, ...)
  fail(at, "SerializationException", ...)
end

--- Calls f(value, at) and returns its result. If f calls `fail`, returns nil, err, code.
local function convert(f, value, path)
  local at = setmetatable({ depth = 0 }, Place)
  local ok, result = pcall(f, value, at)
  if ok then
    return result
  elseif result ~= at then
    error(result, 0)
  end
  path = path and path .. (at.depth > 0 and "." or "") or ""
  path = path .. path_of(at)
  local message = path == "" and at.reason or path .. ": " .. at.reason
  return nil, errors.validation(at.exception, message, { path = path, reason = at.reason }),
    "VALIDATION"
end

local function enter_level(at)
  at.depth = at.depth + 1
  if at.depth > DEPTH_MAX then
    at.depth = 0
    fail_value(at, "more than %d levels of lists and maps", DEPTH_MAX)
  end
  return at.depth
end

local function leave_level(at)
  at.depth = at.depth - 1
end

--- Returns the list of f(member) for each member of an array.
local function convert_list(array, at, f)
  local list, depth = types.list {}, enter_level(at)
  for i = 1, #array do
    at[depth] = i
    list[i] = f(array[i], at)
  end
  leave_level(at)
  return list
end

--- Returns the map of f(value) for each value of a map, with names that `rename` may change.
local function convert_map(map, at, f, rename)
  local made, depth = {}, enter_level(at)
  for name, value in next, map do
    at[depth] = name
    made[rename and rename(map, name) or name] = f(value, at)
  end
  leave_level(at)
  return next(made) == nil and types.map(made) or made
end

-- Values to trees ------------------------------------------------------------

local function utf8_string(value, at)
  if not utf8.len(value) then
    fail_value(at, "invalid UTF-8 in a string; use tidetable.binary for bytes")
  end
  return value
end

local function exact_number(value, at)
  local number, err = types.number(value)
  if not number then
    fail_value(at, "%s", err.message)
  end
  return number
end

local function decimal_text(value, at)
  return math.type(value) == "integer" and tostring(value) or tostring(exact_number(value, at))
end

local function base64_text(value)
  return base64.encode(tostring(value))
end

local function check_array(array, at)
  local count = 0
  for i in next, array do
    if math.type(i) ~= "integer" or i < 1 or i > #array then
      fail_value(at, "list: invalid index %s", tostring(i))
    end
    count = count + 1
  end
  if count < #array then
    fail_value(at, "list: missing element")
  end
end

local function write_list(list, at, f)
  check_array(list, at)
  return convert_list(list, at, f)
end

local function write_map(map, at, f, rename)
  for name in next, map do
    if type(name) ~= "string" or not utf8.len(name) then
      fail_value(at, "map: a name must be a UTF-8 string")
    end
  end
  return convert_map(map, at, f, rename)
end

--- Returns DynamoDB's name of the type of a value.
local function type_of(value, at)
  local kind = types.type(value)
  if not kind then
    fail_value(at, "a %s%s can't be stored", type(value),
      type(value) == "table" and getmetatable(value) and " with a foreign metatable" or "")
  end
  return kind
end

local to_typed, to_plain

local function unchanged(value)
  return value
end

local typed_writers = {
  S = utf8_string,
  N = decimal_text,
  B = base64_text,
  BOOL = unchanged,
  NULL = function() return true end,
  L = function(value, at) return write_list(value, at, to_typed) end,
  M = function(value, at) return write_map(value, at, to_typed) end,
  SS = function(value, at) return write_list(value, at, utf8_string) end,
  NS = function(value, at) return write_list(value, at, decimal_text) end,
  BS = function(value, at) return write_list(value, at, base64_text) end,
}

function to_typed(value, at)
  local kind = type_of(value, at)
  return { [kind] = typed_writers[kind](value, at) }
end

local marks = { ["$B"] = "B", ["$SS"] = "SS", ["$NS"] = "NS", ["$BS"] = "BS" }

--- Returns true if the name is the only one of a map, and is a mark with any number of $ before it.
local function is_mark(map, name)
  return marks[name:match("^%$*(%$%u+)$")] and next(map) == name and next(map, name) == nil
end

--- Adds a $ to a name that would look like a mark.
local function with_escaped_mark(map, name)
  return is_mark(map, name) and "$" .. name or name
end

local plain_writers = {
  S = utf8_string,
  N = function(value, at)
    return math.type(value) == "integer" and value or exact_number(value, at)
  end,
  B = function(value) return { ["$B"] = base64_text(value) } end,
  BOOL = unchanged,
  NULL = unchanged,
  L = function(value, at) return write_list(value, at, to_plain) end,
  M = function(value, at) return write_map(value, at, to_plain, with_escaped_mark) end,
  SS = function(value, at) return { ["$SS"] = write_list(value, at, utf8_string) } end,
  NS = function(value, at) return { ["$NS"] = write_list(value, at, exact_number) } end,
  BS = function(value, at) return { ["$BS"] = write_list(value, at, base64_text) } end,
}

function to_plain(value, at)
  return plain_writers[type_of(value, at)](value, at)
end

-- Trees to values ------------------------------------------------------------

local kind_names = {
  S = "a string", N = "a number", BOOL = "true or false", NULL = "null", L = "an array",
  M = "an object",
}

local function expect(tree, kind, at)
  local found = types.type(tree)
  if found ~= kind then
    fail_structure(at, "expected %s, got %s", kind_names[kind], kind_names[found] or type(tree))
  end
end

local function read_string(tree, at)
  expect(tree, "S", at)
  return tree
end

local function read_number(tree, at)
  if types.type(tree) == "N" then
    fail_structure(at, "expected a number in a string: \"%s\"", tostring(types.number(tree)))
  end
  expect(tree, "S", at)
  local number, err = json_text.number(tree)
  if number == nil then
    fail_value(at, "%s", err.message)
  end
  return number
end

local function read_binary(tree, at)
  expect(tree, "S", at)
  local bytes = base64.decode(tree)
  if not bytes then
    fail_structure(at, "invalid base64 (padding is required)")
  end
  return types.binary(bytes)
end

local duplicate_messages = {
  SS = "One or more parameter values were invalid: Input collection [%s] contains duplicates.",
  NS = "Input collection contains duplicates",
  BS = "One or more parameter values were invalid: Input collection [%s]of type BS"
    .. " contains duplicates.",
}

local empty_messages = {
  SS = "One or more parameter values were invalid: An string set  may not be empty",
  NS = "One or more parameter values were invalid: An number set  may not be empty",
  BS = "One or more parameter values were invalid: Binary sets should not be empty",
}

local function read_set(tree, at, kind, read_member)
  expect(tree, "L", at)
  if #tree == 0 then
    fail_value(at, empty_messages[kind])
  end
  local members, seen = convert_list(tree, at, read_member), {}
  for i, member in ipairs(members) do
    local identity = kind == "NS" and decimal_text(member, at) or tostring(member)
    if seen[identity] then
      fail_value(at, duplicate_messages[kind], kind ~= "NS" and table.concat(tree, ", "))
    end
    seen[identity] = i
  end
  return types.set(members)
end

local function read_list(tree, at, f)
  expect(tree, "L", at)
  return convert_list(tree, at, f)
end

local function read_map(tree, at, f, rename)
  expect(tree, "M", at)
  return convert_map(tree, at, f, rename)
end

local from_typed, from_plain

local typed_readers = {
  S = read_string,
  N = read_number,
  B = read_binary,
  BOOL = function(tree, at)
    expect(tree, "BOOL", at)
    return tree
  end,
  NULL = function(tree, at)
    expect(tree, "BOOL", at)
    if not tree then
      fail_value(at, "One or more parameter values were invalid: "
        .. "Null attribute value types must have the value of true")
    end
    return types.null
  end,
  L = function(tree, at) return read_list(tree, at, from_typed) end,
  M = function(tree, at) return read_map(tree, at, from_typed) end,
  SS = function(tree, at) return read_set(tree, at, "SS", read_string) end,
  NS = function(tree, at) return read_set(tree, at, "NS", read_number) end,
  BS = function(tree, at) return read_set(tree, at, "BS", read_binary) end,
}

--- Returns the only name of an object that names a type. No name, or several names, are errors with
--- DynamoDB's texts.
local function wrapped_kind(tree, at)
  if types.type(tree) ~= "M" then
    fail_structure(at, 'expected an object that names the type, such as {"S":"..."}, got %s',
      kind_names[types.type(tree)])
  end
  local kind = next(tree)
  if kind == nil then
    fail_value(at, "Supplied AttributeValue is empty, must contain exactly one of the "
      .. "supported datatypes")
  elseif next(tree, kind) ~= nil then
    fail_value(at, "Supplied AttributeValue has more than one datatypes set, must contain "
      .. "exactly one of the supported datatypes")
  elseif not typed_readers[kind] then
    fail_structure(at, "unknown type %q", kind)
  end
  return kind
end

function from_typed(tree, at)
  local kind = wrapped_kind(tree, at)
  return typed_readers[kind](tree[kind], at)
end

--- Removes the $ that with_escaped_mark added to a name.
local function with_unescaped_mark(tree, name)
  return is_mark(tree, name) and name:sub(2) or name
end

local function read_plain_number(tree, at)
  expect(tree, "N", at)
  return tree
end

local marked_readers = {
  B = read_binary,
  SS = typed_readers.SS,
  NS = function(tree, at) return read_set(tree, at, "NS", read_plain_number) end,
  BS = typed_readers.BS,
}

local function from_plain_map(tree, at)
  local name = next(tree)
  if marks[name] and next(tree, name) == nil then
    return marked_readers[marks[name]](tree[name], at)
  end
  return read_map(tree, at, from_plain, with_unescaped_mark)
end

function from_plain(tree, at)
  local kind = types.type(tree)
  if kind == "M" then
    return from_plain_map(tree, at)
  elseif kind == "L" then
    return read_list(tree, at, from_plain)
  end
  return tree
end

-- An item is always a map, so a mark in its names is not escaped.
local forms = {
  dynamodb = {
    write = to_typed, read = from_typed,
    write_item = function(item, at) return write_map(item, at, to_typed) end,
    read_item = function(tree, at) return read_map(tree, at, from_typed) end,
  },
  plain = {
    write = to_plain, read = from_plain,
    write_item = function(item, at) return write_map(item, at, to_plain) end,
    read_item = function(tree, at) return read_map(tree, at, from_plain) end,
  },
}

local function form_of(form, what)
  return forms[form or "dynamodb"] or
    misuse(('%s: form must be "dynamodb" or "plain", got %s'):format(what, tostring(form)))
end

-- Public functions -------------------------------------------------------------

--- Converts a value to a tree for json_text.encode: `{ S = "a" }`.
---@param value any
---@param form tidetable.json.form|nil  default "dynamodb"
---@return any tree, tidetable.error|nil err, tidetable.code|nil code
function json.tree(value, form)
  return convert(form_of(form, "tree").write, value)
end

--- Converts a tree from json_text.decode to a value. The error has the fields `path` and `reason`.
---@param tree any
---@param form tidetable.json.form|nil
---@param path string|nil  prefix of the path in an error
---@return any value, tidetable.error|nil err, tidetable.code|nil code
function json.value(tree, form, path)
  return convert(form_of(form, "value").read, tree, path)
end

--- Converts an item to a tree.
---@param item table
---@param form tidetable.json.form|nil
---@return table|nil tree, tidetable.error|nil err, tidetable.code|nil code
function json.item_tree(item, form)
  local f = form_of(form, "item_tree").write_item
  if type(item) ~= "table" then
    misuse("item_tree: expected an item (a table), got " .. type(item))
  end
  return convert(f, item)
end

--- Converts a tree to an item.
---@param tree any
---@param form tidetable.json.form|nil
---@param path string|nil
---@return table|nil item, tidetable.error|nil err, tidetable.code|nil code
function json.item(tree, form, path)
  return convert(form_of(form, "item").read_item, tree, path)
end

--- Maximum number of names in `first` for which the core writes an item.
local FIRST_MAX = 16

--- Returns an item as JSON on one line.
---@param item table
---@param form tidetable.json.form|nil
---@param first table|nil  from json_text.order: attributes that come first
---@return string|nil json, tidetable.error|nil err, tidetable.code|nil code
function json.encode_item(item, form, first)
  form_of(form, "encode_item")
  if type(item) == "table" and (first == nil or #first <= FIRST_MAX) then
    local text = core.json_encode(item, form or "dynamodb", first)
    if text then
      return text
    end
  end
  local tree, err, code = json.item_tree(item, form) -- its error contains the path of the value
  if not tree then
    return nil, err, code
  end
  return json_text.encode(tree, first)
end

--- Parses an item from JSON.
---@param s string
---@param form tidetable.json.form|nil
---@return table|nil item, tidetable.error|nil err, tidetable.code|nil code
function json.decode_item(s, form)
  form_of(form, "decode_item")
  if type(s) ~= "string" then
    misuse("decode_item: expected a string, got " .. type(s))
  end
  local item, err, code = core.json_decode(s, form or "dynamodb")
  if item == nil then
    return nil, err, code
  end
  return item
end

-- Records ----------------------------------------------------------------------

local function image_of(record, name, form)
  local image = record[name]
  return image and assert(json.item_tree(image, form))
end

--- Returns a sequence number as in DynamoDB's protocol, where it has at least 21 digits.
---@param sequence_number integer
---@return string
function json.wire_number(sequence_number)
  return ("1%020d"):format(sequence_number)
end

--- Returns a record as in the response of GetRecords.
local function typed_record(record, source)
  local user = record.user_identity
  return {
    eventID = ("%.16s%016x"):format(source.incarnation or ("0"):rep(16), record.sequence_number),
    eventName = record.event_name,
    eventVersion = "1.1",
    eventSource = "aws:dynamodb",
    awsRegion = source.region or "local",
    userIdentity = user and { Type = user.type, PrincipalId = user.principal_id },
    dynamodb = {
      ApproximateCreationDateTime = math.floor(record.created_at),
      Keys = image_of(record, "keys", "dynamodb"),
      NewImage = image_of(record, "new_image", "dynamodb"),
      OldImage = image_of(record, "old_image", "dynamodb"),
      SequenceNumber = json.wire_number(record.sequence_number),
      SizeBytes = record.size_bytes,
      StreamViewType = record.view_type,
    },
  }
end

local images = { keys = true, old_image = true, new_image = true, context = true }

local function plain_record(record)
  local tree = {}
  for name, value in pairs(record) do
    tree[name] = images[name] and image_of(record, name, "plain") or value
  end
  tree.id = nil              -- it would be the longest field of most records
  return tree
end

--- Converts a stream record to a tree.
---@param record tidetable.Record
---@param form tidetable.json.form|nil  "plain": with the names of tidetable.Record
---@param source { incarnation: string|nil, region: string|nil }|nil  for the form "dynamodb"; the
---   incarnation of db:info() makes eventID unique among databases
---@return table
function json.record_tree(record, form, source)
  form_of(form, "record_tree")
  if form == "plain" then
    return plain_record(record)
  end
  return typed_record(record, source or {})
end

local record_order = { "sequence_number", "event_name", "table_name", "keys", "old_image",
  "new_image", "created_at" }

--- Returns a stream record as JSON on one line.
---@param record tidetable.Record
---@param form tidetable.json.form|nil
---@param source { incarnation: string|nil, region: string|nil }|nil
---@return string
function json.encode_record(record, form, source)
  form_of(form, "record_tree")
  if type(record) == "userdata" then
    source = source or {}
    return core.json_record(record, form or "dynamodb", source.incarnation or "",
      source.region or "local")
  end
  local names = {}
  for name in pairs(record.keys) do
    names[#names + 1] = name
  end
  table.sort(names)
  local order = { table.unpack(record_order) }
  table.move(names, 1, #names, #order + 1, order)
  return json_text.encode(json.record_tree(record, form, source), json_text.order(order))
end

return guard_module(json, "json")
