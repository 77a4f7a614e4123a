-- cqueues_loop.lua - several followers and a timer, in one loop and one thread.
--
--   lua5.4 examples/cqueues_loop.lua
--
-- In a coroutine of a cqueues controller a loop that follows a stream gives way while it waits.
-- There is nothing to set up: tidetable sees which loop it runs in.
local cqueues = require "cqueues"
local tidetable = require "tidetable"

local ORDERS = 5

local db <close> = assert(tidetable.open ":memory:")
local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
local parcels = assert(db:create_table { name = "parcels", partition_key = "id", stream = true })

local loop = cqueues.new()

-- Somebody orders something every twentieth of a second.
loop:wrap(function()
  for number = 1, ORDERS do
    cqueues.sleep(0.05)
    assert(orders:put { id = "order " .. number, total = number * 10 })
  end
end)

-- What is ordered is packed,
loop:wrap(function()
  for record in orders:stream():records { follow = true, limit = ORDERS } do
    assert(parcels:put { id = "parcel of " .. record.keys.id, worth = record.new_image.total })
  end
end)

-- and what is packed is sent.
loop:wrap(function()
  for record in parcels:stream():records { follow = true, limit = ORDERS } do
    print("sent", record.keys.id)
  end
end)

-- One more sees all of it, in the order in which it happened.
local seen = {}
loop:wrap(function()
  for record in db:stream():records { follow = true, limit = 2 * ORDERS } do
    seen[#seen + 1] = record.table_name
  end
end)

-- All the while the loop does other things too.
local ticks, finished = 0, false
loop:wrap(function()
  while not finished do
    cqueues.sleep(0.01)
    ticks = ticks + 1
    finished = #seen == 2 * ORDERS
  end
end)

assert(loop:loop())
print(table.concat(seen, " "))
print(ticks > 10 and "and the timer went on ticking" or "the timer was held up")

-- Each order wakes the packer, each parcel the sender, and both of them the last follower.
--
--   sent    parcel of order 1
--   sent    parcel of order 2
--   sent    parcel of order 3
--   sent    parcel of order 4
--   sent    parcel of order 5
--   orders parcels orders parcels orders parcels orders parcels orders parcels
--   and the timer went on ticking
