-- batch_spec.lua - batches that a program takes itself.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"

describe("a loop over batches", function()
  helper.setup(before_each, after_each)

  local db, counts, consumer

  before_each(function()
    local orders
    db, orders, counts = consumers.orders "counts"
    consumers.put(orders, 10)
    consumer = assert(db:consumer("c", { source = "orders", batch_size = 4 }))
  end)

  it("gives the records of a batch unchanged again", function()
    local function take(batch, tx)
      while #batch > 0 do
        local record = table.remove(batch)
        record.keys.id = "key " .. record.keys.id
        if tx then tx:table "counts":put { id = record.keys.id } end
      end
    end
    local given = 0
    for batch in consumer:batches() do
      given = given + 1
      assert.equal(given == 4 and 2 or 4, #batch)
      if given == 1 then
        take(batch)              -- and does not commit it
      else
        assert.is_false(pcall(batch.commit, batch, function(tx)
          take(batch, tx)
          error "no"
        end))
        assert(batch:commit(function(tx) take(batch, tx) end))
      end
      if given == 4 then consumer:stop() end
    end
    local ids = helper.field("id", counts:scan())
    table.sort(ids)
    assert.equal(10, #ids)
    for i, id in ipairs { "1", "10", "2" } do assert.equal("key " .. id, ids[i]) end
    assert.equal(12, consumer:describe().position)
  end)

  it("may be changed by the program before its commit", function()
    for batch in consumer:batches() do
      table.remove(batch, 1)
      assert(batch:commit(function(tx)
        for _, record in ipairs(batch) do tx:table "counts":put { id = record.keys.id } end
      end))
      consumer:stop()
    end
    assert.same({ 3, 6 }, { #helper.collect(counts:scan()), consumer:describe().position })
  end)

  it("commits each batch with its effects, until stop", function()
    local sizes = {}
    for batch in consumer:batches() do
      sizes[#sizes + 1] = #batch
      local ok, result = batch:commit(function(tx)
        tx:table "counts":put { id = batch[1].keys.id, n = #batch }
        return "done"
      end)
      assert.is_true(ok)
      assert.equal("done", result)
      if #sizes == 3 then consumer:stop() end
    end
    assert.same({ 4, 4, 2 }, sizes)
    assert.same({ id = "5", n = 4 }, counts:get { id = "5" })
    assert.equal(12, consumer:describe().position)
    assert.is_false(consumer:describe().has_owner)
  end)

  it("can be left by break while closures use its variable, on every Lua 5.4", function()
    for batch in consumer:batches() do
      batch:commit(function(tx) tx:table "counts":put { id = batch[1].keys.id } end)
      if batch[1].keys.id == "1" then break end
    end
    local text = table.concat({ "a", "b" }, "")
    assert.equal("ab", text)
    assert.equal(4, consumer:step(function() end))
    consumer:close()
    assert.is_false(consumer:describe().has_owner)
  end)

  it("delivers a batch again that was not committed", function()
    local seen = {}
    for batch in consumer:batches() do
      seen[#seen + 1] = batch[1].keys.id
      if #seen == 2 then assert(batch:commit()) end
      if #seen == 3 then consumer:stop() end
    end
    assert.same({ "1", "1", "5" }, seen)
  end)

  it("stores nothing of a function that raises or refuses, which can be called again", function()
    for batch in consumer:batches() do
      local ok, err = pcall(batch.commit, batch, function(tx)
        tx:table "counts":put { id = "x" }
        error "bad"
      end)
      assert.is_false(ok)
      assert.is_truthy(err:find "bad")
      assert.same({ n = 3, nil, "no" }, table.pack(batch:commit(function(tx)
        tx:table "counts":put { id = "x" }
        return nil, "no"
      end)))
      assert.is_nil(counts:get { id = "x" })
      assert.equal(0, consumer:describe().position)
      assert(batch:commit())
      consumer:stop()
    end
    assert.equal(6, consumer:describe().position)
  end)

  it("can't be committed in its own commit", function()
    for batch in consumer:batches() do
      helper.raises("NESTED", batch.commit, batch, function() batch:commit() end)
      assert.equal(0, consumer:describe().position)
      assert(batch:commit())
      consumer:stop()
    end
    assert.equal(6, consumer:describe().position)
  end)

  it("refuses a second commit, and one of an old batch", function()
    local old
    for batch in consumer:batches() do
      assert(batch:commit())
      helper.misuse("was committed", batch.commit, batch)
      if old then
        helper.misuse("was committed", old.commit, old)
        consumer:stop()
      end
      old = batch
    end
    helper.misuse("was committed", old.commit, old)
    helper.misuse("expected a function", old.commit, old, 1)
    helper.misuse("call it with a colon", old.commit)
  end)

  it("loses a batch if a command sets the position, and continues there", function()
    local other, first = assert(db:consumer "c"), true
    local sizes = {}
    for batch in consumer:batches() do
      if first then
        first = false
        assert(other:seek { at = 11 })
        helper.refused("LEASE_LOST", batch:commit(function(tx)
          tx:table "counts":put { id = "lost" }
        end))
      else
        sizes[#sizes + 1] = #batch
        assert(batch:commit())
        consumer:stop()
      end
    end
    assert.same({ 2 }, sizes)
    assert.is_nil(counts:get { id = "lost" })
  end)

  it("ends when another call of the consumer begins", function()
    local iterate = consumer:batches()
    assert(iterate():commit())
    assert.equal(4, consumer:step(function() end))
    helper.misuse("the iteration has ended", iterate)
  end)

  it("raises CONSUMER_GONE", function()
    local iterate = consumer:batches()
    local batch = iterate()
    assert(consumer:delete())
    helper.refused("CONSUMER_GONE", batch:commit())
    helper.raises("CONSUMER_GONE", function() while true do iterate() end end)
  end)
end)
