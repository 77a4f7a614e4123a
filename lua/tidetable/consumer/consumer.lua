-- consumer.lua - named consumers, whose position in a stream is stored in the database's file.
--
-- The workers of a consumer share its records (worker.lua, range.lua). This file creates, opens and
-- changes consumers, and contains the functions that deliver their records to a handler.

local batches = require "tidetable.consumer.batch"
local core = require "tidetable.core"
local dead_letters = require "tidetable.consumer.dead_letter"
local endings = require "tidetable.consumer.ending"
local lags = require "tidetable.consumer.lag"
local members = require "tidetable.members"
local options = require "tidetable.options"
local parked = require "tidetable.consumer.parked"
local positions = require "tidetable.stream.position"
local ranges = require "tidetable.consumer.range"
local request = require "tidetable.request"
local selections = require "tidetable.consumer.selection"
local settings = require "tidetable.consumer.settings"
local sources = require "tidetable.consumer.source"
local wait = require "tidetable.wait"
local waits = require "tidetable.consumer.wait_for"
local workers = require "tidetable.consumer.worker"

local misuse = options.misuse

local consumers = {}

--- Default number of shards, except with by = "transaction".
local SHARDS = 64

--- A number of shards that fits in a u16 and that the core rejects.
local SHARDS_TOO_MANY = 65535

--- A consumer. Its position, its settings and its statistics are in the file.
---@class tidetable.Consumer
---@field name string
---@field package id integer            in the file; a new consumer of the same name has another id
---@field package database tidetable.Database
---@field package wait (fun(wakeup: tidetable.Wakeup, seconds: number|nil))|false  the option `wait`
---@field package on_snapshot (fun(event: "begin"|"end", tx: tidetable.Transaction): any)|false
---@field package worker tidetable.Worker|false  from the first batch until close
---@field package is_running boolean    run or step has not returned
---@field package iteration table|false  identifies the last call of batches; false: after another
---                                     call
---@field package is_stopping boolean   stop was called
local Consumer = {}
Consumer.__index = Consumer
Consumer.__name = "tidetable.consumer"
Consumer.id, Consumer.wait, Consumer.worker = 0, false, false
Consumer.is_running, Consumer.is_stopping, Consumer.iteration = false, false, false
Consumer.on_snapshot = false

function Consumer:__tostring()
  return "tidetable.consumer: " .. self.name
end

-- Definition -----------------------------------------------------------------

--- Returns the number of shards that the options request; nil: any.
local function wanted_shards(opts)
  return opts.by == "transaction" and 1 or opts.shards and math.min(opts.shards, SHARDS_TOO_MANY)
end

--- Creates the consumer. Returns nil, err, "IN_USE" if it exists.
local function create(self, opts, source, kind, value)
  local database = self.database
  local streams, err, code = sources.streams(database, source)
  local ok
  if streams then
    ok, err, code = selections.check(database, opts, #streams == 1 and streams[1] or nil)
  end
  if not ok then
    return nil, err, code
  end
  local wanted = settings.stored(opts, source)
  return wait.try(database, core.consumer_create, database.core, self.name, streams, kind, value,
    wanted_shards(opts) or SHARDS, wanted, settings.hold_ms(wanted))
end

--- Returns the setting `by` if it differs from the stored one; nil: unchanged.
local function changed_by(stored, wanted)
  local by = wanted.by or "key"
  return by ~= (stored.by or "key") and by or nil
end

--- Verifies the filter and the projection for a consumer that exists.
local function check_selection(database, opts, existing, updates)
  local streams = existing.streams
  -- The stream of a consumer that is only opened may have been removed.
  return selections.check(database, opts, updates and #streams == 1
    and core.stream_table(database.core, streams[1]) and streams[1] or nil)
end

--- Compares the settings of the consumer, which exists, or replaces them.
local function compare_or_update(self, opts, source, existing)
  local database, shards = self.database, wanted_shards(opts)
  local updates = opts.update and sources.are_equal(existing.settings.source, source)
  local ok, err, code = check_selection(database, opts, existing, updates)
  if not ok then
    return nil, err, code
  end
  local wanted = settings.stored(opts, source)
  if updates then
    return wait.try(database, core.consumer_set, database.core, self.name, wanted,
      settings.hold_ms(wanted), shards or 0, changed_by(existing.settings, wanted))
  end
  return settings.compare(self.name, existing.settings, wanted,
    not shards or shards == existing.shards)
end

--- Creates the consumer, or compares its settings if it exists.
local function ensure(self, opts)
  local database, source = self.database, sources.stored(opts.source)
  local kind, value = positions.of(opts, "consumer")
  local existing, err, code = core.consumer_describe(database.core, self.name)
  if not existing and code == "NOT_FOUND" then
    local ok
    ok, err, code = create(self, opts, source, kind, value)
    if ok or code ~= "IN_USE" then
      return ok, err, code
    end
    existing, err, code = core.consumer_describe(database.core, self.name)
  end
  if not existing then
    return nil, err, code
  end
  return compare_or_update(self, opts, source, existing)
end

--- Verifies the options for a consumer that does not exist.
local function check_new(database, name, opts, source)
  if #name > 255 or not name:find "^[%w_.-]+$" then
    return core.consumer_failure("VALIDATION", ("consumer %q: a name has 1 to 255 characters of "
      .. "a-z, A-Z, 0-9, _, - and ."):format(name))
  end
  local streams, err, code = sources.streams(database, source)
  local ok
  if streams then
    ok, err, code = selections.check(database, opts, #streams == 1 and streams[1] or nil)
  end
  if not ok then
    return nil, err, code
  end
  return "create"
end

--- Verifies the options for a consumer that exists. Returns "open" or "update".
local function check_existing(database, name, opts, source, existing)
  local shards = wanted_shards(opts)
  local has_shards = not shards or shards == existing.shards
  local updates = opts.update and sources.are_equal(existing.settings.source, source)
  local ok, err, code = check_selection(database, opts, existing, updates)
  if not ok then
    return nil, err, code
  end
  local wanted = settings.stored(opts, source)
  local same, differs, why = settings.compare(name, existing.settings, wanted, has_shards)
  if same then
    return "open"
  elseif not updates then
    return nil, differs, why
  elseif not existing.is_paused and not (has_shards and not changed_by(existing.settings, wanted))
  then
    return core.consumer_failure("CONSUMER_DIFFERS", ("consumer %s: by and shards can be changed"
      .. " only while it is paused"):format(name))
  end
  return "update"
end

--- Reads the options of db:consumer, which must contain a source.
local function read_options(opts, subject)
  opts = request.check(opts, settings.options, subject)
  if opts.source == nil then
    misuse(subject .. ': the option "source" is missing')
  end
  settings.check(opts)
  return opts
end

--- Verifies the options of `open`, and changes nothing. Returns what `open` would do with the
--- consumer: "create", "open" or "update". Errors: as `open`.
---@param database tidetable.Database
---@param name string
---@param opts tidetable.ConsumerOptions
---@return "create"|"open"|"update"|nil, tidetable.error|nil err, tidetable.code|nil code
function consumers.check(database, name, opts)
  options.argument("check_consumer", "name", function(value)
    return type(value) ~= "string" and "a string" or nil
  end, name)
  opts = read_options(opts, "check_consumer")
  local ok, err, code = true, nil, nil
  if opts.dead_letter then
    ok, err, code = dead_letters.check(database, opts.dead_letter)
  end
  local existing
  if ok then
    positions.of(opts, "consumer")
    existing, err, code = core.consumer_describe(database.core, name)
  end
  if existing then
    return check_existing(database, name, opts, sources.stored(opts.source), existing)
  elseif code == "NOT_FOUND" and ok then
    return check_new(database, name, opts, sources.stored(opts.source))
  end
  return nil, err, code
end

---@class tidetable.ConsumerOptions : tidetable.ConsumerSettings, tidetable.PositionOptions
---@field source string|tidetable.Table|(string|tidetable.Table)[]|nil  the table whose stream is
---                                  read, or several; "*": all tables; nil: the consumer must exist
---@field shards integer|nil         number of virtual shards; default 64
---@field update boolean|nil         true: store these settings if the consumer has others
---@field on_snapshot (fun(event: "begin"|"end", tx: tidetable.Transaction): any)|nil  called in the
---                                  first and in the last commit of a snapshot; not stored

--- Returns a consumer, and creates it if it does not exist. The start position (from, at, after,
--- time) is used only at creation. Errors: NOT_FOUND (no such consumer, table or stream),
--- CONSUMER_DIFFERS, PARKED, VALIDATION, AHEAD, LIMIT, BUSY, NESTED, READ_ONLY, FULL, DISK_FULL.
---@param database tidetable.Database
---@param name string
---@param opts tidetable.ConsumerOptions|nil
---@return tidetable.Consumer|nil, tidetable.error|nil err, tidetable.code|nil code
function consumers.open(database, name, opts)
  if type(name) ~= "string" then
    misuse("consumer: expected a name, got " .. type(name))
  end
  opts = request.check(opts, settings.options, "consumer")
  local self = setmetatable({ name = name, database = database, wait = opts.wait or false,
    on_snapshot = opts.on_snapshot or false },
    Consumer)
  local ok, err, code
  if opts.source == nil then
    if settings.are_given(opts) or positions.is_given(opts) or opts.shards then
      misuse('consumer: the option "source" is missing')
    end
    ok = true
  else
    settings.check(opts)
    ok = true
    if opts.dead_letter then
      ok, err, code = dead_letters.check(database, opts.dead_letter)
    end
    if ok then
      ok, err, code = ensure(self, opts)
    end
  end
  local row
  if ok then
    row, err, code = core.consumer_describe(database.core, name)
  end
  if not row then
    return nil, err, code
  end
  self.id = row.id
  return self
end

--- Returns the names of all consumers, in byte order; with lag = true their lags, read in one
--- snapshot.
---@param database tidetable.Database
---@param opts {lag: boolean|nil}|nil
---@return string[]|tidetable.NamedLag[]|nil, tidetable.error|nil err, tidetable.code|nil code
function consumers.list(database, opts)
  opts = options.check(opts, { lag = "boolean" }, "list_consumers")
  if opts.lag then
    return lags.all(database)
  end
  return core.consumer_names(database.core)
end

---@class tidetable.ConsumerDescription
---@field name string
---@field source string|string[]  name of the table, or names of several; "*": all tables
---@field settings tidetable.ConsumerSettings
---@field position integer       sequence number up to which all records were processed
---@field last_sequence_number integer  of the last change in the database
---@field is_paused boolean
---@field is_copying boolean     a snapshot is being delivered
---@field copied integer|nil     number of its items that were delivered; nil: not copying
---@field has_owner boolean      a worker has joined and not left; its process may have ended
---@field is_running boolean     such a worker is alive
---@field attempts integer       failed attempts of the batch after the position; the greatest
---                              number of all ranges
---@field records integer        number of records handled
---@field batches integer        number of batches committed
---@field failures integer       number of failed attempts
---@field gaps integer           number of gaps, in which records may have been lost
---@field parked integer         number of parked records
---@field parked_bytes integer   size of the parked records
---@field replays integer        number of parked records that are marked for replay
---@field dead_letters integer   number of records that were put into the dead letter table
---@field takeovers integer      how often a worker took over a range whose owner had been killed or
---                              stopped, or had exceeded handler_limit
---@field shards integer
---@field created_at number
---@field lag tidetable.ConsumerLag
---@field warning string|nil     text if its hold is released, or 80 % of a limit of that is used
---@field ended tidetable.ConsumerEnd|nil  error that ended its last run; nil if there was none, or
---                              the consumer was run again or its position was set after it

--- Returns whether any range of the consumer has an owner, whether any owner is alive, and the
--- greatest number of failed attempts of a range's batch.
local function summary(database, row)
  local complete = settings.complete(row.settings)
  local has_owner, is_running, attempts = false, false, 0
  for _, range in ipairs(row.ranges) do
    attempts = math.max(attempts, range.attempts)
    if range.opening then
      has_owner = true
      is_running = is_running or (core.worker_is_alive(database.core, range.opening, range.worker,
        row.id, complete.lease, complete.handler_limit))
    end
  end
  return has_owner, is_running, attempts
end

--- Describes the consumer. Returns NOT_FOUND if it was deleted.
---@return tidetable.ConsumerDescription|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:describe()
  local row, err, code = core.consumer_describe(self.database.core, self.name)
  if not row then
    return nil, err, code
  end
  local lag, text
  lag, text, code = lags.of(self.database, self.name)
  if not lag then
    return nil, text, code
  end
  local has_owner, is_running, attempts = summary(self.database, row)
  return {
    name = self.name, source = sources.shown(row.settings.source),
    settings = settings.complete(row.settings), position = row.position,
    last_sequence_number = row.last_sequence, is_paused = row.is_paused,
    is_copying = row.is_copying, copied = row.copied,
    has_owner = has_owner, is_running = is_running,
    attempts = attempts, records = row.records,
    batches = row.batches, failures = row.failures, gaps = row.gaps, shards = row.shards,
    created_at = row.created_at, parked = row.parked, parked_bytes = row.parked_bytes,
    replays = row.replays, dead_letters = row.dead_letters, takeovers = row.takeovers, lag = lag,
    warning = text, ended = endings.of(row),
  }
end

--- A range of shards with its worker, or a worker that waits for a range.
---@class tidetable.ConsumerWorker
---@field first integer|nil      first and last shard of the range; nil: the worker waits for one
---@field last integer|nil
---@field position integer|nil   sequence number of the range's last processed record
---@field attempts integer|nil   failed attempts of the batch after the position
---@field id integer|nil         number of the worker in this list; nil: the range has no worker. A
---                             worker has two ranges during a takeover
---@field pid integer|nil        process of the worker
---@field is_alive boolean       the worker is alive; if not, another worker takes over its range
---@field in_handler boolean|nil
---@field seconds number|nil     time since its last heartbeat; in a handler, since that was called
---@field waits_for tidetable.code|nil  temporary failure that prevents its progress; nil: none

--- Returns the ranges of shards and their workers in the order of the shards, then the workers that
--- wait for a range. Returns NOT_FOUND if the consumer was deleted.
---@return tidetable.ConsumerWorker[]|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:workers()
  return ranges.list(self)
end

--- Returns the lag of the consumer. Returns NOT_FOUND if it was deleted.
---@return tidetable.ConsumerLag|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:lag()
  local lag, err, code = lags.of(self.database, self.name)
  if not lag then
    return nil, err, code
  end
  return lag
end

--- Waits until the consumer has processed a change: its record was handled, parked or ignored, or
--- the source has no record of it. Returns true and, if the record is parked, "parked"; false after
--- `seconds`. Errors: CONSUMER_PAUSED, CONSUMER_GONE, AHEAD (no such change), and the error that
--- stopped the last run. Raises an error in the consumer's own handler.
---@param sequence integer|nil  sequence number; nil: db:last_change()
---@param seconds number|nil    maximum time to wait; nil, math.huge: no limit
---@return boolean|nil, tidetable.error|"parked"|nil err, tidetable.code|nil code
function Consumer:wait_for(sequence, seconds)
  return waits.wait_for(self, sequence, seconds)
end

-- Commands -------------------------------------------------------------------

--- Stops the delivery of records until `resume` is called. The pause is stored in the file: it
--- applies to all programs. A batch that is being handled can still be committed. Returns
--- NOT_FOUND, BUSY, NESTED, READ_ONLY on failure.
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:pause()
  return wait.write(self.database, function()
    return core.consumer_pause(self.database.core, self.name, true)
  end)
end

--- Ends a pause.
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:resume()
  return wait.write(self.database, function()
    return core.consumer_pause(self.database.core, self.name, false)
  end)
end

--- Sets the position, also of a running consumer.
local function move(self, opts, subject)
  opts = options.check(opts, positions.with_consumer_options { discard = "boolean" }, subject)
  if not positions.is_given(opts) then
    misuse(subject .. ": one of the options from, at, after and time is missing")
  end
  local kind, value = positions.of(opts, subject)
  return parked.finish(self, core.consumer_move, kind, value, opts.discard or false)
end

--- Sets the position, to an earlier or a later one. Delivery continues there; the commit of a batch
--- that is being handled fails. Returns PARKED if records after the new position are parked; the
--- option `discard = true` removes them. Other errors: NOT_FOUND, AHEAD, BUSY, NESTED, READ_ONLY.
---@param opts tidetable.PositionOptions
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:seek(opts)
  return move(self, opts, "seek")
end

--- Deletes the consumer. Its workers stop with CONSUMER_GONE. Returns PARKED if records are parked;
--- the option `discard = true` removes them. Other errors: NOT_FOUND, BUSY, NESTED, READ_ONLY.
---@param opts { discard: boolean|nil }|nil
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:delete(opts)
  opts = options.check(opts, { discard = "boolean" }, "delete")
  return parked.finish(self, core.consumer_delete, opts.discard or false)
end

--- Returns an iterator over parked records. Those of the same key are in sequence order; with
--- by = "transaction" all are, and whole transactions that have one of the records. Raises
--- NOT_FOUND if the consumer was deleted.
---@param opts tidetable.ParkedOptions|nil
---@return fun(): tidetable.ParkedRecord|nil
function Consumer:parked(opts)
  return parked.iterate(self, opts)
end

--- Marks parked records for replay: they are delivered again. Marks the oldest records of each key
--- first. With by = "transaction" marks transactions, and before them those that must be delivered
--- first. Returns the number of newly marked records or transactions. Errors: NOT_FOUND,
--- VALIDATION (the key), BUSY, NESTED, READ_ONLY.
---@param opts tidetable.ParkedOptions|nil
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function Consumer:replay(opts)
  return parked.change(self, "replay", opts)
end

--- Removes parked records; with by = "transaction" the transactions that have one of them. Returns
--- the number of records or transactions. Errors: as replay.
---@param opts tidetable.ParkedOptions|nil
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function Consumer:discard(opts)
  return parked.change(self, "discard", opts)
end

-- Handling -------------------------------------------------------------------

---@alias tidetable.Handler fun(records: tidetable.Record[], tx: tidetable.Transaction): any, any

local function check_handler(handler, subject)
  if type(handler) ~= "function" then
    misuse(subject .. ": expected a function, got " .. type(handler))
  end
end

--- Marks the consumer as running until the returned value is closed. Returns it and the worker.
---@param self tidetable.Consumer
---@param subject string  name of the called function
---@return table guard, tidetable.Worker worker
function consumers.begin(self, subject)
  if self.is_running then
    misuse(subject .. ": this consumer is already running; open it again for a second worker")
  end
  self.is_running, self.iteration = true, false
  self.worker = self.worker or workers.new(self)
  return setmetatable({}, { __close = function() self.is_running = false end }), self.worker
end

--- Calls the handler with one batch after another until `stop` is called. The handler's writes
--- through tx and the new position are one commit: effects in this file happen exactly once. Waits
--- while other workers own all shards. Returns true after stop. Errors: CONSUMER_GONE,
--- SOURCE_GONE, STREAM_GAP, TRIMMED, BATCH_FAILED, LOOP, PARKED_FULL, CORRUPT, and those of a wait.
---@param handler tidetable.Handler
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:run(handler)
  check_handler(handler, "run")
  local _ <close>, worker = consumers.begin(self, "run")
  local _ <close> = worker
  while not self.is_stopping do
    local count, err, code = worker:handle(handler, math.huge)
    if not count then
      endings.note(worker, err, code)
      return nil, err, code
    end
  end
  return true
end

--- Calls the handler with one batch, without waiting. Returns the number of its records; 0 if there
--- is no batch, the consumer is paused, or other workers own all shards. Returns BATCH_FAILED after
--- a failed attempt; other errors as run. The worker keeps its shards until `close` is called.
---@param handler tidetable.Handler
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function Consumer:step(handler)
  check_handler(handler, "step")
  local _ <close>, worker = consumers.begin(self, "step")
  if self.is_stopping then
    self.is_stopping = false
    return 0
  end
  return worker:handle(handler, 0)
end

--- Returns an iterator over batches, which ends when `stop` is called. The program commits each
--- batch with batch:commit(function(tx) ... end) before it reads the next one. Raises the errors of
--- run.
---@return fun(): tidetable.Batch|nil
function Consumer:batches()
  local iteration = {}
  do
    local _ <close> = consumers.begin(self, "batches")
  end
  self.iteration = iteration
  return batches.iterate(self.worker, function()
    if self.iteration ~= iteration or self.is_running then
      misuse "batches: the iteration has ended, because run, step or batches was called"
    end
  end)
end

--- Stops run and batches after the current batch, and interrupts their waits. May be called in a
--- handler, in another coroutine, and before run.
function Consumer:stop()
  self.is_stopping = true
  if self.worker then
    self.worker:interrupt()
  end
end

--- Gives up the worker's shards after calls of step, or after a `break` out of a loop over batches,
--- so that another worker need not wait for the lease.
function Consumer:close()
  if self.is_running then
    misuse("close: this consumer is running; call stop")
  end
  self.iteration = false
  if self.worker then
    self.worker:close()
  end
end

Consumer.__close = Consumer.close

options.methods(Consumer, "consumer")
members.guard(Consumer, "consumer")

return consumers
