-- hold_spec.lua - the hold of a replica in its source.
local helper = require "spec.tidetable.helper"
local replication = require "spec.replicate.replication"

helper.setup(before_each, after_each)

local pair, fill, start = replication.pair, replication.fill, replication.start
local check_equal = replication.check_equal

--- Returns the only consumer of the source.
local function consumer_of(source)
  local names = source:list_consumers()
  assert.equal(1, #names)
  return assert(source:consumer(names[1]))
end

describe("the hold of a replica", function()
  it("keeps records for the replica beyond their retention", function()
    local clock = helper.clock(1000000)
    local source, target = pair()
    local orders = replication.table(source, "orders", { stream = { retention = "1h" } })
    fill(orders, 1, 5)
    start(target, source):close()
    fill(orders, 6, 20)
    clock:advance(7200)
    source:sweep()
    local replica = start(target, source)
    assert.equal(15, replication.described(target).records)
    check_equal(source, target)
    replica:close()
  end)

  it("is a consumer whose position follows that of the replica", function()
    local clock = helper.clock(1000000)
    local source, target = pair()
    local orders = replication.table(source)
    fill(orders, 1, 5)
    local replica = start(target, source, { name = "standby" })
    local consumer = consumer_of(source)
    assert.equal("replica.standby." .. target:info().database_id:sub(1, 8), consumer.name)
    fill(orders, 6, 9)
    assert(replica:catch_up())
    local position = replication.described(target).position
    -- The last record that was read stays, so that the source can be recognized.
    assert.equal(position - 1, consumer:describe().position)
    -- It is set at most once a second.
    fill(orders, 10, 12)
    assert.is_true(replica:step())
    assert.equal(position - 1, consumer:describe().position)
    clock:advance(2)
    fill(orders, 13, 14)
    assert.is_true(replica:step())
    assert.equal(replication.described(target).position - 1, consumer:describe().position)
  end)

  it("is made again if it was deleted, and is not made without the option", function()
    local source, target = pair()
    local orders = replication.table(source)
    start(target, source, { hold = false }):close()
    assert.same({}, source:list_consumers())
    local replica = start(target, source)
    assert(consumer_of(source):delete())
    fill(orders, 1, 3)
    assert(replica:catch_up())
    assert(consumer_of(source))
    check_equal(source, target)
  end)

  it("is missing if the source is read-only", function()
    local source, target = pair()
    fill(replication.table(source), 1, 3)
    source:close()
    source = helper.open({ read_only = true }, helper.path "source.tide")
    start(target, source)
    assert.same({}, source:list_consumers())
    check_equal(source, target)
  end)

  it("covers the streams of the replicated tables only", function()
    local source, target = pair()
    replication.table(source)
    replication.table(source, "other")
    local replica = start(target, source, { tables = { "orders", "other" } })
    assert.equal(2, #require "tidetable.core".consumer_describe(source.core,
      source:list_consumers()[1]).streams)
    assert(source:delete_table "other")
    assert(replica:catch_up())
    fill(source:table "orders", 1, 2)
    assert(replica:catch_up())
    assert.equal(1, #require "tidetable.core".consumer_describe(source.core,
      source:list_consumers()[1]).streams)
    assert.is_true(source:check().ok)
  end)
end)
