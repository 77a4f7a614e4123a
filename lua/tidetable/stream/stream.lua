-- stream.lua - the changes of a table, or of all of them, in order.

local core = require "tidetable.core"
local options = require "tidetable.options"
local positions = require "tidetable.stream.position"
local readers = require "tidetable.stream.reader"
local wait = require "tidetable.wait"

local misuse = options.misuse

local streams = {}

--- The changes of one table, or of all.
---@class tidetable.Stream
---@field table_name string|nil    nil: all tables
---@field label string|nil
---@field position integer|nil     sequence number of the last record that next gave
local Stream = {}
Stream.__index = Stream
Stream.__name = "tidetable.stream"

local views = { KEYS_ONLY = 1, NEW_IMAGE = 2, OLD_IMAGE = 3, NEW_AND_OLD_IMAGES = 4 }

local settings_options = {
  view_type = options.one_of { "NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY" },
  retention = { "string", "number", "table" },
}

---@class tidetable.RetentionLimits
---@field age string|number|nil     seconds, or a number with ms, s, m, h, d; default 24h
---@field bytes string|integer|nil  or a number with B, KiB, MiB, GiB, TiB; nil: no limit
---@field count integer|nil         nil: no limit

---@class tidetable.StreamSettings
---@field view_type tidetable.view_type|nil  default "NEW_AND_OLD_IMAGES"
---@field retention string|number|tidetable.RetentionLimits|nil  an age, or limits

--- What create_table and enable_stream say of a stream, in the core's terms.
---@param given tidetable.StreamSettings|nil
---@param what string
---@return integer view, integer age_ms, integer bytes, integer count
function streams.settings(given, what)
  given = options.check(given, settings_options, what)
  return views[given.view_type or "NEW_AND_OLD_IMAGES"], options.retention(given.retention, what)
end

-- Records --------------------------------------------------------------------

--- What of DynamoDB's own names is called otherwise here; those that are only written
--- otherwise (eventName, NewImage) are near enough.
local wire_names = {
  eventID = "sequence_number",
  ApproximateCreationDateTime = "created_at",
  StreamViewType = "view_type",
  eventSourceARN = "table_name",
}

--- What a record has no field for is never meant: it would quietly be nil.
core.unknown_field(function(name, known)
  if name == "dynamodb" then
    misuse('record: unknown field "dynamodb": what DynamoDB has in it (Keys, NewImage, ...)'
      .. " are fields of the record itself (keys, new_image, ...)")
  end
  local near = wire_names[name]
  misuse(("record: unknown field %q%s"):format(tostring(name),
    near and (" (did you mean %q?)"):format(near) or options.hint(name, known)))
end)

local function check_label(value)
  return (type(value) ~= "string" or value == "") and "a stream's label" or nil
end

local stream_options = positions.with_options { label = check_label, wait = "function" }
local all_options = positions.with_options {
  table = "string", label = check_label, wait = "function",
}
local records_options = positions.with_options {
  limit = options.integer_from(1), follow = "boolean", timeout = options.seconds,
  wait = "function",
}

-- Reading --------------------------------------------------------------------

--- Raises what next returns as a failure.
local function next_or_raise(self, seconds)
  local record, err = self:next(seconds)
  if err then
    error(err, 0)
  end
  return record
end

---@class tidetable.RecordsOptions : tidetable.PositionOptions
---@field limit integer|nil     records at most; of transactions, transactions
---@field follow boolean|nil    wait for more
---@field timeout number|nil    with follow: end after so many seconds without one

--- Where the stream's own reader begins: after the last record that next gave; before the
--- first, where the stream's options say. LATEST means the moment when that reader was made.
local function own_place(self)
  if self.has_given then
    return { after = self.position }
  elseif self.latest then
    return { after = self.latest }
  end
  return self.given
end

--- Opens the reader of records and transactions. A position in the call's options wins over
--- the stream's own place.
local function open_iteration(self, given, what, limit)
  local open = given.follow and readers.follow or readers.open
  local place = positions.is_in(given) and given or own_place(self)
  local reader, err = open(self, given, place, what, limit)
  if not reader then
    error(err, 0)
  end
  return reader
end

local function seconds_to_wait(given, what)
  options.goes_with(given, "timeout", "follow", what)
  options.goes_with(given, "wait", "follow", what)
  if given.follow then
    return given.timeout
  end
  return 0
end

--- Iterates over records: from the position in the options, else from the stream's own
--- place, which it does not move. Failures raise.
---@param given tidetable.RecordsOptions|nil
---@return fun(): tidetable.Record|nil
function Stream:records(given)
  given = options.check(given, records_options, "records")
  local seconds = seconds_to_wait(given, "records")
  local reader = open_iteration(self, given, "records", given.limit)
  if not given.follow then
    return core.records(reader.core), nil, nil, reader.core
  end
  return function()
    return next_or_raise(reader, seconds)
  end, nil, nil, reader
end

--- Iterates over transactions, arrays of records, as `records` does. Failures raise.
---@param given tidetable.RecordsOptions|nil
---@return fun(): tidetable.RecordsOfTransaction|nil
function Stream:transactions(given)
  given = options.check(given, records_options, "transactions")
  local seconds, left = seconds_to_wait(given, "transactions"), given.limit or math.huge
  local reader = open_iteration(self, given, "transactions")
  return function()
    if left <= 0 then
      return nil
    end
    local group, why = reader:next_group(seconds)
    if why then
      error(why, 0)
    end
    left = left - 1
    return group
  end, nil, nil, reader
end

--- Opens the reader of the stream's own place.
local function open_own(self, what)
  local reader, err, code = readers.open(self, self.given, own_place(self), what)
  if not reader then
    return nil, err, code
  end
  reader.follows = true
  if self.given.from == "LATEST" and not self.has_given then
    self.latest = core.position(reader.core)
  end
  self.reader = reader
  return reader
end

--- The reader of the stream's own place, made when it is first asked. When an
--- error has cut the last call short (an interrupt, say), what that call had
--- read is lost with it, and a new reader reads it again.
local function own_reader(self, timeout, what)
  if timeout ~= nil then
    options.argument(what, "timeout", options.seconds, timeout)
  end
  if self.reading and self.reader then
    self.reader:close()
    self.reader = nil
  end
  if not self.reader then
    local reader, err, code = open_own(self, what)
    if not reader then
      return nil, err, code
    end
  end
  self.reading = true
  return self.reader
end

--- The end of a call that began with own_reader.
local function has_read(self, position)
  if position then
    self.position, self.has_given = position, true
  end
  self.reading = false
end

--- The next record from the stream's own place. nil alone: none came in time; STREAM_ENDED:
--- the stream is disabled or its table deleted, and all of its records were given.
---@param timeout number|nil  seconds to wait for one; default 0, math.huge: no limit
---@return tidetable.Record|nil, tidetable.error|nil err, tidetable.code|nil code
function Stream:next(timeout)
  local reader, err, code = own_reader(self, timeout, "next")
  if not reader then
    return nil, err, code
  end
  local record = reader:take_kept()
  if not record then
    record, err, code = reader:next(timeout or 0)
  end
  has_read(self, record and record.sequence_number)
  return record, err, code
end

--- The next transaction from the stream's own place: an array of its records,
--- as `transactions` gives them.
---@param timeout number|nil  seconds to wait for one; default 0, math.huge: no limit
---@return tidetable.RecordsOfTransaction|nil, tidetable.error|nil err, tidetable.code|nil code
function Stream:next_transaction(timeout)
  local reader, err, code = own_reader(self, timeout, "next_transaction")
  if not reader then
    return nil, err, code
  end
  local group
  group, err, code = reader:next_group(timeout or 0)
  if not reader.is_cut then
    has_read(self, group and group.last_sequence_number)
  end
  return group, err, code
end

-- The stream itself ----------------------------------------------------------

--- What the stream is.
---@return tidetable.StreamDescription|nil, tidetable.error|nil err, tidetable.code|nil code
function Stream:describe()
  if self.id then
    return core.describe_stream(self.database.core, self.id)
  end
  local info, err, code = core.info(self.database.core)
  if not info then
    return nil, err, code
  end
  return { last_sequence_number = info.sequence_number }
end

--- Changes how long records stay: "36h", seconds, or { age, bytes, count }.
---@param retention string|number|tidetable.RetentionLimits
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Stream:set_retention(retention)
  if not self.id then
    misuse("set_retention: db:stream() is all streams; each table's has its own retention")
  end
  if retention == nil then
    misuse("set_retention: a retention is missing")
  end
  return wait.try(self.database, core.set_retention, self.database.core, self.id,
    options.retention(retention, "set_retention"))
end

--- An object for event loops: see wait.lua.
---@return tidetable.Wakeup|nil, tidetable.error|nil err, tidetable.code|nil code
function Stream:wakeup()
  return wait.wakeup(self.database)
end

--- Closes its reader, and ends the loops that follow it with CLOSED. The stream
--- itself can be read again.
function Stream:close()
  if self.reader then
    self.reader:close()
    self.reader = nil
  end
  for reader in pairs(self.followers or {}) do
    reader:close()
  end
  self.followers = nil
  self.reading, self.has_given, self.latest = false, false, nil
end

Stream.__close = Stream.close

options.methods(Stream, "stream")

function Stream:__tostring()
  return "tidetable.stream: " .. (self.id and self.table_name .. "/" .. self.label or "all")
end

--- Begins at its place now when the options name one: LATEST means now.
local function settle(self)
  if positions.is_in(self.given) then
    local reader, err, code = open_own(self, "stream")
    if not reader then
      return nil, err, code
    end
    self.position = core.position(reader.core)
  end
  return self
end

---@class tidetable.StreamOptions : tidetable.PositionOptions
---@field label string|nil  an older stream of the table

---@class tidetable.AllStreamsOptions : tidetable.StreamOptions
---@field table string|nil  its stream alone, also when it is gone

local function of_table(database, name, given)
  local id, err, code = core.stream_of(database.core, name, given.label)
  if not id then
    return nil, err, code
  end
  local description
  description, err, code = core.describe_stream(database.core, id)
  if not description then
    return nil, err, code
  end
  return settle(setmetatable({
    database = database, id = id, table_name = name, label = description.label, given = given,
    wait = given.wait,
  }, Stream))
end

---@return tidetable.Stream|nil, tidetable.error|nil err, tidetable.code|nil code
function streams.of_table(database, name, given)
  return of_table(database, name, options.check(given, stream_options, "stream"))
end

--- Of all tables; of one, there or gone, when the options name it.
---@return tidetable.Stream|nil, tidetable.error|nil err, tidetable.code|nil code
function streams.of_database(database, given)
  given = options.check(given, all_options, "stream")
  core.ready(database.core)
  options.goes_with(given, "label", "table", "stream")
  if given.table then
    return of_table(database, given.table, given)
  end
  return settle(setmetatable({ database = database, given = given, wait = given.wait }, Stream))
end

--- What a stream is; false when it has gone since its id was read.
---@return tidetable.StreamDescription|false|nil, tidetable.error|nil err, tidetable.code|nil code
function streams.describe(database, id)
  local description, err, code = core.describe_stream(database.core, id)
  if code == "NOT_FOUND" then
    return false
  end
  return description, err, code
end

--- Descriptions of all streams, or of one table's.
---@return tidetable.StreamDescription[]|nil, tidetable.error|nil err, tidetable.code|nil code
function streams.list(database, table_name)
  local ids, err, code = core.stream_ids(database.core)
  if not ids then
    return nil, err, code
  end
  local list = {}
  for _, id in ipairs(ids) do
    local description
    description, err, code = streams.describe(database, id)
    if description == nil then
      return nil, err, code
    elseif description and (not table_name or description.table_name == table_name) then
      list[#list + 1] = description
    end
  end
  return list
end

return streams
