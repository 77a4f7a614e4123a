-- reader.lua - reads a whole stream and measures the memory that this takes.
--
--     lua5.4 bench/lib/reader.lua PATH     prints the number of records, maximum RssAnon in KB

package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path

local anonymous_kb = require "memory".anonymous_kb
local tidetable = require "tidetable"

local look_every = 10000

local db <close> = assert(tidetable.open(arg[1], { read_only = true }))
local orders = assert(db:table "orders")
local seen, most, images = 0, 0, 0

for record in orders:stream():records() do
  if record.new_image and record.old_image and record.keys then
    images = images + 1
  end
  seen = seen + 1
  if seen % look_every == 0 then
    most = math.max(most, anonymous_kb())
  end
end
assert(images > 0, "there should be records with both images")
print(seen, math.max(most, anonymous_kb()))
