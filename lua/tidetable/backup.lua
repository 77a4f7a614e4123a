-- backup.lua - copies of a database: started, waited for, ended.
--
-- The core's own thread makes them. Here somebody waits, in whatever loop runs,
-- and looks now and then: so that there is a progress to show, and Ctrl-C or an
-- error in the progress function ends the copy.

local core = require "tidetable.core"
local options = require "tidetable.options"
local wait = require "tidetable.wait"

local backup = {}

local calls = {
  result = core.backup_result, wait = core.backup_wait, pollfd = core.backup_pollfd,
}

--- What is done at each look at a copy.
local function shows(progress)
  return progress and function(copy)
    progress(core.backup_progress(copy))
  end
end

local backup_options = { compact = "boolean", overwrite = "boolean", progress = "function" }

---@alias tidetable.BackupPhase "copying"|"verifying"|"publishing"
---@alias tidetable.BackupProgress fun(phase: tidetable.BackupPhase, done: integer, total: integer)

---@class tidetable.BackupOptions
---@field compact boolean|nil    leave out free pages, and what was deleted in them
---@field overwrite boolean|nil  replace the database that has the name
---@field progress tidetable.BackupProgress|nil  called about ten times a second

--- db:backup.
---@param database table
---@param path string
---@param given tidetable.BackupOptions|nil
---@return tidetable.BackupFacts|nil, tidetable.error|nil err, tidetable.code|nil code
function backup.to(database, path, given)
  options.path(path, "backup")
  given = options.check(given, backup_options, "backup")
  return wait.work(database, calls, shows(given.progress), core.backup, database.core, path,
    given.compact or false, given.overwrite or false, database.busy_timeout)
end

--- Makes the file of a database small that nobody has open.
---@param path string
---@param max_size integer  0: the default
---@param busy_timeout number
---@param given tidetable.CompactOptions
---@return tidetable.BackupFacts|nil, tidetable.error|nil err, tidetable.code|nil code
function backup.in_place(path, max_size, busy_timeout, given)
  -- Closed whatever comes: others are kept out until it is.
  local handle <close>, err, code = wait.open(given.wait, busy_timeout,
    path, false, false, 0, max_size, nil, true)
  if not handle then
    return nil, err, code
  end
  return wait.work({ wait = given.wait }, calls, shows(given.progress), core.compact, handle)
end

return backup
