-- retention.lua - how long records are kept, and the error of a reader that is too late.
--
--   lua5.4 examples/retention.lua
--
-- A manual clock stands still until it is advanced, so a day passes immediately.
local tidetable = require "tidetable"

local HOUR = 3600
local clock = tidetable.manual_clock(1700000000)
local db <close> = assert(tidetable.open(":memory:", { clock = clock }))

local prices = assert(db:create_table {
  name = "prices", partition_key = "what",
  stream = { view_type = "NEW_IMAGE", retention = "24h" },
})
local stream = prices:stream()

local function set_price(what, price)
  assert(prices:put { what = what, price = price })
end

-- A copy of the table outside the database, updated from the stream.
local copy, position = {}, 0

local function apply(record)
  copy[record.keys.what] = record.new_image and record.new_image.price
  position = record.sequence_number
end

-- Copies the whole table. The position is read first, so that no change is missed. A change made
-- during the scan may be applied twice, which does no harm.
local function start_over()
  copy, position = {}, db:info().sequence_number
  for item in prices:scan() do copy[item.what] = item.price end
end

local function catch_up()
  local ok, err = pcall(function()
    for record in stream:records { after = position } do apply(record) end
  end)
  if ok then return "up to date" end
  if err.code ~= "TRIMMED" then error(err, 0) end
  start_over()
  return ("missed %d to %d, so started over"):format(err.first, err.last)
end

local function show(what)
  local state = stream:describe()
  print(("%-16s %d visible records; tea %s, rum %s"):format(what, state.count, copy.tea, copy.rum))
end

set_price("tea", 3)
set_price("rum", 20)
print(catch_up())
show("first day")

set_price("tea", 4)
clock:advance(12 * HOUR)
set_price("rum", 22)
clock:advance(13 * HOUR) -- tea's change is 25 hours old, rum's is 13
show("second day")
print(catch_up())
show("")

-- Expired records cannot be read. Writers remove them from the file; nothing is written here, so
-- sweep does it.
print(db:sweep() .. " records removed")

-- A longer retention keeps the records that have not expired. Expired ones stay invisible.
assert(stream:set_retention { age = "7d", count = 1000 })
clock:advance(3 * 24 * HOUR)
set_price("rum", 25)
print(catch_up())
show("fifth day")

-- The reader had read two changes of items when the third, tea's, expired. The reader gets TRIMMED
-- with the range of the lost records, and not a later record without this error.
--
--   up to date
--   first day        2 visible records; tea 3, rum 20
--   second day       1 visible records; tea 3, rum 20
--   missed 4 to 4, so started over
--                    1 visible records; tea 4, rum 22
--   3 records removed
--   up to date
--   fifth day        2 visible records; tea 4, rum 25
