-- position_spec.lua - where readers start: "Positions" in doc/modules/stream.md.
local helper = require "spec.tidetable.helper"

helper.setup(before_each, after_each)

local raises, refused = helper.raises, helper.refused
local field = helper.field

local clock, db, orders

local function numbers(...)
  return field("sequence_number", ...)
end

local function put(first, last, into)
  helper.put_each(into or orders, clock, first, last)
end

before_each(function()
  clock = helper.clock(1e9)
  db = helper.memory()
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
end)

describe("records", function()
  it("starts at a sequence number, or after it", function()
    put(1, 5)
    local stream = assert(orders:stream())
    assert.are.same({ 4, 5, 6 }, numbers(stream:records { at = 4 }))
    assert.are.same({ 5, 6 }, numbers(stream:records { after = 4 }))
    assert.are.same({ 2, 3, 4, 5, 6 }, numbers(stream:records { at = 0 }))
    assert.are.same({ 2, 3, 4, 5, 6 }, numbers(stream:records { after = 0 }))
    assert.are.same({}, numbers(stream:records { after = 6 }))
    assert.are.same({}, numbers(stream:records { at = 7 }))
  end)

  it("starts at the next record if the sequence number belongs to another table", function()
    local other = assert(db:create_table { name = "other", partition_key = "id", stream = true })
    put(1, 2)
    put(1, 2, other)
    put(3, 4)
    assert.are.same({ 7, 8 }, numbers(orders:stream():records { at = 5 }))
    assert.are.same({ 7, 8 }, numbers(orders:stream():records { after = 5 }))
    assert.are.same({ 5, 6, 7, 8 }, numbers(db:stream():records { at = 5 }))
    assert.are.same({ 6 }, numbers(other:stream():records { at = 6 }))
  end)

  it("with a position after the last change returns AHEAD", function()
    put(1, 5)
    local stream = assert(orders:stream())
    for _, each in ipairs { stream, db:stream() } do
      raises("AHEAD", each.records, each, { after = 7 })
      raises("AHEAD", each.records, each, { at = 8 })
      local err = raises("AHEAD", each.transactions, each, { at = 1 << 62 })
      assert.is_truthy(err.message:find("the last change has 6", 1, true))
      assert.equal("ValidationException", err.exception)
    end
    refused("AHEAD", orders:stream { after = 100 })
    refused("AHEAD", db:stream { at = 100 })
  end)

  it("starts at a time", function()
    put(1, 5)                                    -- at 1e9, 1e9 + 1, ...
    local stream = assert(orders:stream())
    for _, each in ipairs { stream, db:stream() } do
      assert.are.same({ 4, 5, 6 }, numbers(each:records { time = 1e9 + 2 }))
      assert.are.same({ 4, 5, 6 }, numbers(each:records { time = 1e9 + 1.001 }))
      assert.are.same({ 2, 3, 4, 5, 6 }, numbers(each:records { time = 0 }))
      assert.are.same({ 6 }, numbers(each:records { time = 1e9 + 4 }))
      assert.are.same({}, numbers(each:records { time = 1e9 + 5 }))
      assert.are.same({}, numbers(each:records { time = 1e11 }))
    end
  end)

  it("finds a time even if the clock was set back", function()
    -- Created at:  1 2 3 | 1 2 3 4 | 2 5 6
    local times = { 1, 2, 3, 1, 2, 3, 4, 2, 5, 6 }
    for i, time in ipairs(times) do
      clock:set(2e9 + time)
      assert(orders:put { id = tostring(i) })
    end
    local stream = assert(orders:stream())
    for wanted = 0, 7 do
      local first
      for i, time in ipairs(times) do
        if time >= wanted then first = first or i end
      end
      for _, each in ipairs { stream, db:stream() } do
        local found = helper.first(each:records { time = 2e9 + wanted })
        assert.equal(first, found and found.sequence_number - 1, "time " .. wanted)
      end
    end
  end)

  it("finds a time to the millisecond, like that of a record", function()
    local seed = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
    math.randomseed(seed)
    local stream = assert(orders:stream())
    clock:set(math.random(1 << 31) + math.random())
    for i = 1, 200 do
      assert(orders:put { id = tostring(i) })
      clock:advance(0.001)
    end
    for record in stream:records() do
      local found = helper.first(stream:records { time = record.created_at })
      assert.equal(record.sequence_number, found.sequence_number, "SEED=" .. seed)
    end
    assert.equal(200, stream:describe().count)
  end)

  it("with a time in the future returns the records from then on", function()
    put(1, 2)
    local now, far = assert(orders:stream { time = clock:now() }), assert(db:stream { time = 1e11 })
    assert.is_nil(now:next())
    assert.is_nil(far:next())
    assert(orders:put { id = "next" })
    assert.equal(4, now:next().sequence_number)
    assert.equal(4, far:next().sequence_number)
  end)

  it("with a time returns the records created at or after it, from any stream", function()
    local other = assert(db:create_table { name = "other", partition_key = "id", stream = true })
    put(1, 2)
    put(1, 2, other)
    put(3, 3)
    assert.are.same({ 5, 6, 7 }, numbers(db:stream():records { time = 1e9 + 2 }))
    assert.are.same({ 7 }, numbers(orders:stream():records { time = 1e9 + 2 }))
    assert.are.same({ 5, 6 }, numbers(other:stream():records { time = 0 }))
  end)
end)
