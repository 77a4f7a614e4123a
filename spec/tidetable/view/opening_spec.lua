-- opening_spec.lua - the conditions for opening a view, and the tables that it creates.
local helper = require "spec.tidetable.helper"
local view_module = require "tidetable.view.view"
local views = require "spec.tidetable.views"

describe("opening a view", function()
  helper.setup(before_each, after_each)

  local db, orders

  before_each(function()
    db = helper.open()
    orders = views.source(db)
  end)

  local function define(version, opts) return views.kinds.sum.define(version or 1, opts) end

  local function put(number)
    assert(orders:put { place = "north", number = number, customer = "ann", total = number })
  end

  it("requires a source whose stream has both images", function()
    local err = helper.refused("NOT_FOUND", db:view(define(1, { from = "none" })))
    assert.matches("none", err.message)
    assert(db:create_table { name = "plain", partition_key = "id" })
    err = helper.refused("VALIDATION", db:view(define(1, { from = "plain" })))
    assert.matches("plain has no stream; enable one with the view type NEW_AND_OLD_IMAGES",
      err.message)
    for _, kind in ipairs { "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY" } do
      assert(db:create_table { name = "s" .. kind, partition_key = "id",
        stream = { view_type = kind } })
      err = helper.refused("VALIDATION", db:view(define(1, { from = "s" .. kind })))
      assert.matches("has the view type " .. kind .. "; a view needs NEW_AND_OLD_IMAGES",
        err.message)
    end
    assert.same({}, db:list_consumers())
  end)

  it("creates its table, or takes an empty one with these keys", function()
    assert(db:view(define()))
    assert.same({ "customer", "S" }, db:table "spent":describe().partition_key)
    assert(db:create_table { name = "empty", partition_key = "customer", stream = true })
    assert(db:view(define(1, { name = "v01", into = "empty" })))
    assert(db:create_table { name = "full", partition_key = "customer", stream = true })
    assert(db:table "full":put { customer = "x" })
    local err = helper.refused("VALIDATION", db:view(define(1, { name = "v02", into = "full" })))
    assert.matches("the table full has items that are not the view's", err.message)
    assert(db:create_table { name = "other", partition_key = "id" })
    err = helper.refused("VALIDATION", db:view(define(1, { name = "v03", into = "other" })))
    assert.matches("partition_key", err.message)
    err = helper.refused("VALIDATION", db:view { name = "v04", from = "orders",
      key = function() end, reduce = { add = function() end } })
    assert.matches('the definition has no option "table"', err.message)
    assert(db:create_table { name = "ttl", partition_key = "customer", ttl = "expires" })
    err = helper.refused("VALIDATION", db:view { name = "v05", into = "ttl", from = "orders",
      key = function() end, reduce = { add = function() end } })
    assert.matches("time to live", err.message)
    -- Without the option `table`, a view with `select` has the keys of the source.
    assert(db:view { name = "copy", from = orders, select = function(item) return item end })
    assert.same({ "number", "N" }, db:table "copy":describe().sort_key)
  end)

  it("does not take the name of a consumer, nor another source or table", function()
    assert(db:consumer("spent", { source = "orders" }))
    helper.refused("CONSUMER_DIFFERS", db:view(define()))
    assert(db:consumer("spent"):delete())
    assert(db:view(define()))
    assert(db:create_table { name = "orders2", partition_key = "id", stream = true })
    local err = helper.refused("CONSUMER_DIFFERS", db:view(define(1, { from = "orders2" })))
    assert.matches("view spent exists with another from: orders", err.message)
    err = helper.refused("CONSUMER_DIFFERS", db:view(define(1, { into = "spent2" })))
    assert.matches("view spent exists with another into: spent", err.message)
    helper.refused("CONSUMER_DIFFERS", db:consumer("spent", { source = "orders" }))
  end)

  it("requires another version if the form of its state changes", function()
    local view = assert(db:view(define()))
    views.drain(view)
    view:close()
    local members = define()
    members.reduce.remove = nil
    local err = helper.refused("CONSUMER_DIFFERS", db:view(members))
    assert.matches("declare another version", err.message)
    members.version = 2
    put(1)
    view = assert(db:view(members))
    views.drain(view)
    assert.is_true(assert(view:check()).is_equal)
  end)

  it("opens again with other settings of its consumer", function()
    assert(db:view(define()))
    assert(db:view(define(1, { batch_size = 7, lease = 3 })))
    local settings = db:consumer "spent":describe().settings
    assert.same({ 7, 3, true, "transaction", "snapshot" }, { settings.batch_size, settings.lease,
      settings.hold, settings.by, settings.on_gap })
  end)

  it("creates nothing if it is refused", function()
    assert(db:consumer("spent", { source = "orders" }))
    helper.refused("CONSUMER_DIFFERS", db:view(define()))
    assert.same({ "orders" }, db:list_tables())
  end)

  it("is verified without a change", function()
    local function verify(...) return view_module.verify(db, define(...)) end
    assert.equal("create", verify())
    helper.refused("NOT_FOUND", verify(1, { from = "none" }))
    assert.same({ { "orders" }, {} }, { db:list_tables(), db:list_consumers() })
    local view = assert(db:view(define()))
    assert.equal("rebuild", verify())     -- it is not built yet
    views.drain(view)
    assert.same({ "open", "rebuild" }, { verify(1), (verify(2)) })
    view:close()
    views.drain(assert(db:view(define(2))))
    helper.refused("CONSUMER_DIFFERS", verify(1))
    assert.equal("open", view_module.verify(helper.open { read_only = true }, define(2)))
  end)

  it("accepts the keys of its table in each form", function()
    for i, table in ipairs { { partition_key = "customer" }, { partition_key = { "customer" } },
      { partition_key = { "customer", "S" } } } do
      assert(db:view(define(1, { name = "v0" .. i, table = table })))
    end
    assert(db:view(define(1, { name = "v02", table = { partition_key = "customer" } })))
  end)
end)
