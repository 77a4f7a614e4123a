-- testing.lua - tests of a small program with tidetable.testing: expiry, a crash, a failed commit.
--
--   lua5.4 examples/testing.lua
--
-- The program under test keeps carts, which expire after an hour, and counts the orders made from
-- them. An order and the count are one transaction.
local testing = require "tidetable.testing"

local HOUR = 3600

local tables = {
  { name = "carts", partition_key = "customer", ttl = "expires", stream = true },
  { name = "totals", partition_key = "name" },
}

local function add_to_cart(db, customer, article, now)
  return db:table "carts":put { customer = customer, article = article, expires = now + HOUR }
end

local function order(db, customer)
  return db:transact(function(tx)
    tx:table "carts":delete { customer = customer }
    tx:table "totals":update({ name = "orders" }, "ADD n ?", { 1 })
  end)
end

-- A cart expires, and the stream says so. The wait takes no time.
do
  local clock <close> = testing.clock(1700000000)
  local db <close> = testing.database { memory = true, tables = tables }
  assert(add_to_cart(db, "ann", "tea", clock:now()))
  local stream = db:table "carts":stream()
  print(stream:next(2 * HOUR).event_name)
  print(stream:next(2 * HOUR).event_name, ("after %.0f h"):format(clock:elapsed() / HOUR))
end

-- A process that is killed in the commit of an order leaves all of it or nothing.
for _, point in ipairs { "before_commit", "after_write", "after_commit" } do
  local db <close> = testing.database { tables = tables }
  assert(add_to_cart(db, "ann", "tea", os.time()))
  local child <close> = testing.child([[
    local path, point = ...
    local testing = require "tidetable.testing"
    local db = assert(require "tidetable".open(path))
    testing.crash_at(point)
    db:transact(function(tx)
      tx:table "carts":delete { customer = "ann" }
      tx:table "totals":update({ name = "orders" }, "ADD n ?", { 1 })
    end)
  ]], { db.path, point })
  assert(child:wait().signal, "the child was not killed")
  local carts, totals = testing.items(db:table "carts"), testing.items(db:table "totals")
  print(point, carts.ann and "cart" or "no cart", totals.orders and totals.orders.n or 0)
end

-- A full disk: the program gets the error, and can try again.
do
  local db <close> = testing.database { tables = tables }
  assert(add_to_cart(db, "ann", "tea", os.time()))
  local _fault <close> = testing.fail_at("before_commit", 1, "DISK_FULL")
  local _, _, code = order(db, "ann")
  print(code, #testing.records(db:table "carts") .. " record")
  assert(order(db, "ann"))
  print("OK", #testing.records(db:table "carts") .. " records")
end

--   INSERT
--   REMOVE   after 1 h
--   before_commit   cart      0
--   after_write     cart      0
--   after_commit    no cart   1
--   DISK_FULL   1 record
--   OK          2 records
