-- view.lua - views: tables that the library keeps equal to a function of another table.
--
-- A view is a consumer with the view's name, whose handler (batch.lua) changes the view's table and
-- its state (state.lua) in the transaction that moves the position. It delivers whole transactions,
-- so one worker at a time maintains the view, and others wait to take over.

local attempts = require "tidetable.consumer.attempt"
local batches = require "tidetable.view.batch"
local checks = require "tidetable.view.check"
local consumers = require "tidetable.consumer.consumer"
local core = require "tidetable.core"
local definitions = require "tidetable.view.definition"
local endings = require "tidetable.consumer.ending"
local members = require "tidetable.members"
local opening = require "tidetable.view.opening"
local options = require "tidetable.options"
local state = require "tidetable.view.state"
local steps = require "tidetable.view.step"
local wait = require "tidetable.wait"

local views = {}

--- Maximum number of seconds of a wait during a snapshot, whose end has no records.
local COPY_WAIT = 0.05
--- Seconds between two attempts to become the owner.
local STANDBY = 0.05
--- Seconds between two reads of the state in wait_for.
local POLL = 0.01

--- A view. Its rows, its state and its position are in the file.
---@class tidetable.View
---@field name string
---@field package database tidetable.Database
---@field package definition tidetable.CompleteView
---@field package consumer tidetable.Consumer
---@field package into tidetable.Table
---@field package rows tidetable.Table       the state
---@field package names string[]             key attributes of the view's table
---@field package handler tidetable.Handler
---@field package was_marked boolean          a snapshot has begun or ended
---@field package on_work (fun(records: tidetable.Record[]))|false  called before a batch or a step
local View = {}
View.__index = View
View.__name = "tidetable.view"
View.was_marked, View.on_work = false, false

function View:__tostring()
  return "tidetable.view: " .. self.name
end

-- Opening --------------------------------------------------------------------

--- Opens or creates the consumer.
local function open_consumer(view)
  local definition = view.definition
  local opts = {
    source = definition.from, from = "SNAPSHOT", by = "transaction", on_failure = "stop",
    max_attempts = 1, on_trimmed = "snapshot", on_gap = "snapshot", update = true,
    on_snapshot = function(event, tx) batches.on_snapshot(view, event, tx) end,
  }
  for name, value in pairs(definition.settings) do
    opts[name] = value
  end
  local err, code
  view.consumer, err, code = consumers.open(view.database, definition.name, opts)
  return view.consumer, err, code
end

--- Reports that a batch or a step begins.
local function note_work(view, records)
  if view.on_work then
    view.on_work(records)
  end
end

--- Opens a view, and creates it if it does not exist.
---@param database tidetable.Database
---@param given tidetable.ViewDefinition
---@return tidetable.View|nil, tidetable.error|nil err, tidetable.code|nil code
function views.open(database, given)
  local definition = definitions.complete(given)
  local view = setmetatable({ name = definition.name, database = database,
    definition = definition }, View)
  local ok, err, code = opening.open(view)
  if ok then
    ok, err, code = open_consumer(view)
  end
  if not ok then
    return nil, err, code
  end
  view.handler = function(records, tx)
    note_work(view, records)
    batches.apply(view, records, tx)
  end
  return view
end

-- Working --------------------------------------------------------------------

--- Reads the header, and stores in it that a program runs this version. Errors: CONSUMER_DIFFERS (a
--- higher version), CONSUMER_GONE.
local function read_header(view)
  local header, err, code = view.rows:get(state.HEADER)
  if header == nil and (err == nil or code == "NOT_FOUND") then
    return core.consumer_failure("CONSUMER_GONE", ("view %s was deleted"):format(view.name))
  elseif not header then
    return nil, err, code
  end
  local ok
  ok, err, code = opening.check_header(view.definition, header)
  if not ok then
    return nil, err, code
  elseif header.wanted == view.definition.version then
    return header
  end
  ok, err, code = view.rows:update(state.HEADER, "SET wanted = ?", { view.definition.version,
    condition = "wanted < ?", view.definition.version })
  if not ok and code ~= "CONDITION_FAILED" then
    return nil, err, code
  end
  return read_header(view)
end

--- Handles an error of a step or of the worker. Returns 0 if it can go on.
local function tolerate(worker, seconds, err, code)
  if worker:has_recovered(code) then
    return 0
  elseif attempts.temporary[code] and seconds > 0 then
    local ok
    ok, err, code = worker:sleep_after_failure(code)
    if ok then
      return 0
    end
  end
  return nil, err, code
end

--- Returns the error of a higher version, if that is why a batch has failed.
local function explain(view, err, code)
  if code == "BATCH_FAILED" then
    local header = view.rows:get(state.HEADER)
    if header then
      local ok, differs_err, differs_code = opening.check_header(view.definition, header)
      if not ok then
        return nil, differs_err, differs_code
      end
    end
  end
  return nil, err, code
end

--- Waits until this worker may become the owner.
local function stand_by(view, worker, seconds)
  if seconds > 0 then
    core.worker_beat(view.database.core, worker.slot or 0)
    local ok, err, code = worker:doze(math.min(seconds, STANDBY))
    if not ok then
      return nil, err, code
    end
  end
  return 0
end

--- Handles records, and waits for them. Returns their number. Closes windows if there are none.
local function handle(view, worker, header, seconds)
  local limit = math.min(seconds, steps.seconds_to_close(view, header))
  if worker.copy or header.phase == "copying" then
    limit = math.min(limit, COPY_WAIT)
  end
  local count, err, code = worker:handle(view.handler, limit)
  if count == 0 and not view.was_marked and worker.epoch then
    header, err, code = read_header(view)
    if not header then
      return nil, err, code
    end
    return steps.close_idle(view, worker, header)
  end
  return count, err, code
end

--- Handles the available records between two steps, and lets other coroutines run. Returns the
--- number of rows and records.
local function after_step(view, worker, seconds, count)
  if not worker.epoch then
    return count
  end
  local more, err, code = worker:handle(view.handler, 0)
  if more and seconds > 0 and worker.reader then
    local ok
    ok, err, code = worker.reader:yield()
    more = ok and more
  end
  return more and count + more, err, code
end

--- Runs the next step or batch. Returns the number of rows and records; 0 if there was none within
--- `seconds`.
local function work(view, worker, seconds)
  view.was_marked = false
  local header, err, code = read_header(view)
  local owns, count
  if header then
    owns, err, code = worker:own()
  end
  if owns == false then
    return stand_by(view, worker, seconds)
  elseif owns then
    worker.returns_at_marks = true
    note_work(view, {})
    count, err, code = steps.next(view, worker, header)
    if count == 0 then
      count, err, code = handle(view, worker, header, seconds)
    elseif count then
      count, err, code = after_step(view, worker, seconds, count)
    end
  end
  if count then
    return count
  end
  count, err, code = tolerate(worker, seconds, err, code)
  if count then
    return count
  end
  return explain(view, err, code)
end

--- Maintains the view until `stop` is called. While another worker maintains it, waits. Returns
--- true after stop. Errors: CONSUMER_DIFFERS (another program has a higher version), CONSUMER_GONE,
--- SOURCE_GONE, BATCH_FAILED (an error in a function of the definition), and those of a consumer.
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function View:run()
  local consumer = self.consumer
  local _ <close>, worker = consumers.begin(consumer, "run")
  local _ <close> = worker
  while not consumer.is_stopping do
    local count, err, code = work(self, worker, math.huge)
    if not count then
      endings.note(worker, err, code)
      return nil, err, code
    end
  end
  return true
end

--- Does one step of the work, without waiting: handles one batch, stores rows of a new version, or
--- closes windows. Returns the number of records and rows; 0: there is nothing to do, or another
--- worker maintains the view. Errors as for run.
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function View:step()
  local _ <close>, worker = consumers.begin(self.consumer, "step")
  if self.consumer.is_stopping then
    self.consumer.is_stopping = false
    return 0
  end
  local count, err, code
  repeat
    count, err, code = work(self, worker, 0)
  until count ~= 0 or not self.was_marked
  if not count then
    endings.note(worker, err, code)
  end
  return count, err, code
end

--- Stops run after the current batch. May be called in another coroutine, and before run.
function View:stop()
  self.consumer:stop()
end

--- Gives up the ownership after calls of step.
function View:close()
  self.consumer:close()
end

View.__close = View.close

-- Commands -------------------------------------------------------------------

--- Builds the view again from a snapshot of the source. Its rows stay readable and are merged. If
--- the source was deleted and another table has its name now, the view continues with that one.
--- Errors: NOT_FOUND, VALIDATION, BUSY, NESTED, READ_ONLY.
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function View:rebuild()
  local row = core.consumer_describe(self.database.core, self.name)
  local ended = row and endings.of(row)
  if not ended or ended.code ~= "SOURCE_GONE" then
    return self.consumer:seek { from = "SNAPSHOT" }
  elseif self.consumer.is_running then
    options.misuse "rebuild: the view is running"
  end
  local source, err, code = opening.describe_source(self.database, self.definition)
  if not source then
    return nil, err, code
  end
  self.consumer:close()
  local ok
  ok, err, code = self.consumer:delete()
  if ok then
    ok, err, code = open_consumer(self)
  end
  if not ok then
    return nil, err, code
  end
  return true
end

--- Deletes the view: its consumer and its state. Its table stays, unless `table = true` deletes it.
--- Errors: NOT_FOUND, BUSY, NESTED, READ_ONLY.
---@param opts { table: boolean|nil }|nil
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function View:delete(opts)
  opts = options.check(opts, { table = "boolean" }, "delete")
  local ok, err, code = self.consumer:delete()
  if ok or code == "NOT_FOUND" then
    ok, err, code = self.database:delete_table(self.definition.state)
  end
  if opts.table and (ok or code == "NOT_FOUND") then
    ok, err, code = self.database:delete_table(self.definition.into)
  end
  if not ok then
    return nil, err, code
  end
  return true
end

---@class tidetable.ViewDescription
---@field name string
---@field from string
---@field into string
---@field version integer        that this handle declares
---@field stored_version integer  that the state is of; 0: none yet
---@field phase "copying"|"merging"|"live"
---@field copied integer|nil     number of items of the snapshot that were read; nil: not copying
---@field watermark number|nil   with a window
---@field late integer|nil       with a window: changes of final windows, which were not applied
---@field ahead integer|nil      with a window: changes with a time after the file's clock
---@field position integer
---@field last_sequence_number integer
---@field lag tidetable.ConsumerLag
---@field warning string|nil
---@field ended tidetable.ConsumerEnd|nil  error that ended the last run
---@field is_paused boolean
---@field is_running boolean
---@field has_owner boolean
---@field records integer
---@field batches integer
---@field created_at number

--- Describes the view. Returns NOT_FOUND if it was deleted.
---@return tidetable.ViewDescription|nil, tidetable.error|nil err, tidetable.code|nil code
function View:describe()
  local about, err, code = self.consumer:describe()
  if not about then
    return nil, err, code
  end
  local header
  header, err, code = self.rows:get(state.HEADER)
  if not header and (not err or code == "NOT_FOUND") then
    return core.consumer_failure("NOT_FOUND", ("view %s was deleted"):format(self.name))
  elseif not header then
    return nil, err, code
  end
  local definition = self.definition
  local window = definition.window
  return {
    name = self.name, from = definition.from, into = definition.into,
    version = definition.version, stored_version = header.version, phase = header.phase,
    copied = about.copied, watermark = window and header.watermark,
    late = window and header.late, ahead = window and header.ahead,
    position = about.position, last_sequence_number = about.last_sequence_number,
    lag = about.lag, warning = about.warning, ended = about.ended, is_paused = about.is_paused,
    is_running = about.is_running, has_owner = about.has_owner, records = about.records,
    batches = about.batches, created_at = about.created_at,
  }
end

--- Returns true if the view with this name is built; false if not yet; nil, err, code if a run must
--- be started again first.
---@param database tidetable.Database
---@param name string
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function views.is_built(database, name)
  local rows, err, code = database:table(definitions.state_name(name))
  local header, row
  if rows then
    header, err, code = rows:get(state.HEADER)
  end
  if header then
    row, err, code = core.consumer_describe(database.core, name)
  end
  local ended = row and endings.of(row)
  if header and header.phase == "live" then
    return true
  elseif ended then
    return core.consumer_failure(ended.code, ("view %s: its last run has ended: %s"):format(name,
      ended.message))
  elseif not row then
    return nil, err, code
  end
  return false
end

--- Waits until the view contains a change of its source. Parameters and results are those of
--- Consumer:wait_for.
---@param sequence integer|nil  sequence number; nil: db:last_change()
---@param seconds number|nil    maximum time to wait; nil, math.huge: no limit
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function View:wait_for(sequence, seconds)
  local deadline = core.process_elapsed() + (seconds or math.huge)
  local processed, err, code = self.consumer:wait_for(sequence, seconds)
  while processed do
    local built
    built, err, code = views.is_built(self.database, self.name)
    if built ~= false then
      return built, err, code
    elseif core.process_elapsed() >= deadline then
      return false
    end
    wait.pause(self.consumer.wait or self.database.wait, POLL)
  end
  return processed, err, code
end

--- Compares the view with a computation from its source, at the view's position (check.lua).
---@param opts tidetable.ViewCheckOptions|nil
---@return tidetable.ViewReport|nil, tidetable.error|nil err, tidetable.code|nil code
function View:check(opts)
  return checks.compare(self.database, self.definition, opts)
end

options.methods(View, "view")
members.guard(View, "view")

-- The module -----------------------------------------------------------------

views.validate = definitions.validate

--- Verifies what db:view would do with a definition, and changes nothing: "create", "open", or
--- "rebuild", if the version is another one. Errors: as db:view.
---@param database tidetable.Database
---@param given tidetable.ViewDefinition
---@return "create"|"open"|"rebuild"|nil, tidetable.error|nil err, tidetable.code|nil code
function views.verify(database, given)
  return opening.verify(database, definitions.complete(given))
end

--- Compares a view with a computation from its source. Creates nothing, and needs no write access.
---@param database tidetable.Database
---@param given tidetable.ViewDefinition
---@param opts tidetable.ViewCheckOptions|nil
---@return tidetable.ViewReport|nil, tidetable.error|nil err, tidetable.code|nil code
function views.check(database, given, opts)
  return checks.compare(database, definitions.complete(given), opts)
end

return views
