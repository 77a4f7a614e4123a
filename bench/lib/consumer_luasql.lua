-- consumer_luasql.lua - SQLite called from Lua through LuaSQL 2.6.
--
-- The transactions are those of consumer_sqlite.c. An image is JSON by lua-cjson.

package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path

local cjson = require "cjson"

local sales = require "sales"
local sqlite = require "sqlite"

local adapter = {}
local handle_of = sqlite.class()

local schema = {
  "CREATE TABLE changes (sequence INTEGER PRIMARY KEY, key TEXT NOT NULL, old TEXT, new TEXT)",
  "CREATE TABLE counters (id TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID",
  "CREATE TABLE positions (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID",
}

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
  sqlite.describe(schema, { record, counter, restart, read_position, read_changes, add, move,
    sum_of_all, warm })
end

function adapter.open(path, level)
  return sqlite.open(handle_of, path, level)
end

function adapter.make(path, count)
  local self <close> = adapter.open(path, "none")
  self:run_all(schema)
  self:run "BEGIN IMMEDIATE"
  for name in sales.counters() do self:run(counter:format(name)) end
  for i = 0, count - 1 do
    local sale = sales.make(i)
    self:run(record:format(sale.customer, sale.placed_at, self:escaped_json(sale)))
  end
  self:run "COMMIT"
  self:flush()
end

--- Reads all changes, so that they are in the cache.
function handle_of:start()
  self:run(restart)
  self:value(warm)
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

--- Reads a batch and handles its changes. Returns their number and the sequence number of the last
--- one.
function handle_of:handle_changes(job)
  local position, changes, row = self:value(read_position), 0, {}
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

--- The sequence numbers start at 1 and have no gaps.
function handle_of:position()
  return self:value(read_position)
end

function handle_of:sum()
  return self:value(sum_of_all)
end

sales.main(adapter, table.unpack(arg))
