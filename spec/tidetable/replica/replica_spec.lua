-- replica_spec.lua - the functions of replications: options, lag, stop. The rules of replication
-- are in spec/replicate.
local helper = require "spec.tidetable.helper"
local replication = require "spec.replicate.replication"

helper.setup(before_each, after_each)

local pair, fill, start = replication.pair, replication.fill, replication.start
local check_equal = replication.check_equal

describe("replicate", function()
  it("refuses wrong arguments", function()
    local source, target = pair()
    helper.misuse("expected a database", target.replicate, target, "x")
    helper.misuse("a list of names", target.replicate, target, source, { tables = {} })
    helper.misuse("1 to 200 characters", target.replicate, target, source, { name = "a b" })
    helper.misuse("finite number", target.replicate, target, source, { hold = -1 })
    helper.misuse("name of a replica", target.promote, target, 5)
    assert.same({}, target:replicas())
    helper.refused("NOT_FOUND", target:forget_replica "none")
  end)

  it("returns lag, and ends with stop", function()
    local clock = helper.clock(1000000)
    local source, target = pair()
    local orders = replication.table(source)
    local replica = assert(target:replicate(source))
    assert.is_true(replica:lag().copying)
    assert(replica:catch_up())
    fill(orders, 1, 2)
    clock:advance(2.5)
    fill(orders, 3, 5)
    assert.same({ changes = 5, seconds = 2.5, copying = false }, replica:lag())
    assert(replica:catch_up())
    assert.same({ changes = 0, seconds = 0, copying = false }, replica:lag())
    replica:stop()
    assert.is_false(replica:step(math.huge))
  end)

  it("returns no age of changes without records", function()
    local clock = helper.clock(1000000)
    local source, target = pair()
    replication.table(source, "orders", { stream = { retention = "1h" } })
    local plain = assert(source:create_table { name = "plain", partition_key = "id" })
    local replica = start(target, source, { hold = false, skip = true })
    assert(plain:put { id = "x" })
    clock:advance(5)
    assert.same({ changes = 1, copying = false }, replica:lag())
    fill(source:table "orders", 1, 5)
    clock:advance(7200)
    assert.truthy(source:sweep())
    local lag = replica:lag()
    assert.same({ 6, false }, { lag.changes, lag.copying })
    assert.is_nil(lag.seconds)
  end)

  it("returns no lag behind an older source", function()
    local source, target = pair()
    fill(replication.table(source), 1, 5)
    source:close()
    local earlier = helper.path "earlier.tide"
    assert(os.execute(("cp '%s' '%s'"):format(helper.path "source.tide", earlier)))
    source = helper.open(nil, helper.path "source.tide")
    fill(source:table "orders", 6, 9)
    start(target, source):close()
    local replica = assert(target:replicate(helper.open(nil, earlier)))
    helper.refused("SOURCE_DIFFERS", replica:lag())
  end)

  it("works while two processes replicate into one replica", function()
    local source, target = pair()
    local orders = replication.table(source)
    fill(orders, 1, 5)
    local first, second = start(target, source), start(target, source)
    for i = 1, 10 do
      assert(orders:put { id = "x", n = i })
      local each = i % 2 == 0 and first or second
      assert(each:catch_up())
    end
    check_equal(source, target)
  end)
end)
