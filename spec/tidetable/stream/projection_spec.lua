-- projection_spec.lua - projections of the images of records (doc/modules/stream.md).
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local json = require "tidetable.dynamodb.json"
local tidetable = require "tidetable"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

helper.setup(before_each, after_each)

local collect, field = helper.collect, helper.field

local db, orders

before_each(function()
  db = helper.memory()
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
end)

local address = { city = "Ulm", floors = { "a", "b" } }

local function put()
  assert(orders:put { id = "x", n = 1, address = address })
  assert(orders:put { id = "x", n = 2, name = "y", address = { city = "Bonn" } })
  assert(orders:delete { id = "x" })
end

local function images(...)
  local all = {}
  for record in ... do all[#all + 1] = { record.old_image or false, record.new_image or false } end
  return all
end

describe("a projection", function()
  it("selects the attributes of images, and nothing else", function()
    put()
    local whole = collect(assert(orders:stream()):records())
    local shown = { { false, { n = 1, address = { floors = { "b" } } } },
      { { n = 1, address = { floors = { "b" } } }, { n = 2 } }, { { n = 2 }, false } }
    local opts = { projection = "n, address.floors[1]" }
    assert.same(shown, images(assert(orders:stream(opts)):records()))
    assert.same(shown, images(assert(orders:stream()):records(opts)))
    assert.same(shown, images(assert(db:stream(opts)):records()))
    assert.same(shown, images(assert(db:stream { table = "orders",
      projection = opts.projection }):records()))
    local stream = assert(orders:stream(opts))
    assert.same(shown, images(function() return stream:next() end))
    local of_groups = {}
    for group in assert(orders:stream()):transactions(opts) do
      of_groups[#of_groups + 1] = { group[1].old_image or false, group[1].new_image or false }
    end
    assert.same(shown, of_groups)
    for i, record in ipairs(collect(assert(orders:stream(opts)):records())) do
      for name, value in pairs(whole[i]) do
        if not name:find "_image$" then assert.same(value, record[name], name) end
      end
    end
  end)

  it("leaves an empty table of an image without any of the paths", function()
    put()
    local opts = { projection = "nothing, address.floors[7], n.x" }
    assert.same({ { false, {} }, { {}, {} }, { {}, false } },
      images(assert(orders:stream(opts)):records()))
    local record = assert(orders:stream(opts)):next()
    assert.is_nil(getmetatable(record.new_image))
    assert.is_true(rawequal(record.new_image, record.new_image))
  end)

  it("has no effect on images that the view type leaves out", function()
    for view, expected in pairs { KEYS_ONLY = { false, false }, NEW_IMAGE = { false, { n = 2 } },
        OLD_IMAGE = { { n = 1 }, false } } do
      local items = assert(db:create_table { name = view, partition_key = "id",
        stream = { view_type = view } })
      assert(items:put { id = "x", n = 1 })
      assert(items:put { id = "x", n = 2 })
      assert.same({ expected }, images(assert(items:stream()):records { projection = "n",
        filter = "event_name = ?", "MODIFY" }))
      assert(db:delete_table(view))
    end
  end)

  it("does not change what the filter sees", function()
    put()
    local stream = assert(orders:stream { filter = "new_image.#n = :n AND old_image.n = ?", 1,
      projection = "address.#c", names = { ["#n"] = "n", ["#c"] = "city" },
      values = { [":n"] = 2 } })
    assert.same({ { { address = { city = "Ulm" } }, { address = { city = "Bonn" } } } },
      images(stream:records()))
    stream = assert(orders:stream { key = { id = "x" }, projection = "n" })
    assert.same({ { n = 1 }, { n = 2 } }, { stream:next().new_image, stream:next().new_image })
  end)

  it("is part of the selection of a call, which replaces that of the stream", function()
    put()
    local stream = assert(orders:stream { filter = "event_name = ?", "REMOVE", projection = "n" })
    assert.same({ { { n = 2 }, false } }, images(stream:records()))
    assert.same({ 2, 3, 4 }, field("sequence_number", stream:records { projection = "n" }))
    assert.same({ { { id = "x", n = 2, name = "y", address = { city = "Bonn" } }, false } },
      images(stream:records { filter = "event_name = ?", "REMOVE" }))
    assert.same({ { { n = 2 }, false } }, images(stream:records()))
  end)

  it("applies to JSON, pairs and the fields after each other", function()
    put()
    local record = assert(orders:stream { at = 3, projection = "#n", names = { ["#n"] = "name" } })
      :next()
    local names = {}
    for name, value in pairs(record) do names[name] = value end
    assert.same({}, names.old_image)
    assert.same({ name = "y" }, names.new_image)
    local tree = json.record_tree(record)
    assert.same({ name = { S = "y" } }, tree.dynamodb.NewImage)
    local text = json.encode_record(record, "plain")
    assert.is_truthy(text:find('"old_image":{},"new_image":{"name":"y"}', 1, true), text)
    text = json.encode_record(record)
    assert.is_truthy(text:find('"NewImage":{"name":{"S":"y"}},"OldImage":{}', 1, true), text)
    assert.equal(record.size_bytes, assert(orders:stream { at = 3 }):next().size_bytes)
  end)

  it("gives the same as that of get, for random items", function()
    math.randomseed(SEED)
    local paths = { "a", "b", "c[0]", "c[2].d", "m.x", "m.y[1]", "m.z", "s", "#q" }
    local function random_value(depth)
      local kind = math.random(depth > 2 and 3 or 6)
      if kind == 1 then return math.random(3) end
      if kind == 2 then return "t" end
      if kind == 3 then return tidetable.set { math.random(2), 5 } end
      local value = {}
      if kind == 4 then
        for i = 1, math.random(3) do value[i] = random_value(depth + 1) end
        return tidetable.list(value)
      end
      for _, name in ipairs { "d", "x", "y", "z" } do
        if math.random(2) == 1 then value[name] = random_value(depth + 1) end
      end
      return value
    end
    for _ = 1, 40 do
      local item = { id = "r", when = math.random(1 << 40) }
      for _, name in ipairs { "a", "b", "c", "m", "s", "odd name" } do
        if math.random(3) > 1 then item[name] = random_value(0) end
      end
      local sequence = assert(orders:put(item))
      local chosen = {}
      for _, path in ipairs(paths) do
        if math.random(2) == 1 then chosen[#chosen + 1] = path end
      end
      local opts = { projection = #chosen > 0 and table.concat(chosen, ", ") or "id" }
      opts.names = opts.projection:find "#q" and { ["#q"] = "odd name" } or nil
      local expected = assert(orders:get({ id = "r" }, opts))
      local record = assert(orders:stream()):records { at = sequence,
        projection = opts.projection, names = opts.names }()
      assert.same(expected, record.new_image, ("SEED=%d %s"):format(SEED, opts.projection))
    end
  end)
end)

describe("a projection that is wrong", function()
  it("is refused when the stream is opened", function()
    for _, opts in ipairs { { projection = "a," }, { projection = "#a" }, { projection = "name" },
        { projection = "a, a.b" }, { projection = "a", names = { ["#b"] = "b" } },
        { projection = "a", values = { [":v"] = 1 } }, { projection = "" },
        { projection = "a", filter = "b = :v", values = { [":v"] = 1, [":w"] = 2 } } } do
      helper.refused("VALIDATION", orders:stream(opts))
      helper.refused("VALIDATION", db:stream(opts))
      helper.raises("VALIDATION", function() assert(orders:stream()):records(opts) end)
      helper.raises("VALIDATION", function() assert(db:stream()):transactions(opts) end)
    end
    local _, err = orders:stream { projection = "name" }
    assert.equal("Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved "
      .. "keyword: name", err.message)
    _, err = orders:stream { projection = "a", values = { [":v"] = 1 } }
    assert.equal("ExpressionAttributeValues can only be specified when using expressions: "
      .. "FilterExpression is null", err.message)
  end)

  it("is misuse if its type or the number of values does not fit", function()
    helper.blames('stream: option "projection" must be string, got', function()
      assert(orders:stream { projection = { "a" } })
    end)
    helper.blames("stream: the expressions have 0 `?`, the array part has 1 values", function()
      assert(orders:stream { projection = "a", 1 })
    end)
    helper.blames("records: the expressions have 1 `?`, the array part has 0 values", function()
      assert(orders:stream()):records { projection = "a", filter = "b = ?" }
    end)
  end)
end)

-- The reader does not leave records out: it has no position behind the last record.
it("a stream with a projection has the positions of one without", function()
  put()
  local stream = assert(orders:stream { projection = "n" })
  assert.is_nil(stream.position)
  for i = 1, 3 do
    assert.equal(i + 1, stream:next().sequence_number)
    assert.equal(i + 1, stream.position)
  end
  assert.is_nil(stream:next())
  assert.equal(4, stream.position)
end)

describe("projected records", function()
  it("can be read after their stream and database are closed", function()
    put()
    local records = collect(assert(orders:stream { projection = "address.city" }):records())
    db:close()
    collectgarbage()
    collectgarbage()
    assert.same({ address = { city = "Ulm" } }, records[1].new_image)
    assert.same({ address = { city = "Bonn" } }, records[2].new_image)
    assert.same({ address = { city = "Ulm" } }, records[2].old_image)
  end)

  it("can be read in the finalizers of objects that are collected with them", function()
    put()
    local found = {}
    local function make()
      local object = setmetatable({}, { __gc = function(self)
        found[#found + 1] = self.record.new_image.n
      end })
      object.record = assert(orders:stream { projection = "n" }):next()
    end
    make()
    collectgarbage()
    collectgarbage()
    assert.same({ 1 }, found)
  end)

  it("of parked copies have the projection of the feed that is given", function()
    put()
    local consumer = assert(db:consumer("c", { source = "orders", on_failure = "park",
      max_attempts = 1, backoff = 0, batch_size = 1 }))
    while consumer:describe().parked == 0 do consumer:step(function() error "park" end) end
    assert(consumer:replay())
    local id = core.consumer_describe(db.core, "c").id
    local feed = core.feed(db.core, 0, 0, 0, nil, nil, { projection = "n" })
    local function image(given)
      local copies = assert(core.parked_replays(db.core, id, 1, given, 0, 63, 64))
      return copies[1].record.new_image
    end
    assert.same({ n = 1 }, image(feed))
    core.finish(feed)
    assert.same({ n = 1 }, image(feed))
    assert.same({ id = "x", n = 1, address = address }, image())
    assert.same({ id = "x", n = 1, address = address }, image(core.feed(db.core, 0, 0, 0)))
    helper.misuse("tidetable.core.feed expected", image, orders.core)
  end)
end)
