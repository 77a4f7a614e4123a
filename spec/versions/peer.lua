-- peer.lua - uses a database with the LMDB that it was started with.
--
--   peer.lua write PATH NAME COUNT [OTHER]   stores COUNT items under NAME; with OTHER only
--                                            when that process has opened the database too
--   peer.lua verify PATH COUNT               checks for COUNT items and a sound file
--   peer.lua opens PATH COUNT                opens, writes and closes COUNT times
--   peer.lua refused PATH                    checks that open fails: the mutexes are not robust
local tidetable = require "tidetable"

local act, path = arg[1], arg[2]
local OPTIONS = { durability = "none", max_size = "256 MiB" }

local function open()
  local db = assert(tidetable.open(path, OPTIONS))
  local items = db:table "items" or assert(db:create_table {
    name = "items", partition_key = "name", sort_key = { "n", "N" }, stream = true,
  })
  return db, items
end

--- Waits for a change by another process.
local function wait_for(items, key)
  for _ = 1, 3000 do
    if items:get(key) then return end
    os.execute "sleep 0.01"
  end
  error(key.name .. " did not come")
end

local acts = {}

function acts.write(name, count, other)
  local _db <close>, items = open()
  if other then
    assert(items:put { name = "open " .. name, n = 0 })
    wait_for(items, { name = "open " .. other, n = 0 })
  end
  for n = 1, tonumber(count) do
    assert(items:put { name = name, n = n, text = ("x"):rep(n * 7 % 500) })
  end
  for n = 1, tonumber(count) do
    assert(items:get { name = name, n = n }, n)
  end
end

function acts.verify(count)
  local db <close>, items = open()
  local found = 0
  for item in items:scan() do
    found = found + (item.n > 0 and 1 or 0)
  end
  assert(found == tonumber(count), found .. " items")
  local report = assert(db:check())
  assert(report.ok, report.problems[1])
end

function acts.opens(count)
  for n = 1, tonumber(count) do
    local _db <close>, items = open()
    assert(items:put { name = "opens", n = n })
  end
end

function acts.refused()
  local db, err = tidetable.open(path, OPTIONS)
  assert(not db, "it was opened")
  assert(err.message:find("robust", 1, true), err.message)
end

acts[act](table.unpack(arg, 3))
