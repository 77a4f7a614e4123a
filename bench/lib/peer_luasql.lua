-- peer_luasql.lua - SQLite called from Lua through LuaSQL 2.6.
--
-- Tables, triggers and settings are those of peer_sqlite.c. Keys and images are texts, because they
-- are part of a statement's text (bench/lib/sqlite.lua). An item is JSON by lua-cjson.

package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path

local cjson = require "cjson"
local cqueues = require "cqueues"

local bench = require "bench"
local orders = require "orders"
local peer = require "peer"
local sqlite = require "sqlite"

local adapter = {}
local handle_of = sqlite.class()

local batch, trim_batch = 1000, 256

local schema = {
  "CREATE TABLE IF NOT EXISTS items (key TEXT PRIMARY KEY, item TEXT NOT NULL) WITHOUT ROWID",
  "CREATE TABLE IF NOT EXISTS changes ("
    .. "sequence INTEGER PRIMARY KEY, key TEXT NOT NULL, old TEXT, new TEXT)",
}

local triggers = {
  "CREATE TRIGGER IF NOT EXISTS inserted AFTER INSERT ON items BEGIN "
    .. "INSERT INTO changes (key, old, new) VALUES (new.key, NULL, new.item); END",
  "CREATE TRIGGER IF NOT EXISTS updated AFTER UPDATE ON items BEGIN "
    .. "INSERT INTO changes (key, old, new) VALUES (new.key, old.item, new.item); END",
  "CREATE TRIGGER IF NOT EXISTS deleted AFTER DELETE ON items BEGIN "
    .. "INSERT INTO changes (key, old, new) VALUES (old.key, old.item, NULL); END",
}

local put_item = "INSERT INTO items VALUES ('%s', '%s') "
  .. "ON CONFLICT (key) DO UPDATE SET item = excluded.item"
local get_item = "SELECT item FROM items WHERE key = '%s'"
local read_changes = "SELECT sequence, key, old, new FROM changes WHERE sequence > %d "
  .. "ORDER BY sequence"
local last_change = "SELECT coalesce(max(sequence), 0), count(*) FROM changes"
local trim_changes = "DELETE FROM changes WHERE sequence <= %d"

function adapter.describe()
  sqlite.describe(schema, triggers, { put_item, get_item, read_changes, trim_changes })
end

function adapter.key_of(item)
  return ("%s/%014d"):format(item.customer, item.placed_at)
end

function adapter.open(path, level)
  return sqlite.open(handle_of, path, level)
end

function adapter.create(path)
  local self = adapter.open(path, "none")
  self:run_all(schema)
  self:run_all(triggers)
  return self
end

local function from_first()
  local i = -1
  return function()
    i = i + 1
    return orders.item(i)
  end
end

function adapter.make(path, changes)
  local self <close> = adapter.open(path, "none")
  self:run_all(schema)
  self:load(bench.items, from_first())
  self:run_all(triggers)
  self:load(changes, from_first())
  self:flush()
end

function handle_of:put(item)
  assert(self.connection:execute(put_item:format(adapter.key_of(item), self:escaped_json(item))))
end

function handle_of:put_batch(count, next_item)
  self:run "BEGIN IMMEDIATE"
  for _ = 1, count do self:put(next_item()) end
  self:run "COMMIT"
end

function handle_of:load(count, next_item)
  for done = 0, count - 1, batch do
    self:put_batch(math.min(batch, count - done), next_item)
  end
end

function handle_of:get(key)
  local json = self:row(get_item:format(key))
  return json and cjson.decode(json)
end

function handle_of:scan(is_image)
  local cursor = assert(self.connection:execute(read_changes:format(0)))
  local changes, seen, row = 0, 0, {}
  while cursor:fetch(row, "n") do
    changes = changes + 1
    if is_image then
      seen = seen + (cjson.decode(row[4]).customer and 1 or 0)
    end
  end
  cursor:close()
  assert(not is_image or seen == changes, "each change should have an image")
  return changes
end

function handle_of:trim(stay)
  local last, count = self:row(last_change)
  local gone = count - stay
  local at, stop = last - count, last - stay
  while at < stop do
    at = math.min(at + trim_batch, stop)
    self:run(trim_changes:format(at))
  end
  return gone
end

function handle_of:follow(count, fn, ready)
  local last = self:row(last_change)
  local row = {}
  ready()
  while count > 0 do
    local cursor = assert(self.connection:execute(read_changes:format(last)))
    while count > 0 and cursor:fetch(row, "n") do
      fn(cjson.decode(row[4]))
      last, count = row[1], count - 1
    end
    cursor:close()
    cqueues.sleep(0.001)
  end
end

peer.main(adapter)
