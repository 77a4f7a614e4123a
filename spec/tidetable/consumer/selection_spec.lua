-- selection_spec.lua - the filter of a consumer as a setting: its stored form, and its comparison.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"
local selections = require "tidetable.consumer.selection"
local tidetable = require "tidetable"

local set, list, number = tidetable.set, tidetable.list, tidetable.number

describe("the stored form of a filter", function()
  it("contains only the parameters in its text", function()
    assert.same({}, selections.stored {})
    assert.same({ filter = { expression = "a = b" } }, selections.stored { filter = "a = b" })
    local stored = selections.stored { filter = "#a.#b_1 = :v OR c IN (?, :v, ?)",
      names = { ["#a"] = "x", ["#b_1"] = "y", ["#c"] = "z" }, values = { [":v"] = 1 }, 2, false }
    assert.same({ expression = "#a.#b_1 = :v OR c IN (?, :v, ?)",
      names = { ["#a"] = "x", ["#b_1"] = "y" }, values = { [":v"] = 1 }, positions = { 2, false },
    }, stored.filter)
  end)

  it("becomes the options again", function()
    assert.same({}, selections.given {})
    local opts = { filter = "#a = :v OR b = ?", names = { ["#a"] = "x" }, values = { [":v"] = 1 },
      "two" }
    assert.same(opts, selections.given(selections.stored(opts)))
  end)

  it("is the same table until it changes", function()
    local one = selections.changed({}, {})
    local first = selections.stored { filter = "a = ?", 1 }
    local two = selections.changed(one, first)
    assert.not_equal(one, two)
    assert.equal(two, selections.changed(two, selections.stored { filter = "a = ?", 1.0 }))
    assert.not_equal(two, selections.changed(two, selections.stored { filter = "a = ?", 2 }))
    assert.not_equal(two, selections.changed(two, {}))
  end)
end)

describe("the filter of a consumer", function()
  helper.setup(before_each, after_each)

  local db

  before_each(function() db = consumers.two_tables() end)

  local function open(opts)
    local given = { source = "orders" }
    for name, value in pairs(opts) do given[name] = value end
    return db:consumer("c", given)
  end

  local function differs(name, opts)
    local err = helper.refused("CONSUMER_DIFFERS", open(opts))
    assert.is_truthy(err.message:find("with another " .. name .. "$"), err.message)
  end

  it("is equal in every Lua form of its values", function()
    local forms = {
      { 1, 1.0, number "1.00" }, { set { 1, 2 }, set { 2, number "1" } }, { { a = { 1 } },
        { a = list { 1.0 } } }, { "text" }, { true }, { tidetable.null }, { list {} },
      { tidetable.map {} }, { set { "b", "a" }, set { "a", "b" } }, { tidetable.binary "\0\255" },
    }
    for _, values in ipairs(forms) do
      for _, value in ipairs(values) do
        assert(open { filter = "new_image.v = ?", value })
        assert(open { filter = "new_image.v = ?", value, n = 1 })
        assert(open { filter = "new_image.v = ?", db:consumer("c"):describe().settings[1] })
      end
      differs("filter", { filter = "new_image.v = ?", "another" })
      differs("filter", {})
      assert(db:consumer "c":delete())
    end
  end)

  it("is distinguished by its text, its names and its values", function()
    assert(open { filter = "#i.v = :v AND a = ?", names = { ["#i"] = "new_image" },
      values = { [":v"] = 1 }, 2 })
    differs("filter", { filter = "#i.v = :v AND b = ?", names = { ["#i"] = "new_image" },
      values = { [":v"] = 1 }, 2 })
    differs("filter", { filter = "#i.v = :v AND a = ?", names = { ["#i"] = "old_image" },
      values = { [":v"] = 1 }, 2 })
    differs("filter", { filter = "#i.v = :v AND a = ?", names = { ["#i"] = "new_image" },
      values = { [":v"] = "1" }, 2 })
    differs("window, filter", { filter = "#i.v = :v AND a = ?", names = { ["#i"] = "new_image" },
      values = { [":v"] = 1 }, 3, window = 1 })
    local opts = assert(db:consumer "c"):describe().settings
    assert.same({ "#i.v = :v AND a = ?", { ["#i"] = "new_image" }, { [":v"] = 1 }, 2 },
      { opts.filter, opts.names, opts.values, opts[1] })
    opts.max_attempts = nil
    assert(open(opts))
  end)

  it("is verified before it is stored", function()
    local wrong = {
      { filter = "a =" }, { filter = "a = :v" }, { values = { [":v"] = 1 } },
      { names = { ["#n"] = "a" } }, { filter = "a = b", names = {} },
      { filter = "a = :v", values = { [":v"] = print } }, { filter = "a = ?", print },
      { filter = "a = :v", values = { [":v"] = 1, [":w"] = 2 } },
    }
    for _, opts in ipairs(wrong) do
      helper.refused("VALIDATION", open(opts))
      assert.same({}, db:list_consumers())
    end
    assert(open { filter = "a = b" })
    for _, opts in ipairs(wrong) do
      opts.update = true
      helper.refused("VALIDATION", open(opts))
    end
    assert.equal("a = b", db:consumer "c":describe().settings.filter)
    helper.misuse('the option "source" is missing', db.consumer, db, "c", { filter = "a = b" })
    helper.misuse('the option "source" is missing', db.consumer, db, "c", { 1 })
    helper.misuse('option "filter" must be string, got true', open, { filter = true })
    helper.misuse("consumer: the expressions have 1 `?`, the array part has 0 values", open,
      { filter = "a = ?" })
    helper.misuse("consumer: the expressions have 1 `?`, the array part has 2 values", open,
      { filter = "a = ?", 1, 2 })
    helper.misuse("consumer: value 1 of the array part is nil", open, { filter = "a = ?", n = 1 })
    helper.refused("LIMIT", open { filter = "a = ?", ("x"):rep(2000), update = true })
  end)

  it("may not read an image that the stream of its only table never contains", function()
    for view, missing in pairs { KEYS_ONLY = "new_image", OLD_IMAGE = "new_image",
        NEW_IMAGE = "old_image" } do
      local name = "t_" .. view
      assert(db:create_table { name = name, partition_key = "id", stream = { view_type = view } })
      local opts = { source = name, filter = ("attribute_exists(%s.v)"):format(missing) }
      local message = ("consumer: the filter reads %s, which a stream with view type %s does not"
        .. " contain"):format(missing, view)
      helper.misuse(message, db.consumer, db, name, opts)
      assert(db:consumer(name, { source = name }))
      opts.update = true
      helper.misuse(message, db.consumer, db, name, opts)
      opts.source = { name, "orders" }
      assert(db:consumer(name .. "2", opts))
      opts.source = "*"
      assert(db:consumer(name .. "3", opts))
    end
    helper.refused("NOT_FOUND", db:consumer("d", { source = "none", filter = "a = b" }))
  end)

  it("is compared also if the stream of its table no longer has the image", function()
    local opts = { source = "orders", filter = "old_image.v = ?", 1 }
    assert(db:consumer("c", opts))
    local orders = db:table "orders"
    assert(orders:disable_stream())
    assert(orders:enable_stream { view_type = "NEW_IMAGE" })
    assert(db:consumer("c", opts))
    assert(db:delete_table "orders")
    assert(db:consumer("c", opts))
  end)
end)
