-- pool_producer.lua - puts items at random, at random intervals, until a file appears.
--
--   pool_producer.lua LOG DATABASE FILE SEED
--
-- Each put of an item stores the number of its changes. Log: "written 700" at the end.
local child = require "spec.crash.child"
local system = require "system"
local tidetable = require "tidetable"

local ITEMS = 40
local INTERVAL_MAX = 0.002                       -- seconds between two puts
local BURST = 30                                 -- puts without an interval

local log = child.log(arg[1])
local db = assert(tidetable.open(arg[2], { durability = "none", busy_timeout = 60 }))
local items = assert(db:table "items")
math.randomseed(math.tointeger(arg[4]))

local written, count = {}, 0

local function put()
  local id = tostring(math.random(ITEMS))
  written[id] = (written[id] or 0) + 1
  assert(items:put { id = id, n = written[id] })
  count = count + 1
end

local function must_end()
  local file <close> = io.open(arg[3])
  return file ~= nil
end

local ok, err = pcall(function()
  while not must_end() do
    for _ = 1, 20 do
      put()
      system.sleep(math.random() * INTERVAL_MAX)
    end
    if math.random(4) == 1 then
      for _ = 1, BURST do put() end
    end
  end
end)
log:write(ok and ("written %d\n"):format(count) or ("failed %s\n"):format(err))
