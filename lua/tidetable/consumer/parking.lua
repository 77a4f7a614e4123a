-- parking.lua - parks, replays and removes parked records in a worker.
--
-- The worker caches the set of the keys that have parked records, and the parked version of this
-- set. The commit of a batch compares the version with the one in the file.

local core = require "tidetable.core"
local dead_letters = require "tidetable.consumer.dead_letter"
local deliveries = require "tidetable.consumer.delivery"
local readers = require "tidetable.stream.reader"
local snapshots = require "tidetable.consumer.snapshot"
local units = require "tidetable.consumer.unit"

local parking = {}

--- Takes over the parked version and the counts of parked records from the consumer's progress.
---@param worker tidetable.Worker
---@param row table  progress
function parking.note(worker, row)
  if row.parked_version ~= worker.parked_version then
    worker.parked_keys = nil
  end
  worker.parked_version, worker.parked, worker.replays = row.parked_version, row.parked, row.replays
end

--- Returns the set of the keys that have parked records; nil if there are none; or nil, err, code.
local function parked_keys(worker)
  if worker.parked == 0 then
    return nil
  elseif not worker.parked_keys then
    local keys, version, code = core.parked_items(worker.database.core, worker.id)
    if not keys then
      return nil, version, code
    end
    worker.parked_keys, worker.parked_version = keys, version
  end
  return worker.parked_keys
end

--- Returns true if the key of a record has parked records. The set contains the hashes of the keys,
--- too. The hash is tested first, because it is an integer and allocates no memory.
local function is_parked(worker, keys, record)
  local database = worker.database.core
  return keys[core.record_hash(record, database)] and keys[core.record_item(record, database)]
end

--- Adds the key of a record to a set of keys.
local function add_key(worker, keys, record)
  local database = worker.database.core
  keys[core.record_hash(record, database)] = true
  keys[core.record_item(record, database)] = true
end

--- Returns true if one of the records from `first` to `last` has a key in one of the sets.
---@param waiting table|nil  as `keys`
local function have_parked_key(worker, keys, waiting, records, first, last)
  for i = first, last do
    if is_parked(worker, keys, records[i])
        or waiting and is_parked(worker, waiting, records[i]) then
      return true
    end
  end
  return false
end

--- Returns the records of a batch whose keys have no parked records, and the other ones. A
--- transaction is queued as one unit, and so are later ones that have one of its keys.
local function split(worker, keys, batch, ids)
  local live, queued, waiting, first = {}, {}, ids and {}, 1
  while first <= #batch do
    local last = first
    while ids and ids[last + 1] == ids[first] do
      last = last + 1
    end
    local is_queued = have_parked_key(worker, keys, waiting, batch, first, last)
    local part = is_queued and queued or live
    for i = first, last do
      part[#part + 1] = batch[i]
      if is_queued and waiting then
        add_key(worker, waiting, batch[i])
      end
    end
    first = last + 1
  end
  return live, queued
end

--- Creates the delivery of a batch of records from the streams.
---@param worker tidetable.Worker
---@param batch tidetable.Record[]
---@return tidetable.Delivery|nil, tidetable.error|nil err, tidetable.code|nil code
function parking.divide(worker, batch)
  local ending = snapshots.end_of(worker, batch)
  local keys, err, code = parked_keys(worker)
  if err then
    return nil, err, code
  end
  local live, queued = batch, {}
  if keys then
    live, queued = split(worker, keys, batch, units.ids(worker, batch))
  end
  local delivery = deliveries.new(worker.database, live, ending, worker.parked_version,
    batch.depth, units.ids(worker, live))
  delivery.mark, delivery.queued = batch.mark, queued
  return delivery
end

--- Returns a feed that has the consumer's projection; nil if it has none; nil, err, code on
--- failure. The worker's reader has the projection of the batch in hand.
local function feed_with_projection(worker)
  if not worker.settings.projection then
    return nil
  elseif worker.reader and worker.reader_selection == worker.selection then
    return worker.reader.core
  end
  local reader <close>, err, code = readers.of_consumer(worker.database, worker.streams, worker,
    nil, worker.settings)
  return reader and reader.core, err, code
end

--- Chooses the first copies that fit in a batch: whole transactions, if they were parked so.
--- Returns arrays of their records, places, numbers of attempts, and ids of their transactions
--- (nil: they were parked by key), and the greatest depth.
local function choose_replays(worker, copies)
  local all, places, attempts, ids = {}, {}, {}, copies[1].transaction_id and {} or nil
  local depth, bytes, first = 0, 0, 1
  while first <= #copies do
    local last, deepest = first - 1, 0
    repeat
      last = last + 1
      local more, deep = core.measure_record(copies[last].record)
      bytes, deepest = bytes + more, math.max(deepest, deep)
    until not ids or not copies[last + 1]
      or copies[last + 1].transaction_id ~= copies[first].transaction_id
    if first > 1 and (bytes > worker.settings.batch_bytes
        or not deliveries.may_share_batch(deepest, depth)) then
      break
    end
    for i = first, last do
      all[i], places[i], attempts[i] = copies[i].record, copies[i].place, copies[i].attempts
      if ids then
        ids[i] = copies[i].transaction_id
      end
    end
    depth, first = math.max(depth, deepest), last + 1
  end
  return all, places, attempts, ids, depth
end

--- Creates a delivery of parked records that are marked for replay. Returns nil if there are none;
--- nil, err, code on failure. Records of the same key, and transactions, are in sequence order.
---@param worker tidetable.Worker
---@return tidetable.Delivery|nil, tidetable.error|nil err, tidetable.code|nil code
function parking.next_replays(worker)
  local size = math.min(worker.settings.batch_size, worker.replay_limit or math.huge)
  if worker.largest > 0 then
    size = math.min(size, worker.largest)
  end
  local version = worker.parked_version
  local feed, err, code = feed_with_projection(worker)
  if err then
    return nil, err, code
  end
  local copies
  copies, err, code = core.parked_replays(worker.database.core, worker.id, size, feed, worker.first,
    worker.last, worker.shards)
  if not copies then
    return nil, err, code
  elseif #copies == 0 then
    worker.replays = 0
    return nil
  end
  local all, places, attempts, ids, depth = choose_replays(worker, copies)
  -- If the worker dies, a single record or transaction is identified by its sequence number. For
  -- several, the limit of the batch size ends at the place already reached, so it affects no later
  -- batch.
  local limit = units.count(all, ids) == 1 and all[1].sequence_number
    or math.max(snapshots.reached(worker), 1)
  local ending = { to = worker.position, limit = limit, items = 0 }
  local delivery = deliveries.new(worker.database, all, ending, version, depth, ids)
  delivery.places, delivery.attempts = places, attempts
  return delivery
end

--- Sets the field `attempt` of the records.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
function parking.count_attempts(worker, delivery)
  if not delivery.attempts then
    core.set_attempts(delivery.all, worker.attempts + 1)
    return
  end
  for i, record in ipairs(delivery.all) do
    core.set_attempt(record, delivery.attempts[i] + 1)
  end
end

-- The commit -------------------------------------------------------------------

--- Stores records in the dead letter table in the open transaction.
local function bury(worker, group)
  for _, each in ipairs(group) do
    local ok, err, code = dead_letters.put(worker, each)
    if not ok then
      return nil, err, code
    end
  end
  return true
end

--- Parks a record or the records of a transaction in the open transaction; at the limit of parked
--- records, puts all of them into the dead letter table if there is one.
local function park(worker, delivery, group)
  local settings = worker.settings
  for i, each in ipairs(group) do
    local ok, err, code = core.park(each.record, worker.database.core, worker.id, each.attempts,
      each.reason, settings.max_parked, settings.max_parked_bytes,
      units.parked_with(worker, each.record), #group - i)
    if not ok and i == 1 and code == "PARKED_FULL" and settings.dead_letter then
      return bury(worker, group)
    elseif not ok then
      return nil, err, code
    end
  end
  for _, each in ipairs(group) do
    delivery.changes = delivery.changes + 1
    delivery.added[delivery.changes] = each.record
  end
  return true
end

--- Parks entries one after the other, those of a transaction together.
---@param entries tidetable.ParkedInHandler[]
local function park_all(worker, delivery, entries)
  local first = 1
  while first <= #entries do
    local id, last = units.parked_with(worker, entries[first].record), first
    while id > 0 and entries[last + 1]
        and units.parked_with(worker, entries[last + 1].record) == id do
      last = last + 1
    end
    local ok, err, code = park(worker, delivery, table.move(entries, first, last, 1, {}))
    if not ok then
      return nil, err, code
    end
    first = last + 1
  end
  return true
end

--- Stores the records that were given up, parked by the handler, or queued because of their key.
local function store(worker, delivery, gives_up)
  local queued = {}
  for i, record in ipairs(delivery.queued) do
    queued[i] = { record = record, reason = "", attempts = 0 }
  end
  local ok, err, code
  if gives_up and worker.settings.on_failure == "dead_letter" then
    ok, err, code = bury(worker, delivery.parked)
  else
    ok, err, code = park_all(worker, delivery, delivery.parked)
  end
  if ok then
    ok, err, code = park_all(worker, delivery, queued)
  end
  return ok, err, code
end

--- Removes the parked records that were handled. Keeps those that the handler has parked again.
local function finish_replays(worker, delivery)
  local database, ids, reasons = worker.database.core, delivery.ids, {}
  for _, each in ipairs(delivery.parked) do
    reasons[each.record] = each.reason
  end
  for i, record in ipairs(delivery.all) do
    local place, reason = delivery.places[i], reasons[record]
    local ok, err, code = true, nil, nil
    if not reason then
      ok, err, code = core.parked_handled(database, worker.id, place)
    elseif reason ~= "" and (not ids or ids[i] ~= ids[i - 1]) then    -- once for a transaction
      ok, err, code = core.parked_failed(database, worker.id, place, reason)
    end
    if not ok then
      return nil, err, code
    end
    delivery.changes = delivery.changes + ((not reason or reason ~= "") and 1 or 0)
  end
  return true
end

--- Moves the position and stores the parked records of the delivery in the open transaction. If
--- parked records or dead letters can't be stored, also sets delivery.is_broken.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
---@param gives_up boolean|nil  true: all of its records are given up
---@return true|nil, tidetable.error|nil err, tidetable.code|nil code
function parking.commit(worker, delivery, gives_up)
  local database = worker.database.core
  local ok, err, code
  if delivery.places then
    ok, err, code = core.parked_verify(database, worker.id, worker.epoch, worker.first,
      delivery.version)
  else
    ok, err, code = snapshots.advance(worker, delivery)
  end
  if not ok then
    return nil, err, code
  elseif delivery.places then
    ok, err, code = finish_replays(worker, delivery)
  elseif #delivery.parked + #delivery.queued > 0 then
    ok, err, code = store(worker, delivery, gives_up)
  end
  if not ok then
    delivery.is_broken = true
    return nil, err, code
  end
  return true
end

--- Updates the worker after the commit of a delivery.
---@param worker tidetable.Worker
---@param delivery tidetable.Delivery
function parking.committed(worker, delivery)
  if delivery.changes == 0 then
    return
  end
  worker.verified_at = 0         -- reads the counts before the next batch
  worker.parked = math.max(worker.parked, 1)
  if delivery.places then
    worker.parked_keys = nil     -- reads it again for the next batch of the streams
    return
  end
  worker.parked_keys = worker.parked_keys or {}
  for _, record in ipairs(delivery.added) do
    add_key(worker, worker.parked_keys, record)
  end
end

return parking
