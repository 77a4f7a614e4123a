-- writer.lua - writes, and logs the start and the end of each commit.
--
--   writer.lua LOG DATABASE DURABILITY NAME FIRST SEED
--
-- Log: "b 7;P one 3 20;D two 5" when change 7 begins, with all its writes; "a 7" when it was
-- acknowledged; "x 7 MESSAGE" if it failed. An item is { p = NAME, id, n = 7, pad }.
local child = require "spec.crash.child"
local system = require "system"
local tidetable = require "tidetable"

local path, durability, name, first, seed = table.unpack(arg, 2)
local log = child.log(arg[1])
math.randomseed(math.tointeger(tonumber(seed)))
local random = math.random

local db = assert(tidetable.open(path, { durability = durability }))
local tables = { one = assert(db:table("one")), two = assert(db:table("two")) }

local function random_change()
  local change = { table = random(2) == 1 and "one" or "two", id = random(25) }
  if random(4) > 1 then
    change.pad = random(30) == 1 and random(2000, 30000) or random(0, 200)
  end
  return change
end

local function apply(t, change, n)
  if change.pad then
    return t:put { p = name, id = change.id, n = n, pad = ("x"):rep(change.pad) }
  end
  return t:delete { p = name, id = change.id }
end

local function transact(changes, n, fails)
  return db:transact(function(tx)
    for _, change in ipairs(changes) do
      apply(tx:table(change.table), change, n)
    end
    if fails then
      error("deliberate error")
    end
    return true
  end)
end

local function described(n, changes)
  local words = { "b " .. n }
  for _, change in ipairs(changes) do
    words[#words + 1] = ("%s %s %d %d"):format(change.pad and "P" or "D", change.table, change.id,
      change.pad or 0)
  end
  return table.concat(words, ";") .. "\n"
end

-- After that the writer waits to be killed, because the stream must retain the records of two
-- writers in one cycle.
local CHANGES_MAX = 1000

local n, total = math.tointeger(tonumber(first)), 0
while true do
  local changes = {}
  for i = 1, random(3) == 1 and random(2, 12) or 1 do
    changes[i] = random_change()
  end
  if random(20) == 1 then
    pcall(transact, changes, -1, true)
  end
  log:write(described(n, changes))
  local ok, err
  if #changes == 1 and random(3) > 1 then
    ok, err = apply(tables[changes[1].table], changes[1], n)
  else
    ok, err = transact(changes, n)
  end
  log:write(ok and ("a %d\n"):format(n) or ("x %d %s\n"):format(n, tostring(err)))
  n = n + 1
  total = total + #changes
  if total >= CHANGES_MAX then
    system.sleep(3600)
  end
end
