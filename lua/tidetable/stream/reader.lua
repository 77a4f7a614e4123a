-- reader.lua - a reader of a stream: returns records and transactions, and waits for them.

local core = require "tidetable.core"
local options = require "tidetable.options"
local positions = require "tidetable.stream.position"
local request = require "tidetable.request"
local wait = require "tidetable.wait"

local readers = {}

--- A position in a stream or in all streams.
---@class tidetable.Reader
---@field core userdata                 feed of the core
---@field database tidetable.Database
---@field id integer|nil                id of the stream; nil: all streams
---@field tables boolean|nil            true: also the changes of tables
---@field wait fun(wakeup: tidetable.Wakeup, seconds: number|nil)|nil  the option `wait`
---@field follows boolean|nil           true: the end of the stream is an error
---@field wakeup tidetable.Wakeup|nil   created when it first waits in an event loop
---@field pending tidetable.Record|nil  record after the last transaction, already read
---@field group tidetable.Record[]|nil  transaction that a consumer's worker reads, and its size
---@field is_cut boolean|nil            next_group failed in the middle of a transaction
---@field start integer|nil             with a filter: position at which the reader was opened
---@field passed integer|nil            sequence number through which all records were returned or
---                                     left out by the filter; nil: no filter, or none was read
local Reader = {}
Reader.__index = Reader

-- What core.feed reads instead of the stream with an id.
local STREAMS, STREAMS_AND_TABLES = 0, -1

--- Returns true if a reader of all streams also reads the changes of tables: the option `tables` of
--- the call or, if it gives none, of the stream.
local function reads_tables(stream, opts, subject)
  local tables = opts.tables
  if tables == nil then
    tables = stream.tables
  end
  if tables and stream.id then
    options.misuse(subject .. ': option "tables" requires the stream of all tables, db:stream()')
  end
  return tables or false
end

--- Returns the feed of the core, and as the fourth result true if it leaves records out. The
--- filter, the key and the projection are those of the call or, if it gives none of them, those of
--- the stream.
local function open_feed(stream, opts, start, subject, limit, tables)
  local kind, value = positions.of(start, subject)
  local selection = request.selects(opts) and opts or stream.opts or {}
  if selection.key and not stream.id then
    options.misuse(subject .. ': option "key" requires the stream of one table')
  end
  local feed, err, code, is_nil = core.feed(stream.database.core,
    stream.id or (tables and STREAMS_AND_TABLES or STREAMS), kind, value, limit, selection.key,
    request.reads(selection))
  if feed == false and type(err) == "string" then
    options.misuse(("%s: the filter reads %s, which a stream with view type %s does not contain")
      :format(subject, err, code))
  end
  request.results(subject, feed, err, code, is_nil)
  return feed, err, code, selection.filter ~= nil or selection.key ~= nil
end

--- Opens a reader.
---@param stream table  a stream or a reader: its database, id, wait, tables and opts are used
---@param opts table  options of the call: wait, tables, filter, key and projection are used
---@param start tidetable.PositionOptions
---@param subject string  name of the called function, for messages
---@param limit integer|nil  maximum number of records
---@return tidetable.Reader|nil, tidetable.error|nil err, tidetable.code|nil code
function readers.open(stream, opts, start, subject, limit)
  local tables = reads_tables(stream, opts, subject)
  local feed, err, code, selects = open_feed(stream, opts, start, subject, limit, tables)
  if not feed then
    return nil, err, code
  end
  return setmetatable({
    core = feed, database = stream.database, id = stream.id, wait = opts.wait or stream.wait,
    tables = tables, start = selects and core.position(feed) or nil,
  }, Reader)
end

--- Opens a reader that continues after the position of a worker of a consumer.
---@param database tidetable.Database
---@param streams integer[]  ids in ascending order; empty: all streams
---@param worker tidetable.Worker  its range of shards is read
---@param own_wait (fun(wakeup: tidetable.Wakeup, seconds: number|nil))|nil  the option `wait`
---@param opts table|nil  with a filter and a projection
---@return tidetable.Reader|nil, tidetable.error|nil err, tidetable.code|nil code
function readers.of_consumer(database, streams, worker, own_wait, opts)
  local feed, err, code = request.results("consumer", core.consumer_feed(database.core, worker.id,
    streams, opts and request.reads(opts), worker.first, worker.epoch, worker.shards))
  if not feed then
    return nil, err, code
  end
  return setmetatable({ core = feed, database = database, wait = own_wait, follows = true },
    Reader)
end

--- Opens a reader that waits for new records. Closing the stream closes it.
---@param stream tidetable.Stream
---@param opts tidetable.RecordsOptions
---@param start tidetable.PositionOptions
---@param subject string
---@param limit integer|nil
---@return tidetable.Reader|nil, tidetable.error|nil err, tidetable.code|nil code
function readers.follow(stream, opts, start, subject, limit)
  local reader, err, code = readers.open(stream, opts, start, subject, limit)
  if reader then
    reader.follows = true
    stream.followers = stream.followers or setmetatable({}, { __mode = "k" })
    stream.followers[reader] = true
  end
  return reader, err, code
end

--- Returns the reader's wakeup, and creates it at the first call.
function Reader:loop_wakeup()
  if self.wakeup then
    return self.wakeup
  end
  local err, code
  self.wakeup, err, code = wait.wakeup(self.database)
  return self.wakeup, err, code
end

--- Maximum number of seconds between two checks for expired items by a waiting reader.
local CHECK_INTERVAL = 1

--- Removes expired items, if some can be removed. Writes remove expired items, too, but while a
--- reader waits there may be none. Returns the number of seconds until the next check; nil if no
--- table has time to live.
local function remove_expired_items(database)
  local due = core.next_expiry(database.core)
  if not due then
    return nil
  elseif due > 0 then
    return math.min(due, CHECK_INTERVAL)
  end
  -- If another process is writing, this fails, and that process removes the items.
  local _, _, more = core.sweep(database.core)
  return more == true and 0 or CHECK_INTERVAL
end

--- Removes expired items if a check is due. Returns the number of seconds that the reader may wait
--- until the next check, at most `seconds`.
---@param database tidetable.Database
---@param seconds number|nil
---@return number|nil
function readers.limit_to_expiry_check(database, seconds)
  local now = core.process_elapsed()
  -- The time of the next check is far away only if the clock that set it has been restored.
  if now >= database.expiry_check_at or database.expiry_check_at - now > CHECK_INTERVAL then
    local seconds_left = remove_expired_items(database)
    database.expiry_check_at = seconds_left and now + seconds_left or 0
    if not seconds_left then
      return seconds
    end
  end
  return math.min(seconds or math.huge, math.max(database.expiry_check_at - now, 0))
end

--- Seconds between two checks of a clock that replaces the process's: a coroutine of the event loop
--- may have advanced it, which makes no descriptor readable.
local CLOCK_INTERVAL = 0.01

--- Sleeps in this thread once.
local function sleep(reader, seconds, has_limit)
  return wait.in_thread(reader.core, core.is_touched, core.wait_feed, seconds, has_limit)
end

--- Waits once, for at most `seconds`; may return early. Returns true if there may be a new record,
--- false if not; nil, err, code if no wakeup can be created.
function Reader:pause(seconds)
  local loop = wait.loop(self.wait or self.database.wait)
  local has_limit, is_replaced = seconds ~= nil, core.is_clock_replaced()
  seconds = readers.limit_to_expiry_check(self.database, seconds)
  if not loop or is_replaced and not coroutine.isyieldable() then
    return sleep(self, seconds, has_limit)
  elseif is_replaced then
    seconds = math.min(seconds or CLOCK_INTERVAL, CLOCK_INTERVAL)
  end
  local wakeup, err, code = self:loop_wakeup()
  if not wakeup then
    return nil, err, code
  end
  -- The wakeup is cleared before the test, so a commit after the test ends the wait.
  wakeup:clear()
  if core.is_touched(self.core) then
    return true
  end
  loop(wakeup, seconds)
  return core.is_touched(self.core)
end

--- Sets `passed` after a read that returned no record.
function Reader:note_passed()
  if self.start then
    local position = core.position(self.core)
    self.passed = position > self.start and position or nil
  end
end

--- Lets the other coroutines of the event loop run.
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Reader:yield()
  local loop = wait.loop(self.wait or self.database.wait)
  if not loop then
    return true
  end
  local wakeup, err, code = self:loop_wakeup()
  if not wakeup then
    return nil, err, code
  end
  loop(wakeup, 0)
  return true
end

--- Returns the next of the committed records; nil if there is none. While the filter leaves out
--- whole pages, other coroutines run between two pages if the call may wait.
---@param may_wait boolean
---@return tidetable.Record|nil, tidetable.error|nil err, tidetable.code|nil code
function Reader:try(may_wait)
  local record, err, code = core.try_record(self.core)
  while record == false do
    self:note_passed()
    local continues = true
    if may_wait then
      continues, err, code = self:yield()
    end
    if not continues then
      return nil, err, code
    end
    record, err, code = core.try_record(self.core)
  end
  if not record and not err then
    self:note_passed()
  end
  return record, err, code
end

--- Returns the next record; nil if none arrived in time or the limit is reached; nil, err, code on
--- failure. A reader with `follows` gets STREAM_ENDED after the last record of an ended stream.
---@param seconds number|nil  maximum time to wait; nil, math.huge: no limit
---@return tidetable.Record|nil, tidetable.error|nil err, tidetable.code|nil code
function Reader:next(seconds)
  if seconds == math.huge then
    seconds = nil
  end
  if seconds ~= 0 and not self.start and not self.wait and not self.database.wait then
    local record, err, code = core.follow(self.core, seconds, self.follows)
    if record ~= false then
      return record, err, code
    end
    seconds = err
  end
  local deadline = seconds and core.process_elapsed() + seconds
  local touched = true
  while true do
    if touched then
      local record, err, code = self:try(seconds ~= 0)
      if record or err or core.is_done(self.core) then
        return record, err, code
      end
    end
    local continues, err, code = core.check_end(self.core, self.follows)
    if not continues then
      return nil, err, code
    end
    local seconds_left = deadline and deadline - core.process_elapsed()
    if seconds_left and seconds_left <= 0 then
      return nil
    end
    touched, err, code = self:pause(seconds_left)
    if touched == nil then
      return nil, err, code
    end
  end
end

--- Returns the first record after the last transaction, which was read to find the end of that
--- transaction; nil if none was read. Clears it.
---@return tidetable.Record|nil
function Reader:take_pending()
  local record = self.pending
  self.pending = nil
  return record
end

--- Returns nil, err, code for the error that ended the reading of a transaction. If the rest of the
--- transaction was trimmed, reads again from its first record, so that the range in the TRIMMED
--- error contains the whole transaction.
local function return_cut(reader, group, err, code)
  reader.is_cut = true
  if code == "TRIMMED" then
    local start = { after = group[1].sequence_number - 1 }
    local second <close> = readers.open(reader, {}, start, "transactions")
    if second then
      local _, whole_err, whole_code = core.try_record(second.core)
      err, code = whole_err or err, whole_code or code
    end
  end
  return nil, err, code
end

--- Returns the next transaction as an array of its records; waits like next. A transaction becomes
--- visible atomically, so only its first record is waited for.
---@param seconds number|nil  maximum time to wait; nil, math.huge: no limit
---@return tidetable.RecordsOfTransaction|nil, tidetable.error|nil err, tidetable.code|nil code
function Reader:next_group(seconds)
  local first, err, code = self:take_pending(), nil, nil
  if not first then
    first, err, code = self:next(seconds)
  end
  if not first then
    return nil, err, code
  end
  local id = first.transaction_id
  local group = { first, transaction_id = id, created_at = first.created_at }
  while true do
    local record
    record, err, code = core.try_record(self.core)
    if err then
      return return_cut(self, group, err, code)
    elseif record and record.transaction_id == id then
      group[#group + 1] = record
    elseif record ~= false or core.is_past(self.core, id) then
      self.pending = record or nil
      group.last_sequence_number = group[#group].sequence_number
      return group
    end
  end
end

--- Closes the reader and its wakeup. A wait on it ends with CLOSED.
function Reader:close()
  if getmetatable(self) ~= Reader then
    options.no_self("close", "reader")
  end
  core.finish(self.core)
  if self.wakeup then
    self.wakeup:close()
  end
end

Reader.__close = Reader.close

return readers
