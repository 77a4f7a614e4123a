-- sqlite.lua - an SQLite database, called through LuaSQL 2.6.
--
-- LuaSQL has neither prepared statements nor parameters for SQLite: each statement is a text. The
-- settings are those of bench/lib/sqlite.h.

local cjson = require "cjson"
local luasql = require "luasql.sqlite3"

local sqlite = {}

local settings = {
  "PRAGMA page_size = 4096", "PRAGMA journal_mode = WAL", "PRAGMA cache_size = -512000",
}

local synchronous = {
  full = "FULL", one_flush = "FULL", relaxed = "NORMAL", none = "OFF", read = "OFF",
}

local database_of = {}

--- Returns a class of databases, to which an adapter adds its methods. It has its own copy of the
--- methods below, so that a call takes one lookup.
function sqlite.class()
  local class = { __close = database_of.close }
  for name, method in pairs(database_of) do class[name] = method end
  class.__index = class
  return class
end

--- Prints versions, settings and lists of statements.
function sqlite.describe(...)
  print(luasql._VERSION .. ", lua-cjson " .. cjson._VERSION)
  for _, list in ipairs { settings, ... } do
    print(table.concat(list, ";\n"))
  end
end

--- Opens the database in a directory; creates it if it does not exist.
function sqlite.open(class, path, level)
  local environment = assert(luasql.sqlite3())
  local self = setmetatable({ environment = environment }, class)
  self.connection = assert(environment:connect(path .. "/data.sqlite"))
  self:run_all(settings)
  self:run("PRAGMA synchronous = " .. synchronous[level])
  return self
end

--- Runs a statement and discards its rows.
function database_of:run(sql)
  local cursor = assert(self.connection:execute(sql))
  if type(cursor) == "userdata" then
    cursor:fetch()
    cursor:close()
  end
end

function database_of:run_all(list)
  for _, sql in ipairs(list) do self:run(sql) end
end

--- Returns the first column of a query's first row.
function database_of:value(sql)
  local cursor = assert(self.connection:execute(sql))
  local value = cursor:fetch()
  cursor:close()
  return value
end

--- Returns the columns of a query's first row, or nil.
function database_of:row(sql)
  local cursor = assert(self.connection:execute(sql))
  local row = table.pack(cursor:fetch())
  cursor:close()
  return table.unpack(row)
end

--- Returns a table as JSON, in a form that can be put between the quotes of a statement.
function database_of:escaped_json(value)
  return self.connection:escape(cjson.encode(value))
end

--- Flushes all commits to the disk.
function database_of:flush()
  self:run "PRAGMA synchronous = FULL"
  self:run "PRAGMA wal_checkpoint(TRUNCATE)"
end

function database_of:close()
  self.connection:close()
  self.environment:close()
end

return sqlite
