-- reference.lua - the plain model: the expected content of a database, in Lua tables.
--
-- The model has no files, trees or bytes. An item is a text in a Lua table, indexed by the text of
-- its key, and a stream is an array of records. The model follows doc/modules and doc/format.md and
-- shares no code with the library.
local reference = {}

local SECOND, HOUR = 1000, 3600000

-- Time: "Time" in doc/format.md -------------------------------------------------------------

--- Returns the retention clock that follows from a stored one at a time sample.
local function clock_at(kept, time_sample)
  local same_boot, noted = kept.boot == time_sample.boot, kept.jump
  local now = time_sample.now
  local passed = same_boot and math.max(0, time_sample.elapsed - kept.elapsed) or 0
  local lead = (noted or not same_boot) and kept.lead or 0
  local base, target = kept.at + passed, now + lead
  if noted and now >= noted.now then
    local since = noted.boot == time_sample.boot and time_sample.elapsed - noted.elapsed or 0
    if noted.boot ~= time_sample.boot or since >= HOUR then
      base = math.max(base, math.min(noted.now + lead + since, target))
      noted = nil
    end
  else
    noted = nil
  end
  local after = { elapsed = time_sample.elapsed, boot = time_sample.boot }
  if kept.at > 0 and target > base + HOUR then
    after.at, after.lead = base, lead
    after.jump = noted or { now = now, elapsed = time_sample.elapsed, boot = time_sample.boot }
  else
    after.at = math.max(base, target)
    if target >= kept.at and base - target <= SECOND then after.at = target end
    after.lead = after.at - now
  end
  return after
end

-- Retention ---------------------------------------------------------------------------------

local function expired(stream, record, clock)
  local limit = stream.retention
  local newest = stream.records[#stream.records]
  if record.transaction_id == newest.transaction_id then
    return clock - record.clock >= limit.age
  end
  return clock - record.clock >= limit.age or
    (limit.count and stream.ordinal - record.ordinal >= limit.count) or
    (limit.bytes and stream.bytes - record.stream_bytes + record.bytes > limit.bytes) or false
end

--- Returns the index of the first visible record (one past the last if there is none), and the
--- sequence number of the last expired one. Changes of tables are visible until they are removed.
local function sight(stream, clock)
  local records = stream.records
  if stream.is_of_tables then
    return stream.shown, stream.hidden
  end
  local first = stream.shown
  while records[first] and expired(stream, records[first], clock) do
    first = first + 1
  end
  -- The records of a transaction expire together.
  while records[first] and first > stream.shown and
      records[first - 1].transaction_id == records[first].transaction_id do
    first = first - 1
  end
  return first, records[first - 1] and records[first - 1].sequence_number or stream.hidden
end

local function hide(stream, clock)
  stream.shown, stream.hidden = sight(stream, clock)
end

-- The database ------------------------------------------------------------------------------

local Database = {}
Database.__index = Database

function reference.new(now)
  local database = setmetatable({
    time_sample = { now = now, elapsed = 0, boot = 1 },
    clock = { at = 0, elapsed = 0, boot = 0, lead = 0 },
    sequence = 0, commits = 0, tables = {}, streams = {}, forgotten = 0, lost = 0,
  }, Database)
  database.clock = clock_at(database.clock, database.time_sample)
  database.changes = { is_of_tables = true, records = {}, shown = 1, hidden = 0, ordinal = 0,
    bytes = 0 }
  -- Stands for the streams of all tables together with the changes of tables.
  database.everything = { is_everything = true, records = database.changes.records }
  return database
end

--- Returns the streams that are read for one stream, for all (nil) or for everything.
local function scope(self, only)
  if not only then
    return self.streams
  elseif not only.is_everything then
    return { only }
  end
  local streams = table.move(self.streams, 1, #self.streams, 1, {})
  streams[#streams + 1] = self.changes
  return streams
end

local function is_one(only) return only ~= nil and not only.is_everything end

function Database:advance(ms)
  self.time_sample.now = self.time_sample.now + ms
  self.time_sample.elapsed = self.time_sample.elapsed + ms
end

function Database:set_clock(now)
  self.time_sample.now = now
end

function Database:reboot()
  self.time_sample.elapsed = 0
  self.time_sample.boot = self.time_sample.boot + 1
end

--- Returns the time of a reader's clock.
function Database:reading_clock()
  return clock_at(self.clock, self.time_sample).at
end

-- Transactions. A handle keeps the clock it has read until another handle commits -----------

function Database:begin(handle, annotation)
  local known = handle.known
  local clock = known and known.commits == self.commits and known.clock or self.clock
  return { database = self, handle = handle, clock = clock_at(clock, self.time_sample), undo = {},
    sequence = self.sequence, records = {}, changed = false,
    annotation = annotation or { bytes = 0 } }
end

local Transaction = {}

function Transaction.rollback(tx)
  for i = #tx.undo, 1, -1 do
    tx.undo[i]()
  end
  tx.database.sequence = tx.sequence
  tx.handle.known = nil
end

function Transaction.commit(tx)
  local database = tx.database
  if not tx.changed then
    tx.handle.known = { commits = database.commits, clock = tx.clock }
    return
  end
  local annotated, annotation = {}, tx.annotation
  for position, record in ipairs(tx.records) do
    local stream = record.stream
    record.context = annotation.context and annotation.context.text
    record.origin = annotation.origin
    if not annotated[stream] then    -- the first record in a stream contains the annotation
      annotated[stream], record.bytes = true, record.bytes + annotation.bytes
    end
    stream.ordinal, stream.bytes = stream.ordinal + 1, stream.bytes + record.bytes
    record.ordinal, record.stream_bytes = stream.ordinal, stream.bytes
    record.transaction_id = tx.records[1].sequence_number
    record.transaction_position, record.transaction_count = position, #tx.records
    record.created_at, record.clock = database.time_sample.now, tx.clock.at
    stream.records[#stream.records + 1] = record
  end
  database.clock = tx.clock
  database.commits = database.commits + 1
  tx.handle.known = { commits = database.commits, clock = tx.clock }
end

reference.commit, reference.rollback = Transaction.commit, Transaction.rollback

local views = {
  KEYS_ONLY = {}, NEW_IMAGE = { new = true }, OLD_IMAGE = { old = true },
  NEW_AND_OLD_IMAGES = { old = true, new = true },
}

local OVERHEAD = 64

local function capture(tx, t, key, old, new)
  local stream = t.stream
  local view = views[stream.view_type]
  local old_image, new_image = view.old and old or nil, view.new and new or nil
  tx.records[#tx.records + 1] = {
    stream = stream, sequence_number = tx.database.sequence,
    event_name = not old and "INSERT" or not new and "REMOVE" or "MODIFY",
    partition = t.kind .. key.p.text, keys = key.text, old_image = old_image and old_image.text,
    new_image = new_image and new_image.text,
    bytes = OVERHEAD + (old_image and old_image.body or 0) + (new_image or key).body,
    size_bytes = key.item_size + (old_image and old_image.item_size or 0) +
      (new_image and new_image.item_size or 0),
  }
end

--- Puts (new) or deletes (nil) the item of a key. Returns the old item.
function reference.change(tx, t, key, new)
  local old = t.items[key.text]
  if (old and old.text) == (new and new.text) then
    return old
  end
  tx.changed = true
  tx.database.sequence = tx.database.sequence + 1
  tx.undo[#tx.undo + 1] = function()
    t.items[key.text] = old
  end
  t.items[key.text] = new
  if t.stream then
    capture(tx, t, key, old, new)
  end
  return old
end

-- Tables and their streams --------------------------------------------------------------------

--- Returns what a record of a change of the table has as the table's definition.
local function definition_of(t)
  return { name = t.name, partition_key = t.partition, sort_key = t.sort,
    stream = t.stream and { view_type = t.stream.view_type, retention = t.stream.retention } }
end

local function note_change(tx, t, event_name, old_definition)
  tx.changed = true
  tx.database.sequence = tx.database.sequence + 1
  tx.records[#tx.records + 1] = {
    stream = tx.database.changes, sequence_number = tx.database.sequence, event_name = event_name,
    table = t, definition = definition_of(t), old_definition = old_definition, bytes = 0,
  }
end

local function new_stream(tx, t, settings)
  local database = tx.database
  local stream = {
    table_name = t.name, view_type = settings.view_type, retention = settings.retention,
    created_at = database.time_sample.now, status = "ENABLED", records = {}, shown = 1, hidden = 0,
    ordinal = 0, bytes = 0, number = #database.streams + 1,
  }
  tx.changed = true
  t.stream, t.newest = stream, stream
  database.streams[#database.streams + 1] = stream
end

local function end_stream(tx, t)
  tx.changed = true
  t.stream.status, t.stream.disabled = "DISABLED", tx.clock.at
  t.stream = nil
end

function Database:create_table(handle, t, settings)
  local tx = self:begin(handle)
  tx.changed = true
  t.items = {}
  self.tables[t.name] = t
  if settings then
    new_stream(tx, t, settings)
  end
  note_change(tx, t, "CREATE_TABLE")
  reference.commit(tx)
end

function Database:delete_table(handle, name)
  local tx = self:begin(handle)
  note_change(tx, self.tables[name], "DELETE_TABLE")
  if self.tables[name].stream then
    end_stream(tx, self.tables[name])
  end
  self.tables[name] = nil
  reference.commit(tx)
end

function Database:enable_stream(handle, t, settings)
  local tx, old = self:begin(handle), definition_of(t)
  new_stream(tx, t, settings)
  note_change(tx, t, "ALTER_TABLE", old)
  reference.commit(tx)
end

function Database:disable_stream(handle, t)
  local tx, old = self:begin(handle), definition_of(t)
  end_stream(tx, t)
  note_change(tx, t, "ALTER_TABLE", old)
  reference.commit(tx)
end

function Database:set_retention(handle, stream, retention)
  local tx = self:begin(handle)
  hide(stream, tx.clock.at)
  tx.changed = true
  local t, before = self.tables[stream.table_name], stream.retention
  local old = t and t.stream == stream and definition_of(t)
  stream.retention = retention
  if old and (before.age ~= retention.age or before.count ~= retention.count or
      before.bytes ~= retention.bytes) then
    note_change(tx, t, "ALTER_TABLE", old)
  end
  reference.commit(tx)
end

--- Marks the beginning of a truncation, in a separate transaction.
function Database:begin_truncation(handle, t)
  local tx = self:begin(handle)
  note_change(tx, t, "TRUNCATE_TABLE")
  reference.commit(tx)
end

-- Changes of tables are removed after a day, but not before an older record of another stream.

local DAY = 24 * HOUR

--- Returns the number of changes of tables that may be removed at this time; a sweep removes them.
function Database:removable_changes(clock)
  local oldest = math.huge
  for _, stream in ipairs(self.streams) do
    local record = stream.records[(sight(stream, clock))]
    oldest = math.min(oldest, record and record.sequence_number or math.huge)
  end
  local changes, last = self.changes, self.changes.shown - 1
  for i = changes.shown, #changes.records do
    local record = changes.records[i]
    if record.sequence_number > oldest or clock < record.clock + DAY then break end
    last = i
  end
  return last - changes.shown + 1
end

function Database:remove_changes(count)
  local changes = self.changes
  changes.shown = changes.shown + count
  changes.hidden = count > 0 and changes.records[changes.shown - 1].sequence_number or
    changes.hidden
end

-- A disabled stream is removed some time after all its records have expired; at a trim it must be.

function Database.may_be_removed(stream, clock)
  local first = sight(stream, clock)
  return stream.status == "DISABLED" and not stream.records[first] and
    clock >= stream.disabled and clock - stream.disabled >= stream.retention.age
end

function Database:drop_stream(stream)
  local last = stream.records[#stream.records]
  stream.gone = true
  self.lost = math.max(self.lost, last and last.sequence_number or 0)
  for i, each in ipairs(self.streams) do
    if each == stream then
      table.remove(self.streams, i)
      return
    end
  end
end

--- Removes records that expired long ago.
function Database:forget()
  for _, stream in ipairs(self.streams) do
    hide(stream, self.clock.at)
    local old = stream.shown - 1000
    if old > 0 then
      self.forgotten = math.max(self.forgotten, stream.records[old].sequence_number)
      table.move(stream.records, old + 1, #stream.records + old, 1)
      stream.shown = stream.shown - old
    end
  end
end

-- The view of a reader ------------------------------------------------------------------------

--- Returns, for the streams of a scope, { stream = sequence number of the last expired record }.
function Database:hidden(only)
  local clock, hidden = self:reading_clock(), {}
  for _, stream in ipairs(scope(self, only)) do
    local _
    _, hidden[stream] = sight(stream, clock)
  end
  return hidden
end

--- Returns, in order, the records of one stream or of all streams whose sequence numbers are
--- greater than the floor of their stream.
function Database:records_after(floors, only)
  local found = {}
  for _, stream in ipairs(scope(self, only)) do
    local records, floor = stream.records, floors[stream]
    local low, high = 1, #records + 1
    while low < high do
      local middle = (low + high) // 2
      if records[middle].sequence_number <= floor then
        low = middle + 1
      else
        high = middle
      end
    end
    table.move(records, low, #records, #found + 1, found)
  end
  if not is_one(only) then
    table.sort(found, function(a, b) return a.sequence_number < b.sequence_number end)
  end
  return found
end

--- Returns where reading begins: a position and, when reading from the horizon or a time, what each
--- stream has already lost; or nil and AHEAD.
function Database:place(options, only)
  local hidden = self:hidden(only)
  if options.at or options.after then
    local position = options.after or math.max(0, options.at - 1)
    if position > self.sequence then
      return nil, "AHEAD"
    end
    return { position = position, floors = {} }
  elseif options.time then
    for _, record in ipairs(self:records_after(hidden, only)) do
      if record.created_at >= options.time then
        return { position = record.sequence_number - 1, floors = hidden, lost = self.lost }
      end
    end
    return { position = self.sequence, floors = hidden, lost = self.lost }
  elseif options.from == "LATEST" then
    return { position = self.sequence, floors = {} }
  end
  return { position = 0, floors = hidden, lost = self.lost }
end

--- Returns the floor of each stream for a reader at this position, which is the sequence number
--- that the reader's next record must exceed, and the streams that have lost records that it has
--- not read (for removed streams: up to the last record of any).
function Database:floors_after(place, only)
  local floors, lost = {}, {}
  local floor = math.max(place.position, place.lost or 0)
  if not is_one(only) and self.lost > floor then
    lost[1] = { first = floor + 1, last = self.lost }
  end
  for stream, hidden in pairs(self:hidden(only)) do
    floor = math.max(place.position, place.floors[stream] or 0)
    floors[stream] = floor
    if hidden > floor then
      lost[#lost + 1] = { first = floor + 1, last = hidden }
    end
  end
  return floors, lost
end

return reference
