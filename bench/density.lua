-- density.lua - bytes of the file per item and record, before and after compaction.
--
-- Items with ascending keys are loaded into a table with a stream, alone or before a later
-- table with one item. Then a compact copy is made. Prints the bytes, and the processor and
-- elapsed time of the copy with its verification. doc/bench.md describes the rows.
--
--     ROUNDS=9 ITEMS=1000000 DIR=... lua5.4 bench/density.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"
local tidetable = require "tidetable"

local folder <close> = bench.directory(bench.disk)
local path, copy = folder.path .. "/density.tide", folder.path .. "/copy.tide"

--- Loads the items. Returns the bytes of the file for each.
local function load_items(has_later)
  bench.remove(path)
  local db <close> = assert(tidetable.open(path, { durability = "none" }))
  local items = assert(db:create_table { name = "items", partition_key = "k", stream = true })
  if has_later then
    local later = assert(db:create_table { name = "later", partition_key = "k", stream = true })
    assert(later:put { k = "x" })
  end
  local i = 0
  assert(items:load(function()
    i = i + 1
    return i <= bench.items and { k = ("%09d"):format(i), v = ("x"):rep(100) } or nil
  end))
  return db:info().file_bytes / bench.items
end

--- Makes a compact copy. Returns its bytes for each item, its processor and its elapsed time.
local function compact()
  local db <close> = assert(tidetable.open(path))
  local cpu, began = os.clock(), bench.now()
  local facts = assert(db:backup(copy, { compact = true, overwrite = true }))
  return facts.bytes / bench.items, os.clock() - cpu, bench.now() - began
end

for round = 1, bench.rounds do
  for _, has_later in ipairs { false, true } do
    local loaded = load_items(has_later)
    local bytes, cpu, elapsed = compact()
    print(("round %d, %-22s %4.0f bytes an item and record, %4.0f after compaction;"
      .. " %.2f s of processor time, %.2f s"):format(round,
      has_later and "before a later table:" or "alone:", loaded, bytes, cpu, elapsed))
  end
end
