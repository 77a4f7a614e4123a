-- peer_tidetable.lua - this library, called from Lua.

package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path

local tidetable = require "tidetable"

local orders = require "orders"
local peer = require "peer"

local adapter = {}
local handle_of = {}
handle_of.__index = handle_of

local file = "/data.tide"
local batch = 1000

function adapter.describe()
  print "tidetable, from Lua; durability by name; NEW_AND_OLD_IMAGES, checksums as always"
  print "a put alone: orders:put; several: db:transact; load: orders:load by thousands"
end

function adapter.make(path, changes)
  orders.make(path .. file, changes)
end

function adapter.key_of(item)
  return { customer = item.customer, placed_at = item.placed_at }
end

function adapter.open(path, level)
  local options = level == "read" and { read_only = true } or { durability = level }
  local db = assert(tidetable.open(path .. file, options))
  return setmetatable({ db = db, orders = assert(db:table "orders") }, handle_of)
end

function adapter.create(path)
  local db = assert(tidetable.open(path .. file, { durability = "none" }))
  return setmetatable({
    db = db,
    orders = assert(db:create_table {
      name = "orders", partition_key = "customer", sort_key = { "placed_at", "N" },
      stream = { view_type = "NEW_AND_OLD_IMAGES" },
    }),
  }, handle_of)
end

function handle_of:put(item)
  assert(self.orders:put(item))
end

function handle_of:put_batch(count, next_item)
  assert(self.db:transact(function(tx)
    local mine = tx:table "orders"
    for _ = 1, count do mine:put(next_item()) end
  end))
end

function handle_of:load(count, next_item)
  local left = count
  assert(self.orders:load(function()
    left = left - 1
    return left >= 0 and next_item() or nil
  end, { batch = batch }))
end

function handle_of:flush()
  assert(self.db:sync())
end

function handle_of:get(key)
  return self.orders:get(key)
end

-- Two loops, because a condition evaluated for each record would be part of the measured time.
function handle_of:scan(is_image)
  local changes, seen = 0, 0
  if is_image then
    for record in self.orders:stream():records() do
      changes, seen = changes + 1, seen + (record.new_image and 1 or 0)
    end
    assert(seen == changes, "each record should have an image")
  else
    for _ in self.orders:stream():records() do changes = changes + 1 end
  end
  return changes
end

--- Setting a retention is a write, which trims too: the records that it removed are counted.
function handle_of:trim(stay)
  local stream = self.orders:stream()
  local before = assert(stream:describe()).count
  assert(stream:set_retention { count = stay })
  assert(self.db:sweep())
  return before - assert(stream:describe()).count
end

function handle_of:follow(count, fn, ready)
  local stream = assert(self.orders:stream { from = "LATEST" })
  ready()
  for _ = 1, count do
    fn(assert(stream:next(60)).new_image)
  end
end

function handle_of:close()
  self.db:close()
end

handle_of.__close = handle_of.close

peer.main(adapter)
