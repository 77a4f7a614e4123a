-- peer.lua - measures the work of a peer that is called from Lua.
--
-- The counterpart of peer.c, with the same command line (bench/lib/peer.h). An adapter
-- implements:
--
--     describe()                       prints version, settings, statements
--     make(path, changes)              stores bench.items items, then records changes
--     create(path)                     creates a recorded table; returns it like open
--     open(path, level)                a handle with the methods below; level "read": to read
--     handle:put(item)                 one put, one transaction
--     handle:put_batch(n, next_item)   n puts, one transaction
--     handle:load(n, next_item)        n puts in the fastest way, in thousands
--     handle:flush()                   flushes all commits to the disk
--     handle:get(key)                  returns an item; key_of returns the key of an item
--     handle:scan(is_image)            reads all changes; returns their number
--     handle:trim(stay)                removes all but the newest changes; returns how many
--     handle:follow(count, fn, ready)  calls ready(), then fn(new image) for each change
--                                      of another process
--     handle:close()

local cqueues = require "cqueues"

local bench = require "bench"
local memory = require "memory"
local orders = require "orders"

local peer = {}

local warm_step, keys_at_a_time = 8, 100

local adapter
local random = math.random

local function warm(handle)
  for i = 0, bench.items - 1, warm_step do
    assert(handle:get(adapter.key_of(orders.item(i))))
  end
end

local function numbers_of(...)
  local numbers = {}
  for i, text in ipairs { ... } do
    numbers[i] = assert(math.tointeger(tonumber(text)), text)
  end
  return table.unpack(numbers)
end

-- Both processes have to choose the same items.
local function check_items(items)
  assert(numbers_of(items) == bench.items, "ITEMS should be what the driver says")
end

--------------------------------------------------------------------------------
-- Commands
--------------------------------------------------------------------------------

local commands = {}

function commands.describe()
  adapter.describe()
end

function commands.make(path, items, changes)
  check_items(items)
  adapter.make(path, numbers_of(changes))
end

local function put_all(handle, batch, count, next_item)
  if batch == 1 then
    for _ = 1, count do handle:put(next_item()) end
  else
    for _ = 1, count // batch do handle:put_batch(batch, next_item) end
  end
end

function commands.put(path, items, level, order, ...)
  local batch, count, seed = numbers_of(...)
  check_items(items)
  math.randomseed(seed)
  local handle <close> = adapter.open(path, level)
  warm(handle)
  local next_item = order == "random" and orders.random_item
    or orders.ascending(("z-%07d"):format(seed))
  local each = bench.time(count, function() put_all(handle, batch, count, next_item) end)
  handle:flush()
  print(each)
end

function commands.load(path, count)
  count = numbers_of(count)
  local handle <close> = adapter.create(path)
  local i = -1
  local function next_item()
    i = i + 1
    return orders.item(i)
  end
  print(bench.time(count, function()
    handle:load(count, next_item)
    handle:flush()
  end))
end

function commands.scan(path, what)
  local handle <close> = adapter.open(path, "read")
  local is_image = what == "image"
  local changes = handle:scan(is_image)
  assert(changes > 0, "there should be changes")
  local each = bench.time(changes, function() handle:scan(is_image) end)
  print(each, memory.anonymous_kb(), changes)
end

-- The keys are created before, so few at a time that they stay in the processor's cache.
function commands.get(path, items, ...)
  local count, seed = numbers_of(...)
  check_items(items)
  math.randomseed(seed)
  local handle <close> = adapter.open(path, "read")
  warm(handle)
  local passed = 0
  for _ = 1, count // keys_at_a_time do
    local keys = {}
    for i = 1, keys_at_a_time do keys[i] = adapter.key_of(orders.random_key()) end
    local start = bench.now()
    for i = 1, keys_at_a_time do assert(handle:get(keys[i])) end
    passed = passed + (bench.now() - start)
  end
  print(passed * 1e9 / (count // keys_at_a_time * keys_at_a_time))
end

function commands.trim(path, stay)
  local handle <close> = adapter.open(path, "none")
  local gone
  local passed = bench.time(1, function() gone = handle:trim(numbers_of(stay)) end)
  assert(gone > 0, "there should be changes to trim")
  print(passed / gone)
end

-- The note of an item contains its time of creation.
local function stamped(item)
  item.note = ("%061d"):format(math.floor(bench.now() * 1e9))
  return item
end

function commands.follow(path, count)
  count = numbers_of(count)
  local took = {}
  local handle <close> = adapter.open(path, "read")
  handle:follow(count, function(image)
    took[#took + 1] = bench.now() * 1e9 - tonumber(image.note)
  end, function()
    print "ready"
    io.stdout:flush()
  end)
  table.sort(took)
  print(took[count // 2 + 1], took[count * 99 // 100 + 1])
end

-- Waits 1 to 3 ms between changes, so that the other process sleeps and does not get into step.
function commands.ring(path, items, count)
  check_items(items)
  local handle <close> = adapter.open(path, "none")
  for _ = 1, numbers_of(count) do
    cqueues.sleep(0.001 + 0.002 * random())
    handle:put(stamped(orders.random_item()))
  end
end

--- Runs the command line of an adapter.
function peer.main(of)
  adapter = of
  local command = commands[arg[1]] or error("usage: see the head of bench/lib/peer.h", 0)
  command(table.unpack(arg, 2))
end

return peer
