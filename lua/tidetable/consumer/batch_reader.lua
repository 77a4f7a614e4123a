-- batch_reader.lua - reads the batches of a worker from its stream.

local core = require "tidetable.core"
local deliveries = require "tidetable.consumer.delivery"
local ignored = require "tidetable.consumer.ignored"
local snapshots = require "tidetable.consumer.snapshot"
local sources = require "tidetable.consumer.source"
local wait = require "tidetable.wait"

local batch_reader = {}

--- Maximum number of seconds of one wait. The worker beats after each wait.
local WAIT_MAX = 1
--- The same for a worker that shares the consumer with others, whose processes may end.
local SHARED_WAIT_MAX = 0.05
--- Maximum depth of a record. A deeper one is evidence of a loop.
local DEPTH_MAX = 16
--- Maximum number of records that are ignored before other coroutines run and the consumer is
--- verified.
local LEFT_OUT_AT_ONCE = 1000

--- Returns the remaining seconds of the batch's window.
local function remaining_window(worker, records)
  if #records == 0 or worker.settings.window == 0 or worker.copy then
    return 0
  end
  return worker.settings.window - (core.wall_clock(worker.database.core) - records[1].created_at)
end

--- Keeps a record that is too deep as the next one, and returns nil, err, "LOOP"; nil if the
--- consumer was lost.
local function loop_failure(worker, record)
  worker.reader.pending = record
  local owns, err, code = worker:verify()
  if not owns then
    return nil, err, code
  end
  worker.verified_at = 0         -- a command may move the position before the next call
  return core.consumer_failure("LOOP", ("consumer %s: record %d of table %s has depth %d, at"
    .. " most %d: its handler's writes cause records for it again (option ignore_origin)"):format(
    worker.consumer.name, record.sequence_number, record.table_name, record.depth, DEPTH_MAX))
end

--- Returns this record or the first one after it that is not ignored; nil if there is none; false
--- after LEFT_OUT_AT_ONCE records.
local function leave_out(worker, record)
  local reader, err, code = worker.reader, nil, nil
  for _ = 1, LEFT_OUT_AT_ONCE do
    if not record or not worker.ignored_origins[record.origin] then
      return record, err, code
    end
    ignored.note(worker, record)
    record, err, code = reader:try(false)
  end
  if not record then
    return nil, err, code
  end
  reader.pending = record
  return false
end

--- Returns the results of fill if no record is left to read.
local function after_last(count, record, err, code)
  if err and count == 0 then
    return nil, err, code
  elseif err then
    return true              -- the next batch reports the error
  end
  return record == false and "more"
end

--- Returns the maximum number of records of a batch.
local function size_limit(worker)
  local size = worker.settings.batch_size
  return worker.largest > 0 and math.min(size, worker.largest) or size
end

--- Adds the available records to the batch. Returns true if it is full; false if there are no more;
--- "more" after LEFT_OUT_AT_ONCE records; nil, err, code if reading failed and the batch is empty.
local function fill(worker, records)
  local reader, ignores = worker.reader, worker.ignored_origins ~= nil
  local size, most_bytes = size_limit(worker), worker.settings.batch_bytes
  local last = worker.held and worker.held.position or math.maxinteger
  local count, record, err, code = #records, nil, nil, nil
  if count < size then
    record = reader:take_pending()
  end
  if count < size and not record and not ignores then
    count, records.bytes, records.depth, record, err, code = core.take_records(reader.core, records,
      count, size, records.bytes, most_bytes, records.depth, deliveries.DEEP, last)
    if not record and count < size then
      return after_last(count, record, err, code)
    end
  end
  while count < size do
    if not record then
      record, err, code = reader:try(false)
    end
    if record and ignores then
      record, err, code = leave_out(worker, record)
    end
    if err or not record then
      return after_last(count, record, err, code)
    elseif record.sequence_number > last then
      reader.pending = record
      return count > 0
    end
    local bytes, depth = core.measure_record(record)
    bytes = bytes + records.bytes
    if count > 0 and (bytes > most_bytes or depth > DEPTH_MAX
        or not deliveries.may_share_batch(depth, records.depth)) then
      reader.pending = record
      return true
    elseif depth > DEPTH_MAX then
      return loop_failure(worker, record)
    end
    count = count + 1
    records[count], records.bytes, record = record, bytes, nil
    if depth > records.depth then
      records.depth = depth
    end
  end
  return true
end

--- Waits for records, at most until the deadline. Returns false if the consumer was lost.
local function wait_for_records(worker, records, deadline)
  if core.progress_count(worker.database.core) ~= worker.progress_seen then
    return worker:verify()       -- the reader may have seen this commit, and would not wake up
  end
  local seconds = deadline - core.process_elapsed()
  if worker:beat_interval() < WAIT_MAX then
    seconds = math.min(seconds, worker:beat_interval())
  end
  if worker.last - worker.first + 1 < worker.shards then
    seconds = math.min(seconds, SHARED_WAIT_MAX)
  end
  if #records > 0 then
    seconds = math.min(seconds, remaining_window(worker, records))
  else
    seconds = math.min(seconds, ignored.seconds(worker) or seconds)
  end
  if wait.loop(worker.consumer.wait or worker.database.wait) and not core.is_clock_replaced() then
    seconds = math.min(seconds, WAIT_MAX)
  end
  -- Without an event loop and a limit the reader waits for at most a second.
  local limit = seconds < math.huge and math.max(seconds, 0) or nil
  local touched, err, code = worker.reader:pause(limit)
  if touched == nil then
    return nil, err, code
  elseif touched and worker:was_verified() then
    core.worker_beat(worker.database.core, worker.slot)
    return true
  end
  return worker:verify()
end

--- Checks the sources after a stream has ended (sources.after_end). If it returns false, the worker
--- has left the consumer and must join again.
local function after_end(worker)
  local continues, err, code = sources.after_end(worker)
  if continues == false then
    worker:lose()
  end
  return continues, err, code
end

--- Checks whether a stream has ended, after all records were read. Returns as after_end.
local function check_end(worker)
  local continues, err, code = core.check_end(worker.reader.core, true)
  if continues or code ~= "STREAM_ENDED" then
    return continues, err, code
  end
  return after_end(worker)
end

--- Handles an error of reading. Returns true if the worker can read again; false or nil if it has
--- lost the consumer; nil, err, code on failure. NOT_FOUND: the stream was removed. A snapshot of a
--- table without a stream waits until one is enabled.
local function recover(worker, deadline, err, code)
  if code == "TRIMMED" then
    return snapshots.skip_gap(worker, err)
  elseif code ~= "STREAM_ENDED" and code ~= "NOT_FOUND" then
    return nil, err, code
  end
  local continues
  continues, err, code = after_end(worker)
  if continues and core.process_elapsed() < deadline and not worker.consumer.is_stopping then
    return wait_for_records(worker, {}, deadline)
  elseif continues then
    return false
  end
  return continues, err, code
end

--- Lets other coroutines run after many records were ignored. Returns false if the consumer was
--- lost.
local function read_on(worker)
  local ok, err, code = worker.reader:yield()
  if not ok then
    return nil, err, code
  end
  return worker:verify()
end

--- Does the work of a worker without records: moves the position over ignored records if that is
--- due, and checks whether its streams have ended. Returns false if the consumer was lost.
local function check_idle(worker, is_at_end)
  if worker.copy then
    return true                  -- the next item moves the position
  end
  if worker.held then
    return not is_at_end or ignored.reach(worker, worker.held.position)
  end
  local owns, err, code = ignored.skip(worker)
  if not owns or not is_at_end then
    return owns, err, code
  end
  return check_end(worker)
end

--- Reads a batch. Returns nil if the deadline has passed or the consumer was lost; nil, err, code
--- on failure.
---@param worker tidetable.Worker
---@param deadline number  time of the process's clock
---@return tidetable.Record[]|nil records, tidetable.error|nil err, tidetable.code|nil code
function batch_reader.read(worker, deadline)
  local records = worker.gathered or snapshots.beginning(worker) or { bytes = 0, depth = 0 }
  if records.mark then
    return records
  end
  while true do
    worker.gathered = records    -- also after the range was changed, which discards it
    local full, err, code = worker:open_reader()
    if full then
      full, err, code = fill(worker, records)
    end
    if full == nil then
      full, err, code = recover(worker, deadline, err, code)
      if not full then
        return nil, err, code
      end
      return batch_reader.read(worker, deadline)
    elseif full == true or #records > 0 and remaining_window(worker, records) <= 0 then
      worker.gathered = nil
      return records
    elseif worker.copy and not full then
      worker.gathered = nil
      return snapshots.ending(worker)
    end
    local owns, has_more = true, full == "more"
    if #records == 0 then
      owns, err, code = check_idle(worker, not has_more)
      if owns and worker.held and worker.held.position == worker.position then
        worker.verified_at = 0   -- unites the ranges
        return nil
      end
    end
    if owns and (worker.consumer.is_stopping
        or not has_more and core.process_elapsed() >= deadline) then
      return nil
    elseif owns and has_more then
      owns, err, code = read_on(worker)
    elseif owns then
      owns, err, code = wait_for_records(worker, records, deadline)
    end
    if not owns then
      return nil, err, code
    elseif worker.replays > 0 then
      return nil             -- they are delivered first
    end
  end
end

return batch_reader
