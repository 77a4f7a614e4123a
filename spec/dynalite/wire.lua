-- wire.lua - requests of item_requests.lua as requests of DynamoDB's API, and its answers.
local attributes = require "spec.model.attributes"
local database = require "spec.model.item_database"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"

local wire = {}

local targets = {
  put = "PutItem", update = "UpdateItem", delete = "DeleteItem", get = "GetItem",
  query_page = "Query", scan_page = "Scan",
}

local function item_tree(item) return assert(json.item_tree(attributes.to_lua(item))) end

local function values_of(request)
  if not next(request.values) then return nil end
  local values = {}
  for name, value in pairs(request.values) do
    values[name] = assert(json.tree(attributes.to_lua(value)))
  end
  return values
end

local function body_of(request)
  local operation, texts = request.operation, request.texts
  local writes, forward = request.returns ~= nil, nil
  if request.descending then forward = false end
  return {
    TableName = request.table,
    [operation == "put" and "Item" or "Key"] = request.item and item_tree(request.item),
    UpdateExpression = texts.update, ConditionExpression = texts.condition,
    KeyConditionExpression = texts.key_condition, FilterExpression = texts.filter,
    ProjectionExpression = texts.projection,
    ExpressionAttributeNames = next(request.names) and request.names or nil,
    ExpressionAttributeValues = values_of(request),
    ReturnValues = writes and request.returns or nil,
    Select = request.count and "COUNT" or nil, Limit = request.limit,
    ScanIndexForward = forward,
    ExclusiveStartKey = request.start_key and item_tree(request.start_key),
    ConsistentRead = not writes or nil,
  }
end

--- Returns the line of a request. t: the model's table; after: the item that its key has
--- afterwards.
function wire.line(request, t, after)
  local line = { target = targets[request.operation], body = body_of(request) }
  if request.returns then
    line.after = { TableName = request.table, Item = after and item_tree(after),
      Key = item_tree(database.key_of(t, request.item)) }
  end
  return json_text.encode(line)
end

--- Returns the name and the type of a key attribute.
local function attribute_of(attribute)
  if type(attribute) == "table" then return attribute[1], attribute[2] end
  return attribute, "S"
end

--- Returns the line that creates the tables.
function wire.tables()
  local tables = {}
  for i, definition in ipairs(database.definitions) do
    local keys, types = {}, {}
    for n, attribute in ipairs { definition.partition_key, definition.sort_key } do
      local name, kind = attribute_of(attribute)
      keys[n] = { AttributeName = name, KeyType = n == 1 and "HASH" or "RANGE" }
      types[n] = { AttributeName = name, AttributeType = kind }
    end
    tables[i] = { TableName = definition.name, KeySchema = keys, AttributeDefinitions = types,
      BillingMode = "PAY_PER_REQUEST" }
  end
  return json_text.encode { tables = tables }
end

--- Returns an item, for one that the library refuses a text with the reason.
local function item_of(tree)
  if not tree then return nil end
  local item, err = json.item(tree)
  return item and { "M", attributes.from_lua(item)[2] } or { "S", "refused: " .. err.reason }
end

--- Returns the answer of a line: { exception, message } or { item, items, count, scanned, last };
--- then the item that the key had afterwards.
function wire.answer(line)
  local tree = assert(json_text.decode(line))
  local body, answer = tree.body, {}
  if tree.status ~= 200 then
    answer.exception = body.__type and body.__type:match "[^#]*$" or "none: dynalite has thrown"
    answer.message = body.message
  else
    answer.item = item_of(body.Item or body.Attributes)
    answer.count, answer.scanned = body.Count, body.ScannedCount
    answer.last = item_of(body.LastEvaluatedKey)
    answer.items = body.Items and {}
    for i, each in ipairs(body.Items or {}) do answer.items[i] = item_of(each) end
  end
  return answer, item_of(tree.item)
end

return wire
