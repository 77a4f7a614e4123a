-- init.lua - tidetable: DynamoDB's tables and DynamoDB Streams in one file,
-- inside your process.
--
-- Nothing here that older Luas can't read: they are to be told, not to stumble.

if _VERSION ~= "Lua 5.4" and _VERSION ~= "Lua 5.5" then
  error("tidetable is for Lua 5.4 and 5.5, and this is " .. _VERSION, 2)
end

-- The Lua modules and the core have to be of the same version (TIDE_VERSION in csrc/tide.h): one
-- may be installed and the other found in another directory.
local VERSION = "0.1.0"
local core = require "tidetable.core"
if core.version ~= VERSION then
  local path = package.searchpath and package.searchpath("tidetable.core", package.cpath)
  error(("tidetable: the Lua modules are version %s, the core is version %s%s: install both again")
    :format(VERSION, tostring(core.version), path and " (" .. path .. ")" or ""), 2)
end

local backup = require "tidetable.backup"
local database = require "tidetable.database"
local options = require "tidetable.options"
local reports = require "tidetable.report"
local types = require "tidetable.types"
local wait = require "tidetable.wait"

local misuse = options.misuse

-- Which lines are not the program's: an error says from which of those it came.
if options.source then
  core.library(options.source)
end

local tidetable = {
  _VERSION = "tidetable " .. VERSION,
  null = types.null,
  number = types.number,
  binary = types.binary,
  list = types.list,
  map = types.map,
  set = types.set,
  type = types.type,
}

local durability = { full = 0, one_flush = 1, none = 2 }

local open_options = {
  read_only = "boolean",
  create = "boolean",
  durability = options.one_of { "full", "one_flush", "none" },
  max_size = function(value)
    return not options.bytes(value) and "bytes, or a number with KiB, MiB or GiB" or nil
  end,
  busy_timeout = options.seconds,
  clock = function(value)
    return not core.is_clock(value) and "a clock of tidetable.manual_clock" or nil
  end,
  wait = "function",
}

---@class tidetable.OpenOptions
---@field read_only boolean|nil
---@field create boolean|nil       default true
---@field durability "full"|"one_flush"|"none"|nil
---@field max_size integer|string|nil  default "64 GiB"
---@field busy_timeout number|nil  seconds, default 5
---@field clock tidetable.Clock|nil  tidetable.manual_clock
---@field wait fun(wakeup: tidetable.Wakeup, seconds: number|nil)|nil

local DEFAULT_BUSY_TIMEOUT = 5    -- seconds

--- Does the part of opening that needs the write lock. A failure closes the database, and so does
--- an error in the program's `wait`.
local function finish_open(opened)
  local done, ready, err, code = pcall(wait.write, opened, core.mark_boot, opened.core)
  if done and ready then
    return opened
  end
  opened:close()
  if not done then
    error(ready, 0)
  end
  return nil, err, code
end

--- Opens the database at a path, or makes it; ":memory:" is one in memory.
---@param path string
---@param given tidetable.OpenOptions|nil
---@return tidetable.Database|nil, tidetable.error|nil err, tidetable.code|nil code
function tidetable.open(path, given)
  options.path(path, "open")
  given = options.check(given, open_options, "open")
  if given.create and given.read_only then
    misuse('open: nothing is made with "read_only": option "create" can\'t be true')
  elseif given.create == false and path == ":memory:" then
    misuse('open: ":memory:" is always made: option "create" can\'t be false')
  end
  local busy_timeout = given.busy_timeout or DEFAULT_BUSY_TIMEOUT
  local handle, err, code = wait.open(given.wait, busy_timeout,
    path ~= ":memory:" and path or nil,
    given.read_only or false, given.create ~= false and not given.read_only,
    durability[given.durability or "full"], options.bytes(given.max_size) or 0, given.clock)
  if not handle then
    return nil, err, code
  end
  return finish_open(database.new {
    core = handle, path = path, busy_timeout = busy_timeout, wait = given.wait,
  })
end

local compact_options = {
  max_size = open_options.max_size, progress = "function", wait = "function",
  busy_timeout = options.seconds,
}

---@class tidetable.CompactOptions
---@field progress tidetable.BackupProgress|nil  called about ten times a second
---@field max_size integer|string|nil  as in open
---@field busy_timeout number|nil  seconds to wait while another process opens it, default 5
---@field wait fun(wakeup: tidetable.WorkWakeup, seconds: number)|nil  as in open

--- Makes the file of a database that nobody has open as small as it can be: a
--- compact copy takes its place. BUSY when somebody has it open.
---@param path string
---@param given tidetable.CompactOptions|nil
---@return tidetable.BackupFacts|nil, tidetable.error|nil err, tidetable.code|nil code
function tidetable.compact(path, given)
  options.path(path, "compact")
  given = options.check(given, compact_options, "compact")
  return backup.in_place(path, options.bytes(given.max_size) or 0,
    given.busy_timeout or DEFAULT_BUSY_TIMEOUT, given)
end

local file_options = { isolate = "boolean", stall_timeout = options.seconds, wait = "function" }

---@class tidetable.CheckOptions
---@field isolate boolean|nil     in a child process, should even the check crash
---@field stall_timeout number|nil   seconds without progress until that is ended; default 60
---@field wait fun(wakeup: tidetable.WorkWakeup, seconds: number)|nil  as in open

--- Verifies a file that is not open here, even one that can't be opened: what
--- db:check() does. Nothing is written, and nothing made beside the file.
---@param path string
---@param given tidetable.CheckOptions|nil
---@return tidetable.Report|nil, tidetable.error|nil err, tidetable.code|nil code
function tidetable.check(path, given)
  options.path(path, "check")
  given = options.check(given, file_options, "check")
  options.goes_with(given, "stall_timeout", "isolate", "check")
  return reports.of({ wait = given.wait }, core.check_file, path,
    given.isolate and (given.stall_timeout or 60) or nil)
end

--- A clock that stands still until it is told.
---@param seconds number  since 1970
---@return tidetable.Clock
function tidetable.manual_clock(seconds)
  local wrong = options.time(seconds)
  if wrong then
    misuse(("manual_clock: %s expected, got %s"):format(wrong, tostring(seconds)))
  end
  return core.manual_clock(seconds)
end

--- What this is made of.
---@return { tidetable: string, lmdb: string, lua: string }
function tidetable.version()
  return { tidetable = VERSION, lmdb = core.engine, lua = _VERSION }
end

return tidetable
