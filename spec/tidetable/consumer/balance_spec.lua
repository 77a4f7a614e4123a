-- balance_spec.lua - decisions of a worker on ranges of shards, without a database.
local balance = require "tidetable.consumer.balance"

--- Converts a text such as "0-3 4-7* 8!" to ranges. A star marks a range without a living owner, an
--- exclamation mark one whose batch has failed, and a plus one that has the same owner as the next
--- range. The position of a range is its first shard. Also returns the living owners and their
--- number.
local function parse(text)
  local list, owners, count = {}, {}, 0
  for first, last, mark in text:gmatch "(%d+)%-?(%d*)([*!+]?)" do
    first = math.tointeger(first)
    list[#list + 1] = { first = first, last = math.tointeger(last) or first, position = first,
      attempts = mark == "!" and 1 or 0 }
    owners[#list] = mark ~= "*" and (mark == "+" and #list + 1 or #list)
    count = count + (owners[#list] == #list and 1 or 0)
  end
  return list, owners, count
end

--- Returns the decision of the owner of a range as a text. waiting: number of living workers that
--- have no range. has_failed: the owner has the records of a failed batch.
local function decide(text, mine, waiting, has_failed)
  local list, owners, count = parse(text)
  local action, what, keeps_right = balance.decide(list, owners, mine, count + waiting,
    has_failed or false)
  if action == "divide" then
    return ("divide at %d, keep the %s part"):format(what, keeps_right and "second" or "first")
  end
  return action and ("take %d"):format(what.first)
end

describe("the owner of a range", function()
  it("divides it if it is the widest and a worker waits", function()
    assert.equal("divide at 4, keep the first part", decide("0-7", 1, 1))
    assert.equal("divide at 3, keep the first part", decide("0-4 5-7", 1, 1))
    assert.is_nil(decide("0-4 5-7", 2, 1))
    -- Of two with the same width the first one does. Ranges without a living owner do not count.
    assert.equal("divide at 2, keep the first part", decide("0-3 4-7", 1, 1))
    assert.is_nil(decide("0-3 4-7", 2, 1))
    assert.equal("divide at 6, keep the first part", decide("0-3* 4-7", 2, 2))
    assert.is_nil(decide("0 1 2", 1, 3))
    -- A worker with two ranges is one worker.
    assert.equal("divide at 6, keep the first part", decide("0+ 1-3 4-7", 3, 1))
  end)

  it("leaves free ranges to workers that wait", function()
    assert.is_nil(decide("0-3 4-7*", 1, 1))
    assert.equal("take 4", decide("0-3 4-7*", 1, 0))
  end)

  it("takes over a free neighbour", function()
    assert.equal("take 0", decide("0-3* 4-7", 2, 0))
    assert.is_nil(decide("0-1 2-3 4-7*", 1, 0))
    assert.equal("take 4", decide("0-1 2-3 4-7*", 2, 0))
    -- A worker has two ranges.
    assert.equal("take 4", decide("0+ 1 2-3 4-7*", 3, 0))
  end)

  it("leaves a free range to the owner on its other side if that has fewer shards", function()
    assert.equal("take 3", decide("0-2 3* 4-8", 1, 0))
    assert.is_nil(decide("0-2 3* 4-8", 3, 0))
    assert.equal("take 5", decide("0-4 5* 6-8", 3, 0))
    assert.equal("take 3", decide("0-2 3* 4-6", 1, 0))
    assert.is_nil(decide("0-2 3* 4-6", 3, 0))
    -- The owner on the other side has two ranges, which it will unite.
    assert.equal("take 3", decide("0-2 3* 4+ 5-7", 1, 0))
    assert.is_nil(decide("0-2 3* 4+ 5", 1, 0))
  end)

  it("leaves a free range to the owner on its other side if its own batch has failed", function()
    assert.is_nil(decide("0-2! 3* 4-8", 1, 0))
    assert.equal("take 3", decide("0-2! 3* 4-8", 3, 0))
    assert.equal("take 3", decide("0-2! 3* 4-8!", 1, 0))
    assert.is_nil(decide("0-2! 3* 4-8!", 3, 0))
  end)

  it("with a failed batch only takes over a range with a lower position", function()
    assert.equal("take 0", decide("0-3* 4-7!", 2, 0, true))
    assert.is_nil(decide("0-3! 4-7*", 1, 0, true))
    assert.is_nil(decide("0-7!", 1, 1, true))
    assert.is_nil(decide("0-5! 6-7", 1, 0, true))
  end)

  it("gives shards to an adjacent range that is narrower by two or more", function()
    assert.equal("divide at 4, keep the first part", decide("0-5 6-7 8-13", 1, 0))
    assert.is_nil(decide("0-5 6-7 8-13", 2, 0))
    assert.equal("divide at 10, keep the second part", decide("0-5 6-7 8-13", 3, 0))
    assert.is_nil(decide("0-3 4-6", 1, 0))
    assert.is_nil(decide("0-7", 1, 0))
  end)

  it("gives no shards to a worker that would not take them over", function()
    assert.is_nil(decide("0-5 6-7!", 1, 0))
    -- That worker first unites its ranges. Otherwise both would keep giving each other shards.
    assert.is_nil(decide("0-3 4+ 5-6", 1, 0))
    assert.is_nil(decide("0-1+ 2 3-6", 3, 0))
  end)
end)

describe("a worker without a range", function()
  it("joins the widest range without a living owner", function()
    local list, owners = parse "0-5 6-7* 8-11* 12-15*"
    local function has_owner(range)
      local _, i = balance.find(list, range.first)
      return owners[i] ~= false, i, 10 * i
    end
    assert.same({ list[3], 3, 30 }, { balance.find_free(list, has_owner) })
    assert.is_nil((balance.find_free(list, function() return true end)))
    assert.same({}, { balance.find(list, 7) })
  end)
end)

describe("two ranges of a worker", function()
  local left, right = { first = 0, last = 3, position = 5 }, { first = 4, last = 7, position = 8 }

  it("are handled in the order of their positions", function()
    assert.same({ left, right }, { balance.order(right, left) })
    assert.same({ left, right }, { balance.order(left, right) })
    local same = { first = 4, last = 7, position = 5 }
    assert.equal(same, (balance.order(same, left)))
  end)

  it("are united at the same position", function()
    assert.is_nil((balance.unite(left, right)))
    local same = { first = 4, last = 7, position = 5 }
    assert.same({ left, same }, { balance.unite(same, left) })
    assert.same({ left, same }, { balance.unite(left, same) })
  end)
end)
