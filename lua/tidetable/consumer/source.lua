-- source.lua - the tables whose streams a consumer reads.
--
-- A consumer reads the streams that its tables had when it was created. If a stream is disabled or
-- its table deleted, the consumer first handles the remaining records. Then it stops, waits, or
-- continues with the table's next stream, depending on the other tables and the setting `on_gap`.

local core = require "tidetable.core"
local options = require "tidetable.options"
local positions = require "tidetable.stream.position"
local wait = require "tidetable.wait"

local misuse = options.misuse

local sources = {}

--- Returns the name of one table.
local function table_name(source)
  if type(source) == "string" then
    return source
  elseif type(source) == "table" and type(rawget(source, "name")) == "string" then
    return source.name
  end
  misuse('consumer: option "source": expected a table, its name, an array of these, or "*" for '
    .. "all tables")
end

--- Converts the option `source` to its stored form: "" for all tables, the name of a table, or the
--- names of several tables in byte order.
---@param source string|tidetable.Table|(string|tidetable.Table)[]
---@return string|string[]
function sources.stored(source)
  if source == "*" then
    return ""
  elseif type(source) ~= "table" or rawget(source, 1) == nil then
    return table_name(source)
  end
  local names, seen = {}, {}
  for i, each in ipairs(source) do
    names[i] = table_name(each)
    if names[i] == "*" then
      misuse 'consumer: option "source": "*" can\'t be one of several'
    elseif seen[names[i]] then
      misuse(('consumer: option "source": %s is named twice'):format(names[i]))
    end
    seen[names[i]] = true
  end
  if not options.is_tuple(source, #names) then
    misuse 'consumer: option "source": the array has other keys than 1 to its length'
  end
  table.sort(names)
  return names[2] and names or names[1]
end

--- Returns true if two stored sources are the same tables.
---@param a string|string[]
---@param b string|string[]
---@return boolean
function sources.are_equal(a, b)
  return table.concat(sources.names(a), ",") == table.concat(sources.names(b), ",")
end

--- Converts a stored source to the form of the option: "*" for all tables.
---@param stored string|string[]
---@return string|string[]
function sources.shown(stored)
  return stored == "" and "*" or stored
end

--- Returns the names of the tables of a stored source; an empty array for all tables.
---@param stored string|string[]
---@return string[]
function sources.names(stored)
  if type(stored) == "table" then
    return stored
  end
  return stored == "" and {} or { stored }
end

--- Returns the ids of the newest streams of the tables in ascending order. Errors: NOT_FOUND.
---@param database tidetable.Database
---@param stored string|string[]
---@return integer[]|nil, tidetable.error|nil err, tidetable.code|nil code
function sources.streams(database, stored)
  local ids = {}
  for i, name in ipairs(sources.names(stored)) do
    local id, err, code = core.stream_of(database.core, name, "")
    if not id then
      return nil, err, code
    end
    ids[i] = id
  end
  table.sort(ids)
  return ids
end

--- Returns the status of each table whose stream still exists, and the ids of the streams that were
--- removed.
local function statuses(database, streams)
  local found, removed = {}, {}
  for _, id in ipairs(streams) do
    local name, status, code = core.stream_table(database.core, id)
    if name then
      found[name] = status
    elseif code == "NOT_FOUND" then
      removed[#removed + 1] = id
    else
      return nil, status, code
    end
  end
  return found, removed
end

--- Returns the status of a table whose stream was removed. A stream is removed at least a day after
--- it was disabled or its table deleted. A table that is newer than the consumer is another table.
local function status_after_removal(database, row, name)
  local handle, err, code = database:table(name)
  local about
  if handle then
    about, err, code = handle:describe()
  end
  if about then
    return about.created_at > row.created_at and "DELETED" or "DISABLED"
  elseif code == "NOT_FOUND" then
    return "DELETED"
  end
  return nil, err, code
end

--- Reads the state of all tables of a consumer. Returns the ids of their newest streams in
--- ascending order, the name of the first table whose stream was disabled (nil: none), and the
--- number of existing tables; nil, err, code on failure. For a table without a stream the ids
--- contain the removed streams: the consumer waits for the table's next stream.
local function look(database, row)
  local found, removed, code = statuses(database, row.streams)
  local err
  if not found then
    return nil, removed, code
  end
  local streams, cut, count = {}, nil, 0
  for _, name in ipairs(sources.names(row.settings.source)) do
    local status = found[name]
    if not status then
      status, err, code = status_after_removal(database, row, name)
    end
    if not status then
      return nil, err, code
    elseif status ~= "DELETED" then
      count = count + 1
      local id = core.stream_of(database.core, name, "")
      if id then
        streams[#streams + 1] = id
      else
        table.move(removed, 1, #removed, #streams + 1, streams)
        removed = {}
      end
      cut = cut or status == "DISABLED" and name or nil
    end
  end
  table.sort(streams)
  return streams, cut, count
end

--- Replaces the streams of the consumer by the newest streams of its tables. Returns true; false if
--- these are the same, or if other workers still have to handle records of the former streams; nil,
--- err, code on failure.
local function renew(worker, row, streams)
  local is_new = false
  for _, id in ipairs(streams) do
    local found = false
    for _, read in ipairs(row.streams) do
      found = found or read == id
    end
    is_new = is_new or not found
  end
  if not is_new then
    return false
  end
  local ok, err, code = wait.try(worker.database, core.consumer_renew, worker.database.core,
    worker.consumer.name, row.id, worker.epoch, worker.first, streams)
  if ok == nil and code ~= "LEASE_LOST" then
    return nil, err, code
  end
  return ok ~= false
end

--- Starts a snapshot, because changes have no record. It must precede the replacement of streams
--- (renew): if a worker dies between the two, the consumer must not continue without a snapshot.
--- Returns false; nil, err, code on failure.
local function start_snapshot(worker)
  local kind, value = positions.of({ from = "SNAPSHOT" }, "consumer")
  local ok, err, code = wait.try(worker.database, core.consumer_move, worker.database.core,
    worker.consumer.name, kind, value, false)
  if ok == nil then
    return nil, err, code
  end
  return false
end

--- Decides how a consumer continues after a stream has ended and its records were handled. Returns
--- true if the consumer waits for records of other streams, or for the table's next stream; false
--- if its streams were replaced or a snapshot was started, so the worker must join again. Errors:
--- SOURCE_GONE, STREAM_GAP, PARKED.
---@param worker tidetable.Worker
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function sources.after_end(worker)
  local row, err, code = worker:describe()
  if not row then
    return nil, err, code
  end
  local streams, cut, count = look(worker.database, row)
  if not streams then
    return nil, cut, count
  end
  local name, shown = worker.consumer.name, table.concat(sources.names(row.settings.source), ", ")
  if count == 0 then
    return core.consumer_failure("SOURCE_GONE", ("consumer %s: the source was deleted: %s"):format(
      name, shown))
  elseif not cut then
    return true
  elseif worker.settings.on_gap == "snapshot" and not worker.copy then
    return start_snapshot(worker)
  elseif worker.settings.on_gap == "stop" then
    return core.consumer_failure("STREAM_GAP", ("consumer %s: the stream of table %s was disabled, "
      .. "and changes since then may be missing"):format(name, cut))
  end
  local is_other
  is_other, err, code = renew(worker, row, streams)
  if is_other == nil then
    return nil, err, code
  end
  return not is_other
end

return sources
