-- open_database.lua - the database and the table that a command is about.
--
-- What goes wrong is said with the path or the name that the user typed, and
-- with what to do about it.

local console = require "tidetable.cli.console"
local display = require "tidetable.cli.display"
local options = require "tidetable.options"
local tidetable = require "tidetable"

local open = {}

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
function open.fail(subject, err, hint)
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
function open.check(subject, ...)
  local value, err = ...
  if value == nil and err then
    open.fail(subject, err)
  end
  return ...
end

--- Refuses what can't be the path of a file.
---@param path string
function open.path(path)
  if path == "" or path == ":memory:" then
    console.misused(("%q is no database: give the path of its file"):format(path))
  end
end

--- What a command can't do about a failure is not advised: only those that write have
--- --busy-timeout.
local function hint_of_open(err, given, missing)
  if err.code == "NO_FILE" and not given.create then
    return missing
  elseif err.code == "BUSY" and not given.busy_timeout then
    return err.pid and ("process %d uses it: try again when it has finished"):format(err.pid)
      or "try again"
  end
end

--- Opens the database of a command line, which exists; the options are tidetable.open's.
---@param args { database: string, max_size: string|integer|nil }
---@param given tidetable.OpenOptions|nil  default: read_only
---@param missing string|nil  what to do when there is none
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
    open.fail(path, err, hint_of_open(err, given, missing))
  end
  return db
end

--- Ends the command because there is no such table; says which one may have
--- been meant.
local function fail_unknown(db, name)
  local names = open.check(db.path, db:list_tables())
  local known = {}
  for _, each in ipairs(names) do
    known[each] = true
  end
  local near = options.nearest(name, known)
  local hint
  if near then
    hint = ("did you mean %s?"):format(near)
  elseif #names == 0 then
    hint = "the database has no table"
  else
    hint = ("its tables are: tidetable tables %s"):format(display.word(db.path))
  end
  console.fail(("%s: no table %s"):format(db.path, name), hint)
end

--- A table that exists.
---@param db tidetable.Database
---@param name string
---@return tidetable.Table
function open.table(db, name)
  local table, err, code = db:table(name)
  if code == "NOT_FOUND" or code == "VALIDATION" then
    fail_unknown(db, name)
  elseif not table then
    open.fail(db.path, err)
  end
  return table
end

--- A table that exists, and its description.
---@param db tidetable.Database
---@param name string
---@return tidetable.Table, tidetable.TableDescription
function open.described(db, name)
  local table = open.table(db, name)
  return table, open.check(db.path, table:describe())
end

local function description_of(db, name)
  local table, err, code = db:table(name)
  if not table then
    return nil, nil, err, code
  end
  local description
  description, err, code = table:describe()
  return table, description, err, code
end

--- All tables; not those that are deleted while they are listed.
---@param db tidetable.Database
---@return { table: tidetable.Table, description: tidetable.TableDescription }[]
function open.tables(db)
  local found = {}
  for _, name in ipairs(open.check(db.path, db:list_tables())) do
    local table, description, err, code = description_of(db, name)
    if description then
      found[#found + 1] = { table = table, description = description }
    elseif code ~= "NOT_FOUND" then
      open.fail(db.path, err)
    end
  end
  return found
end

-- Arguments that several commands take ---------------------------------------

--- The argument DATABASE, and the option --max-size.
---@param command table  argparse's
function open.argument(command)
  command:argument("database", "The database's file.")
  command:option("--max-size", "Where the file stops growing, and how much address space it "
    .. "takes; default: 64 GiB, or what there is room for.")
    :argname "SIZE":convert(open.size)
end

--- The option --busy-timeout, for commands that write.
---@param command table  argparse's
function open.busy_option(command)
  command:option("--busy-timeout", "Seconds to wait for another process that writes.", 5)
    :argname "SECONDS":convert(open.seconds)
end

--- The option --format, for commands that show items or records.
---@param command table  argparse's
function open.format_option(command)
  command:option("--format", "How it is shown: text (on a terminal), json (in a pipe), or "
    .. "dynamodb, which is DynamoDB's JSON.")
    :argname "FORMAT":choices { "text", "json", "dynamodb" }:show_default(false)
end

--- Which of them it is.
---@param args table
---@param out tidetable.cli.Console
---@return "text"|"json"|"dynamodb"
function open.format(args, out)
  return args.format or out.is_terminal and "text" or "json"
end

--- For argparse's convert: bytes, also in KiB, MiB or GiB.
---@param words string
---@return string|integer|nil, string|nil
function open.size(words)
  if options.bytes(words) then
    return words
  end
  local bytes = math.tointeger(tonumber(words))
  if bytes and bytes > 0 then
    return bytes
  end
  return nil, ("'%s' is no size: 512 MiB, for example"):format(words)
end

--- For argparse's convert: seconds, a number from 0.
---@param words string
---@return number|nil, string|nil
function open.seconds(words)
  local seconds = tonumber(words)
  if options.seconds(seconds) then
    return nil, ("'%s' is no number of seconds"):format(words)
  end
  return seconds
end

--- For argparse's convert: an integer from `least` on.
---@param least integer
---@return fun(words: string): integer|nil, string|nil
function open.integer_from(least)
  return function(words)
    local number = words:find "^%d+$" and math.tointeger(tonumber(words))
    if not number or number < least then
      return nil, ("'%s' is no integer from %d on"):format(words, least)
    end
    return number
  end
end

return open
