-- follower.lua - follows a stream until its last record, and stores its position.
--
--   follower.lua DATABASE RECORDS
--
-- RECORDS is the number of records to read. Every record must be the successor of the record read
-- before. The position is stored in the table `places`.
local tidetable = require "tidetable"

local path, records = arg[1], tonumber(arg[2])
local db = assert(tidetable.open(path, { durability = "none", busy_timeout = 60 }))
local places = assert(db:table "places")
local expected = 0

for record in db:table("items"):stream():records { follow = true, timeout = 120 } do
  expected = expected + 1
  local n = record.new_image.n
  if n ~= expected then
    error(("record %d, expected %d"):format(n, expected))
  end
  if n % 1000 == 0 or n == records then
    assert(places:put { id = "follower", n = n })
  end
  if n == records then
    print("followed " .. n)
    return
  end
end
error("no record for two minutes")
