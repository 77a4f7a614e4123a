-- own_scheduler.lua - several followers, a writer and a timer in one thread, and no loop.
--
--   lua5.4 examples/own_scheduler.lua
--
-- What a scheduler of one's own needs to wait for commits is own_scheduler/scheduler.lua.
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path

local scheduler = require "own_scheduler.scheduler"

local sleep, wait = scheduler.sleep, scheduler.wait
local start, run = scheduler.start, scheduler.run

-- The same in every loop ----------------------------------------------------------------------

local tidetable = require "tidetable"

local ORDERS = 5

local db <close> = assert(tidetable.open(":memory:", { wait = wait }))
local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
local parcels = assert(db:create_table { name = "parcels", partition_key = "id", stream = true })

-- Somebody orders something every twentieth of a second.
start(function()
  for number = 1, ORDERS do
    sleep(0.05)
    assert(orders:put { id = "order " .. number, total = number * 10 })
  end
end)

-- What is ordered is packed,
start(function()
  for record in orders:stream():records { follow = true, limit = ORDERS } do
    assert(parcels:put { id = "parcel of " .. record.keys.id, worth = record.new_image.total })
  end
end)

-- and what is packed is sent.
start(function()
  for record in parcels:stream():records { follow = true, limit = ORDERS } do
    print("sent", record.keys.id)
  end
end)

-- One more sees all of it, in the order in which it happened.
local seen, finished = { orders = 0, parcels = 0 }, false
start(function()
  for record in db:stream():records { follow = true, limit = 2 * ORDERS } do
    seen[record.table_name] = seen[record.table_name] + 1
  end
  finished = true
end)

-- All the while the loop does other things too.
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

-- Each order wakes the packer, each parcel the sender, and both of them the last follower.
--
--   sent    parcel of order 1
--   sent    parcel of order 2
--   sent    parcel of order 3
--   sent    parcel of order 4
--   sent    parcel of order 5
--   seen 5 orders and 5 parcels
--   and the timer went on ticking
