-- consumer.lua - named consumers: they keep their position in a stream in the database's file.
--
-- A consumer is handled by one worker at a time (worker.lua). This file creates, finds and changes
-- consumers, and gives their records to a handler.

local batches = require "tidetable.consumer.batch"
local core = require "tidetable.core"
local dead_letters = require "tidetable.consumer.dead_letter"
local endings = require "tidetable.consumer.ending"
local lags = require "tidetable.consumer.lag"
local members = require "tidetable.members"
local options = require "tidetable.options"
local parked = require "tidetable.consumer.parked"
local positions = require "tidetable.stream.position"
local settings = require "tidetable.consumer.settings"
local sources = require "tidetable.consumer.source"
local wait = require "tidetable.wait"
local waits = require "tidetable.consumer.wait_for"
local workers = require "tidetable.consumer.worker"

local misuse = options.misuse

local consumers = {}

--- Number of shards of a consumer, unless the options give another one.
local SHARDS = 64

--- A number of shards that is too great, and that the core can be given.
local SHARDS_TOO_MANY = 65535

--- A consumer. Its position, its settings and its statistics are in the file.
---@class tidetable.Consumer
---@field name string
---@field package id integer            of the consumer in the file; a later one of the same name
---                                     has another id
---@field package database tidetable.Database
---@field package wait (fun(wakeup: tidetable.Wakeup, seconds: number|nil))|false  the option `wait`
---@field package on_snapshot (fun(event: "begin"|"end", tx: tidetable.Transaction): any)|false
---@field package worker tidetable.Worker|false  from the first batch until close
---@field package is_running boolean    run or step has not ended
---@field package iteration table|false  identifies the last call of batches, if it is the last call
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

--- Creates the consumer, or compares its settings if it exists.
local function ensure(self, opts)
  local database, source = self.database, sources.stored(opts.source)
  local kind, value = positions.of(opts, "consumer")
  local wanted = settings.stored(opts, source)
  local existing, err, code = core.consumer_describe(database.core, self.name)
  if not existing and code == "NOT_FOUND" then
    local streams
    streams, err, code = sources.streams(database, source)
    if not streams then
      return nil, err, code
    end
    local ok
    ok, err, code = wait.try(database, core.consumer_create, database.core, self.name, streams,
      kind, value, math.min(opts.shards or SHARDS, SHARDS_TOO_MANY), wanted,
      settings.hold_ms(wanted))
    if ok then
      return true
    elseif code ~= "IN_USE" then
      return nil, err, code
    end
    existing, err, code = core.consumer_describe(database.core, self.name)
  end
  if not existing then
    return nil, err, code
  end
  local has_shards = opts.shards == nil or opts.shards == existing.shards
  if opts.update and has_shards and sources.are_equal(existing.settings.source, source) then
    return wait.try(database, core.consumer_set, database.core, self.name, wanted,
      settings.hold_ms(wanted))
  end
  return settings.compare(self.name, existing.settings, wanted, has_shards)
end

---@class tidetable.ConsumerOptions : tidetable.ConsumerSettings, tidetable.PositionOptions
---@field source string|tidetable.Table|(string|tidetable.Table)[]|nil  the table whose stream is
---                                  read, or several; "*": all tables; nil: the consumer must exist
---@field shards integer|nil         number of virtual shards; default 64
---@field update boolean|nil         true: store these settings if the consumer has others
---@field on_snapshot (fun(event: "begin"|"end", tx: tidetable.Transaction): any)|nil  called in the
---                                  commits with which a snapshot begins and ends; not stored

--- Returns a consumer, and creates it if it does not exist. The start position (from, at, after,
--- time) counts at creation only. Errors: NOT_FOUND (no such consumer, table or stream),
--- CONSUMER_DIFFERS, VALIDATION, AHEAD, LIMIT, BUSY, NESTED, READ_ONLY, FULL, DISK_FULL.
---@param database tidetable.Database
---@param name string
---@param opts tidetable.ConsumerOptions|nil
---@return tidetable.Consumer|nil, tidetable.error|nil err, tidetable.code|nil code
function consumers.open(database, name, opts)
  if type(name) ~= "string" then
    misuse("consumer: expected a name, got " .. type(name))
  end
  opts = options.check(opts, settings.options, "consumer")
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

--- Returns the names of all consumers, in byte order; with lag = true their lags, of one snapshot.
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
---@field position integer       sequence number of the last record that was passed
---@field last_sequence_number integer  of the last change in the database
---@field is_paused boolean
---@field is_copying boolean     a snapshot is being delivered
---@field copied integer|nil     number of its items that were delivered; nil: no snapshot is
---@field has_owner boolean      a worker has joined and not left; its process may have ended
---@field is_running boolean     that worker is alive
---@field attempts integer       failed attempts of the batch after the position
---@field records integer        number of records handled
---@field batches integer        number of batches committed
---@field failures integer       number of failed attempts
---@field gaps integer           number of times that records may have been lost
---@field parked integer         number of parked records
---@field parked_bytes integer   size of these
---@field replays integer        number of these that are to be delivered again
---@field dead_letters integer   number of records that were put into the table of dead letters
---@field shards integer
---@field created_at number
---@field lag tidetable.ConsumerLag
---@field warning string|nil     its hold is released, or 80 % of a limit of the hold is used
---@field ended tidetable.ConsumerEnd|nil  error that ended its last run; nil: none, or it has been
---                              run or moved since

--- Returns true if the consumer has an owner that is alive.
local function is_running(database, row)
  local complete = settings.complete(row.settings)
  return row.opening ~= nil and (core.worker_is_alive(database.core, row.opening, row.worker,
    row.id, complete.lease, complete.handler_limit))
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
  return {
    name = self.name, source = sources.shown(row.settings.source),
    settings = settings.complete(row.settings), position = row.position,
    last_sequence_number = row.last_sequence, is_paused = row.is_paused,
    is_copying = row.is_copying, copied = row.copied,
    has_owner = row.opening ~= nil, is_running = is_running(self.database, row),
    attempts = row.attempts, records = row.records,
    batches = row.batches, failures = row.failures, gaps = row.gaps, shards = row.shards,
    created_at = row.created_at, parked = row.parked, parked_bytes = row.parked_bytes,
    replays = row.replays, dead_letters = row.dead_letters, lag = lag, warning = text,
    ended = endings.of(row),
  }
end

--- Returns how far the consumer is behind. Returns NOT_FOUND if it was deleted.
---@return tidetable.ConsumerLag|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:lag()
  local lag, err, code = lags.of(self.database, self.name)
  if not lag then
    return nil, err, code
  end
  return lag
end

--- Waits until the consumer has passed a change: its record was handled, parked or left out, or its
--- source has no record of it. Returns true and, if the record is parked, "parked"; false if the
--- change was not passed in time.
--- Errors: CONSUMER_PAUSED, CONSUMER_GONE, the error that ended its last run, AHEAD (no such
--- change). Raises an error in the consumer's own handler.
---@param sequence integer|nil  sequence number; nil: db:last_change()
---@param seconds number|nil    maximum time to wait; nil, math.huge: no limit
---@return boolean|nil, tidetable.error|"parked"|nil err, tidetable.code|nil code
function Consumer:wait_for(sequence, seconds)
  return waits.wait_for(self, sequence, seconds)
end

-- Commands -------------------------------------------------------------------

--- Stops the delivery of records until `resume`, also for other programs and after a restart.
--- A batch that is being handled is finished. Returns NOT_FOUND, BUSY, NESTED, READ_ONLY.
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

--- Sets the position, also of a consumer that is running.
local function move(self, opts, subject)
  local known = positions.with_options { discard = "boolean" }
  known.from = positions.check_consumer_from
  opts = options.check(opts, known, subject)
  if not positions.is_given(opts) then
    misuse(subject .. ": one of the options from, at, after and time is missing")
  end
  local kind, value = positions.of(opts, subject)
  return parked.finish(self, core.consumer_move, kind, value, opts.discard or false)
end

--- Sets the position, to an earlier or a later one. A batch that is being handled can't be
--- committed any more, and delivery continues at the new position. Returns PARKED if records after
--- that position are parked; the option `discard = true` removes these. Other errors: NOT_FOUND,
--- AHEAD, BUSY, NESTED, READ_ONLY.
---@param opts tidetable.PositionOptions
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:seek(opts)
  return move(self, opts, "seek")
end

--- Deletes the consumer. A worker of it ends with CONSUMER_GONE. Returns PARKED if records are
--- parked; the option `discard = true` removes these. Other errors: NOT_FOUND, BUSY, NESTED,
--- READ_ONLY.
---@param opts { discard: boolean|nil }|nil
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:delete(opts)
  opts = options.check(opts, { discard = "boolean" }, "delete")
  return parked.finish(self, core.consumer_delete, opts.discard or false)
end

--- Returns an iterator over parked records. Those of a key are in the order of their changes.
--- Raises NOT_FOUND if the consumer was deleted.
---@param opts tidetable.ParkedOptions|nil
---@return fun(): tidetable.ParkedRecord|nil
function Consumer:parked(opts)
  return parked.iterate(self, opts)
end

--- Marks parked records, so that they are delivered again. Of each key the oldest ones are marked
--- first. Returns the number of records that this call has marked. Errors:
--- NOT_FOUND, VALIDATION (the key), BUSY, NESTED, READ_ONLY.
---@param opts tidetable.ParkedOptions|nil
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function Consumer:replay(opts)
  return parked.change(self, "replay", opts)
end

--- Removes parked records. Returns their number. Errors: as replay.
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

--- Marks the consumer as running until the returned value is closed.
local function begin(self, subject)
  if self.is_running then
    misuse(subject .. ": this consumer is already running; open it again for a second worker")
  end
  self.is_running, self.iteration = true, false
  self.worker = self.worker or workers.new(self)
  return setmetatable({}, { __close = function() self.is_running = false end }), self.worker
end

--- Gives the records to the handler, batch by batch, until `stop` is called. What the handler
--- writes through tx and the new position are one commit: effects in this file happen exactly once.
--- If another worker handles the consumer, waits until that one ends. Returns true after stop.
--- Errors: CONSUMER_GONE, SOURCE_GONE, STREAM_GAP, TRIMMED, BATCH_FAILED, LOOP, PARKED_FULL,
--- CORRUPT, and those of a wait.
---@param handler tidetable.Handler
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function Consumer:run(handler)
  check_handler(handler, "run")
  local _ <close>, worker = begin(self, "run")
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

--- Gives one batch to the handler and returns the number of its records; 0 if there is none, if the
--- consumer is paused, or if another worker handles it. A failed attempt returns BATCH_FAILED.
--- Otherwise as run. It does not wait, and stays the worker of the consumer until `close`.
---@param handler tidetable.Handler
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function Consumer:step(handler)
  check_handler(handler, "step")
  local _ <close>, worker = begin(self, "step")
  if self.is_stopping then
    self.is_stopping = false
    return 0
  end
  return worker:handle(handler, 0)
end

--- Returns an iterator over batches, until `stop` is called. Each is committed by
--- batch:commit(function(tx) ... end) before the loop reads the next one. Raises the errors of run.
---@return fun(): tidetable.Batch|nil
function Consumer:batches()
  local iteration = {}
  do
    local _ <close> = begin(self, "batches")
  end
  self.iteration = iteration
  return batches.iterate(self.worker, function()
    if self.iteration ~= iteration or self.is_running then
      misuse "batches: the iteration has ended, because run, step or batches was called"
    end
  end)
end

--- Ends run and batches after the current batch, and ends their waits immediately. May be called in
--- a handler, from another coroutine, and before run.
function Consumer:stop()
  self.is_stopping = true
  if self.worker then
    self.worker:interrupt()
  end
end

--- Gives up the ownership after calls of step, or after a loop over batches that ended early, so
--- that another worker need not wait for the lease.
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
