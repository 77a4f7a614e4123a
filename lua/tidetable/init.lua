-- init.lua - the module tidetable: opens, compacts and checks databases, and constructs values.
--
-- This file is valid Lua 5.1, so that an older Lua reports its version and not a syntax error.

if _VERSION ~= "Lua 5.4" and _VERSION ~= "Lua 5.5" then
  error("tidetable requires Lua 5.4 or 5.5, this is " .. _VERSION, 2)
end

-- The Lua modules and the core must have the same version (TIDE_VERSION in csrc/tide.h). They can
-- differ if Lua finds them in different directories.
local VERSION = "0.1.0"
local core = require "tidetable.core"
if core.version ~= VERSION then
  local path = package.searchpath and package.searchpath("tidetable.core", package.cpath)
  error(("tidetable: the Lua modules are version %s, the core is version %s%s: reinstall both")
    :format(VERSION, tostring(core.version), path and " (" .. path .. ")" or ""), 2)
end

local backup = require "tidetable.backup"
local database = require "tidetable.database"
local members = require "tidetable.members"
local options = require "tidetable.options"
local reports = require "tidetable.report"
local types = require "tidetable.types"
local wait = require "tidetable.wait"

local misuse = options.misuse

-- Tells the core where the library's files are, because the field `where` of an error is the
-- nearest line of another file.
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
  type = types.type, equal = types.equal,
}

local durability = { full = 0, one_flush = 1, none = 2 }

local open_options = {
  read_only = "boolean",
  create = "boolean",
  durability = options.one_of { "full", "one_flush", "none" },
  max_size = function(value)
    return not options.bytes(value) and "a number of bytes, or a string with KiB, MiB or GiB" or nil
  end,
  busy_timeout = options.seconds,
  clock = function(value)
    return not core.is_clock(value) and "a clock of tidetable.manual_clock" or nil
  end,
  wait = "function",
}

---@class tidetable.OpenOptions
---@field read_only boolean|nil    open for reading; default false
---@field create boolean|nil       create the file if it does not exist; default true
---@field durability "full"|"one_flush"|"none"|nil  flushes at a commit; default "full"
---@field max_size integer|string|nil  bytes or text with a unit; default: the recorded one
---@field busy_timeout number|nil  seconds to wait for the write lock; default 5
---@field clock tidetable.Clock|nil  a clock of tidetable.manual_clock; default the system's clock
---@field wait fun(wakeup: tidetable.Wakeup, seconds: number|nil)|nil  how to wait, see wait.lua

local DEFAULT_BUSY_TIMEOUT = 5    -- seconds

--- Does the part of opening that needs the write lock. Closes the database on failure, and if the
--- program's `wait` function raises an error.
local function finish_open(opened)
  local done, ready, err, code = pcall(wait.write, opened, core.mark_opening, opened.core)
  if done and ready then
    return opened
  end
  opened:close()
  if not done then
    error(ready, 0)
  end
  return nil, err, code
end

--- Opens the database at a path, and creates it if it does not exist.
---@param path string  ":memory:": a database in memory
---@param opts tidetable.OpenOptions|nil
---@return tidetable.Database|nil, tidetable.error|nil err, tidetable.code|nil code
function tidetable.open(path, opts)
  options.path(path, "open")
  opts = options.check(opts, open_options, "open")
  if opts.create and opts.read_only then
    misuse('open: option "create" must not be true with option "read_only"')
  elseif opts.create == false and path == ":memory:" then
    misuse('open: ":memory:" is always created: option "create" must not be false')
  end
  local busy_timeout = opts.busy_timeout or DEFAULT_BUSY_TIMEOUT
  local handle, err, code = wait.open(opts.wait, busy_timeout,
    path ~= ":memory:" and path or nil,
    opts.read_only or false, opts.create ~= false and not opts.read_only,
    durability[opts.durability or "full"], options.bytes(opts.max_size) or 0, opts.clock)
  if not handle then
    return nil, err, code
  end
  return finish_open(database.new {
    core = handle, path = path, busy_timeout = busy_timeout, wait = opts.wait,
  })
end

local compact_options = {
  max_size = open_options.max_size, progress = "function", wait = "function",
  busy_timeout = options.seconds,
}

---@class tidetable.CompactOptions
---@field progress tidetable.BackupProgress|nil  called about ten times a second
---@field max_size integer|string|nil  as in open
---@field busy_timeout number|nil  seconds to wait while another process opens the file; default 5
---@field wait fun(wakeup: tidetable.WorkWakeup, seconds: number)|nil  as in open

--- Replaces a database file with a compact, verified copy. Returns BUSY if a process has the
--- database open.
---@param path string
---@param opts tidetable.CompactOptions|nil
---@return tidetable.BackupFacts|nil, tidetable.error|nil err, tidetable.code|nil code
function tidetable.compact(path, opts)
  options.path(path, "compact")
  opts = options.check(opts, compact_options, "compact")
  return backup.in_place(path, options.bytes(opts.max_size) or 0,
    opts.busy_timeout or DEFAULT_BUSY_TIMEOUT, opts)
end

local file_options = { isolate = "boolean", stall_timeout = options.seconds, wait = "function" }

---@class tidetable.CheckOptions
---@field isolate boolean|nil     check in a child process, which a damaged file may crash
---@field stall_timeout number|nil  seconds without progress before the child is killed; default 60
---@field wait fun(wakeup: tidetable.WorkWakeup, seconds: number)|nil  as in open

--- Verifies a file that this process does not have open, including one that cannot be opened, as
--- db:check() does. Writes nothing and creates no other file.
---@param path string
---@param opts tidetable.CheckOptions|nil
---@return tidetable.Report|nil, tidetable.error|nil err, tidetable.code|nil code
function tidetable.check(path, opts)
  options.path(path, "check")
  opts = options.check(opts, file_options, "check")
  options.requires(opts, "stall_timeout", "isolate", "check")
  return reports.of({ wait = opts.wait }, core.check_file, path,
    opts.isolate and (opts.stall_timeout or 60) or nil)
end

--- Returns a clock for tests, whose time changes only when its methods change it.
---@param seconds number  since 1970
---@return tidetable.Clock
function tidetable.manual_clock(seconds)
  local wrong = options.time(seconds)
  if wrong then
    misuse(("manual_clock: expected %s, got %s"):format(wrong, tostring(seconds)))
  end
  return core.manual_clock(seconds)
end

--- Returns the versions of the library, of LMDB and of Lua.
---@return { tidetable: string, lmdb: string, lua: string }
function tidetable.version()
  return { tidetable = VERSION, lmdb = core.engine, lua = _VERSION }
end

return members.guard_module(tidetable, "tidetable")
