-- luv_loop.lua - several followers, a writer and a timer in one thread, run by libuv.
--
--   lua5.4 examples/luv_loop.lua
--
-- A coroutine that follows a stream yields while it waits; callbacks of libuv resume it.
local luv_loop = require "tidetable.loop.luv"
local uv = require "luv"

local sleep, wait = luv_loop.sleep, luv_loop.wait

local function start(f)
  coroutine.wrap(f)()
end

local function run()
  uv.run()
end

-- The same in every loop ----------------------------------------------------------------------

local tidetable = require "tidetable"

local ORDERS = 5

local db <close> = assert(tidetable.open(":memory:", { wait = wait }))
local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
local parcels = assert(db:create_table { name = "parcels", partition_key = "id", stream = true })

-- Stores an order every twentieth of a second.
start(function()
  for number = 1, ORDERS do
    sleep(0.05)
    assert(orders:put { id = "order " .. number, total = number * 10 })
  end
end)

-- Follows the orders and stores a parcel for each.
start(function()
  for record in orders:stream():records { follow = true, limit = ORDERS } do
    assert(parcels:put { id = "parcel of " .. record.keys.id, worth = record.new_image.total })
  end
end)

-- Follows the parcels and prints them.
start(function()
  for record in parcels:stream():records { follow = true, limit = ORDERS } do
    print("sent", record.keys.id)
  end
end)

-- Follows all tables and counts the changes of each.
local seen, finished = { orders = 0, parcels = 0 }, false
start(function()
  for record in db:stream():records { follow = true, limit = 2 * ORDERS } do
    seen[record.table_name] = seen[record.table_name] + 1
  end
  finished = true
end)

-- A timer that runs while the others wait.
local ticks = 0
start(function()
  while not finished do
    sleep(0.01)
    ticks = ticks + 1
  end
end)

run()
print(("seen %d orders and %d parcels"):format(seen.orders, seen.parcels))
print(ticks > 1 and "and the timer went on ticking" or "the timer was held up")

-- Each order wakes the second coroutine, each parcel the third, and both wake the fourth.
--
--   sent    parcel of order 1
--   sent    parcel of order 2
--   sent    parcel of order 3
--   sent    parcel of order 4
--   sent    parcel of order 5
--   seen 5 orders and 5 parcels
--   and the timer went on ticking
