-- opener.lua - opens a database and closes it, repeatedly.
--
--   opener.lua DATABASE NAME OPENS SEED [DURABILITY]
--
-- Prints the number of items that it has stored, and its descriptors before and after.
local lfs = require "lfs"
local tidetable = require "tidetable"

local path, name, opens, seed = arg[1], arg[2], tonumber(arg[3]), tonumber(arg[4])
local durability = arg[5] or "none"
math.randomseed(seed)

local function descriptors()
  local count = 0
  for _ in lfs.dir "/proc/self/fd" do
    count = count + 1
  end
  return count
end

--- Reads what other processes wrote. Records may be trimmed before they are read.
local function read_news(db)
  local ok, err = pcall(function()
    local last = 0
    for record in db:stream { from = "LATEST" }:records() do
      assert(record.sequence_number > last)
      last = record.sequence_number
    end
  end)
  assert(ok or err.code == "TRIMMED", err)
end

local stored = 0
local before = descriptors()
for i = 1, opens do
  local what = math.random(6)
  local db = assert(tidetable.open(path, { busy_timeout = 60, durability = durability,
    read_only = what == 1, max_size = "1 GiB" }))
  if what <= 2 then
    local items = assert(db:table "items")
    for item in items:query(name, { limit = 3 }) do
      assert(item.id == name)
    end
  elseif what <= 4 then
    assert(assert(db:table "items"):put { id = name, n = i, text = ("x"):rep(math.random(300)) })
    stored = stored + 1
  elseif what == 5 then
    read_news(db)
  end
  if math.random(20) == 1 then
    collectgarbage() -- finalizes what was created from it
  end
  db:close()
end
print(stored, before, descriptors())
