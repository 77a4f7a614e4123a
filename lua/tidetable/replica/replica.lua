-- replica.lua - replication, one way: a replica in a target database follows the tables of a
-- source.
--
-- The core's sender reads the source and returns frames; the core applies them to the target, with
-- the new position, in one commit (csrc/api/sender.c, csrc/table/apply.c). This file contains the
-- loop that calls both and waits for changes.

local core = require "tidetable.core"
local holds = require "tidetable.replica.hold"
local options = require "tidetable.options"
local readers = require "tidetable.stream.reader"
local receivers = require "tidetable.replica.receiver"
local wait = require "tidetable.wait"

local misuse = options.misuse

local replicas = {}

--- Bytes of frames after which they are applied.
local BATCH = 1024 * 1024

--- Seconds for which a position without changes may wait for its commit.
local QUIET = 1

--- Number of times that frames may be refused because the position was moved.
local MOVES_MAX = 3

--- Seconds between two checks of a waiting replication whether its replica was promoted.
local CHECK_INTERVAL = 1

--- Seconds between two checks of a clock that replaces the process's.
local CLOCK_INTERVAL = 0.01

---@class tidetable.Replication
---@field receiver tidetable.replica.Receiver
---@field source tidetable.Database
---@field opts { wait: (fun(wakeup: tidetable.Wakeup, seconds: number|nil))|nil }
---@field hold tidetable.replica.Hold|nil
---@field sender userdata|nil
---@field restarts boolean       the next sender copies all tables again
---@field batch integer          bytes of frames after which they are applied
---@field waiting string         frames that were read and not applied yet
---@field waits_since number|nil process_elapsed when they began to wait
---@field moves integer          frames that were refused since some were applied
---@field position integer       of the target, in the source
---@field head integer           last sequence number of the source when it was read last
---@field is_copying boolean
---@field is_stopping boolean
---@field checked_at number|nil process_elapsed of the last check whether it was promoted
---@field wakeup tidetable.Wakeup|nil
local Replication = {}
Replication.__index = Replication
Replication.__name = "tidetable.replication"

local function check_names(value)
  if type(value) ~= "table" or #value == 0 or not options.is_tuple(value, #value) then
    return "a list of names"
  end
  for _, name in ipairs(value) do
    if type(name) ~= "string" or name == "" then
      return "a list of names"
    end
  end
end

local function check_hold(value)
  if value == false or value == true then
    return nil
  end
  local wrong = options.seconds(value)
  return (wrong or value == math.huge) and "false, true, or a finite number of seconds" or nil
end

local function check_name(value)
  if type(value) ~= "string" or #value > 200 or not value:find "^[%w_.-]+$" then
    return "1 to 200 characters of a-z, A-Z, 0-9, _, . and -"
  end
end

local replicate_options = {
  name = check_name, tables = check_names, adopt = "boolean", skip = "boolean", strict = "boolean",
  lose = options.integer_from(0), hold = check_hold, wait = "function",
}

---@class tidetable.ReplicateOptions
---@field name string|nil        of the replica; default "replica"
---@field tables string[]|nil    names of the tables to replicate; default all, also later ones
---@field adopt boolean|nil      true: tables that exist in the target are made equal to those of
---                              the source; default false: refused unless empty and alike
---@field skip boolean|nil       true: leave out tables that can't be followed; default false
---@field strict boolean|nil     true: fail when a table can no longer be followed; default false
---@field lose integer|nil       number of changes of the target that may be lost: those that a
---                              promoted source did not get
---@field hold boolean|number|nil  seconds for which the source keeps records for the replica beyond
---                              their retention; true: 86400, the default; false: it keeps none
---@field wait (fun(wakeup: tidetable.Wakeup, seconds: number|nil))|nil

--- Returns the names of tables in byte order, each once.
---@param names string[]|nil
---@return string[]
function replicas.sorted(names)
  local copy, has = {}, {}
  for _, name in ipairs(names or {}) do
    copy[#copy + 1], has[name] = not has[name] and name or nil, true
  end
  table.sort(copy, function(a, b) return core.compare_bytes(a, b) < 0 end)
  return copy
end

--- Returns the names of the tables that a replica has, or will have, in byte order; empty: all.
--- Checks that one that exists has those that are given.
---@param target tidetable.Database
---@param name string
---@param given string[]|nil  nil: those that it has
---@return string[]|nil, tidetable.error|nil err, tidetable.code|nil code
function replicas.tables(target, name, given)
  local tables = replicas.sorted(given)
  local found, err, code = core.replica(target.core, name)
  if not found then
    return code == "NOT_FOUND" and tables or nil, err, code
  end
  local stored = found.settings.tables or {}
  local has = replicas.sorted { table.unpack(stored, 1, #stored) }
  if given and table.concat(has, "/") ~= table.concat(tables, "/") then
    return core.invalid(("replica %s replicates %s: other tables require another replica"):format(
      name, #has > 0 and "the tables " .. table.concat(has, ", ") or "all tables"))
  end
  return has
end

--- Returns a replication into a receiver.
---@param source tidetable.Database
---@param receiver tidetable.replica.Receiver
---@param hold tidetable.replica.Hold|nil
---@param opts table  with the option wait
---@return tidetable.Replication
function replicas.into(source, receiver, hold, opts)
  return setmetatable({
    receiver = receiver, source = source, opts = opts, hold = hold,
    batch = BATCH, restarts = false, waiting = "", moves = 0, position = 0, head = 0,
    is_copying = true, is_stopping = false,
  }, Replication)
end

--- Returns a hold in the source for a replica; nil if the option hold is false.
---@param source tidetable.Database
---@param hold boolean|number|nil  the option hold
---@param name string  of the replica
---@param target_id string  database id of the target
function replicas.hold(source, hold, name, target_id)
  if hold == nil or hold == true then
    hold = 86400
  end
  return hold and holds.new(source, name, target_id, hold) or nil
end

--- Returns a replication: target:replicate(source, options).
---@param target tidetable.Database
---@param source tidetable.Database
---@param opts tidetable.ReplicateOptions|nil
---@return tidetable.Replication|nil, tidetable.error|nil err, tidetable.code|nil code
function replicas.replicate(target, source, opts)
  opts = options.check(opts, replicate_options, "replicate")
  if getmetatable(source) ~= getmetatable(target) then
    misuse("replicate: expected a database as source, got " .. type(source))
  end
  local name = opts.name or "replica"
  local tables, err, code = replicas.tables(target, name, opts.tables)
  if not tables then
    return nil, err, code
  end
  local info
  info, err, code = target:info()
  if not info then
    return nil, err, code
  end
  return replicas.into(source, receivers.new(target, name, tables, opts),
    replicas.hold(source, opts.hold, name, info.database_id), opts)
end

-- Lag ------------------------------------------------------------------------

---@class tidetable.ReplicaLag
---@field changes integer     number of changes of the source after the position
---@field seconds number|nil  age of the oldest of them that has a record; 0: there are no changes;
---                           nil: not known
---@field copying boolean     true while the tables are being copied

--- Returns how far a position is behind the last change of its source; without the field copying.
---@param source tidetable.Database
---@param position integer
---@return tidetable.ReplicaLag|nil lag
---@return tidetable.error|nil err, tidetable.code|nil code
function replicas.lag(source, position)
  local info, err, code = source:info()
  if not info then
    return nil, err, code
  elseif info.sequence_number < position then
    return core.consumer_failure("SOURCE_DIFFERS", ("the replica is at sequence number %d of the "
      .. "source, whose last change has %d"):format(position, info.sequence_number))
  elseif info.sequence_number == position then
    return { changes = 0, seconds = 0 }
  end
  local stream, record
  stream, err, code = source:stream { after = position, tables = true }
  if not stream then
    return nil, err, code
  end
  record, err, code = stream:next(0)
  if not record and err and code ~= "TRIMMED" then
    return nil, err, code
  end
  return { changes = info.sequence_number - position,
    seconds = record and math.max(0, core.wall_clock(source.core) - record.created_at) or nil }
end

-- The sender -----------------------------------------------------------------

--- Ends the sender; the next one begins at the position of the target.
function Replication:drop_sender()
  if self.sender then
    core.finish(self.sender)
  end
  self.sender, self.waiting, self.waits_since = nil, "", nil
end

--- Opens the sender at the position of the target.
function Replication:open_sender()
  local start, err, code = self.receiver:start()
  if not start then
    return nil, err, code
  end
  if self.hold then
    local ok
    ok, err, code = self.hold:begin(core.start_position(start))
    if not ok then
      return nil, err, code
    end
  end
  self.sender, err, code = core.sender(self.source.core, start, self.restarts)
  if not self.sender and code == "TRIMMED" and not self.restarts then
    self.restarts = true
    self.sender, err, code = core.sender(self.source.core, start, true)
  end
  return self.sender, err, code
end

--- Reads the next frames and appends them to the waiting ones. Returns true if there are changes.
function Replication:read()
  if not self.sender then
    local opened, err, code = self:open_sender()
    if not opened then
      return nil, err, code
    end
  end
  local frames, has_changes, code = core.sender_read(self.sender, self.batch)
  if not frames then   -- it may have passed records that it has not returned
    self:drop_sender()
    if code == "TRIMMED" and not self.restarts then
      self.restarts = true
      return self:read()
    end
    return nil, has_changes, code
  end
  if frames ~= "" then
    self.waiting = self.waiting .. frames
    self.waits_since = self.waits_since or core.process_elapsed()
  end
  return has_changes
end

--- Applies the waiting frames.
function Replication:apply()
  local rest, err, code = self.receiver:apply(self.waiting, self)
  self.waiting = rest or ""
  if err then
    return nil, err, code
  end
  self.waits_since, self.restarts, self.moves = nil, false, 0
  if self.hold then
    return self.hold:follow(self.sender)
  end
  return true
end

-- Steps ----------------------------------------------------------------------

--- Returns true if the waiting frames must be applied now.
local function is_due(self, has_changes)
  return self.waiting ~= "" and (has_changes or not self.is_greeted
    or core.process_elapsed() - self.waits_since >= QUIET)
end

--- Begins again where the target is, if frames were refused because the position was moved. Returns
--- true if it did.
local function begin_again(self, code)
  if code ~= "REPLICA_MOVED" or self.moves >= MOVES_MAX then
    return false
  end
  self.moves, self.waits_for_retry = self.moves + 1, false
  self:drop_sender()
  return true
end

--- Reads and applies once. Returns true if changes were applied, false if there were none.
local function try_step(self)
  local has_changes, err, code = self.waits_for_retry, nil, nil
  if not has_changes then
    has_changes, err, code = self:read()
  end
  if has_changes == nil then
    return nil, err, code
  end
  if not is_due(self, has_changes) then
    return false
  end
  self.is_greeted = true
  local ok
  ok, err, code = self:apply()
  self.waits_for_retry = not ok and self.waiting ~= "" and self.sender ~= nil
  if ok then
    return has_changes
  elseif begin_again(self, code) then
    return try_step(self)
  end
  return nil, err, code
end

--- Sleeps in this thread once.
local function sleep(self, seconds, has_limit)
  return wait.in_thread(self.sender, core.sender_touched, core.sender_wait, seconds, has_limit)
end

--- Waits for a commit in the source, for at most `seconds`; may return early.
function Replication:pause(seconds)
  local loop = wait.loop(self.opts.wait or self.source.wait)
  local has_limit, is_replaced = seconds ~= nil, core.is_clock_replaced()
  seconds = readers.limit_to_expiry_check(self.source, seconds)
  if self.waits_since then
    local left = self.waits_since + QUIET - core.process_elapsed()
    seconds = math.max(0, math.min(seconds or math.huge, left))
  end
  if not loop or is_replaced and not coroutine.isyieldable() then
    return sleep(self, seconds, has_limit)
  elseif is_replaced then
    seconds = math.min(seconds or CLOCK_INTERVAL, CLOCK_INTERVAL)
  end
  local err, code
  if not self.wakeup then
    self.wakeup, err, code = wait.wakeup(self.source)
    if not self.wakeup then
      return nil, err, code
    end
  end
  self.wakeup:clear()
  if core.sender_touched(self.sender) then
    return true
  end
  loop(self.wakeup, seconds)
  return core.sender_touched(self.sender)
end

--- Returns PROMOTED if the replica was promoted meanwhile. Reads the target at most once a second.
local function check_promoted(self)
  local now = core.process_elapsed()
  if self.checked_at and now >= self.checked_at and now - self.checked_at < CHECK_INTERVAL then
    return true
  end
  self.checked_at = now
  return self.receiver:check()
end

--- Applies committed changes of the source, at most about a megabyte; waits for one if there is
--- none. Returns true if changes were applied, false if none arrived in time or after stop.
---@param seconds number|nil  maximum time to wait; default 0; math.huge: no limit
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Replication:step(seconds)
  local deadline = (seconds or 0) ~= math.huge and core.process_elapsed() + (seconds or 0) or nil
  while true do
    local applied, err, code = try_step(self)
    if applied ~= false then
      return applied, err, code
    end
    local left = deadline and deadline - core.process_elapsed()
    if self.is_stopping or left and left <= 0 then
      return false
    end
    local touched
    touched, err, code = check_promoted(self)
    if touched then
      touched, err, code = self:pause(math.min(left or math.huge, CHECK_INTERVAL))
    end
    if touched == nil then
      return nil, err, code
    end
  end
end

--- Applies all changes that the source has committed. The target then equals the source at one
--- commit. Copies the tables first if necessary.
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Replication:catch_up()
  self.is_stopping = false
  local applied, err, code
  repeat
    applied, err, code = try_step(self)
  until not applied or self.is_stopping
  if applied == nil then
    return nil, err, code
  end
  if self.waiting ~= "" then
    local ok
    ok, err, code = self:apply()
    if not ok and begin_again(self, code) then
      return self:catch_up()
    elseif not ok then
      return nil, err, code
    end
  end
  if self.hold and self.sender then
    return self.hold:follow(self.sender, true)
  end
  return true
end

--- Follows the source until stop, or until an error.
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function Replication:run()
  self.is_stopping = false
  repeat
    local applied, err, code = self:step(math.huge)
    if applied == nil then
      return nil, err, code
    end
  until self.is_stopping
  return true
end

--- Ends run and step after the current commit. May be called from other coroutines.
function Replication:stop()
  self.is_stopping = true
end

--- Returns how far the target is behind.
---@return tidetable.ReplicaLag|nil lag
---@return tidetable.error|nil err, tidetable.code|nil code
function Replication:lag()
  local position, copying, code = self.receiver:where()
  if not position then
    return nil, copying, code
  end
  local lag, err
  lag, err, code = replicas.lag(self.source, position)
  if lag then
    lag.copying = copying
  end
  return lag, err, code
end

--- Ends the replication; the replica and the hold in the source stay.
function Replication:close()
  self:drop_sender()
  self.receiver:close()
  if self.wakeup then
    self.wakeup:close()
    self.wakeup = nil
  end
end

Replication.__close = Replication.close

-- Replicas of a database -----------------------------------------------------

local function state_of(found)
  if found.promoted then
    return "PROMOTED"
  end
  for _, each in ipairs(found.tables) do
    if each.state == "COPYING" or each.state == "WAITING" then
      return "COPYING"
    end
  end
  return "FOLLOWING"
end

---@class tidetable.ReplicaTable
---@field name string
---@field state "FOLLOWING"|"WAITING"|"COPYING"|"NOT_FOLLOWED"
---@field reason string|nil   why it is not followed
---@field items integer       items of the source that the last copy has passed
---@field source_id integer   its id in the source
---@field path string[]       ids of the databases through which it passes; the last is the source

---@class tidetable.ReplicaDescription
---@field name string
---@field state "COPYING"|"FOLLOWING"|"PROMOTED"
---@field source { database: string, incarnation: string }|nil
---@field position integer      sequence number of the source up to which all changes were applied
---@field changed_at number|nil time of the last applied transaction, by the source's clock
---@field tables tidetable.ReplicaTable[]
---@field selected string[]|nil names of the tables that it replicates; nil: all
---@field transactions integer  number of applied transactions
---@field records integer       number of records in them
---@field items integer         number of items that copies have put or removed
---@field created_at number

--- Describes a replica.
---@param db tidetable.Database
---@param name string
---@return tidetable.ReplicaDescription|nil, tidetable.error|nil err, tidetable.code|nil code
function replicas.describe(db, name)
  local found, err, code = core.replica(db.core, name)
  if not found then
    return nil, err, code
  end
  local selected = found.settings.tables
  return {
    name = name, state = state_of(found),
    source = found.database and { database = found.database, incarnation = found.incarnation }
      or nil,
    position = found.position, changed_at = found.changed_at, tables = found.tables,
    selected = selected and { table.unpack(selected, 1, #selected) } or nil,
    transactions = found.transactions, records = found.records, items = found.items,
    created_at = found.created_at,
  }
end

--- Describes all replicas of a database, in byte order of their names.
---@param db tidetable.Database
---@return tidetable.ReplicaDescription[]|nil, tidetable.error|nil err, tidetable.code|nil code
function replicas.list(db)
  local names, err, code = core.replica_names(db.core)
  if not names then
    return nil, err, code
  end
  local all = {}
  for _, name in ipairs(names) do
    all[#all + 1], err, code = replicas.describe(db, name)
    if err and code ~= "NOT_FOUND" then
      return nil, err, code
    end
  end
  return all
end

--- Promotes a replica: its tables become writable, and the database gets a new incarnation.
---@param db tidetable.Database
---@param name string|nil  default "replica"
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function replicas.promote(db, name)
  name = name == nil and "replica" or name
  if check_name(name) then
    misuse("promote: expected the name of a replica")
  end
  return wait.try(db, core.replica_promote, db.core, name)
end

--- Removes a replica: its tables become writable, and its source and position are deleted.
---@param db tidetable.Database
---@param name string
---@return boolean|nil, tidetable.error|nil err, tidetable.code|nil code
function replicas.forget(db, name)
  if check_name(name) then
    misuse("forget_replica: expected the name of a replica")
  end
  return wait.try(db, core.replica_forget, db.core, name)
end

return replicas
