-- projection_spec.lua - the projection of a consumer: what its records show, and what they keep.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

describe("a consumer with a projection", function()
  helper.setup(before_each, after_each)

  local db, orders, other

  before_each(function() db, orders, other = consumers.two_tables() end)

  local function open(opts, name)
    local given = { projection = "a, m.x" }
    for option, value in pairs(opts or {}) do given[option] = value end
    return consumers.open(db, name or "c", given)
  end

  local function put(id, n)
    assert(orders:put { id = id, a = n, b = "hidden", m = { x = n, y = "hidden" } })
  end

  --- Handles batches until none is left. Returns the images, the old one first.
  local function images(consumer)
    return consumers.drain(consumer, function(record)
      assert.equal("string", type(record.keys.id))
      return { record.old_image or false, record.new_image or false }
    end)
  end

  local function shown(n) return { a = n, m = { x = n } } end

  it("gets images with its attributes only", function()
    put("1", 1)
    put("1", 2)
    assert(orders:put { id = "2" })
    assert(orders:delete { id = "1" })
    assert.same({ { false, shown(1) }, { shown(1), shown(2) }, { false, {} }, { shown(2), false } },
      images(open()))
  end)

  it("of several tables applies it to each", function()
    put("1", 1)
    assert(other:put { id = "1", a = 2 })
    for i, source in ipairs { "*", { "orders", "other" } } do
      assert.same({ { false, shown(1) }, { false, { a = 2 } } },
        images(open({ source = source }, "c" .. i)))
    end
  end)

  it("tests its filter with the whole record", function()
    put("1", 1)
    assert(orders:put { id = "2", a = 5 })
    local consumer = open { filter = "#i.#h = :h", projection = "#a",
      names = { ["#i"] = "new_image", ["#h"] = "b", ["#a"] = "a" }, values = { [":h"] = "hidden" } }
    assert.same({ { false, { a = 1 } } }, images(consumer))
  end)

  it("is a setting that is compared, and verified before it is stored", function()
    open { filter = "#i.a = ?", 1, projection = "#b",
      names = { ["#i"] = "new_image", ["#b"] = "b" } }
    local function given(projection, names, filter)
      return db:consumer("c", { source = "orders", backoff = 0.001,
        filter = filter or "#i.a = ?", 1, projection = projection, names = names })
    end
    assert(given("#b", { ["#i"] = "new_image", ["#b"] = "b" }))
    local wrong = {
      projection = { given("#b", { ["#i"] = "new_image", ["#b"] = "c" }) },
      filter = { given("#b", { ["#i"] = "old_image", ["#b"] = "b" }) },
      ["filter, projection"] = { given("b", { ["#i"] = "new_image" }, "#i.b = ?") },
    }
    for names, result in pairs(wrong) do
      local err = helper.refused("CONSUMER_DIFFERS", table.unpack(result))
      assert.is_truthy(err.message:find("another " .. names .. "$"), err.message)
    end
    local opts = db:consumer "c":describe().settings
    assert.same({ "#b", { ["#i"] = "new_image", ["#b"] = "b" } }, { opts.projection, opts.names })
    opts.source = "orders"
    assert(db:consumer("c", opts))
    for _, bad in ipairs {
      { projection = "a," }, { projection = "a", names = { ["#n"] = "x" } }, { projection = "#n" },
      { projection = "a", values = { [":v"] = 1 } }, { projection = "a, a.b" },
    } do
      bad.source = "orders"
      helper.refused("VALIDATION", db:consumer("d", bad))
    end
    helper.misuse('option "projection" must be string', db.consumer, db, "d",
      { source = "orders", projection = {} })
    helper.misuse("the array part has 1 values", db.consumer, db, "d",
      { source = "orders", projection = "a", 1 })
  end)

  it("shows the items of a snapshot with it", function()
    put("1", 1)
    put("2", 2)
    assert.same({ { false, shown(2) } }, images(open { from = "SNAPSHOT", filter = "keys.id > ?",
      "1" }))
  end)

  it("applies it in each attempt, even if the handler has changed the images", function()
    put("1", 1)
    local consumer, seen = open(), {}
    for i = 1, 2 do
      local _, err = consumer:step(function(records)
        seen[i] = tidetable.equal(records[1].new_image, shown(1))
        records[1].new_image.a = "changed"
        error "again"
      end)
      assert.equal("BATCH_FAILED", err.code)
    end
    assert.same({ true, true }, seen)
  end)

  it("keeps whole records that it parks, and shows them with its projection", function()
    put("1", 1)
    local opts = { on_failure = "park", max_attempts = 1 }
    local consumer = open(opts)
    assert.equal(1, consumer:step(error))
    assert.equal("hidden", helper.collect(consumer:parked())[1].record.new_image.b)
    for _, projection in ipairs { "a, m.x", "b" } do
      opts.projection, opts.update = projection, true
      open(opts)
      assert.equal(1, consumer:replay())
      helper.refused("BATCH_FAILED", consumer:step(function(records)
        assert.same(projection == "b" and { b = "hidden" } or shown(1), records[1].new_image)
        error "again"
      end))
    end
    opts.projection = nil
    assert(db:consumer("c", { source = "orders", backoff = 0.001, on_failure = "park",
      max_attempts = 1, update = true }))
    assert.equal(1, consumer:replay())
    assert.equal("hidden", images(consumer)[1][2].b)
  end)

  it("uses its current projection for a replay, also between the attempts of a batch", function()
    put("1", 1)
    local consumer = open()
    assert.equal(1, consumer:step(function(records, tx) tx:park(records[1]) end))
    put("2", 2)
    helper.refused("BATCH_FAILED", consumer:step(error))
    open { projection = "b", update = true }
    assert.equal(1, consumer:replay())
    -- The batch that was read before keeps the old projection.
    assert.same({ { false, { b = "hidden" } }, { false, shown(2) } }, images(consumer))
    put("3", 3)
    assert.same({ { false, { b = "hidden" } } }, images(consumer))
  end)

  it("does not limit its dead letters", function()
    assert(db:create_table { name = "dead", partition_key = "id", sort_key = { "part", "N" } })
    put("1", 1)
    local consumer = open { on_failure = "dead_letter", dead_letter = "dead", max_attempts = 1 }
    assert.equal(1, consumer:step(error))
    local letter = helper.collect(db:table "dead":scan())[1]
    assert.is_truthy(tostring(letter.new_image):find("hidden", 1, true))
  end)
end)
