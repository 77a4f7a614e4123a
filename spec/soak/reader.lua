-- reader.lua - reads items by key, in pages and from snapshots, until the follower has finished.
--
--   reader.lua DATABASE RECORDS SEED
local tidetable = require "tidetable"

local path, records = arg[1], tonumber(arg[2])
math.randomseed(tonumber(arg[3]))
local db = assert(tidetable.open(path, { read_only = true }))
local items, places = assert(db:table "items"), assert(db:table "places")
local reads = 0

local function read_one()
  local id = math.random(0, 999)
  local item = items:get { id = id }
  assert(item == nil or item.n % 1000 == id)
end

local function read_page(snapshot)
  local count = 0
  for _ in items:scan { limit = 200, snapshot = snapshot } do
    count = count + 1
  end
  return count
end

repeat
  for _ = 1, 200 do
    read_one()
  end
  read_page(false)
  read_page(true)
  reads = reads + 202
  local place = places:get { id = "follower" }
until place and place.n == records
print("read " .. reads)
