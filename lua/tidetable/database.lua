-- database.lua - an open database: its tables, transactions and streams.

local backup = require "tidetable.backup"
local core = require "tidetable.core"
local item_operations = require "tidetable.item_operations"
local optimistic = require "tidetable.optimistic"
local options = require "tidetable.options"
local reports = require "tidetable.report"
local stream = require "tidetable.stream.stream"
local tables = require "tidetable.table"
local transactions = require "tidetable.transaction"
local wait = require "tidetable.wait"

local misuse = options.misuse

local databases = {}

--- An open database.
---@class tidetable.Database
---@field path string
local Database = {}
Database.__index = Database
Database.__name = "tidetable.database"

function Database:__tostring()
  return ("tidetable.database: %s%s"):format(self.path,
    core.is_closed(self.core) and " (closed)" or "")
end

-- Tables ---------------------------------------------------------------------

local types = { S = 1, N = 2, B = 3 }

--- { "id", type = "N" } is refused: it would quietly be of type S.
local function is_key(value)
  return type(value) == "table" and (options.is_tuple(value, 1) or options.is_tuple(value, 2))
    and type(value[1]) == "string" and types[value[2] or "S"] ~= nil
end

local function check_key(value)
  return type(value) ~= "string" and not is_key(value) and 'a name, or { name, "S" | "N" | "B" }'
    or nil
end

local function key_of(value)
  if type(value) == "string" then
    return value, types.S
  end
  return value[1], types[value[2] or "S"]
end

local table_options = {
  name = "string", partition_key = check_key, sort_key = check_key,
  stream = { "table", "boolean" },
}

---@alias tidetable.KeySpec string|[string]|[string, "S"|"N"|"B"]  of type S unless told

---@class tidetable.TableSpec
---@field name string
---@field partition_key tidetable.KeySpec
---@field sort_key tidetable.KeySpec|nil
---@field stream boolean|tidetable.StreamSettings|nil  true: one with all defaults

--- Makes a table.
---@param spec tidetable.TableSpec
---@return tidetable.Table|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:create_table(spec)
  if type(spec) ~= "table" then
    misuse("create_table: a table of name, partition_key, ... expected")
  end
  options.check(spec, table_options, "create_table")
  for _, name in ipairs { "name", "partition_key" } do
    if spec[name] == nil then
      misuse(("create_table: %s is missing"):format(name))
    end
  end
  local partition, partition_type = key_of(spec.partition_key)
  local sort, sort_type
  if spec.sort_key then
    sort, sort_type = key_of(spec.sort_key)
  end
  local view, age, bytes, count = 0, 1, 0, 0
  if spec.stream then
    view, age, bytes, count =
      stream.settings(spec.stream ~= true and spec.stream or nil, "create_table: stream")
  end
  -- First the handle: once the table is there, nothing may fail any more.
  local handle, err, code = tables.handle(self, spec.name)
  if not handle then
    return nil, err, code
  end
  local ok
  ok, err, code = wait.try(self, core.create_table, self.core, spec.name, partition,
    partition_type, sort, sort_type or 0, view, age, bytes, count)
  if not ok then
    return nil, err, code
  end
  return handle
end

--- A handle on a table that exists.
---@param name string
---@return tidetable.Table|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:table(name)
  item_operations.check_name(name, "table")
  local handle, err, code = tables.handle(self, name)
  if not handle then
    return nil, err, code
  end
  local description
  description, err, code = core.describe_table(handle.core)
  if not description then
    return nil, err, code
  end
  return handle
end

local list_options = { limit = options.integer_from(1), start_after = "string" }

--- The names of tables, in the order of their bytes; and the last one when there are more.
---@param given { limit: integer|nil, start_after: string|nil }|nil
---@return string[]|nil names, string|tidetable.error|nil last_or_err, tidetable.code|nil code
function Database:list_tables(given)
  given = options.check(given, list_options, "list_tables")
  local all, err, code = core.table_names(self.core)
  if not all then
    return nil, err, code
  end
  local names = {}
  for _, name in ipairs(all) do
    -- Not by `>`, which goes by the locale: names would be skipped or repeated.
    if not given.start_after or core.compare_bytes(name, given.start_after) > 0 then
      if given.limit and #names == given.limit then
        return names, names[#names]
      end
      names[#names + 1] = name
    end
  end
  return names
end

--- Calls core.trim until it finds nothing more.
local function trim_all(self)
  local total = 0
  while true do
    local records, more, code = wait.write(self, core.trim, self.core)
    if not records then
      return nil, more, code
    end
    total = total + records
    if not more then
      return total
    end
  end
end

--- Deletes a table and all its items.
---@param name string
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:delete_table(name)
  item_operations.check_name(name, "delete_table")
  local ok, err, code = wait.write(self, core.delete_table, self.core, name)
  if not ok then
    return nil, err, code
  end
  -- It is gone. What of its rows can't be removed now goes with later writes.
  trim_all(self)
  return true
end

-- Transactions ---------------------------------------------------------------

local transact_options = {
  mode = options.one_of { "locked", "optimistic" },
  attempts = options.integer_from(1),
  time_limit = options.seconds,
}

--- What fn returned; true when that is nothing, so that assert is content.
local function finish(ok, ...)
  if ok ~= true then
    return ok, ...
  elseif select("#", ...) == 0 then
    return true
  end
  return ...
end

---@class tidetable.TransactOptions
---@field mode "locked"|"optimistic"|nil
---@field attempts integer|nil     optimistic: how often fn may run, 10
---@field time_limit number|nil    seconds: 5 with the lock, 60 without

--- Runs fn(tx), all or nothing: under the write lock, or without it on a
--- snapshot (optimistic.lua).
---@param fn fun(tx: tidetable.Transaction): ...
---@param given tidetable.TransactOptions|nil
---@return any ...  what fn returns (nothing: true); or nil, err, code
function Database:transact(fn, given)
  given = options.check(given, transact_options, "transact")
  if type(fn) ~= "function" then
    misuse("transact: a function expected, got " .. type(fn))
  end
  if given.mode == "optimistic" then
    return finish(optimistic.transact(self, fn, given.attempts or 10, given.time_limit or 60))
  elseif given.attempts then
    misuse('transact: option "attempts" is for mode "optimistic"')
  end
  return finish(transactions.transact(self, fn, given.time_limit or 5))
end

-- Streams --------------------------------------------------------------------

--- The changes of all tables in one total order; or of the table that the
--- options name, which may be gone: then its stream's label is needed.
---@param given tidetable.AllStreamsOptions|nil
---@return tidetable.Stream|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:stream(given)
  return stream.of_database(self, given)
end

local list_streams_options = { table = "string" }

--- Describes every stream, disabled ones too.
---@param given { table: string|nil }|nil
---@return tidetable.StreamDescription[]|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:list_streams(given)
  given = options.check(given, list_streams_options, "list_streams")
  return stream.list(self, given.table)
end

--- An object that any event loop can wait on, for every commit.
---@return tidetable.Wakeup|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:wakeup()
  return wait.wakeup(self)
end

-- Keeping house --------------------------------------------------------------

--- Removes what has expired, in bounded steps; how many records went.
---@return integer|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:trim()
  return trim_all(self)
end

--- Verifies the file, page by page and row by row, and every invariant that a
--- file can show, as of the last commit; others may write meanwhile.
---@return tidetable.Report|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:check()
  return reports.of(self, core.check, self.core)
end

--- Copies the database to a new file while others read and write: verified, and
--- there whole or not at all.
---@param path string
---@param given tidetable.BackupOptions|nil
---@return tidetable.BackupFacts|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:backup(path, given)
  return backup.to(self, path, given)
end

--- What the file is.
---@return tidetable.Info|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:info()
  return core.info(self.core)
end

--- Flushes what weaker durability levels left in memory.
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:sync()
  return core.sync(self.core)
end

--- Closes the handle, and what was made from it. Twice is fine.
function Database:close()
  local ok, err = wait.cancel(self)
  core.close(self.core)
  if not ok then
    error(err, 0)
  end
end

Database.__close = Database.close

options.methods(Database, "db")

--- Makes a handle of { core, path, busy_timeout, wait }.
---@return tidetable.Database
function databases.new(handle)
  return setmetatable(handle, Database)
end

return databases
