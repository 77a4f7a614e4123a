-- json_spec.lua - items and records as JSON: the examples of DynamoDB, and lossless conversion.
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local tidetable = require "tidetable"
local values = require "spec.model.values"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local ITEMS = math.tointeger(tonumber(os.getenv("STEPS"))) or 1500

local number, binary, set = tidetable.number, tidetable.binary, tidetable.set
local list, map, null = tidetable.list, tidetable.map, tidetable.null

local function refused(path, reason, exception, value, err, code)
  assert.is_nil(value)
  assert.equal("VALIDATION", code)
  assert.equal(code, err.code)
  assert.equal(exception, err.exception)
  assert.equal(path, err.path)
  assert.equal(reason, err.reason)
  assert.equal(path == "" and reason or path .. ": " .. reason, err.message)
end

local function invalid(path, reason, ...)
  refused(path, reason, "ValidationException", ...)
end

local function misfit(path, reason, ...)
  refused(path, reason, "SerializationException", ...)
end

describe("DynamoDB JSON", function()
  -- The examples of the API reference's page on AttributeValue, one for each type.
  it("is that of the API reference", function()
    for example, value in pairs {
      ['{"B":"dGhpcyB0ZXh0IGlzIGJhc2U2NC1lbmNvZGVk"}'] = binary "this text is base64-encoded",
      ['{"BOOL":true}'] = true,
      ['{"BS":["U3Vubnk=","UmFpbnk=","U25vd3k="]}'] =
        set { binary "Sunny", binary "Rainy", binary "Snowy" },
      ['{"L":[{"S":"Cookies"},{"S":"Coffee"},{"N":"3.14159"}]}'] = { "Cookies", "Coffee", 3.14159 },
      ['{"M":{"Age":{"N":"35"},"Name":{"S":"Joe"}}}'] = { Name = "Joe", Age = 35 },
      ['{"N":"123.45"}'] = 123.45,
      ['{"NS":["42.2","-19","7.5","3.14"]}'] = set { 42.2, -19, 7.5, 3.14 },
      ['{"NULL":true}'] = null,
      ['{"S":"Hello"}'] = "Hello",
      ['{"SS":["Giraffe","Hippo","Zebra"]}'] = set { "Giraffe", "Hippo", "Zebra" },
    } do
      assert.equal(example, json_text.encode(assert(json.tree(value))))
      assert.equal(values.freeze(value), values.freeze(json.value(json_text.decode(example))))
    end
  end)

  it("writes numbers as DynamoDB returns them", function()
    for given, written in pairs {
      ["1e10"] = "10000000000", ["1e-20"] = "0.00000000000000000001", ["0001.2300"] = "1.23",
      ["-0"] = "0", ["+3"] = "3", [".5"] = "0.5", ["-17.4E3"] = "-17400",
      ["12345678901234567890123456789012345678"] = "12345678901234567890123456789012345678",
      ["1E125"] = "1" .. ("0"):rep(125), ["1E-130"] = "0." .. ("0"):rep(129) .. "1",
    } do
      local value = assert(json.value { N = given })
      assert.same({ N = written }, json.tree(value))
      assert.same({ N = written }, json.tree(number(given)))
    end
  end)

  it("reports the path of an error", function()
    local function item(s) return json.decode_item(s) end
    local one = "Supplied AttributeValue is empty, must contain exactly one of the supported "
      .. "datatypes"
    local two = "Supplied AttributeValue has more than one datatypes set, must contain exactly "
      .. "one of the supported datatypes"
    local null_true = "One or more parameter values were invalid: Null attribute value types "
      .. "must have the value of true"
    local twice = "One or more parameter values were invalid: Input collection "
    invalid("a", one, item '{"a":{}}')
    invalid("a", two, item '{"a":{"S":"x","N":"1"}}')
    invalid("a[2].b", two, item '{"a":{"L":[{"S":"x"},{"M":{"b":{"S":"x","SS":["x"]}}}]}}')
    misfit("a", 'unknown type "s"', item '{"a":{"s":"x"}}')
    misfit("a", 'unknown type "SN"', item '{"a":{"SN":"x"}}')
    misfit("a", 'expected an object that names the type, such as {"S":"..."}, got a number',
      item '{"a":5}')
    misfit("a[1]", 'expected an object that names the type, such as {"S":"..."}, got an array',
      item '{"a":{"L":[[]]}}')
    misfit("a", 'expected a number in a string: "5"', item '{"a":{"N":5}}')
    misfit("a[1]", 'expected a number in a string: "1.5"', item '{"a":{"NS":[1.5]}}')
    misfit("a", "expected a string, got null", item '{"a":{"S":null}}')
    misfit("a", "expected true or false, got a string", item '{"a":{"BOOL":"true"}}')
    misfit("a", "expected true or false, got null", item '{"a":{"NULL":null}}')
    invalid("a", null_true, item '{"a":{"NULL":false}}')
    misfit("a", "expected an array, got an object", item '{"a":{"L":{}}}')
    misfit("a", "expected an object, got an array", item '{"a":{"M":[]}}')
    misfit("a", "expected an array, got a string", item '{"a":{"SS":"x"}}')
    misfit("", "expected an object, got an array", item "[]")
    invalid("a", "The parameter cannot be converted to a numeric value: x", item '{"a":{"N":"x"}}')
    invalid("a", "The parameter cannot be converted to a numeric value", item '{"a":{"N":""}}')
    invalid("a", "The parameter cannot be converted to a numeric value: 0x10",
      item '{"a":{"N":"0x10"}}')
    invalid("a", "Number overflow. Attempting to store a number with magnitude larger than "
      .. "supported range", item '{"a":{"N":"1e126"}}')
    invalid("a[2]", "Number underflow. Attempting to store a number with magnitude smaller than "
      .. "supported range", item '{"a":{"NS":["1","1e-131"]}}')
    invalid("a", "Attempting to store more than 38 significant digits in a Number",
      item('{"a":{"N":"' .. ("1"):rep(39) .. '"}}'))
    for _, bad in ipairs { "Zg", "Zh==", "Z g==", "Zm9-" } do
      misfit("a", "invalid base64 (padding is required)", item('{"a":{"B":"' .. bad .. '"}}'))
    end
    misfit("a[1]", "invalid base64 (padding is required)", item '{"a":{"BS":["x"]}}')
    invalid("a", "One or more parameter values were invalid: An string set  may not be empty",
      item '{"a":{"SS":[]}}')
    invalid("a", "One or more parameter values were invalid: An number set  may not be empty",
      item '{"a":{"NS":[]}}')
    invalid("a", "One or more parameter values were invalid: Binary sets should not be empty",
      item '{"a":{"BS":[]}}')
    invalid("a", twice .. "[x, x] contains duplicates.", item '{"a":{"SS":["x","x"]}}')
    invalid("a", "Input collection contains duplicates", item '{"a":{"NS":["1","1.0"]}}')
    invalid("a", twice .. "[Zg==, Zg==]of type BS contains duplicates.",
      item '{"a":{"BS":["Zg==","Zg=="]}}')
  end)

  it("adds a given prefix to the path", function()
    local _, err = json.item({ a = { N = "x" } }, "dynamodb", "Key")
    assert.equal("Key.a", err.path)
    _, err = json.item({}, "dynamodb", "Key")
    assert.is_nil(err)
    _, err = json.value({}, "dynamodb", "Key")
    assert.equal("Key", err.path)
  end)

  it("returns errors of the JSON text", function()
    local item, err, code = json.decode_item '{"a":{"S":"x"},"a":{"S":"y"}}'
    assert.is_nil(item)
    assert.equal("VALIDATION", code)
    assert.equal('line 1, column 16: duplicate name "a"', err.message)
  end)
end)

describe("plain JSON", function()
  local function plain(value)
    return json_text.encode(assert(json.item_tree({ v = value }, "plain"))):match '^{"v":(.*)}$'
  end

  it("uses the types of JSON where possible", function()
    assert.equal('"a"', plain "a")
    assert.equal("3", plain(3.0))
    assert.equal("12345678901234567890123456789012345678",
      plain(number "12345678901234567890123456789012345678"))
    assert.equal("0.1", plain(0.1))
    assert.equal("[true,false,null]", plain { true, false, null })
    assert.equal('{"a":{},"b":[]}', plain { a = map {}, b = list {} })
  end)

  it("has objects of one name for sets and binaries", function()
    assert.equal('{"$B":"aGVsbG8="}', plain(binary "hello"))
    assert.equal('{"$SS":["a"]}', plain(set { "a" }))
    assert.equal('{"$NS":[1.5]}', plain(set { 1.5 }))
    assert.equal('{"$BS":["AA=="]}', plain(set { binary "\0" }))
  end)

  it("distinguishes a map that looks like one", function()
    for _, name in ipairs { "$B", "$$B", "$SS", "$$$NS", "$BS" } do
      local written = plain { [name] = 1 }
      assert.equal(('{"$%s":1}'):format(name), written)
      assert.same({ v = { [name] = 1 } }, json.decode_item('{"v":' .. written .. "}", "plain"))
    end
    for _, other in ipairs { { ["$B"] = 1, a = 2 }, { ["$"] = 1 }, { ["$S"] = 1 }, { B = "AA==" },
      { ["a$B"] = 1 }, { ["$NULL"] = 1 } } do
      local written = plain(other)
      assert.is_nil(written:find "$$", 1, true)
      assert.same({ v = other }, json.decode_item('{"v":' .. written .. "}", "plain"))
    end
  end)

  it("never treats an item as one", function()
    for _, name in ipairs { "$B", "$$B", "$SS" } do
      local written = json.encode_item({ [name] = 1 }, "plain")
      assert.equal(('{"%s":1}'):format(name), written)
      assert.same({ [name] = 1 }, json.decode_item(written, "plain"))
    end
  end)

  it("reports the path of an error", function()
    local function item(s) return json.decode_item(s, "plain") end
    misfit("a.b", "invalid base64 (padding is required)", item '{"a":{"b":{"$B":"x"}}}')
    misfit("a", "expected a string, got a number", item '{"a":{"$B":5}}')
    misfit("a[2]", "expected a number, got a string", item '{"a":{"$NS":[1,"2"]}}')
    misfit("a", "expected an array, got a string", item '{"a":{"$SS":"x"}}')
    invalid("a", "Input collection contains duplicates", item '{"a":{"$NS":[1,1.0]}}')
    invalid("a", "One or more parameter values were invalid: Binary sets should not be empty",
      item '{"a":{"$BS":[]}}')
    misfit("", "expected an object, got a string", item '"a"')
  end)
end)

for _, form in ipairs { "dynamodb", "plain" } do
  describe("an item in the form " .. form, function()
    it("is converted without loss, with values of all ten types", function()
      math.randomseed(SEED)
      local met = {}
      for _ = 1, ITEMS do
        local attributes = {}
        for _ = 1, math.random(0, 4) do
          attributes[values.text(math.random(1, 3))] = values.any()
        end
        local item = values.map(attributes)
        for name in pairs(attributes) do met[tidetable.type(item.lua[name])] = true end
        local written = assert(json.encode_item(item.lua, form))
        local read = assert(json.decode_item(written, form))
        assert.equal(item.text, values.freeze(read), "SEED=" .. SEED)
        assert.equal(written, json.encode_item(read, form), "SEED=" .. SEED)
      end
      for _, kind in ipairs { "S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS" } do
        assert.is_true(met[kind], kind)
      end
    end)

    -- The values are those that the core returns: the same kind of number, the same marks.
    it("is stored and got unchanged", function()
      math.randomseed(SEED)
      local db <close> = assert(tidetable.open ":memory:")
      local items = assert(db:create_table { name = "items", partition_key = { "id", "N" } })
      for i = 1, 200 do
        local attributes = { id = values.number(), v = values.any(), ["$B"] = values.any() }
        local written = assert(json.encode_item(values.map(attributes).lua, form))
        local read = assert(json.decode_item(written, form))
        assert(items:put(read))
        local got = items:get { id = read.id }
        assert.equal(values.freeze(got), values.freeze(read), ("SEED=%d, item %d"):format(SEED, i))
      end
    end)

    it("is the same for another library", function()
      math.randomseed(SEED)
      for _ = 1, 300 do
        local value = values.map { v = values.string(values.text(math.random(0, 9))) }.lua
        local written = json.encode_item(value, form)
        local theirs = dkjson.decode(written).v
        assert.equal(value.v, form == "plain" and theirs or theirs.S)
      end
    end)

    it("is refused if it cannot be stored", function()
      local function item(v) return json.encode_item({ a = { b = v } }, form) end
      invalid("a.b", "a function can't be stored", item(print))
      invalid("a.b", "a table with a foreign metatable can't be stored",
        item(setmetatable({}, {})))
      invalid("a.b", "invalid UTF-8 in a string; use tidetable.binary for bytes", item "\xff")
      invalid("a.b", "NaN and infinity are not supported", item(0 / 0))
      invalid("a.b", "list: missing element", item(list { 1, nil, 3 }))
      invalid("a.b", "list: invalid index x", item(list { 1, x = 2 }))
      invalid("a.b", "map: a name must be a UTF-8 string", item(map { "a" }))
      invalid("a.b", "map: a name must be a UTF-8 string", item { ["\xff"] = 1 })
      local within = {}
      within.a = within
      invalid("", "more than 64 levels of lists and maps", json.encode_item(within, form))
      helper.blames("expected an item (a table)", function()
        assert(json.item_tree(5, form))
      end)
      helper.blames("expected an item (a table)", function()
        assert(json.encode_item(5, form))
      end)
    end)
  end)
end

it("has no other form", function()
  for _, name in ipairs { "tree", "value", "item", "item_tree" } do
    helper.blames('form must be "dynamodb" or "plain", got xml', function()
      assert(json[name]({}, "xml"))
    end)
  end
end)

describe("a record", function()
  -- The developer guide's example: three events of one item, 26, 59 and 38 bytes.
  local function guide(view_type)
    local clock = tidetable.manual_clock(1479499740.756)
    local db = assert(tidetable.open(":memory:", { clock = clock }))
    local messages = assert(db:create_table { name = "messages", partition_key = { "Id", "N" },
      stream = { view_type = view_type } })
    assert(messages:put { Id = 101, Message = "New item!" })
    assert(messages:put { Id = 101, Message = "This item has changed" })
    assert(messages:delete { Id = 101 })
    return db, helper.collect(messages:stream():records())
  end

  it("is a record of GetRecords", function()
    local db <close>, records = guide "NEW_AND_OLD_IMAGES"
    local source = { incarnation = "0123456789abcdef0123456789abcdef", region = "eu-west-1" }
    local new = '{"Id":{"N":"101"},"Message":{"S":"New item!"}}'
    local changed = '{"Id":{"N":"101"},"Message":{"S":"This item has changed"}}'
    local function event(name, images, n, size)
      return ('{"awsRegion":"eu-west-1","dynamodb":{"ApproximateCreationDateTime":1479499740,'
        .. '"Keys":{"Id":{"N":"101"}},%s"SequenceNumber":"10000000000000000000%d","SizeBytes":%d,'
        .. '"StreamViewType":"NEW_AND_OLD_IMAGES"},"eventID":"0123456789abcdef000000000000000%d",'
        .. '"eventName":"%s","eventSource":"aws:dynamodb","eventVersion":"1.1"}')
        :format(images, n, size, n, name)
    end
    local function worded(i) return json.encode_record(records[i], "dynamodb", source) end
    assert.equal(event("INSERT", '"NewImage":' .. new .. ",", 2, 26), worded(1))
    assert.equal(event("MODIFY", '"NewImage":' .. changed .. ',"OldImage":' .. new .. ",", 3, 59),
      worded(2))
    assert.equal(event("REMOVE", '"OldImage":' .. changed .. ",", 4, 38), worded(3))
    assert.is_truthy(db)
  end)

  it("has only the images of its view type", function()
    for view_type, sizes in pairs { KEYS_ONLY = { 5, 5, 5 }, NEW_IMAGE = { 26, 38, 5 },
      OLD_IMAGE = { 5, 26, 38 } } do
      local db <close>, records = guide(view_type)
      for i, record in ipairs(records) do
        local tree = json.record_tree(record)
        assert.equal(sizes[i], tree.dynamodb.SizeBytes)
        assert.equal(view_type, tree.dynamodb.StreamViewType)
        assert.equal(record.new_image ~= nil, tree.dynamodb.NewImage ~= nil)
        assert.equal(record.old_image ~= nil, tree.dynamodb.OldImage ~= nil)
      end
      assert.is_truthy(db)
    end
  end)

  it("has the user identity of a service", function()
    local tree = json.record_tree {
      event_name = "REMOVE", keys = {}, created_at = 0, sequence_number = 1, size_bytes = 0,
      user_identity = { type = "Service", principal_id = "dynamodb.amazonaws.com" },
    }
    assert.same({ Type = "Service", PrincipalId = "dynamodb.amazonaws.com" }, tree.userIdentity)
  end)

  it("has the fields of the record in the plain form", function()
    local db <close>, records = guide "NEW_AND_OLD_IMAGES"
    local written = json.encode_record(records[2], "plain")
    assert.equal('{"sequence_number":3,"event_name":"MODIFY","table_name":"messages",'
      .. '"keys":{"Id":101},"old_image":{"Id":101,"Message":"New item!"},'
      .. '"new_image":{"Id":101,"Message":"This item has changed"},"created_at":1479499740.756,',
      written:match '^.-"created_at":[%d.]+,')
    local read = json_text.decode(written)
    for name, value in pairs(records[2]) do
      if type(value) ~= "table" and name ~= "id" then assert.equal(value, read[name], name) end
    end
    assert.is_nil(read.id)
    assert.is_truthy(db)
  end)

  -- The core writes a record from its bytes; the tree is made from its fields. Key attributes have
  -- names that fields of a record have too.
  it("is the tree of its fields, with the same order of names", function()
    math.randomseed(SEED)
    local order = { "sequence_number", "event_name", "table_name", "keys", "old_image",
      "new_image", "created_at" }
    local names = { "id", "created_at", "type", "Type", "eventID", "SizeBytes", "view_type",
      "user_identity", "dynamodb", "keys", "z\n" }
    local clock = tidetable.manual_clock(1700000000.5)
    local db <close> = assert(tidetable.open(":memory:", { clock = clock }))
    for i, view_type in ipairs { "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES" } do
      for j = 1, #names - 1 do
        local partition, sort = names[j], names[j + 1]
        local items = assert(db:create_table { name = ("t%d.%d"):format(i, j),
          partition_key = { partition, "N" }, sort_key = { sort, "S" }, ttl = "expires_at",
          stream = { view_type = view_type } })
        local item = { [partition] = j, [sort] = "s", v = values.any().lua,
          m = { created_at = 1, v = values.any().lua, [sort] = 2 }, expires_at = 1700000001 }
        assert(items:put(item))
        item.v = values.any().lua
        assert(items:put(item))
        clock:advance(0.123)
        assert(items:delete { [partition] = j, [sort] = "s" })
        assert(items:put(item))
      end
    end
    clock:advance(3600)
    assert(db:sweep())
    local count, services = 0, 0
    for record in db:stream { from = "TRIM_HORIZON" }:records() do
      local first = { table.unpack(order) }
      local keys = {}
      for name in pairs(record.keys) do keys[#keys + 1] = name end
      table.sort(keys)
      table.move(keys, 1, #keys, #first + 1, first)
      for _, form in ipairs { "plain", "dynamodb" } do
        for _, source in ipairs { {}, { incarnation = "0123456789abcdef01", region = "é" } } do
          assert.equal(json_text.encode(json.record_tree(record, form, source),
            json_text.order(first)), json.encode_record(record, form, source))
        end
      end
      count, services = count + 1, services + (record.user_identity and 1 or 0)
    end
    assert.is_true(count >= 160 and services > 0)
  end)

  it("has the names of the key in order", function()
    for i = 1, 30 do
      local a, b = "a" .. i, "b" .. i
      local record = { keys = { [b] = 1, [a] = 2 }, new_image = { [b] = 1, [a] = 2, A = 3 } }
      assert.equal(('{"keys":{"%s":2,"%s":1},"new_image":{"%s":2,"%s":1,"A":3}}')
        :format(a, b, a, b), json.encode_record(record, "plain"))
    end
  end)

  it("has sequence numbers of 21 digits", function()
    assert.equal("100000000000000000001", json.wire_number(1))
    assert.equal("109223372036854775807", json.wire_number(math.maxinteger))
  end)
end)
