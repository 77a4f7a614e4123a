-- expirer.lua - puts, updates and deletes items of which many have expired, and logs each commit.
--
--   expirer.lua LOG DATABASE NAME FIRST SEED PAST FUTURE
--
-- Log: "b 7 8 9" when a transaction begins whose puts and updates have these numbers, which are the
-- attributes n of its items; "a" when it was acknowledged; "x MESSAGE" if it failed. An item is
-- { p = NAME, id, n, e, c, pad } and expires at e, which is PAST or FUTURE.
local child = require "spec.crash.child"
local tidetable = require "tidetable"

local path, name, first, seed, past, future = table.unpack(arg, 2)
local log = child.log(arg[1])
math.randomseed(math.tointeger(tonumber(seed)))
past, future = math.tointeger(tonumber(past)), math.tointeger(tonumber(future))
local random = math.random

local db = assert(tidetable.open(path, { durability = "none" }))
local sessions = assert(db:table "sessions")
local n = math.tointeger(tonumber(first))

--- Returns a change as a function, and the number of the item that it writes.
local function random_change()
  local key, expiry = { p = name, id = random(25) }, random(2) == 1 and past or future
  local kind = random(4)
  if kind == 1 then
    return function(t) return t:delete(key) end
  end
  local number = n
  n = n + 1
  if kind == 2 then
    return function(t)
      return t:update(key, "SET n = ?, e = ? ADD c ?", { number, expiry, 1, number,
        condition = "attribute_not_exists(n) OR n < ?" })
    end, number
  end
  local pad = ("x"):rep(random(30) == 1 and random(2000, 30000) or random(0, 200))
  return function(t)
    return t:put { p = name, id = key.id, n = number, e = expiry, c = 0, pad = pad }
  end, number
end

while true do
  local changes, words = {}, { "b" }
  for i = 1, random(3) == 1 and random(2, 12) or 1 do
    changes[i], words[#words + 1] = random_change()
  end
  log:write(table.concat(words, " ") .. "\n")
  local ok, err
  if #changes == 1 then
    ok, err = changes[1](sessions)
  else
    ok, err = db:transact(function(tx)
      for _, change in ipairs(changes) do
        change(tx:table "sessions")
      end
      return true
    end)
  end
  log:write(ok and "a\n" or ("x %s\n"):format(tostring(err)))
end
