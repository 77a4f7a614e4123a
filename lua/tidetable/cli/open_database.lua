-- open_database.lua - opens the database and the table that a command line names, and describes all
-- tables and consumers.

local console = require "tidetable.cli.console"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local options = require "tidetable.options"
local tidetable = require "tidetable"

local open = {}

--- Ends the command if the path cannot name a database file.
---@param path string
function open.path(path)
  if path == "" or path == ":memory:" then
    console.misused(("%q: not a database file"):format(path))
  end
end

--- Returns a hint that fits the command; nil for the usual hint. Only commands that write have
--- --busy-timeout.
local function hint_of_open(err, given, missing)
  if err.code == "NO_FILE" and not given.create then
    return missing
  elseif err.code == "BUSY" and not given.busy_timeout then
    return err.pid and ("process %d uses it: try again when it has finished"):format(err.pid)
      or "try again"
  end
end

--- Opens the database of a command line. It is not created unless given.create is true.
---@param args { database: string, max_size: string|integer|nil }
---@param given tidetable.OpenOptions|nil  default: read_only
---@param missing string|nil  hint if there is no such file
---@return tidetable.Database  to be closed: `local db <close> = ...`
function open.database(args, given, missing)
  local path = args.database
  open.path(path)
  given = given or { read_only = true }
  given.max_size = args.max_size
  if given.create == nil then
    given.create = false
  end
  local db, err = tidetable.open(path, given)
  if not db then
    library_error.fail(path, err, hint_of_open(err, given, missing))
  end
  return db
end

--- Opens the database, for writing if item counts are to be stored in it.
---@param args { database: string, count: boolean|nil }
---@return tidetable.Database  to be closed
function open.to_describe(args)
  return open.database(args, args.count and {} or nil)
end

--- Ends the command because the table does not exist. The hint is the table with the most similar
--- name.
local function fail_unknown(db, name)
  local names = library_error.check(db.path, db:list_tables())
  local known = {}
  for _, each in ipairs(names) do
    known[each] = true
  end
  local near = options.nearest(name, known)
  local hint
  if near then
    hint = ("did you mean %s?"):format(near)
  elseif #names == 0 then
    hint = "the database has no tables"
  else
    hint = ("to list its tables: tidetable tables %s"):format(display.word(db.path))
  end
  console.fail(("%s: no table %s"):format(db.path, name), hint)
end

--- Returns the handle of a table, or ends the command if there is no such table.
---@param db tidetable.Database
---@param name string
---@return tidetable.Table
function open.table(db, name)
  local table, err, code = db:table(name)
  if code == "NOT_FOUND" or code == "VALIDATION" then
    fail_unknown(db, name)
  elseif not table then
    library_error.fail(db.path, err)
  end
  return table
end

--- Returns the handle and the description of a table, or ends the command if there is none.
---@param db tidetable.Database
---@param name string
---@return tidetable.Table, tidetable.TableDescription
function open.described(db, name)
  local table = open.table(db, name)
  return table, library_error.check(db.path, table:describe())
end

local function description_of(db, name, counts)
  local table, err, code = db:table(name)
  if not table then
    return nil, nil, err, code
  end
  local description, items
  if counts then
    items, err, code = table:count_items()
    if not items then
      return nil, nil, err, code
    end
  end
  description, err, code = table:describe()
  return table, description, err, code
end

--- Returns all tables. A table that is deleted during the call is left out.
---@param db tidetable.Database
---@param counts boolean|nil  true: their items are counted first
---@return { table: tidetable.Table, description: tidetable.TableDescription }[]
function open.tables(db, counts)
  local found = {}
  for _, name in ipairs(library_error.check(db.path, db:list_tables())) do
    local table, description, err, code = description_of(db, name, counts)
    if description then
      found[#found + 1] = { table = table, description = description }
    elseif code ~= "NOT_FOUND" then
      library_error.fail(db.path, err)
    end
  end
  return found
end

--- Returns the description of a consumer, with its workers in the field `workers`.
---@param consumer tidetable.Consumer
---@return tidetable.ConsumerDescription|nil description, tidetable.error|nil err
---@return tidetable.code|nil code
function open.described_consumer(consumer)
  local description, err, code = consumer:describe()
  if description then
    description.workers, err, code = consumer:workers()
  end
  return description and description.workers and description, err, code
end

--- Returns the descriptions of all consumers, with their workers, in byte order of their names. A
--- consumer that is deleted during the call is left out.
---@param db tidetable.Database
---@return tidetable.ConsumerDescription[]
function open.consumers(db)
  local found = {}
  for _, name in ipairs(library_error.check(db.path, db:list_consumers())) do
    local consumer, err, code = db:consumer(name)
    local description
    if consumer then
      description, err, code = open.described_consumer(consumer)
    end
    if not description and code ~= "NOT_FOUND" then
      library_error.fail(db.path, err)
    end
    found[#found + 1] = description
  end
  return found
end

return open
