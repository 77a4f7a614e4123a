-- library_error.lua - ends a command with an error of the library, and runs transactions.
--
-- The message begins with the path or the name that the user typed. A hint says
-- what the user can do.

local console = require "tidetable.cli.console"
local exit_status = require "tidetable.cli.exit_status"

local library_error = {}

local HINTS = {
  NOT_DATABASE = "a database is a file that tidetable.open created, such as NAME.tide",
  NEWER_FORMAT = "use a newer tidetable",
  NO_MEMORY = "raise the limit with ulimit -v, or reserve less with --max-size",
  OLDER_FORMAT = "export it with the tidetable that wrote it, and import it with this one",
  FOREIGN_FORMAT = "read it on a machine of the architecture that wrote it",
  CORRUPT = "'tidetable check' lists the damage",
  FULL = "'tidetable stats' shows how full it is; a larger --max-size lets it grow",
  NAMESPACE = "containers that share a database must share their PID namespace",
  READERS_FULL = "'tidetable check' clears the slots of dead processes",
  FILE_REPLACED = "start the command again to read the new file",
  REPLICATED = "'tidetable replicate --promote' makes its tables writable",
  SOURCE_DIFFERS = "a new replica is made under another --name, or after --forget",
  WOULD_LOSE = "'tidetable diff' shows them; --lose N confirms the loss of N changes",
  NOT_FOLLOWED = "--skip leaves such tables out; a stream with new images makes them followable",
  COPYING = "'tidetable replicate' completes the copy",
}

--- Exit statuses other than 1.
local STATUSES = {
  CONDITION_FAILED = exit_status.CONDITION_FAILED, STREAM_ENDED = exit_status.STREAM_ENDED,
  FILE_GONE = exit_status.FILE_GONE, FILE_REPLACED = exit_status.FILE_GONE,
  PROMOTED = exit_status.PROMOTED,
}

--- Hints for PERMISSION, by a pattern of the message.
local PERMISSIONS = {
  { "%-wake can't be created", "writing needs side files: copy the database, while it is not "
    .. "open, to a directory of your own" },
  { "can't be created", "its directory is not writable" },
  { "link", "give the path of the file itself" },
  { "", "a database belongs to one user: run the command as its owner, for example with sudo -u" },
}

--- Conversion of a file that another version of LMDB wrote.
local CONVERT = "convert it: mdb_dump -a -n of the LMDB that wrote it, then mdb_load -n of LMDB 0.9"

local function hint_of(err)
  if err.code == "PERMISSION" then
    for _, each in ipairs(PERMISSIONS) do
      if err.message:find(each[1]) then
        return each[2]
      end
    end
  elseif err.code == "BUSY" then
    return err.pid and ("process %d is writing: try again, or wait longer with --busy-timeout")
      :format(err.pid) or "try again, or wait longer with --busy-timeout"
  end
  if err.code == "NEWER_FORMAT" and err.message:find("LMDB", 1, true) then
    return CONVERT
  end
  return HINTS[err.code]
end

--- Returns true if a message begins with the path as it was typed, or contains it as an absolute
--- path.
local function has_path(message, path)
  local ended = "%f[-: ]"
  local typed, name = path:gsub("%p", "%%%0"), path:match("[^/]*$"):gsub("%p", "%%%0")
  message = message .. ":"
  return message:find("^" .. typed .. ended) or name ~= "" and message:find("/" .. name .. ended)
end

--- Ends the command with an error of the library.
---@param subject string   path or name that the user typed; begins the message
---@param err table        error of tidetable
---@param hint string|nil  replaces the usual hint
function library_error.fail(subject, err, hint)
  local message = err.message
  if not has_path(message, subject) then
    message = subject .. ": " .. message
  end
  console.fail(message, hint or hint_of(err), STATUSES[err.code])
end

--- Returns the results of a call of the library, or ends the command if it failed.
---@param subject string
---@param ... any  value, err, code
---@return any ...
function library_error.check(subject, ...)
  local value, err = ...
  if value == nil and err then
    library_error.fail(subject, err)
  end
  return ...
end

--- Calls db:transact. Errors that db:transact raises for an operation in fn are returned as well.
---@param db tidetable.Database
---@param fn fun(tx: tidetable.Transaction): any
---@param given table|nil  options of db:transact
---@return any result, table|nil err  nil, err: an error of the library
function library_error.transact(db, fn, given)
  local ok, result, err = pcall(db.transact, db, fn, given)
  if ok then
    return result, err
  elseif type(result) ~= "table" then
    error(result, 0) -- a bug, or Ctrl-C
  end
  return nil, result
end

return library_error
