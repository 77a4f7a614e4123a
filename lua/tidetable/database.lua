-- database.lua - an open database: tables, transactions, streams and maintenance.

local annotations = require "tidetable.annotation"
local backup = require "tidetable.backup"
local consumers = require "tidetable.consumer.consumer"
local statuses = require "tidetable.consumer.status"
local core = require "tidetable.core"
local definitions = require "tidetable.definition"
local diffs = require "tidetable.diff"
local item_operations = require "tidetable.item_operations"
local members = require "tidetable.members"
local optimistic = require "tidetable.optimistic"
local options = require "tidetable.options"
local replicas = require "tidetable.replica.replica"
local reports = require "tidetable.report"
local stream = require "tidetable.stream.stream"
local tables = require "tidetable.table"
local transactions = require "tidetable.transaction"
local views = require "tidetable.view.view"
local wait = require "tidetable.wait"

local misuse = options.misuse

local databases = {}

--- An open database.
---@class tidetable.Database : tidetable.WaitContext
---@field path string  as given to tidetable.open
---@field package on_close fun()|false  called once, after the handle is closed
local Database = {}
Database.__index = Database
Database.__name = "tidetable.database"
Database.expiry_check_at = 0   -- time of the next check for expired items (stream/reader.lua)

Database.worker_count = 0   -- number of workers that were created (consumer/worker.lua)

-- Fields that are not set in every handle (WaitContext).
Database.wait, Database.wakeups, Database.spare_wakeups = false, false, false
Database.on_close = false   -- set by testing/database.lua

function Database:__tostring()
  return ("tidetable.database: %s%s"):format(self.path,
    core.is_closed(self.core) and " (closed)" or "")
end

-- Tables ---------------------------------------------------------------------

local key_type_numbers = { S = 1, N = 2, B = 3 }

--- Returns true for a key with or without type. { "id", type = "N" } is refused, because its type
--- would silently be S.
local function is_key(value)
  return type(value) == "table" and (options.is_tuple(value, 1) or options.is_tuple(value, 2))
    and type(value[1]) == "string" and key_type_numbers[value[2] or "S"] ~= nil
end

local function check_key(value)
  return type(value) ~= "string" and not is_key(value) and 'a name, or { name, "S" | "N" | "B" }'
    or nil
end

--- Returns the name of a key attribute and the core's number of its type.
local function key_of(value)
  if type(value) == "string" then
    return value, key_type_numbers.S
  end
  return value[1], key_type_numbers[value[2] or "S"]
end

--- `ttl = false` is allowed, so that a definition can say that the table has no time to live.
local table_options = {
  name = "string", partition_key = check_key, sort_key = check_key, ttl = definitions.check_ttl,
  stream = { "table", "boolean" },
}

---@alias tidetable.KeySpec string|[string]|[string, "S"|"N"|"B"]  name and type, default "S"

---@class tidetable.TableSpec
---@field name string  3 to 255 characters of a-z, A-Z, 0-9, "_", "-" and "."
---@field partition_key tidetable.KeySpec
---@field sort_key tidetable.KeySpec|nil
---@field stream boolean|tidetable.StreamSettings|nil  true: a stream with the defaults; nil: none
---@field ttl string|false|nil  attribute with the time at which an item expires, seconds since 1970

--- Creates a table; `subject` is the name of the called function, for messages.
local function create_table(self, spec, subject)
  for _, name in ipairs { "name", "partition_key" } do
    if spec[name] == nil then
      misuse(("%s: %s is missing"):format(subject, name))
    end
  end
  local partition, partition_type = key_of(spec.partition_key)
  local sort, sort_type
  if spec.sort_key then
    sort, sort_type = key_of(spec.sort_key)
  end
  local view, age, bytes, count, hold_age, hold_bytes = 0, 1, 0, 0, 0, 0
  if spec.stream then
    view, age, bytes, count, hold_age, hold_bytes =
      stream.settings(spec.stream ~= true and spec.stream or nil, subject .. ": stream")
  end
  -- The handle is created first, because nothing may fail after the table has been created.
  local handle, err, code = tables.handle(self, spec.name)
  if not handle then
    return nil, err, code
  end
  local ok
  ok, err, code = wait.try(self, core.create_table, self.core, spec.name, partition,
    partition_type, sort, sort_type or 0, view, age, bytes, count, hold_age, hold_bytes,
    spec.ttl or "")
  if not ok then
    return nil, err, code
  end
  return handle
end

--- Creates a table. Errors: VALIDATION, IN_USE, LIMIT, BUSY, NESTED, READ_ONLY, FULL, DISK_FULL.
---@param spec tidetable.TableSpec
---@return tidetable.Table|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:create_table(spec)
  if type(spec) ~= "table" then
    misuse("create_table: expected a table with name and partition_key, got " .. type(spec))
  end
  options.check(spec, table_options, "create_table")
  return create_table(self, spec, "create_table")
end

local ensure_options = { alter = "boolean" }
for name, check in pairs(table_options) do
  ensure_options[name] = check
end

---@class tidetable.EnsureSpec : tidetable.TableSpec
---@field alter boolean|nil  true: change stream and ttl if they differ; default: return VALIDATION

--- Returns the table with this definition. Creates the table if it does not exist, otherwise checks
--- that its key schema, stream and ttl are those of the definition. Several processes can call it
--- at the same time. Errors as for create_table; VALIDATION names the difference.
---@param spec tidetable.EnsureSpec
---@return tidetable.Table|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:ensure_table(spec)
  if type(spec) ~= "table" then
    misuse("ensure_table: expected a table with name and partition_key, got " .. type(spec))
  end
  options.check(spec, ensure_options, "ensure_table")
  local wanted = {}
  for name, value in pairs(spec) do
    wanted[name] = name ~= "alter" and value or nil
  end
  local handle, err, code = create_table(self, wanted, "ensure_table")
  while not handle and code == "IN_USE" do
    handle, err, code = self:table(spec.name)
    if handle then
      return definitions.ensure(handle, wanted, spec.alter or false)
    elseif code == "NOT_FOUND" then   -- another process has deleted it since
      handle, err, code = create_table(self, wanted, "ensure_table")
    end
  end
  return handle, err, code
end

--- Returns a handle of a table. Returns NOT_FOUND if the table does not exist.
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

---@class tidetable.ListTablesOptions
---@field limit integer|nil       maximum number of names; default all
---@field start_after string|nil  list the names that follow this one

--- Returns the names of the tables in byte order, and the last name if there are more.
---@param opts tidetable.ListTablesOptions|nil
---@return string[]|nil names
---@return string|tidetable.error|nil last_or_err  last: start_after of the next call; nil: end
---@return tidetable.code|nil code
function Database:list_tables(opts)
  opts = options.check(opts, list_options, "list_tables")
  local all, err, code = core.table_names(self.core)
  if not all then
    return nil, err, code
  end
  local names = {}
  for _, name in ipairs(all) do
    -- `>` compares by the locale, so names would be skipped or repeated.
    if not opts.start_after or core.compare_bytes(name, opts.start_after) > 0 then
      if opts.limit and #names == opts.limit then
        return names, names[#names]
      end
      names[#names + 1] = name
    end
  end
  return names
end

--- Calls core.sweep until nothing is left to remove. Returns the numbers of removed records and
--- items.
local function sweep_all(self)
  local records, items = 0, 0
  while true do
    local count, swept, more = wait.write(self, core.sweep, self.core)
    if not count then
      return nil, swept, more
    end
    records, items = records + count, items + swept
    if not more then
      return records, items
    end
  end
end

--- Deletes a table and all its items, and disables its stream. Errors: NOT_FOUND, BUSY, NESTED,
--- READ_ONLY, FULL, DISK_FULL.
---@param name string
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:delete_table(name)
  item_operations.check_name(name, "delete_table")
  local ok, err, code = wait.write(self, core.delete_table, self.core, name)
  if not ok then
    return nil, err, code
  end
  -- The table is deleted at this point. Later writes remove the rows that sweep_all leaves.
  sweep_all(self)
  return true
end

-- Transactions ---------------------------------------------------------------

local transact_options = annotations.with_options {
  mode = options.one_of { "locked", "optimistic" },
  attempts = options.integer_from(1),
  time_limit = options.seconds,
}

--- Returns the results of fn; true if there are none, so that a program can call assert on them.
local function results_or_true(ok, ...)
  if ok ~= true then
    return ok, ...
  elseif select("#", ...) == 0 then
    return true
  end
  return ...
end

---@class tidetable.TransactOptions : tidetable.AnnotationOptions
---@field mode "locked"|"optimistic"|nil  default "locked"
---@field attempts integer|nil     optimistic: maximum number of runs of fn; default 10
---@field time_limit number|nil    seconds; default 5 if locked, 60 if optimistic

--- Runs fn(tx) as a transaction: under the write lock (transaction.lua), or on a snapshot without
--- the lock (optimistic.lua). An error in fn rolls back the transaction and is raised. Errors:
--- VALIDATION, BUSY, NESTED, CONFLICT, TOO_BIG, READ_ONLY, FULL, DISK_FULL, UNKNOWN_OUTCOME;
--- raised: TIMEOUT, LIMIT.
---@param fn fun(tx: tidetable.Transaction): ...
---@param opts tidetable.TransactOptions|nil
---@return any ...  results of fn, true if there are none; or nil, err, code
function Database:transact(fn, opts)
  opts = options.check(opts, transact_options, "transact")
  if type(fn) ~= "function" then
    misuse("transact: expected a function, got " .. type(fn))
  end
  if opts.mode ~= "optimistic" and opts.attempts then
    misuse('transact: option "attempts" requires mode "optimistic"')
  end
  local annotation, err, code = annotations.encode(self, opts)
  if not annotation then
    return nil, err, code
  elseif opts.mode == "optimistic" then
    return results_or_true(optimistic.transact(self, fn, opts.attempts or 10,
      opts.time_limit or 60, nil, annotation))
  end
  return results_or_true(transactions.transact(self, fn, opts.time_limit or 5, annotation))
end

--- Returns the sequence number of the last change that this handle has committed, in a transaction
--- or outside of one; 0 if there is none.
---@return integer
function Database:last_change()
  return core.last_change(self.core)
end

-- Streams --------------------------------------------------------------------

--- Returns the stream of all tables, in one total order, or the stream of the table in the options.
--- If this table has been deleted, the options must contain the label of its stream.
---@param opts tidetable.AllStreamsOptions|nil
---@return tidetable.Stream|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:stream(opts)
  return stream.of_database(self, opts)
end

local list_streams_options = { table = "string" }

--- Describes all streams, or those of one table, disabled ones included.
---@param opts { table: string|nil }|nil
---@return tidetable.StreamDescription[]|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:list_streams(opts)
  opts = options.check(opts, list_streams_options, "list_streams")
  return stream.list(self, opts.table)
end

--- Returns a consumer, and creates it if it does not exist (consumer/consumer.lua).
---@param name string
---@param opts tidetable.ConsumerOptions|nil
---@return tidetable.Consumer|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:consumer(name, opts)
  return consumers.open(self, name, opts)
end

--- Verifies the options of db:consumer, and changes nothing. Returns "create", "open" or "update".
---@param name string
---@param opts tidetable.ConsumerOptions
---@return "create"|"open"|"update"|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:check_consumer(name, opts)
  return consumers.check(self, name, opts)
end

--- Returns the states of all consumers, in byte order of their names, computed from the file:
--- activity, last error, lag and workers of each (consumer/status.lua).
---@return tidetable.Processor[]|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:processors()
  return statuses.all(self)
end

--- Returns a view, and creates it if it does not exist (view/view.lua).
---@param definition tidetable.ViewDefinition
---@return tidetable.View|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:view(definition)
  return views.open(self, definition)
end

--- Returns the names of all consumers, in byte order; with lag = true their lags.
---@param opts {lag: boolean|nil}|nil
---@return string[]|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:list_consumers(opts)
  return consumers.list(self, opts)
end

--- Returns an object that event loops can wait on for commits. Returns STORE if no inotify instance
--- is available.
---@return tidetable.Wakeup|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:wakeup()
  return wait.wakeup(self)
end

-- Maintenance ----------------------------------------------------------------

--- Removes all expired records and all expired items (time to live), in several transactions, and
--- completes the work that is left after a change of `ttl` or the deletion of a table. Returns the
--- numbers of removed records and items.
---@return integer|nil records, integer|tidetable.error items, tidetable.code|nil code
function Database:sweep()
  return sweep_all(self)
end

--- Verifies all pages, rows and invariants of the file as of the last commit, while other processes
--- may write. Damage is not an error: the report lists it.
---@return tidetable.Report|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:check()
  return reports.of(self, core.check, self.core)
end

--- Copies the database to a new file while others read and write. The copy is verified, and appears
--- at `path` when it is complete. Errors: IN_USE, VALIDATION, DISK_FULL, PERMISSION, CORRUPT,
--- STORE.
---@param path string  of the new file
---@param opts tidetable.BackupOptions|nil
---@return tidetable.BackupFacts|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:backup(path, opts)
  return backup.to(self, path, opts)
end

--- Returns a replication of tables of another database into this one (replica/replica.lua).
---@param source tidetable.Database
---@param opts tidetable.ReplicateOptions|nil
---@return tidetable.Replication|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:replicate(source, opts)
  return replicas.replicate(self, source, opts)
end

--- Describes the replicas of this database.
---@return tidetable.ReplicaDescription[]|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:replicas()
  return replicas.list(self)
end

--- Makes the tables of a replica writable, with a new incarnation. Errors: NOT_FOUND, PROMOTED,
--- COPYING, BUSY, READ_ONLY, FULL, DISK_FULL.
---@param name string|nil  of the replica; default "replica"
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:promote(name)
  return replicas.promote(self, name)
end

--- Removes a replica and makes its tables writable. Errors: NOT_FOUND, BUSY, READ_ONLY, FULL,
--- DISK_FULL.
---@param name string  of the replica
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:forget_replica(name)
  return replicas.forget(self, name)
end

--- Returns an iterator over the differences between this database and another one, or between two
--- tables (diff.lua). Each database is read from one snapshot. The iterator raises its errors.
---@param other tidetable.Database
---@param opts tidetable.DiffOptions|nil
---@return fun(): tidetable.Difference|nil
function Database:diff(other, opts)
  return diffs.iterator(self, other, opts)
end

--- Describes the database and its file.
---@return tidetable.Info|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:info()
  return core.info(self.core)
end

--- Flushes the commits that the durability levels "one_flush" and "none" have not flushed.
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Database:sync()
  return core.sync(self.core)
end

--- Closes the handle and the objects created from it. Calling it twice is allowed. An error of a
--- wakeup's on_close function is raised after the database is closed.
function Database:close()
  local ok, err = wait.cancel(self)
  core.close(self.core)
  local on_close = self.on_close
  self.on_close = false
  if on_close then
    on_close()
  end
  if not ok then
    error(err, 0)
  end
end

Database.__close = Database.close

options.methods(Database, "db")
members.guard(Database, "db")

--- Returns a new database object.
---@param handle { core: userdata, path: string, busy_timeout: number, wait: function|nil }
---@return tidetable.Database
function databases.new(handle)
  return setmetatable(handle, Database)
end

return databases
