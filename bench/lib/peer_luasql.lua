-- peer_luasql.lua - SQLite called from Lua through LuaSQL 2.6.
--
-- Tables, triggers and settings are those of peer_sqlite.c. LuaSQL has neither prepared statements
-- nor parameters for SQLite: each statement is a text with escaped values. So keys and images are
-- texts, and an item is JSON by lua-cjson.

package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path

local cjson = require "cjson"
local cqueues = require "cqueues"
local luasql = require "luasql.sqlite3"

local bench = require "bench"
local orders = require "orders"
local peer = require "peer"

local adapter = {}
local handle_of = {}
handle_of.__index = handle_of

local batch, trim_batch = 1000, 256

local settings = {
  "PRAGMA page_size = 4096", "PRAGMA journal_mode = WAL", "PRAGMA cache_size = -512000",
}

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

local synchronous = {
  full = "FULL", one_flush = "FULL", relaxed = "NORMAL", none = "OFF", read = "OFF",
}

local put_item = "INSERT INTO items VALUES ('%s', '%s') "
  .. "ON CONFLICT (key) DO UPDATE SET item = excluded.item"
local get_item = "SELECT item FROM items WHERE key = '%s'"
local read_changes = "SELECT sequence, key, old, new FROM changes WHERE sequence > %d "
  .. "ORDER BY sequence"
local last_change = "SELECT coalesce(max(sequence), 0), count(*) FROM changes"
local trim_changes = "DELETE FROM changes WHERE sequence <= %d"

function adapter.describe()
  print(luasql._VERSION .. ", lua-cjson " .. cjson._VERSION)
  for _, list in ipairs { settings, schema, triggers,
    { put_item, get_item, read_changes, trim_changes } } do
    print(table.concat(list, ";\n"))
  end
end

local function connect(path, level)
  local environment = assert(luasql.sqlite3())
  local self = setmetatable({ environment = environment }, handle_of)
  self.connection = assert(environment:connect(path .. "/data.sqlite"))
  for _, sql in ipairs(settings) do self:run(sql) end
  self:run("PRAGMA synchronous = " .. synchronous[level])
  return self
end

--- Runs a statement and discards its rows.
function handle_of:run(sql)
  local cursor = assert(self.connection:execute(sql))
  if type(cursor) == "userdata" then
    cursor:fetch()
    cursor:close()
  end
end

--- Returns the columns of a statement's only row, or nil.
function handle_of:row(sql)
  local cursor = assert(self.connection:execute(sql))
  local row = table.pack(cursor:fetch())
  cursor:close()
  return table.unpack(row)
end

function adapter.key_of(item)
  return ("%s/%014d"):format(item.customer, item.placed_at)
end

function adapter.open(path, level)
  return connect(path, level)
end

function adapter.create(path)
  local self = connect(path, "none")
  for _, sql in ipairs(schema) do self:run(sql) end
  for _, sql in ipairs(triggers) do self:run(sql) end
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
  local self <close> = connect(path, "none")
  for _, sql in ipairs(schema) do self:run(sql) end
  self:load(bench.items, from_first())
  for _, sql in ipairs(triggers) do self:run(sql) end
  self:load(changes, from_first())
  self:flush()
end

function handle_of:put(item)
  local connection = self.connection
  assert(connection:execute(put_item:format(adapter.key_of(item),
    connection:escape(cjson.encode(item)))))
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

function handle_of:flush()
  self:run "PRAGMA synchronous = FULL"
  self:run "PRAGMA wal_checkpoint(TRUNCATE)"
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

function handle_of:close()
  self.connection:close()
  self.environment:close()
end

handle_of.__close = handle_of.close

peer.main(adapter)
