-- database.lua - databases in a temporary directory or in memory, with several handles.
--
-- A directory counts its open handles and is removed when the last one is closed. A handle that is
-- collected without having been closed keeps its directory until the directory is collected.

local core = require "tidetable.core"
local options = require "tidetable.options"
local tidetable = require "tidetable"

local misuse = options.misuse

local databases = {}

--- A temporary directory of a database.
---@class tidetable.testing.Directory
---@field core userdata      removes the directory when it is collected
---@field path string
---@field handles integer    number of open handles; the directory is removed at 0

--- The directory and the options of each handle that this module has opened.
---@type table<tidetable.Database, { directory: tidetable.testing.Directory|nil, opts: table }>
local opened = setmetatable({}, { __mode = "k" })

--- Returns the value; raises the error if there is none. A test cannot continue without.
local function must(value, err)
  if value == nil then
    error(err, 0)
  end
  return value
end

local function leave(directory)
  directory.handles = directory.handles - 1
  if directory.handles == 0 then
    core.remove_directory(directory.core)
  end
end

--- Opens a handle, in memory without a directory.
local function open(directory, opts)
  local path = directory and directory.path .. "/test.tide" or ":memory:"
  if directory then
    directory.handles = directory.handles + 1
  end
  local ok, db, err = pcall(tidetable.open, path, opts)
  if not ok or not db then
    if directory then
      leave(directory)
    end
    error(ok and err or db, 0)
  end
  opened[db] = { directory = directory, opts = opts }
  if directory then
    db.on_close = function() leave(directory) end
  end
  return db
end

---@class tidetable.testing.DatabaseOptions : tidetable.OpenOptions
---@field tables tidetable.TableSpec[]|nil  tables to create
---@field memory boolean|nil  true: in memory; default: in a temporary directory

--- Returns the options of tidetable.open, with the level "none" as default.
local function open_options(opts)
  local own = { durability = "none" }
  for name, value in pairs(opts) do
    own[name] = value
  end
  own.tables, own.memory = nil, nil
  return own
end

--- Creates a database. Raises all failures.
---@param opts tidetable.testing.DatabaseOptions|nil
---@return tidetable.Database
function databases.new(opts)
  opts = opts or {}
  if type(opts) ~= "table" then
    misuse("database: expected a table of options, got " .. type(opts))
  end
  options.check({ tables = opts.tables, memory = opts.memory },
    { tables = "table", memory = "boolean" }, "database")
  local directory
  if not opts.memory then
    local handle, path = core.temporary_directory()
    must(handle, path)
    directory = { core = handle, path = path, handles = 0 }
  end
  local db = open(directory, open_options(opts))
  for _, spec in ipairs(opts.tables or {}) do
    local ok, made, err = pcall(db.create_table, db, spec)
    if not ok or not made then
      db:close()
      error(ok and err or made, 0)
    end
  end
  return db
end

--- Returns this module's data about a handle. Raises an error if the module did not open the
--- handle, or if the database was removed.
local function check_temporary(db, subject)
  local known = opened[db]
  if not known then
    misuse(subject .. ": expected a database of testing.database")
  elseif not known.directory then
    misuse(subject .. ": a database in memory has one handle")
  elseif known.directory.handles == 0 then
    misuse(subject .. ": the database was removed when its last handle was closed")
  end
  return known
end

--- Opens another handle on a temporary database. Raises all failures.
---@param db tidetable.Database
---@param opts tidetable.OpenOptions|nil  default: those of db
---@return tidetable.Database
function databases.handle(db, opts)
  local known = check_temporary(db, "handle")
  return open(known.directory, opts and open_options(opts) or known.opts)
end

--- Closes a handle on a temporary database and opens it again. Raises all failures.
---@param db tidetable.Database
---@param opts tidetable.OpenOptions|nil  default: those of db
---@return tidetable.Database
function databases.reopen(db, opts)
  local known = check_temporary(db, "reopen")
  -- Counts as a handle, so that closing db does not remove the directory.
  known.directory.handles = known.directory.handles + 1
  local _guard <close> = setmetatable({}, { __close = function() leave(known.directory) end })
  db:close()
  return open(known.directory, opts and open_options(opts) or known.opts)
end

return databases
