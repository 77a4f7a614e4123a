-- stream.lua - the stream of a table, or of all tables: the objects that programs use.

local core = require "tidetable.core"
local members = require "tidetable.members"
local options = require "tidetable.options"
local positions = require "tidetable.stream.position"
local readers = require "tidetable.stream.reader"
local request = require "tidetable.request"
local wait = require "tidetable.wait"

local misuse = options.misuse

local streams = {}

--- The changes of one table or of all tables, and a position in them.
---@class tidetable.Stream
---@field table_name string|nil    name of the table; nil: all tables
---@field label string|nil         label of the table's stream; nil: all tables
---@field position integer|nil     sequence number of the last record returned by next, or left out
---                                by the filter before next returned nil
---@field package database tidetable.Database
---@field package id integer|nil      id of the stream; nil: all streams
---@field package tables boolean|nil  the option `tables`
---@field package opts tidetable.StreamOptions
---@field package wait fun(wakeup: tidetable.Wakeup, seconds: number|nil)|nil
---@field package reader tidetable.Reader|nil  reader of next and next_transaction
---@field package followers table<tidetable.Reader, true>|nil  readers that close ends; weak keys
---@field package has_read boolean|nil  next has returned or left out a record; position is set
---@field package latest integer|nil   position that LATEST in the options was resolved to
---@field package reading boolean|nil  next is running, or was ended by an error
local Stream = {}
Stream.__index = Stream
Stream.__name = "tidetable.stream"

-- Fields that are not set in every stream, or not yet.
Stream.id, Stream.wait, Stream.reader, Stream.followers = false, false, false, false
Stream.tables = false
Stream.has_read, Stream.latest, Stream.reading = false, false, false

--- Id of the stream of the changes of tables.
local STREAM_OF_TABLES = 1

local views = { KEYS_ONLY = 1, NEW_IMAGE = 2, OLD_IMAGE = 3, NEW_AND_OLD_IMAGES = 4 }

local settings_options = {
  view_type = options.one_of { "NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY" },
  retention = { "string", "number", "table" },
  hold = "table",
}

--- How long records are kept. Each limit applies by itself.
---@class tidetable.RetentionLimits
---@field age string|number|nil     seconds, or a string with ms, s, m, h or d; default "24h"
---@field bytes string|integer|nil  bytes, or a string with B, KiB, MiB, GiB or TiB; nil: no limit
---@field count integer|nil         number of records; nil: no limit

--- How long records that a consumer holds are kept at most.
---@class tidetable.HoldLimits
---@field age string|number|nil     as in tidetable.RetentionLimits; default "7d"
---@field bytes string|integer|nil  as in tidetable.RetentionLimits; default "1GiB"

---@class tidetable.StreamSettings
---@field view_type tidetable.view_type|nil  default "NEW_AND_OLD_IMAGES"
---@field retention string|number|tidetable.RetentionLimits|nil  an age, or limits; default "24h"
---@field hold tidetable.HoldLimits|nil  caps of the holds of consumers

--- Checks the options of create_table and enable_stream that define a stream, and returns them as
--- arguments for the core.
---@param opts tidetable.StreamSettings|nil
---@param subject string  name of the called function, for messages
---@return integer view, integer age_ms, integer bytes, integer count, integer hold_age_ms
---@return integer hold_bytes  0: not given
function streams.settings(opts, subject)
  opts = options.check(opts, settings_options, subject)
  local age, bytes, count = options.retention(opts.retention, subject)
  return views[opts.view_type or "NEW_AND_OLD_IMAGES"], age, bytes, count,
    options.hold(opts.hold, subject)
end

-- Records --------------------------------------------------------------------

--- DynamoDB's names of fields that have another name here. Names that only differ in case and
--- underscores (eventName, NewImage) are found by options.hint.
local wire_names = {
  eventID = "sequence_number",
  ApproximateCreationDateTime = "created_at",
  StreamViewType = "view_type",
  eventSourceARN = "table_name",
}

-- Reading an unknown field is an error, because its value would silently be nil.
core.unknown_field(function(name, known)
  if name == "dynamodb" then
    misuse('record: unknown field "dynamodb": its members (Keys, NewImage, ...)'
      .. " are fields of the record (keys, new_image, ...)")
  end
  local known_name = wire_names[name]
  misuse(("record: unknown field %q%s"):format(tostring(name),
    known_name and (" (did you mean %q?)"):format(known_name) or options.hint(name, known)))
end)

local function check_label(value)
  return (type(value) ~= "string" or value == "") and "a stream's label" or nil
end

local stream_options = request.with_selection(positions.with_options {
  label = check_label, wait = "function",
})
local all_options = request.with_selection(positions.with_options {
  table = "string", label = check_label, wait = "function", tables = "boolean",
})
local records_options = request.with_selection(positions.with_options {
  limit = options.integer_from(1), follow = "boolean", timeout = options.seconds,
  wait = "function", tables = "boolean",
})

-- Reading --------------------------------------------------------------------

--- Returns the reader's next record; raises its failures.
local function next_or_raise(self, seconds)
  local record, err = self:next(seconds)
  if err then
    error(err, 0)
  end
  return record
end

---@class tidetable.RecordsOptions : tidetable.PositionOptions, tidetable.SelectionOptions
---@field limit integer|nil     maximum number of records, or of transactions
---@field follow boolean|nil    true: wait for more records; default false
---@field timeout number|nil    with follow: end when none arrived for this many seconds
---@field tables boolean|nil    true: also the records of changes of tables; only for db:stream();
---                              default: as in the options of db:stream

--- Returns the stream's position: after the last record read by next or, if there is none, the
--- position in the stream's options. LATEST is resolved when the stream's reader is opened.
---@return tidetable.PositionOptions
local function position_options_of(self)
  if self.has_read then
    return { after = self.position }
  elseif self.latest then
    return { after = self.latest }
  end
  return self.opts
end

--- Opens a reader for records or transactions, at the position in the call's options, or else at
--- the stream's position. Raises its failures.
local function open_iteration(self, opts, subject, limit)
  local open = opts.follow and readers.follow or readers.open
  local start = positions.is_given(opts) and opts or position_options_of(self)
  local reader, err = open(self, opts, start, subject, limit)
  if not reader then
    error(err, 0)
  end
  return reader
end

--- Returns how long each step of an iterator waits: 0 without `follow`; nil: no limit.
local function seconds_to_wait(opts, subject)
  options.requires(opts, "timeout", "follow", subject)
  options.requires(opts, "wait", "follow", subject)
  if opts.follow then
    return opts.timeout
  end
  return 0
end

--- Returns an iterator over records, oldest first, from the position in the options, or else from
--- the stream's position, which it does not move. The iterator raises its errors: TRIMMED, AHEAD,
--- CORRUPT, CLOSED, FILE_GONE, FILE_REPLACED; with `follow` STREAM_ENDED.
---@param opts tidetable.RecordsOptions|nil
---@return fun(): tidetable.Record|nil
function Stream:records(opts)
  opts = request.check(opts, records_options, "records")
  local seconds = seconds_to_wait(opts, "records")
  local reader = open_iteration(self, opts, "records", opts.limit)
  if not opts.follow then
    return core.records(reader.core), nil, nil, reader.core
  end
  return function()
    return next_or_raise(reader, seconds)
  end, nil, nil, reader
end

--- Returns an iterator over transactions, each an array of its records. Otherwise as records;
--- `limit` counts transactions.
---@param opts tidetable.RecordsOptions|nil
---@return fun(): tidetable.RecordsOfTransaction|nil
function Stream:transactions(opts)
  opts = request.check(opts, records_options, "transactions")
  local seconds, count_left = seconds_to_wait(opts, "transactions"), opts.limit or math.huge
  local reader = open_iteration(self, opts, "transactions")
  return function()
    if count_left <= 0 then
      return nil
    end
    local group, err = reader:next_group(seconds)
    if err then
      error(err, 0)
    end
    count_left = count_left - 1
    return group
  end, nil, nil, reader
end

--- Opens the reader of next and next_transaction, at the stream's position.
local function open_next_reader(self, subject)
  local reader, err, code = readers.open(self, self.opts, position_options_of(self), subject)
  if not reader then
    return nil, err, code
  end
  reader.follows = true
  if self.opts.from == "LATEST" and not self.has_read then
    self.latest = core.position(reader.core)
  end
  self.reader = reader
  return reader
end

--- Ends a call that began with reader_of_next, and moves the stream's position.
---@param position integer|nil  sequence number of the last record returned or left out; nil: none
local function end_read(self, position)
  if position then
    self.position, self.has_read = position, true
  end
  self.reading = false
end

--- Returns the reader of next and next_transaction, and opens it at the first call. If an error,
--- for example an interrupt, ended the last call, opens a new reader, because the records that the
--- old reader had read would be lost.
local function reader_of_next(self, timeout, subject)
  if timeout ~= nil then
    options.argument(subject, "timeout", options.seconds, timeout)
  end
  if self.reading and self.reader then
    local passed = self.reader.passed
    end_read(self, passed and passed > (self.position or 0) and passed or nil)
    self.reader:close()
    self.reader = nil
  end
  if not self.reader then
    local reader, err, code = open_next_reader(self, subject)
    if not reader then
      return nil, err, code
    end
  end
  self.reading = true
  return self.reader
end

--- Returns the next record and moves the stream's position after it. Returns nil without an error
--- if none arrived in time. Errors: TRIMMED, AHEAD, CORRUPT, CLOSED, FILE_GONE, FILE_REPLACED;
--- STREAM_ENDED after the last record of a stream that is disabled or whose table is deleted.
---@param timeout number|nil  seconds to wait for a record; default 0, math.huge: no limit
---@return tidetable.Record|nil, tidetable.error|nil err, tidetable.code|nil code
function Stream:next(timeout)
  local reader, err, code = reader_of_next(self, timeout, "next")
  if not reader then
    return nil, err, code
  end
  local record = reader:take_pending()
  if not record then
    record, err, code = reader:next(timeout or 0)
  end
  end_read(self, record and record.sequence_number or not err and reader.passed or nil)
  return record, err, code
end

--- Returns the next transaction as an array of its records, and moves the stream's position after
--- it. Otherwise as next.
---@param timeout number|nil  seconds to wait for a transaction; default 0, math.huge: no limit
---@return tidetable.RecordsOfTransaction|nil, tidetable.error|nil err, tidetable.code|nil code
function Stream:next_transaction(timeout)
  local reader, err, code = reader_of_next(self, timeout, "next_transaction")
  if not reader then
    return nil, err, code
  end
  local group
  group, err, code = reader:next_group(timeout or 0)
  if not reader.is_cut then
    end_read(self, group and group.last_sequence_number or not err and reader.passed or nil)
  end
  return group, err, code
end

-- Describing and closing ------------------------------------------------------

--- Describes the records of changes of tables.
---@param database tidetable.Database
---@return tidetable.TableChanges|nil, tidetable.error|nil err, tidetable.code|nil code
function streams.table_changes(database)
  local about, err, code = core.describe_stream(database.core, STREAM_OF_TABLES)
  if not about then
    return nil, err, code
  end
  return {
    count = about.count, bytes = about.bytes, trimmed_through = about.trimmed_through,
    first_sequence_number = about.first_sequence_number,
    last_sequence_number = about.last_sequence_number,
  }
end

--- Describes the stream; of db:stream() only last_sequence_number is set, and table_changes if it
--- reads them. Returns NOT_FOUND if the stream no longer exists.
---@return tidetable.StreamDescription|nil, tidetable.error|nil err, tidetable.code|nil code
function Stream:describe()
  if self.id then
    return core.describe_stream(self.database.core, self.id)
  end
  local info, err, code = core.info(self.database.core)
  local changes
  if info and self.tables then
    changes, err, code = streams.table_changes(self.database)
  end
  if not info or self.tables and not changes then
    return nil, err, code
  end
  return { last_sequence_number = info.sequence_number, table_changes = changes }
end

--- Sets how long records are kept. Raises an error for db:stream().
---@param retention string|number|tidetable.RetentionLimits
---@param hold tidetable.HoldLimits|nil  caps of the holds of consumers; nil: unchanged
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Stream:set_retention(retention, hold)
  if not self.id then
    misuse("set_retention: db:stream() has no retention; set the retention of a table's stream")
  end
  if retention == nil then
    misuse("set_retention: retention is missing")
  end
  local age, bytes, count = options.retention(retention, "set_retention")
  return wait.try(self.database, core.set_retention, self.database.core, self.id, age, bytes, count,
    options.hold(hold, "set_retention"))
end

--- Returns an object that event loops can wait on for commits, as db:wakeup() does.
---@return tidetable.Wakeup|nil, tidetable.error|nil err, tidetable.code|nil code
function Stream:wakeup()
  return wait.wakeup(self.database)
end

--- Closes the stream's readers. Iterators with `follow`, and a call of next that waits, end with
--- CLOSED. The stream can be read again, from the position in its options.
function Stream:close()
  if self.reader then
    self.reader:close()
    self.reader = nil
  end
  for reader in pairs(self.followers or {}) do
    reader:close()
  end
  self.followers = nil
  self.reading, self.has_read, self.latest = false, false, nil
end

Stream.__close = Stream.close

options.methods(Stream, "stream")
members.guard(Stream, "stream", { "table_name", "label", "position" })

function Stream:__tostring()
  return "tidetable.stream: " .. (self.id and self.table_name .. "/" .. self.label or "all")
end

--- Opens the stream's reader if its options contain a position, so that LATEST means the time of
--- this call. Otherwise a filter or key is only checked. Returns the stream.
local function open_at_position(self)
  if positions.is_given(self.opts) then
    local reader, err, code = open_next_reader(self, "stream")
    if not reader then
      return nil, err, code
    end
    self.position = core.position(reader.core)
  elseif request.selects(self.opts) then
    local reader, err, code = readers.open(self, self.opts, self.opts, "stream")
    if not reader then
      return nil, err, code
    end
    reader:close()
  end
  return self
end

---@class tidetable.StreamOptions : tidetable.PositionOptions, tidetable.SelectionOptions
---@field label string|nil  label of the stream; nil: the table's newest stream

---@class tidetable.AllStreamsOptions : tidetable.StreamOptions
---@field table string|nil  only the stream of this table, which may have been deleted
---@field tables boolean|nil  true: also the records of changes of tables; default false

--- Refuses the option `tables`, which only db:stream() without a table has.
local function refuse_tables(opts)
  if type(opts) == "table" and opts.tables then
    misuse 'stream: option "tables" requires the stream of all tables, db:stream()'
  end
end

local function of_table(database, name, opts)
  local id, err, code = core.stream_of(database.core, name, opts.label)
  if not id then
    return nil, err, code
  end
  local description
  description, err, code = core.describe_stream(database.core, id)
  if not description then
    return nil, err, code
  end
  return open_at_position(setmetatable({
    database = database, id = id, table_name = name, label = description.label, opts = opts,
    wait = opts.wait,
  }, Stream))
end

--- Returns the newest stream of a table, or the stream with the label in the options.
---@param database tidetable.Database
---@param name string
---@param opts tidetable.StreamOptions|nil
---@return tidetable.Stream|nil, tidetable.error|nil err, tidetable.code|nil code
function streams.of_table(database, name, opts)
  refuse_tables(opts)
  return of_table(database, name, request.check(opts, stream_options, "stream"))
end

--- Returns the stream of all tables, or the stream of the table in the options.
---@param database tidetable.Database
---@param opts tidetable.AllStreamsOptions|nil
---@return tidetable.Stream|nil, tidetable.error|nil err, tidetable.code|nil code
function streams.of_database(database, opts)
  opts = request.check(opts, all_options, "stream")
  core.ready(database.core)
  options.requires(opts, "label", "table", "stream")
  options.requires(opts, "key", "table", "stream")
  if opts.table then
    refuse_tables(opts)
    return of_table(database, opts.table, opts)
  end
  return open_at_position(setmetatable({
    database = database, opts = opts, wait = opts.wait, tables = opts.tables or false,
  }, Stream))
end

--- Describes a stream. Returns false if it was removed after its id was read.
---@param database tidetable.Database
---@param id integer
---@return tidetable.StreamDescription|false|nil, tidetable.error|nil err, tidetable.code|nil code
function streams.describe(database, id)
  local description, err, code = core.describe_stream(database.core, id)
  if code == "NOT_FOUND" then
    return false
  end
  return description, err, code
end

--- Describes all streams, or those of one table, disabled ones included.
---@param database tidetable.Database
---@param table_name string|nil  nil: all tables
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
