-- check_spec.lua - the comparison of a view with its source.
local helper = require "spec.tidetable.helper"
local views = require "spec.tidetable.views"
local view_module = require "tidetable.view.view"

describe("the check of a view", function()
  helper.setup(before_each, after_each)

  local db, orders, clock

  before_each(function()
    clock = helper.clock(1e9)
    db = helper.open()
    orders = views.source(db)
    for i = 1, 20 do
      assert(orders:put { place = "p" .. i % 3, number = i, customer = "c" .. i % 4, total = i,
        lines = i % 3 })
    end
  end)

  local function open(kind, opts)
    local view = assert(db:view(views.kinds[kind].define(1, opts)))
    views.drain(view)
    return view
  end

  --- Mutants of the functions of each kind.
  local mutants = {
    sum = {
      function(d) d.reduce.add = function(g, i) g.total, g.orders = g.total + i.total + 1,
        g.orders + 1 end end,
      function(d) d.reduce.initial = { total = 1, orders = 0 } end,
      function(d) d.key = function(i) return i.number ~= 5 and { customer = i.customer } or nil end
      end,
    },
    members = {
      function(d) d.reduce.add = function(g, i) g.greatest = i.total end end,
      function(d) d.key = function(i) return { customer = i.customer .. "x" } end end,
    },
    select = {
      function(d) d.select = function(i) return { number = i.number, place = i.place } end end,
      function(d) d.select = function() end end,
    },
  }

  for kind, list in pairs(mutants) do
    it("finds the same version with other code: " .. kind, function()
      local view = open(kind)
      assert.is_true(assert(view:check()).is_equal)
      for _, mutate in ipairs(list) do
        local definition = views.kinds[kind].define(1)
        mutate(definition)
        local report = assert(view_module.check(db, definition))
        assert.is_false(report.is_equal)
        assert.is_true(report.count > 0 and #report.differences == report.count)
      end
    end)
  end

  it("finds a `remove` that does not invert `add`, once it has run", function()
    local definition = views.kinds.sum.define(1)
    definition.reduce.remove = function(g, i) g.total = g.total - i.total end
    local view = assert(db:view(definition))
    views.drain(view)
    assert.is_true(assert(view:check()).is_equal)
    assert(orders:delete { place = "p1", number = 4 })
    views.drain(view)
    local report = assert(view:check())
    assert.same({ 1, { customer = "c0" } }, { report.count, report.differences[1].key })
    assert.same({ 5, 4 }, { report.differences[1].row.orders,
      report.differences[1].expected.orders })
  end)

  it("finds rows that were changed, removed or added in the view's table", function()
    local view = open "sum"
    local spent = db:table "spent"
    assert(spent:update({ customer = "c1" }, "ADD orders ?", { 1 }))
    assert(spent:delete { customer = "c2" })
    assert(spent:put { customer = "zoe" })
    local report = assert(view:check())
    local found = {}
    for _, each in ipairs(report.differences) do
      found[each.key.customer] = (each.row and "row " or "") .. (each.expected and "expected" or "")
    end
    assert.same({ c1 = "row expected", c2 = "expected", zoe = "row " }, found)
    assert.same({ 0, 3 }, { #assert(view:check { limit = 0 }).differences, report.count })
    assert(view:rebuild())
    views.drain(view)
    assert.is_true(assert(view:check()).is_equal)
  end)

  it("finds a group whose state differs", function()
    local view = open "sum"
    for row in db:table "spent.state":scan() do
      if row.group then
        row.members = row.members + 1
        assert(db:table "spent.state":put(row))
        break
      end
    end
    local report = assert(view:check())
    assert.same({ 1, true }, { report.count, report.differences[1].is_state })
  end)

  it("compares at the position of the view, wherever the source is", function()
    local view = open "sum"
    assert(orders:put { place = "p1", number = 1, customer = "other", total = 3 })
    assert(orders:delete { place = "p2", number = 2 })
    assert(orders:put { place = "p9", number = 99, customer = "new", total = 3 })
    assert(orders:delete { place = "p9", number = 99 })
    assert(orders:put { place = "p9", number = 100, customer = "new", total = 3 })
    local report = assert(view:check())
    assert.same({ true, 20, 4 }, { report.is_equal, report.items, report.rows })
    assert.is_true(report.position < db:last_change())
  end)

  it("counts items that have expired and are not removed, as the view does", function()
    assert(orders:put { place = "p1", number = 50, customer = "ttl", total = 1,
      expires = clock:now() + 5 })
    local view = open "sum"
    clock:advance(10)
    assert.is_nil(orders:get { place = "p1", number = 50 })
    assert.is_true(assert(view:check()).is_equal)
    assert(db:sweep())
    views.drain(view)
    assert.is_nil(db:table "spent":get { customer = "ttl" })
    assert.is_true(assert(view:check()).is_equal)
  end)

  it("is refused for another version or definition, and while the view is built", function()
    helper.refused("NOT_FOUND", view_module.check(db, views.kinds.sum.define(1)))
    local view = open "sum"
    helper.refused("CONSUMER_DIFFERS", view_module.check(db, views.kinds.sum.define(2)))
    local other = views.kinds.sum.define(1)
    other.reduce.remove = nil
    helper.refused("CONSUMER_DIFFERS", view_module.check(db, other))
    helper.refused("CONSUMER_DIFFERS", view_module.check(db,
      views.kinds.sum.define(1, { from = "other" })))
    assert(view:rebuild())
    assert(view:step())
    helper.refused("BUSY", view:check())
    views.drain(view)
    local wrong = views.kinds.sum.define(1)
    wrong.key = function() error "no" end
    local err = helper.refused("BATCH_FAILED", view_module.check(db, wrong))
    assert.matches("view spent: key failed for the item", err.message)
  end)

  it("works on a handle that is read-only", function()
    open "members":close()
    local reader = helper.open({ read_only = true })
    assert.is_true(assert(view_module.check(reader, views.kinds.members.define(1))).is_equal)
  end)
end)
