-- step_spec.lua - merging a new version, and removing state that is no longer needed.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local steps = require "tidetable.view.step"
local views = require "spec.tidetable.views"

describe("the steps of a view", function()
  helper.setup(before_each, after_each)

  local db, orders

  before_each(function()
    db = helper.open()
    orders = views.source(db)
  end)

  local function fill(count)
    assert(orders:load((function()
      local i = 0
      return function()
        i = i + 1
        return i <= count and { place = "p" .. i, number = i, customer = "c" .. i, total = i,
          lines = 1 } or nil
      end
    end)()))
  end

  local function generation(name)
    return db:table(name .. ".state"):get({ p = require "tidetable".binary "\xff\xff\xff\xff",
      s = require "tidetable".binary "header" }).generation
  end

  --- Returns the numbers of rows of the state by generation, without the header.
  local function state_rows(name)
    local counts = {}
    for row in db:table(name .. ".state"):scan() do
      local number = string.unpack(">I4", tostring(row.p))
      if number ~= 0xffffffff then counts[number] = (counts[number] or 0) + 1 end
    end
    return counts
  end

  it("merge a version into the same table; unchanged rows have no record", function()
    fill(1200)
    local first = views.kinds.sum.define(1)
    local view = assert(db:view(first))
    views.drain(view)
    view:close()
    local id = core.describe_table(db:table("spent").core).id
    local before = db:last_change()
    local second = views.kinds.sum.define(2)
    local add = second.reduce.add
    -- Version 2 differs for a single customer.
    second.reduce.add = function(group, item)
      if item.customer == "c7" then return add(group, item) end
      return first.reduce.add(group, item)
    end
    view = assert(db:view(second))
    local phases = {}
    repeat
      local about = assert(view:describe())
      phases[about.phase] = true
      -- The rows of the old version stay readable.
      local total = db:table "spent":get({ customer = "c7" }).total
      assert.is_true(total == 7 or total == 14)
      local count = assert(view:step())
    until count == 0
    assert.is_true(phases.copying and phases.merging)
    local records = views.records(db:table "spent", before)
    assert.same({ 1, "c7" }, { #records, records[1].keys.customer })
    assert.equal(id, core.describe_table(db:table("spent").core).id)
    assert.same({ 2, 2, "live" }, { view:describe().version, view:describe().stored_version,
      view:describe().phase })
    -- Once: the same version again does nothing.
    view:close()
    view = assert(db:view(second))
    local generations = generation "spent"
    assert.equal(0, views.drain(view))
    assert.equal(generations, generation "spent")
  end)

  it("remove the rows that a version no longer has", function()
    fill(700)
    local view = assert(db:view(views.kinds.select.define(1)))
    views.drain(view)
    view:close()
    local second = views.kinds.select.define(2)
    second.select = function(item)
      return item.number > 650 and { number = item.number, place = item.place, total = 0 } or nil
    end
    view = assert(db:view(second))
    views.drain(view)
    assert.equal(50, #views.items(db:table "lines"))
    assert.is_true(assert(view:check()).is_equal)
  end)

  for _, kind in ipairs { "sum", "members", "select" } do
    it("leave no state of earlier generations: " .. kind, function()
      fill(800)
      -- Partition keys of the state that are stored as hashes.
      assert(orders:put { place = "long", number = 0, customer = ("x"):rep(300), total = 1,
        lines = 1 })
      local view = assert(db:view(views.kinds[kind].define(1)))
      views.drain(view)
      for _ = 1, 2 do
        assert(view:rebuild())
        views.drain(view)
      end
      local counts = state_rows(view:describe().name)
      local expected = kind == "sum" and 801 or kind == "members" and 1602 or nil
      assert.same({ [generation(view.name)] = expected }, counts)
      assert.is_true(assert(view:check()).is_equal)
      assert.same({}, assert(db:check()).problems)
    end)
  end

  it("remove state with long keys, too, if there is little of it", function()
    assert(orders:put { place = "p", number = 0, customer = ("x"):rep(300), total = 1 })
    local view = assert(db:view(views.kinds.members.define(1)))
    views.drain(view)
    assert(view:rebuild())
    views.drain(view)
    assert.same({ [generation "greatest"] = 2 }, state_rows "greatest")
  end)

  it("do nothing if the state or the owner has changed since they were chosen", function()
    fill(3)
    local view = assert(db:view(views.kinds.sum.define(1)))
    while view:describe().phase ~= "merging" do assert(view:step()) end
    local state = require "tidetable.view.state"
    local worker, header = view.consumer.worker, view.rows:get(state.HEADER)
    assert(view.rows:update(state.HEADER, "SET late = ?", { 5 }))
    assert.equal(0, steps.next(view, worker, header))
    assert.equal("merging", view:describe().phase)
    header = view.rows:get(state.HEADER)
    local other = assert(db:view(views.kinds.sum.define(1)))
    local epoch = worker.epoch
    view:close()
    assert(other:step())
    view.consumer.worker = false
    local merged = db:last_change()
    assert(other:rebuild())
    worker.epoch = epoch
    helper.refused("LEASE_LOST", steps.next(view, worker, other.rows:get(state.HEADER)))
    assert.equal(merged, db:last_change())
    return header
  end)

  it("build the view again after its table was deleted", function()
    fill(3)
    local view = assert(db:view(views.kinds.sum.define(1)))
    views.drain(view)
    view:close()
    assert(db:delete_table "spent")
    view = assert(db:view(views.kinds.sum.define(1)))
    views.drain(view)
    assert.equal(3, #views.items(db:table "spent"))
  end)

  it("let records through while they merge", function()
    fill(1500)
    local view = assert(db:view(views.kinds.sum.define(1)))
    while view:describe().phase ~= "merging" do assert(view:step()) end
    assert(orders:put { place = "new", number = 1, customer = "zoe", total = 5 })
    assert(view:step())
    assert.equal("merging", view:describe().phase)
    assert.equal(5, db:table "spent":get({ customer = "zoe" }).total)
    assert.is_false((view:wait_for(nil, 0)))
    views.drain(view)
    assert.is_true(view:wait_for(nil, 0))
    assert.is_true(assert(view:check()).is_equal)
  end)
end)
