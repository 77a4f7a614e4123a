-- backup.lua - db:backup and tidetable.compact.
--
-- A thread of the core copies the file. The caller waits in its event loop and polls the copy ten
-- times a second, to report progress. Ctrl-C, or an error in the progress function, cancels the
-- copy.

local core = require "tidetable.core"
local options = require "tidetable.options"
local wait = require "tidetable.wait"

local backup = {}

local calls = {
  result = core.backup_result, wait = core.backup_wait, pollfd = core.backup_pollfd,
}

--- Returns the function that reports the progress of a copy; nil without a progress function.
local function reporter(progress)
  return progress and function(copy)
    progress(core.backup_progress(copy))
  end
end

local backup_options = { compact = "boolean", overwrite = "boolean", progress = "function" }

--- done and total: pages while copying (rows of a compact copy), rows while verifying, 0 while
--- publishing; total is an estimate.
---@alias tidetable.BackupPhase "copying"|"verifying"|"publishing"
---@alias tidetable.BackupProgress fun(phase: tidetable.BackupPhase, done: integer, total: integer)

---@class tidetable.BackupOptions
---@field compact boolean|nil    append rows in key order: full pages, none free; default false
---@field overwrite boolean|nil  replace the database at `path`; default false
---@field progress tidetable.BackupProgress|nil  called about ten times a second

--- Copies an open database to a new file.
---@param database tidetable.WaitContext
---@param path string
---@param opts tidetable.BackupOptions|nil
---@return tidetable.BackupFacts|nil, tidetable.error|nil err, tidetable.code|nil code
function backup.to(database, path, opts)
  options.path(path, "backup")
  opts = options.check(opts, backup_options, "backup")
  return wait.work(database, calls, reporter(opts.progress), core.backup, database.core, path,
    opts.compact or false, opts.overwrite or false, database.busy_timeout)
end

--- Replaces a database file that no process has open with a compact copy.
---@param path string
---@param max_size integer  bytes; 0: the default
---@param busy_timeout number  seconds
---@param opts tidetable.CompactOptions
---@return tidetable.BackupFacts|nil, tidetable.error|nil err, tidetable.code|nil code
function backup.in_place(path, max_size, busy_timeout, opts)
  -- The handle excludes other processes until it is closed.
  local handle <close>, err, code = wait.open(opts.wait, busy_timeout,
    path, false, false, 0, max_size, nil, true)
  if not handle then
    return nil, err, code
  end
  return wait.work({ wait = opts.wait }, calls, reporter(opts.progress), core.compact, handle)
end

return backup
