-- library_error.lua - an error of the library as the end of a command.
--
-- What goes wrong is said with the path or the name that the user typed, and
-- with what to do about it.

local console = require "tidetable.cli.console"

local library_error = {}

local HINTS = {
  NOT_DATABASE = "a database is a file as NAME.tide that tidetable.open has made",
  NEWER_FORMAT = "a newer tidetable can read it",
  NO_MEMORY = "raise the limit with ulimit -v, or map less with --max-size",
  OLDER_FORMAT = "the tidetable that wrote it can export it, and this one import that",
  FOREIGN_FORMAT = "read it on a machine like the one that wrote it",
  CORRUPT = "tidetable check says what of the file is damaged",
  FULL = "tidetable stats says how full it is; a greater --max-size lets it grow",
  NAMESPACE = "containers that share a database must share their PID namespace",
  READERS_FULL = "tidetable check clears the slots of dead processes",
  FILE_REPLACED = "start the command again to read the file that is there now",
}

--- Exit statuses of failures that a script may want to answer by itself.
local STATUSES = { STREAM_ENDED = 3, FILE_GONE = 4, FILE_REPLACED = 4 }

--- By the words of the message: what is not permitted.
local PERMISSIONS = {
  { "%-wake: can't be created", "writing needs its side files: copy it, while it is not open, to "
    .. "a directory of your own" },
  { "can't be created", "its directory can't be written" },
  { "link", "give the one path that the file itself has" },
  { "", "a database belongs to one user: become its owner, with sudo -u for example" },
}

--- How a file of another LMDB becomes one of LMDB 0.9.
local CONVERT = "mdb_dump -a -n of the LMDB that wrote it and mdb_load -n of LMDB 0.9 convert it"

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

--- Whether a message has the path, as it was typed or absolute, as a word of its own.
local function has_path(message, path)
  local ended = "%f[-:]"
  local typed, name = path:gsub("%p", "%%%0"), path:match("[^/]*$"):gsub("%p", "%%%0")
  message = ": " .. message .. ":"
  return message:find(": " .. typed .. ended) or name ~= "" and message:find("/" .. name .. ended)
end

--- Ends the command with what a call of the library returned.
---@param subject string  what it was about: the path as the user typed it
---@param err table       an error of tidetable's
---@param hint string|nil  instead of the usual one
function library_error.fail(subject, err, hint)
  local message = err.message
  if not has_path(message, subject) then
    message = subject .. ": " .. message
  end
  console.fail(message, hint or hint_of(err), STATUSES[err.code])
end

--- Takes what a call of the library returned; ends the command unless it went
--- well.
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

--- Calls db:transact, which raises the errors of its operations, and returns these too.
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
