-- table_definition_spec.lua - definitions of tables in an export.
local table_definition = require "tidetable.cli.table_definition"
local json_text = require "tidetable.dynamodb.json_text"
local tidetable = require "tidetable"

local function described(spec)
  local db <close> = assert(tidetable.open ":memory:")
  return assert(assert(db:create_table(spec)):describe())
end

local full = {
  name = "orders", partition_key = { "customer", "S" }, sort_key = { "placed_at", "N" },
  stream = { view_type = "NEW_IMAGE", retention = { age = 3600.5, bytes = 4096, count = 7 },
    hold = { age = 7200, bytes = 8192 } },
}

it("is a CreateTable request", function()
  assert.equal('{"AttributeDefinitions":[{"AttributeName":"customer","AttributeType":"S"},'
    .. '{"AttributeName":"placed_at","AttributeType":"N"}],'
    .. '"KeySchema":[{"AttributeName":"customer","KeyType":"HASH"},'
    .. '{"AttributeName":"placed_at","KeyType":"RANGE"}],'
    .. '"StreamSpecification":{"Hold":{"age":7200,"bytes":8192},'
    .. '"Retention":{"age":3600.5,"bytes":4096,"count":7},'
    .. '"StreamEnabled":true,"StreamViewType":"NEW_IMAGE"},"TableName":"orders"}',
    json_text.encode(table_definition.tree(described(full))))
  assert.equal('{"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"B"}],'
    .. '"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"TableName":"plain"}',
    json_text.encode(table_definition.tree(
      described { name = "plain", partition_key = { "id", "B" } })))
end)

it("describes the same table again", function()
  for _, view_type in ipairs { "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES" } do
    full.stream.view_type = view_type
    local first = described(full)
    local spec = assert(table_definition.spec(json_text.decode(
      json_text.encode(table_definition.tree(first)))))
    assert.same(full, spec)
    assert.is_true(table_definition.matches(spec, first))
    assert.same(table_definition.tree(first), table_definition.tree(described(spec)))
  end
end)

it("matches a table with the same keys", function()
  local spec = { partition_key = { "a", "S" } }
  assert.is_true(table_definition.matches(spec, { partition_key = { "a", "S" } }))
  assert.is_false(table_definition.matches(spec, { partition_key = { "a", "N" } }))
  assert.is_false(table_definition.matches(spec, { partition_key = { "b", "S" } }))
  assert.is_false(table_definition.matches(spec, { partition_key = { "a", "S" },
    sort_key = { "b", "S" } }))
  assert.is_false(table_definition.matches(
    { partition_key = { "a", "S" }, sort_key = { "b", "S" } },
    { partition_key = { "a", "S" } }))
end)

-- Each text is the definition above with one change.
it("is refused with the place of the defect", function()
  local whole = json_text.encode(table_definition.tree(described(full)))
  local function refuses(problem, from, to)
    local first, last = whole:find(from, 1, true)
    local changed = whole:sub(1, first - 1) .. to .. whole:sub(last + 1)
    local spec, reason = table_definition.spec(assert(json_text.decode(changed)))
    assert.is_nil(spec, changed)
    assert.equal(problem, reason)
  end
  refuses("Table: unknown name Tags", '"TableName"', '"Tags":[],"TableName"')
  refuses("Table: missing TableName", ',"TableName":"orders"', "")
  refuses("Table: wrong type of TableName", '"orders"', "5")
  refuses("Table: missing AttributeDefinitions", '"AttributeDefinitions":[{"AttributeName":'
    .. '"customer","AttributeType":"S"},{"AttributeName":"placed_at","AttributeType":"N"}],', "")
  refuses("KeySchema[1]: KeyType must be HASH", '"HASH"', '"RANGE"')
  refuses("KeySchema[2]: KeyType must be RANGE", '"RANGE"', '"HASH"')
  refuses("KeySchema[1]: missing KeyType", ',"KeyType":"HASH"', "")
  refuses("KeySchema: expected one or two elements", '"KeyType":"RANGE"}',
    '"KeyType":"RANGE"},{"AttributeName":"x","KeyType":"RANGE"}')
  refuses("AttributeDefinitions: missing customer",
    '{"AttributeName":"customer","AttributeType":"S"},', "")
  refuses("AttributeDefinitions[2]: AttributeType must be S, N or B", '"AttributeType":"N"',
    '"AttributeType":"NS"')
  refuses("AttributeDefinitions[1]: expected an object", '[{"AttributeName":"customer"',
    '[5,{"AttributeName":"customer"')
  refuses("StreamSpecification: invalid StreamViewType", "NEW_AND_OLD", "NEW_OR_OLD")
  refuses("StreamSpecification: invalid StreamViewType",
    ',"StreamViewType":"NEW_AND_OLD_IMAGES"', "")
  refuses("StreamSpecification: wrong type of StreamEnabled", ":true", ':"true"')
  refuses("Retention: unknown name days", '"age":3600.5', '"days":1,"age":3600.5')
  refuses("Hold: unknown name count", '"age":7200', '"age":7200,"count":1')
  refuses("Hold: age must be a number from 0.001 to 1e+12", "7200", "0")
  refuses("Hold: bytes must be an integer from 1 to 1e+12", "8192", "0.5")
  refuses("Retention: age must be a number from 0.001 to 1e+12", "3600.5", "0")
  refuses("Retention: age must be a number from 0.001 to 1e+12", "3600.5", "1e100")
  refuses("Retention: count must be an integer from 1 to 1e+12", '"count":7', '"count":7.5')
  refuses("Retention: wrong type of bytes", "4096", '"4 KiB"')
  assert.same({ nil, "Table: expected an object" }, { table_definition.spec "orders" })
  assert.same({ nil, "Table: expected an object" }, { table_definition.spec(nil) })
end)

it("has no stream if the stream is not enabled", function()
  local tree = table_definition.tree(described(full))
  tree.StreamSpecification = { StreamEnabled = false }
  assert.is_nil(assert(table_definition.spec(tree)).stream)
  tree.StreamSpecification = { StreamEnabled = true, StreamViewType = "KEYS_ONLY" }
  assert.same({ view_type = "KEYS_ONLY" }, assert(table_definition.spec(tree)).stream)
end)
