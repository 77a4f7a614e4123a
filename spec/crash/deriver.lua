-- deriver.lua - maintains the sum of a counter's changes, as examples/derived_table.lua does.
--
--   deriver.lua LOG DATABASE [once]    "once": exits when it has caught up
--
-- One item contains the sum and the number of records in it; the checkpoint is read in the
-- transaction that changes both.
local child = require "spec.crash.child"
local system = require "system"
local tidetable = require "tidetable"

child.log(arg[1])
local db = assert(tidetable.open(arg[2], { busy_timeout = 60 }))
local stream = assert(assert(db:table "counters"):stream())

local function add_batch()
  return assert(db:transact(function(tx)
    local sums, places = tx:table "sums", tx:table "checkpoints"
    local sum = sums:get { id = "c" } or { id = "c", total = 0, records = 0 }
    local place = places:get { id = "c" } or { id = "c" }
    local count = 0
    for record in stream:records { after = place.after, limit = 20 } do
      sum.total = sum.total + record.new_image.n - (record.old_image and record.old_image.n or 0)
      place.after = record.sequence_number
      count = count + 1
    end
    if count > 0 then
      sum.records = sum.records + count
      sums:put(sum)
      places:put(place)
    end
    return count
  end))
end

repeat
  local count = add_batch()
  if count == 0 then
    system.sleep(0.001)
  end
until count == 0 and arg[3] == "once"
