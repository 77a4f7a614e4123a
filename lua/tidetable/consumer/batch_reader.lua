-- batch_reader.lua - reads the batches of a worker from its stream.

local core = require "tidetable.core"
local deliveries = require "tidetable.consumer.delivery"
local ignored = require "tidetable.consumer.ignored"
local snapshots = require "tidetable.consumer.snapshot"
local sources = require "tidetable.consumer.source"
local units = require "tidetable.consumer.unit"
local wait = require "tidetable.wait"

local batch_reader = {}

--- Maximum number of seconds of one wait. The worker beats after each wait.
local WAIT_MAX = 1
--- The same while other workers own ranges: the worker then detects soon that one of them has died.
local SHARED_WAIT_MAX = 0.05
--- Maximum depth of a record. A deeper one is evidence of a loop.
local DEPTH_MAX = 16
--- Maximum number of records with an ignored origin that are read before other coroutines run and
--- the ownership is verified. For records that the filter ignores, the limit is that of a fill.
local IGNORED_AT_ONCE = 1000
--- A batch that is not full is delivered after this number of records was ignored since its first
--- record.
local IGNORED_IN_BATCH = 100000

--- Returns the remaining seconds of the batch's window.
local function remaining_window(worker, records)
  if #records == 0 or worker.settings.window == 0 or worker.copy then
    return 0
  end
  return worker.settings.window - (core.wall_clock(worker.database.core) - records[1].created_at)
end

--- Returns nil, err, "LOOP" for a record that is too deep; nil if the consumer was lost.
local function loop_failure(worker, record)
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
--- after IGNORED_AT_ONCE records, or if the filter has ignored a page.
local function skip_ignored(worker, record)
  local count, err, code = 0, nil, nil
  while record and worker.ignored_origins[record.origin] do
    worker.ignored_count, count = worker.ignored_count + 1, count + 1
    if count == IGNORED_AT_ONCE then
      return false               -- stops here, so that the worker has no unhandled record
    end
    record, err, code = core.try_record(worker.reader.core)
  end
  return record, err, code
end

--- Returns the results of fill when no record is left to read. has_more: fill has added records to
--- the batch.
local function after_last(worker, records, has_more, record, err, code)
  if err and #records == 0 then
    return nil, err, code
  elseif err then
    return true              -- the next batch reports the error
  elseif has_more then
    records.ignored_until = ignored.count(worker)
  end
  return record == false and "more"
end

--- Returns the highest sequence number that the worker may read.
local function last_number(worker)
  return worker.held and worker.held.position or math.maxinteger
end

--- Returns the maximum number of units of a batch.
local function size_limit(worker)
  local size = worker.settings.batch_size
  return worker.largest > 0 and math.min(size, worker.largest) or size
end

--- Adds the records that the core has read, up to `size`. Returns the number of records of the
--- batch and the first record that does not fit (core.take_records).
local function take(worker, records, size)
  local ignored_before = records.ignored_before or ignored.count(worker)
  local count, bytes, depth, record, err, code = core.take_records(worker.reader.core, records,
    #records, size, records.bytes, worker.settings.batch_bytes, records.depth, deliveries.DEEP,
    last_number(worker))
  records.bytes, records.depth = bytes, depth
  if count > 0 then
    records.ignored_before = ignored_before
  end
  return count, record, err, code
end

--- Adds a record to a transaction that is being read.
local function add(worker, group, record)
  local bytes, depth = core.measure_record(record)
  group.ignored_before = group.ignored_before or ignored.count(worker)
  group[#group + 1], group.bytes = record, group.bytes + bytes
  if depth >= group.depth then
    group.depth, group.deepest = depth, record
  end
end

--- Returns the next transaction, an array of its records. It stays in reader.group until the caller
--- removes it from there: the next call returns the same transaction, and continues to read it
--- after a failure. Returns nil if no record is left to read, false if records were ignored and
--- more may follow; nil, err, code on failure. A transaction becomes visible atomically, so if its
--- first record can be read, its last one can, too.
local function next_transaction(worker)
  local reader = worker.reader
  local group = reader.group or { bytes = 0, depth = 0 }
  while not group.is_complete do
    local record, err, code = reader:take_pending(), nil, nil
    if not record then
      record, err, code = core.try_record(reader.core)
    end
    if record and worker.ignored_origins then
      record, err, code = skip_ignored(worker, record)
    end
    if err or not record and #group == 0 then
      return record, err, code
    elseif not record then
      group.is_complete = record == nil or core.is_past(reader.core, group[1].transaction_id)
    elseif #group > 0 and record.transaction_id ~= group[1].transaction_id then
      reader.pending, group.is_complete = record, true
    else
      reader.group = group
      add(worker, group, record)
    end
  end
  return group
end

--- Returns true if a transaction may be in the batch.
local function fits(worker, records, group)
  return #records == 0 or records.bytes + group.bytes <= worker.settings.batch_bytes
    and group.depth <= DEPTH_MAX and deliveries.may_share_batch(group.depth, records.depth)
end

--- Adds the available transactions to the batch. Returns as fill.
local function fill_whole(worker, records)
  local before, count = #records, units.count_read(worker, records)
  while count < size_limit(worker) do
    local group, err, code = next_transaction(worker)
    if not group then
      return after_last(worker, records, #records > before, group, err, code)
    elseif not fits(worker, records, group) then
      return true
    elseif group.depth > DEPTH_MAX then
      return loop_failure(worker, group.deepest)
    end
    table.move(group, 1, #group, #records + 1, records)
    records.bytes, records.depth = records.bytes + group.bytes, math.max(records.depth, group.depth)
    records.ignored_before = records.ignored_before or group.ignored_before
    worker.reader.group, count = nil, count + 1
  end
  return true
end

--- Adds the record that was read last to the batch, whose size the caller updates.
local function add_record(worker, records, record)
  records.ignored_before = records.ignored_before or ignored.count(worker)
  records[#records + 1] = record
  if worker.copy then
    worker.passed_keys[record] = core.passed_key(worker.reader.core)
  end
end

--- Adds the available records to the batch. Returns true if the batch is full; false if no record
--- is left to read; "more" if records were ignored and others may follow; nil, err, code if reading
--- failed and the batch is empty.
local function fill(worker, records)
  local reader, ignores = worker.reader, worker.ignored_origins ~= nil
  local size, most_bytes = size_limit(worker), worker.settings.batch_bytes
  local before, record, err, code = #records, nil, nil, nil
  local count = before
  if count < size then
    record = reader:take_pending()
  end
  if count < size and not record and not ignores and not worker.copy then
    count, record, err, code = take(worker, records, size)
    if not record and count < size then
      return after_last(worker, records, count > before, record, err, code)
    end
  end
  while count < size do
    if not record then
      record, err, code = core.try_record(reader.core)
    end
    if record and ignores then
      record, err, code = skip_ignored(worker, record)
    end
    if err or not record then
      return after_last(worker, records, count > before, record, err, code)
    elseif record.sequence_number > last_number(worker) then
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
      reader.pending = record
      return loop_failure(worker, record)
    end
    add_record(worker, records, record)
    count, records.bytes, records.depth, record = count + 1, bytes,
      math.max(depth, records.depth), nil
  end
  return true
end

--- Waits for records, at most until the deadline. Returns false if the consumer was lost.
local function wait_for_records(worker, records, deadline)
  if core.progress_count(worker.database.core) ~= worker.progress_seen then
    return worker:verify()       -- this commit may be older than the wait, and would not end it
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
  elseif touched and worker:was_verified() or not touched and worker:has_same_peers() then
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

--- Handles an error of reading. Returns true if the worker can read again; false or nil if it no
--- longer owns its range; nil, err, code on failure. NOT_FOUND: the stream was removed. A snapshot
--- of a table without a stream waits until one is enabled.
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

--- Lets other coroutines run after records were ignored. Returns false if the consumer was lost.
local function read_on(worker)
  local ok, err, code = worker.reader:yield()
  if not ok then
    return nil, err, code
  elseif worker:was_verified() then
    core.worker_beat(worker.database.core, worker.slot)
    return true
  end
  return worker:verify()
end

--- Does what a worker without records has to do: moves the position over ignored records if that is
--- due, and checks whether its streams have ended. Returns false if the range was lost.
local function check_idle(worker, is_at_end)
  if worker.held then
    return not is_at_end or ignored.reach(worker, worker.held.position)
  end
  ignored.note(worker)
  local owns, err, code = ignored.skip(worker)
  if not owns or not is_at_end then
    return owns, err, code
  end
  return check_end(worker)
end

--- Returns true if a batch that is not full must be delivered now. has_more: records were ignored,
--- and more may follow.
local function is_due(worker, records, has_more)
  if #records == 0 or remaining_window(worker, records) > 0 then
    return false
  end
  local before = records.ignored_before     -- nil: this is the rest of a divided batch
  return not has_more or not before or ignored.count(worker) - before >= IGNORED_IN_BATCH
end

--- Opens the reader. If the worker's selection has changed since the reader was opened, opens
--- another one at the position, which reads the records that are in no batch again. Returns true;
--- false if the range was lost; nil, err, code on failure.
local function prepare_reader(worker)
  local reader = worker.reader
  if reader and worker.selection ~= worker.reader_selection then
    local first = worker.gathered and worker.gathered[1] or reader.group and reader.group[1]
      or reader.pending or nil
    local owns, err, code = ignored.flush(worker, first)
    if not owns then
      return owns, err, code
    end
    worker:close_reader()
    worker.gathered = nil
  end
  return worker:open_reader()
end

--- Continues the batch that is being gathered, or begins one. Returns it, and what fill returns; or
--- a mark, true; or false if the consumer was lost.
local function gather(worker)
  local ready, err, code = prepare_reader(worker)
  if ready == false then
    return false
  end
  local mark = ready and not worker.gathered and snapshots.beginning(worker)
  if mark then
    return mark, true
  end
  local records = worker.gathered or { bytes = 0, depth = 0 }
  worker.gathered = records
  if not ready then
    return records, nil, err, code
  end
  return records, (units.are_transactions(worker) and fill_whole or fill)(worker, records)
end

--- Returns a batch that has been gathered, and stores how many records were ignored before its end.
local function finish(worker, records, is_full)
  worker.gathered = nil
  worker.ignored_before = not is_full and records.ignored_until or ignored.count(worker)
  return records
end

--- Reads a batch. Returns nil if the deadline has passed or the consumer was lost; nil, err, code
--- on failure.
---@param worker tidetable.Worker
---@param deadline number  time of the process's clock
---@return tidetable.Record[]|nil records, tidetable.error|nil err, tidetable.code|nil code
function batch_reader.read(worker, deadline)
  while true do
    local records, full, err, code = gather(worker)
    if not records then
      return nil
    end
    local owns, has_more = true, full == "more"
    if full == nil then
      owns, err, code = recover(worker, deadline, err, code)
    elseif full == true or is_due(worker, records, has_more) then
      return finish(worker, records, full == true)
    elseif worker.copy and not full then
      return finish(worker, snapshots.ending(worker))
    elseif #records == 0 then
      owns, err, code = check_idle(worker, not has_more)
      if owns and worker.held and worker.held.position == worker.position then
        worker.verified_at = 0   -- unites the ranges
        return nil
      end
    end
    if not owns then
      return nil, err, code
    elseif full ~= nil then
      if worker.consumer.is_stopping or not has_more and core.process_elapsed() >= deadline then
        return nil
      elseif has_more then
        owns, err, code = read_on(worker)
      else
        owns, err, code = wait_for_records(worker, records, deadline)
      end
      if not owns then
        return nil, err, code
      elseif worker.replays > 0 then
        return nil               -- they are delivered first
      end
    end
  end
end

return batch_reader
