-- view_spec.lua - running, describing and deleting views.
local core = require "tidetable.core"
local cqueues = require "cqueues"
local helper = require "spec.tidetable.helper"
local testing = require "tidetable.testing"
local views = require "spec.tidetable.views"

describe("a view", function()
  helper.setup(before_each, after_each)

  local db, orders

  before_each(function()
    db = helper.open()
    orders = views.source(db)
  end)

  local function define(version, opts) return views.kinds.sum.define(version or 1, opts) end

  local function put(number, customer, total)
    assert(orders:put { place = "north", number = number, customer = customer or "ann",
      total = total or number })
  end

  local function total() return db:table "spent":get({ customer = "ann" }).total end

  -- Failures -------------------------------------------------------------------

  it("stops at an error, and keeps its last state", function()
    local definition, is_broken = define(), false
    local add = definition.reduce.add
    definition.reduce.add = function(group, item)
      if is_broken and item.number == 3 then error("no number 3", 0) end
      return add(group, item)
    end
    local view = assert(db:view(definition))
    put(1)
    views.drain(view)
    is_broken = true
    put(2) put(3) put(4)
    local err = helper.refused("BATCH_FAILED", view:run())
    assert.matches('reduce.add failed for the item {"number":3,"place":"north"}: no number 3',
      err.message)
    local about = view:describe()
    assert.same({ "BATCH_FAILED", 3, 1 }, { about.ended.code, about.lag.records, total() })
    assert.matches("no number 3", about.ended.message)
    helper.refused("BATCH_FAILED", view:wait_for(nil, 0))
    assert.is_true(assert(view:check()).is_equal)
    is_broken = false
    views.drain(view)
    assert.equal(10, total())
    assert.is_nil(view:describe().ended)
    assert.equal(0, db:consumer "spent":describe().parked)
  end)

  it("stops at an error while it merges, too", function()
    local definition, is_broken = views.kinds.members.define(1), true
    local add = definition.reduce.add
    definition.reduce.add = function(group, item)
      assert(not is_broken, "broken")
      return add(group, item)
    end
    put(1)
    local view = assert(db:view(definition))
    assert(view:step())
    local err = helper.refused("BATCH_FAILED", view:step())
    assert.matches("consumer greatest: merging: reduce.add failed for the item", err.message)
    assert.equal("BATCH_FAILED", view:describe().ended.code)
    helper.refused("BATCH_FAILED", view:wait_for())
    is_broken = false
    views.drain(view)
    assert.is_true(view:wait_for())
    assert.is_true(assert(view:check()).is_equal)
  end)

  it("ends with its source, and its rows stay", function()
    local view = assert(db:view(define()))
    put(1) put(2)
    assert(view:step())
    put(3)
    assert(db:delete_table "orders")
    helper.refused("SOURCE_GONE", view:run())
    assert.equal("SOURCE_GONE", view:describe().ended.code)
    assert.equal(6, total())
    orders = views.source(db)
    put(7)
    helper.refused("SOURCE_GONE", view:run())
    assert(view:rebuild())
    views.drain(view)
    assert.equal(7, total())
    assert.is_true(assert(view:check()).is_equal)
  end)

  it("waits for the next stream of its source, and is built again", function()
    local view = assert(db:view(define()))
    put(1)
    views.drain(view)
    assert(orders:disable_stream())
    put(2)
    views.drain(view)
    assert.equal(1, total())
    assert.equal("copying", view:describe().phase)
    assert(orders:enable_stream())
    put(3)
    views.drain(view)
    assert.equal(6, total())
  end)

  -- Versions and workers ---------------------------------------------------------

  it("is maintained by the greatest version only", function()
    put(1)
    local first = assert(db:view(define(1)))
    views.drain(first)
    local second = assert(db:view(define(2)))
    -- Opening changes nothing.
    assert.same({ 1, 2 }, { second:describe().stored_version, second:describe().version })
    assert.equal(0, first:step())
    -- Its first step ends the other program; then it takes over.
    assert.equal(0, second:step())
    local err = helper.refused("CONSUMER_DIFFERS", first:run())
    assert.matches("view spent has version 2; this program declares 1", err.message)
    views.drain(second)
    assert.equal(2, total())
    second:close()
    helper.refused("CONSUMER_DIFFERS", db:view(define(1)))
    assert.is_nil(second:describe().ended)
  end)

  it("has one worker; another one takes over", function()
    local one, two = assert(db:view(define())), assert(db:view(define()))
    put(1)
    assert.is_true(assert(one:step()) > 0)
    assert.equal(0, two:step())
    views.drain(one)
    put(2)
    one:close()
    views.drain(two)
    assert.equal(3, total())
  end)

  it("runs in an event loop until it is stopped", function()
    local view = assert(db:view(define()))
    local loop = cqueues.new()
    local seen = {}
    loop:wrap(function()
      assert(view:run())
      seen.ended = true
    end)
    loop:wrap(function()
      for i = 1, 5 do
        put(i)
        assert(view:wait_for(nil, 10))
        seen[i] = total()
      end
      view:stop()
    end)
    assert(loop:loop())
    assert.same({ 1, 3, 6, 10, 15, ended = true }, seen)
  end)

  it("runs in a program that sleeps, and is waited for by another one", function()
    local child <close> = testing.child([[
      local views = require "spec.tidetable.views"
      local db <close> = assert(require "tidetable".open((...), { durability = "none" }))
      local view = assert(db:view(views.kinds.sum.define(1)))
      print "ready"
      assert(view:run())
    ]], { db.path })
    assert.equal("ready", child:line())
    local view = assert(db:view(define()))
    for i = 1, 20 do
      put(i)
      if i % 5 == 0 then
        assert.is_true(view:wait_for(nil, 10))
        assert.equal(i * (i + 1) // 2, total())
      end
    end
    child:kill()
    put(21)
    testing.eventually(function()
      views.drain(view)
      return total() == 231
    end)
  end)

  it("is stopped before it runs, and in one of its functions", function()
    local definition = define()
    local view
    local add = definition.reduce.add
    definition.reduce.add = function(group, item)
      view:stop()
      return add(group, item)
    end
    view = assert(db:view(definition))
    put(1)
    assert.is_true(view:run())
    view:stop()
    assert.is_true(view:run())
    assert.is_false(view:describe().has_owner)
  end)

  it("waits while a commit fails", function()
    local view = assert(db:view(define()))
    views.drain(view)
    put(1)
    local fault <close> = testing.fail_at("before_commit", 1, "DISK_FULL")
    local code = select(3, view:step())
    assert.equal("DISK_FULL", code)
    assert.is_nil(view:describe().ended)
    views.drain(view)
    assert.equal(1, total())
    return fault
  end)

  it("can maintain a view of a view", function()
    local first = assert(db:view(define()))
    local second = assert(db:view { name = "count", from = "spent",
      key = function(row) return { big = row.total > 10 and "yes" or "no" } end,
      reduce = { initial = { n = 0 }, add = function(g) g.n = g.n + 1 end,
        remove = function(g) g.n = g.n - 1 end },
      table = { partition_key = "big" } })
    for i = 1, 9 do put(i, "c" .. i % 3, i) end
    views.drain(first)
    views.drain(second)
    assert.same({ { big = "yes", n = 3 } }, views.items(db:table "count"))
    put(1, "c1", -5)
    views.drain(first)
    views.drain(second)
    assert.equal(1, db:table "count":get({ big = "no" }).n)
    assert.is_true(assert(second:check()).is_equal)
  end)

  -- Description and deletion -----------------------------------------------------

  it("is described", function()
    local view = assert(db:view(define()))
    local about = view:describe()
    assert.same({ "spent", "orders", "spent", 1, 0, "copying" }, { about.name, about.from,
      about.into, about.version, about.stored_version, about.phase })
    assert.is_nil(about.watermark)
    views.drain(view)
    put(1)
    about = view:describe()
    assert.same({ 1, "live", 1, true }, { about.stored_version, about.phase, about.lag.records,
      about.is_running })
    assert.equal("tidetable.view: spent", tostring(view))
    assert.has_error(function() return view.stepp end)
  end)

  it("is deleted with its state, and its table if that is wanted", function()
    local view = assert(db:view(define()))
    put(1)
    views.drain(view)
    view:close()
    local other = assert(db:view(define()))
    assert(view:delete())
    assert.same({ "orders", "spent" }, db:list_tables())
    assert.same({}, db:list_consumers())
    helper.refused("NOT_FOUND", view:describe())
    helper.refused("CONSUMER_GONE", other:step())
    helper.refused("NOT_FOUND", view:delete())
    -- Its rows are not those of a new view.
    helper.refused("VALIDATION", db:view(define()))
    assert(db:delete_table "spent")
    view = assert(db:view(define()))
    views.drain(view)
    view:close()
    assert(view:delete { table = true })
    assert.same({ "orders" }, db:list_tables())
  end)

  it("commits nothing while it is idle", function()
    local view = assert(db:view(define()))
    put(1)
    views.drain(view)
    local before = core.last_commit(db.core)
    assert.equal(0, views.drain(view))
    assert.equal(before, core.last_commit(db.core))
  end)
end)
