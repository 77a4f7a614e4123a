-- kind_spec.lua - views as processors of a runtime.
local helper = require "spec.tidetable.helper"
local kind = require "tidetable.view.kind"
local views = require "spec.tidetable.views"

describe("the kind of processors named view", function()
  helper.setup(before_each, after_each)

  local db, orders

  before_each(function()
    db = helper.open()
    orders = views.source(db)
    assert(orders:put { place = "north", number = 1, customer = "ann", total = 5 })
  end)

  local function define(opts)
    local definition = views.kinds.sum.define(1, opts)
    definition.kind, definition.workers = "view", 2
    return definition
  end

  it("checks definitions, without and with the database", function()
    assert.is_true(kind.validate(define()))
    assert.same({ nil, 'the option "from" is missing' }, { kind.validate { name = "spent" } })
    assert.same({ nil, '"wait" is not allowed: the runtime has its own event loop' },
      { kind.validate(define { wait = print }) })
    assert.equal("create", kind.check(db, define()))
    helper.refused("NOT_FOUND", kind.check(db, define { from = "none" }))
  end)

  it("runs until it is stopped, and reports its work", function()
    local job, numbers = nil, {}
    job = assert(kind.open(db, define(), {
      entering = function(records)
        if records[1] then
          numbers[#numbers + 1] = records[1].keys.number
        elseif #numbers > 0 and db:table "spent":get { customer = "ann" } then
          job:stop()
        end
      end,
      report = error,
    }))
    assert.is_true(job:run())
    job:close()
    assert.same({ 1 }, numbers)
    assert.is_true(assert(kind.compare(db, define())).is_equal)
  end)

  it("reports a failure", function()
    local reports = {}
    local job = assert(kind.open(db, define { key = function() error("no key", 0) end }, {
      entering = function() end,
      report = function(...) reports[#reports + 1] = { ... } end,
    }))
    helper.refused("BATCH_FAILED", job:run())
    assert.equal("failed", reports[1][1])
    assert.matches("key failed for the item .*: no key", reports[1][2])
    helper.refused("NOT_FOUND", kind.open(db, define { from = "none" }, {}))
  end)
end)
