-- consumer_luasql.lua - SQLite called from Lua through LuaSQL 2.6.
--
-- The transactions are those of consumer_sqlite.c. LuaSQL has neither prepared statements nor
-- parameters for SQLite: each statement is a text. An image is JSON by lua-cjson.

package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path

local cjson = require "cjson"
local luasql = require "luasql.sqlite3"

local sales = require "sales"

local adapter = {}
local handle_of = {}
handle_of.__index = handle_of

local settings = {
  "PRAGMA page_size = 4096", "PRAGMA journal_mode = WAL", "PRAGMA cache_size = -512000",
}

local schema = {
  "CREATE TABLE changes (sequence INTEGER PRIMARY KEY, key TEXT NOT NULL, old TEXT, new TEXT)",
  "CREATE TABLE counters (id TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID",
  "CREATE TABLE positions (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID",
}

local synchronous = { full = "FULL", none = "OFF" }

local record = "INSERT INTO changes (key, old, new) VALUES ('%s/%d', NULL, '%s')"
local counter = "INSERT INTO counters VALUES ('%s', 0)"
local restart = "INSERT OR REPLACE INTO positions VALUES ('bench', 0)"
local read_position = "SELECT sequence FROM positions WHERE name = 'bench'"
local read_changes = "SELECT sequence, new FROM changes WHERE sequence > %d "
  .. "ORDER BY sequence LIMIT %d"
local add = "UPDATE counters SET n = n + %d WHERE id = '%s'"
local move = "UPDATE positions SET sequence = %d WHERE name = 'bench'"
local sum_of_all = "SELECT sum(n) FROM counters"
local warm = "SELECT sum(length(new)) FROM changes"

function adapter.describe()
  print(luasql._VERSION .. ", lua-cjson " .. cjson._VERSION)
  for _, list in ipairs { settings, schema,
    { record, counter, restart, read_position, read_changes, add, move } } do
    print(table.concat(list, ";\n"))
  end
end

--- Runs a statement and discards its rows.
function handle_of:run(sql)
  local cursor = assert(self.connection:execute(sql))
  if type(cursor) == "userdata" then
    cursor:fetch()
    cursor:close()
  end
end

--- Returns the number in the only row of a statement.
function handle_of:number(sql)
  local cursor = assert(self.connection:execute(sql))
  local number = cursor:fetch()
  cursor:close()
  return math.tointeger(tonumber(number))
end

function adapter.open(path, level)
  local environment = assert(luasql.sqlite3())
  local self = setmetatable({ environment = environment }, handle_of)
  self.connection = assert(environment:connect(path .. "/data.sqlite"))
  for _, sql in ipairs(settings) do self:run(sql) end
  self:run("PRAGMA synchronous = " .. synchronous[level])
  return self
end

function adapter.make(path, count)
  local self <close> = adapter.open(path, "none")
  for _, sql in ipairs(schema) do self:run(sql) end
  self:run "BEGIN IMMEDIATE"
  for name in sales.counters() do self:run(counter:format(name)) end
  for i = 0, count - 1 do
    local sale = sales.make(i)
    self:run(record:format(sale.customer, sale.placed_at,
      self.connection:escape(cjson.encode(sale))))
  end
  self:run "COMMIT"
  self:run "PRAGMA synchronous = FULL"
  self:run "PRAGMA wal_checkpoint(TRUNCATE)"
end

--- Reads all changes, so that they are in the cache.
function handle_of:start()
  self:run(restart)
  self:number(warm)
end

function handle_of:handle_change(job, image)
  if not job.is_counters then
    return
  end
  local sale, memory = cjson.decode(image), job.memory
  if job.is_exact then
    assert(self.connection:execute(add:format(sale.total, sale.customer)))
  else
    memory[sale.customer] = memory[sale.customer] + sale.total
  end
end

--- Reads a batch and handles its changes. Returns their number and the last sequence.
function handle_of:handle_changes(job)
  local position, changes, row = self:number(read_position), 0, {}
  local cursor = assert(self.connection:execute(read_changes:format(position, job.batch)))
  while cursor:fetch(row, "n") do
    position, changes = row[1], changes + 1
    self:handle_change(job, row[2])
  end
  cursor:close()
  return changes, position
end

function handle_of:handle(job)
  if job.is_exact then
    self:run "BEGIN IMMEDIATE"
  end
  local changes, position = self:handle_changes(job)
  if not job.is_counters and job.is_exact then
    self:run(add:format(changes, sales.records_counter))
  elseif not job.is_counters then
    job.memory[sales.records_counter] = job.memory[sales.records_counter] + changes
  end
  self:run(move:format(position))
  if job.is_exact then
    self:run "COMMIT"
  end
  return changes
end

function handle_of:consume(job, count)
  local done = 0
  while done < count do
    local changes = self:handle(job)
    assert(changes > 0, "there should be more changes")
    done = done + changes
  end
end

function handle_of:sum()
  return self:number(sum_of_all)
end

function handle_of:close()
  self.connection:close()
  self.environment:close()
end

handle_of.__close = handle_of.close

sales.main(adapter, table.unpack(arg))
