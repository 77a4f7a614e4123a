-- ending_spec.lua - the error that ended the last run of a consumer.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"

describe("the end of a run", function()
  helper.setup(before_each, after_each)

  local db, orders

  before_each(function()
    db, orders = consumers.orders()
    consumers.put(orders, 1)
  end)

  local function open(opts) return consumers.open(db, "c", opts) end

  it("is kept with its code and message, also for other programs", function()
    local consumer = open { max_attempts = 1 }
    assert.is_nil(consumer:describe().ended)
    local err = helper.refused("BATCH_FAILED", consumer:run(function() error "bad" end))
    local ended = assert(db:consumer "c"):describe().ended
    assert.is_true(math.abs(ended.at - os.time()) < 60)
    assert.same({ code = "BATCH_FAILED", message = err.message, at = ended.at }, ended)
    assert.same(ended, assert(helper.open():consumer "c"):describe().ended)
  end)

  it("is forgotten when the consumer is run again or moved", function()
    local consumer = open { max_attempts = 1 }
    helper.refused("BATCH_FAILED", consumer:run(function() error "bad" end))
    assert(consumer:run(function() consumer:stop() end))
    assert.is_nil(consumer:describe().ended)
    assert(orders:put { id = "2" })
    helper.refused("BATCH_FAILED", consumer:run(function() error "bad" end))
    assert(consumer:seek { from = "LATEST" })
    assert.is_nil(consumer:describe().ended)
  end)

  it("of batches is kept, and that of a step is not", function()
    local consumer = open {}
    assert.equal(1, consumer:step(function() end))
    assert(orders:disable_stream())
    helper.refused("STREAM_GAP", consumer:step(error))
    assert.is_nil(consumer:describe().ended)
    helper.raises("STREAM_GAP", function()
      for _ in consumer:batches() do error "no batch" end
    end)
    assert.equal("STREAM_GAP", consumer:describe().ended.code)
  end)

  it("is kept for a table that was deleted and for records that were lost", function()
    local clock = helper.clock(1e9)
    db = helper.open(nil, helper.path "lost.tide")
    orders = assert(db:create_table { name = "orders", partition_key = "id",
      stream = { retention = 60 } })
    local consumer = open {}
    assert(orders:put { id = "1" })
    clock:advance(60)
    helper.refused("TRIMMED", consumer:run(error))
    local ended = consumer:describe().ended
    assert.equal("TRIMMED", ended.code)
    assert.truthy(ended.message:find("from sequence number 2 to 2", 1, true))
    assert(consumer:seek { from = "LATEST" })
    assert(db:delete_table "orders")
    helper.refused("SOURCE_GONE", consumer:run(error))
    assert.equal("SOURCE_GONE", consumer:describe().ended.code)
  end)

  it("is not kept for a consumer that another worker has taken over", function()
    local consumer = open { max_attempts = 1 }
    local other = assert(helper.open():consumer "c")
    local runs = 0
    assert.is_true(consumer:run(function()
      runs = runs + 1
      if runs == 2 then return consumer:stop() end
      assert(other:seek { at = 1 })
      error "bad"
    end))
    assert.equal(2, runs)
    assert.is_nil(consumer:describe().ended)
  end)

  it("is shortened between two characters", function()
    local consumer = open { max_attempts = 1 }
    for n = 1, 4 do
      helper.refused("BATCH_FAILED", consumer:run(function()
        error(("x"):rep(n) .. ("ä"):rep(300), 0)
      end))
      local ended = consumer:describe().ended
      assert.truthy(utf8.len(ended.message))
      assert.truthy(#ended.message > 200 and #ended.message < 255)
    end
  end)
end)
