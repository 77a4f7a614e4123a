-- wait_for.lua - waits until a consumer has processed a change.

local core = require "tidetable.core"
local endings = require "tidetable.consumer.ending"
local handlers = require "tidetable.consumer.handler"
local options = require "tidetable.options"
local parked = require "tidetable.consumer.parked"
local rows = require "tidetable.consumer.row"
local wait = require "tidetable.wait"

local waits = {}

--- Seconds between two reads of a clock that a test has replaced.
local CLOCK_INTERVAL = 0.01

--- Maximum number of seconds of one wait.
local WAIT_MAX = 1

--- Returns true; nil, err, code if the consumer can't process the change without an intervention.
--- If its workers skip records, because of `filter` or `ignore_origin` or because other workers
--- have their shards, asks the workers to store their positions at once.
local function check_running(consumer, sequence)
  local row, err, code = rows.read(consumer)
  if not row then
    return nil, err, code
  elseif row.is_paused then
    return core.consumer_failure("CONSUMER_PAUSED", ("consumer %s is paused: call resume")
      :format(consumer.name))
  end
  local ended = endings.of(row)
  if ended then
    return core.consumer_failure(ended.code, ("consumer %s: its last run has ended: %s"):format(
      consumer.name, ended.message))
  elseif row.settings.filter or row.settings.ignore_origin or #row.ranges > 1 then
    return core.consumer_ask(consumer.database.core, consumer.name, consumer.id, sequence)
  end
  return true
end

--- Returns true if the consumer has processed the change; false if not yet; nil, err, code if it
--- can't.
local function has_processed(consumer, sequence)
  local processed, err, code = core.consumer_has_processed(consumer.database.core, consumer.name,
    consumer.id, sequence)
  if processed then
    return true
  elseif processed == nil and code ~= "NOT_FOUND" then
    return nil, err, code
  end
  local ok
  ok, err, code = check_running(consumer, sequence)
  if not ok then
    return nil, err, code
  end
  return false
end

--- Waits in the event loop. Clears the wakeup before it tests for progress, so that no commit is
--- missed.
local function wait_in_loop(loop, wakeup, database, seen, seconds)
  if core.is_clock_replaced() then
    seconds = math.min(seconds, CLOCK_INTERVAL)
  end
  wakeup:clear()
  if core.progress_count(database.core) == seen then
    loop(wakeup, math.min(seconds, WAIT_MAX))
  end
end

--- Sleeps in this thread. Advances a clock that a test has replaced, since nothing else in this
--- thread can.
local function sleep(database, seen, seconds)
  if seconds < math.huge and core.is_clock_replaced() then
    if core.progress_count(database.core) == seen then
      core.pass_time(seconds)
    end
  else
    core.progress_wait(database.core, seen, math.min(seconds, WAIT_MAX))
  end
end

--- Returns true and, if the record of the change is parked, "parked".
local function how_processed(consumer, sequence)
  local row = core.consumer_describe(consumer.database.core, consumer.name)
  if not row or row.parked == 0 then
    return true
  end
  for copy in parked.iterate(consumer) do
    if copy.record.sequence_number == sequence then
      return true, "parked"
    end
  end
  return true
end

local function wait_until(consumer, sequence, deadline)
  local database = consumer.database
  local loop, wakeup = wait.loop(consumer.wait or database.wait), nil
  if loop then
    local err, code
    wakeup, err, code = wait.wakeup(database, "progress")
    if not wakeup then
      return nil, err, code
    end
  end
  local _ <close> = wakeup
  while true do
    local seen = core.progress_count(database.core)
    local processed, err, code = has_processed(consumer, sequence)
    local left = deadline - core.process_elapsed()
    if processed ~= false or left <= 0 then
      return processed, err, code
    elseif wakeup then
      wait_in_loop(loop, wakeup, database, seen, left)
    else
      sleep(database, seen, left)
    end
  end
end

--- Implements Consumer:wait_for.
---@param consumer tidetable.Consumer
---@param sequence integer|nil
---@param seconds number|nil
---@return boolean|nil processed, tidetable.error|"parked"|nil err, tidetable.code|nil code
function waits.wait_for(consumer, sequence, seconds)
  options.argument("wait_for", "sequence number", options.integer_from(0), sequence or 0)
  options.argument("wait_for", "seconds", options.seconds, seconds or 0)
  if handlers.is_in_handler_of(consumer) then
    options.misuse("wait_for: called in the consumer's own handler, it would wait for ever")
  end
  sequence = sequence or consumer.database:last_change()
  local processed, err, code = has_processed(consumer, sequence)
  if processed == false and seconds ~= 0 then
    processed, err, code = wait_until(consumer, sequence, core.process_elapsed()
      + (seconds or math.huge))
  end
  if processed then
    return how_processed(consumer, sequence)
  elseif processed == nil then
    return nil, err, code
  end
  return false
end

return waits
