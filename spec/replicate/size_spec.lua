-- size_spec.lua - large transactions of a source: what it could commit is applied whole, or TOO_BIG
-- names it. SEED repeats the random transactions.
local frames = require "spec.replicate.frames"
local helper = require "spec.tidetable.helper"
local receivers = require "tidetable.replica.receiver"
local replication = require "spec.replicate.replication"

helper.setup(before_each, after_each)

local seed = tonumber(os.getenv "SEED") or 1
local pair, start, check_equal = replication.pair, replication.start, replication.check_equal

--- Maximum number of bytes of an item's text.
local TEXT_MAX = 380000

local function big(n)
  return { id = "big", n = n, text = ("%07d"):format(n):rep(TEXT_MAX // 7) }
end

--- Fills a transaction with random changes until each of several more would exceed its limit.
local function fill_transaction(source, clock)
  return source:transact(function(tx)
    local items, refused, count = tx:table "orders", 0, 0
    while refused < 5 do
      local key = { id = "k" .. math.random(3), n = math.random(40) }
      local ok, err
      if math.random(6) == 1 then
        ok, err = pcall(items.delete, items, key)
      else
        key.text = ("t"):rep(math.random(refused > 0 and 4000 or TEXT_MAX))
        key.v = math.random(1000000)
        if math.random(3) == 1 then key.expires = clock:now() + math.random(1000) end
        ok, err = pcall(items.put, items, key)
      end
      count = count + 1
      if not ok then
        assert.equal("TOO_BIG", err.code)
        refused = refused + 1
      end
    end
    return count
  end, { time_limit = 60 })
end

describe("a transaction of the largest size", function()
  for number = seed, seed + 3 do
    it(("is applied whole (seed %d)"):format(number), function()
      math.randomseed(number)
      local clock = helper.clock(1000000)
      local source, target = pair()
      replication.table(source, "orders", { ttl = "expires",
        stream = { view_type = number % 2 == 0 and "NEW_IMAGE" or "NEW_AND_OLD_IMAGES" } })
      local replica = start(target, source, { hold = false })   -- its commits expire items, too
      for _ = 1, 2 do
        assert(source:table("orders"):put(big(1)))   -- precedes it in the same commit
        assert(fill_transaction(source, clock) > 50)
        clock:advance(500)                           -- the next one overwrites expired items
        assert(replica:catch_up())
        check_equal(source, target)
      end
      local sent = replication.records(source, "orders")
      local got = replication.records(target, "orders")
      assert.equal(#sent, #got)
      for i, record in ipairs(got) do
        assert.equal(sent[i].transaction_count, record.transaction_count)
      end
    end)
  end
end)

describe("a transaction that is too big for the target", function()
  local ITEMS = 50

  --- Returns frames with two small transactions, and one that deletes more than a transaction can;
  --- the number of the latter.
  local function too_big(source, target)
    local orders = source:table "orders"
    for i = 1, 2 do assert(orders:put { id = "small", n = i }) end
    for i = 0, 1 do
      assert(source:transact(function(tx)
        for n = i * ITEMS + 1, (i + 1) * ITEMS do
          tx:table("orders"):delete { id = "big", n = n }
        end
      end))
    end
    local all = frames.decode(frames.read(source, target))
    local at
    for i, frame in ipairs(all) do at = frame.kind == "T" and i or at end
    local first, second = frames.transaction(all[at - 1].body), frames.transaction(all[at].body)
    for _, record in ipairs(second.records) do
      record.distance = record.distance + second.id - first.id
      first.records[#first.records + 1] = record
    end
    table.remove(all, at - 1)
    all[at - 1].body = frames.put_transaction(first)
    return frames.join(all), first.id
  end

  it("is named each time, and those before it are applied", function()
    local source, target = pair()
    local orders = replication.table(source)
    for n = 1, 2 * ITEMS do assert(orders:put(big(n))) end
    local replica = start(target, source)
    local bytes, number = too_big(source, target)
    local receiver = receivers.new(target, "replica", {}, {})
    local state = { position = 0, head = 0 }
    local left
    for _ = 1, 2 do
      local rest, err, code = receiver:apply(left or bytes, state)
      assert.equal("TOO_BIG", code)
      assert.equal(("transaction %d of the source is larger than a transaction can be here")
        :format(number), err.message)
      assert.is_true(left == nil or left == rest)
      left = rest
      assert.equal(number - 1, replication.described(target).position)
      assert.truthy(target:table("orders"):get { id = "small", n = 2 })
      assert.truthy(target:table("orders"):get { id = "big", n = 1 })
    end
    -- What the source has committed is applied.
    assert(replica:catch_up())
    check_equal(source, target)
  end)
end)

describe("a copy", function()
  it("replaces and removes items of any size", function()
    for _, id in ipairs { "big", ("h"):rep(200) } do
      local source, target = pair()
      local orders, own = replication.table(source), replication.table(target)
      for n = 1, 120 do
        local item = big(n)
        item.id = id
        assert(own:put(item))
        if n % 3 > 0 then assert(orders:put { id = id, n = n }) end
      end
      start(target, source, { adopt = true }):close()
      check_equal(source, target)
      source:close()
      target:close()
      for _, name in ipairs { "source.tide", "target.tide" } do os.remove(helper.path(name)) end
    end
  end)
end)
