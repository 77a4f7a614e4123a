-- pipeline_writer.lua - a customer of examples/pipeline who orders at random, cancels some of the
-- orders and removes some of the refused ones, until a file appears.
--
--   pipeline_writer.lua LOG DATABASE FILE NAME SEED
--
-- The number of the orders is stored with each of them, so the next process continues. Log:
--
--   full            a write was refused, because the disk is full
--   written         the end
--   failed ...      any other error
local child = require "spec.crash.child"
local system = require "system"
local tidetable = require "tidetable"

local ARTICLES = 5
local NOTE_MAX = 1000                            -- bytes
local INTERVAL_MAX = 0.02                        -- seconds between two orders
local FULL_PAUSE = 0.01                          -- seconds before a refused write is repeated

local log, path, last_file, name = child.log(arg[1]), arg[2], arg[3], arg[4]
math.randomseed(math.tointeger(arg[5]))

--- Calls f until the disk is not full.
local function patiently(f)
  while true do
    local result, err, code = f()
    if result then return result end
    if code ~= "DISK_FULL" then error(err) end
    log:write "full\n"
    system.sleep(FULL_PAUSE)
  end
end

local db = patiently(function()
  return tidetable.open(path, { durability = "none", busy_timeout = 60 })
end)

local function write(f)
  return patiently(function() return db:transact(f) end)
end

local function place()
  write(function(tx)
    local writer = tx:table "writers":get { id = name } or { id = name, n = 0 }
    writer.n = writer.n + 1
    tx:table "writers":put(writer)
    local customer = "c" .. math.random(8)
    tx:table "orders":put { id = name .. "-" .. writer.n, customer = customer,
      article = "a" .. math.random(ARTICLES), count = math.random(3), price = math.random(1000),
      email = customer .. "@example.org", status = "new",
      note = ("x"):rep(math.random(0, NOTE_MAX)) }
    return true
  end)
end

--- Changes one of the last orders.
local function change()
  write(function(tx)
    local writer, orders = tx:table "writers":get { id = name }, tx:table "orders"
    local n = writer and math.random(math.max(1, writer.n - 20), writer.n) or 1
    local order = orders:get { id = name .. "-" .. n }
    if order and order.status == "refused" then
      orders:delete { id = order.id }
    elseif order and order.status ~= "cancelled" then
      order.status = "cancelled"
      orders:put(order)
    end
    return true
  end)
end

local function must_end()
  local file <close> = io.open(last_file)
  return file ~= nil
end

local ok, err = pcall(function()
  while not must_end() do
    place()
    if math.random(4) == 1 then change() end
    system.sleep(math.random() * INTERVAL_MAX)
  end
end)
log:write(ok and "written\n" or ("failed %s\n"):format((tostring(err):gsub("\n", " "))))
