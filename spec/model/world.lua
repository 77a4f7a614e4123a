-- world.lua - a database and its model: opens, closes and compares them.
local keys = require "spec.model.keys"
local reference = require "spec.model.reference"
local tables = require "tidetable.table"
local tidetable = require "tidetable"
local values = require "spec.model.values"

local World = {}
World.__index = World

local START = 1700000000000 -- ms since 1970

local function shown(text)
  text = tostring(text)
  return #text <= 300 and text or ("%s... (%d bytes)"):format(text:sub(1, 300), #text)
end

--- Raises an error if the values differ.
function World.same(expected, actual, what)
  if expected ~= actual then
    error(("%s: expected %s, got %s"):format(what, shown(expected), shown(actual)), 2)
  end
end
local same = World.same

function World.new(path)
  local world = setmetatable({
    path = path, clock = tidetable.manual_clock(START / 1000), model = reference.new(START),
    handles = {}, readers = {}, order = {}, numbers = {}, count = 0, hashes = {},
  }, World)
  world:open()
  return world
end

-- Opening and closing -------------------------------------------------------------------------

function World:open(options)
  options = options or {}
  options.clock = self.clock
  options.durability = self.handles[1] and self.handles[1].durability or
    math.random(40) > 1 and "none" or "full"
  local handle = { db = assert(tidetable.open(self.path, options)), tables = {},
    durability = options.durability }
  self.handles[#self.handles + 1] = handle
  return handle
end

function World:close(handle)
  handle.db:close()
  for i = #self.handles, 1, -1 do
    if self.handles[i] == handle then
      table.remove(self.handles, i)
    end
  end
  for i = #self.readers, 1, -1 do
    if self.readers[i].handle == handle then
      table.remove(self.readers, i)
    end
  end
end

function World:handle()
  return self.handles[math.random(#self.handles)]
end

--- Returns the library's handle of a table, whether or not the table exists.
function World.table(handle, name)
  if not handle.tables[name] then
    handle.tables[name] = assert(tables.handle(handle.db, name))
  end
  return handle.tables[name]
end

function World.library_stream(handle, stream, options)
  if not stream then
    return handle.db:stream(options)
  end
  options = options or {}
  if stream.is_everything then
    options.tables = true
    return handle.db:stream(options)
  end
  options.label = stream.label
  return World.table(handle, stream.table_name):stream(options)
end

-- Removed streams and changes of tables -----------------------------------------------------------

local function named(stream)
  return stream.table_name .. "/" .. stream.label
end

--- Finds the streams that the library has removed. If `must` is true, they must have been removed.
function World:find_removed(handle, must)
  local model, there, went = self.model, nil, 0
  for i = #model.streams, 1, -1 do
    local stream = model.streams[i]
    if model.may_be_removed(stream, model.clock.at) then
      if not there then
        there = {}
        for _, each in ipairs(assert(handle.db:list_streams())) do
          there[each.table_name .. "/" .. each.label] = true
        end
      end
      if not there[named(stream)] then
        model:drop_stream(stream)
        went = went + 1
      elseif must then
        error("stream " .. named(stream) .. " should have been removed")
      end
    end
  end
  if went > 0 then
    self:drop_readers(function(reader)
      return not reader.only or reader.only.is_everything or reader.only.gone
    end)
  end
  return went + self:find_removed_changes(handle, must)
end

--- Finds the changes of tables that the library has removed. If `must` is true, all that are old
--- must have been removed.
function World:find_removed_changes(handle, must)
  local model = self.model
  local found = assert(handle.db:stream({ tables = true }):describe()).table_changes
  local count, may = 0, model:removable_changes(model.clock.at)
  while found.trimmed_through > model.changes.hidden do
    model:remove_changes(1)
    count = count + 1
  end
  same(found.trimmed_through, model.changes.hidden, "table_changes.trimmed_through")
  if count > may or must and count < may then
    error(("changes of tables: %d may be removed, %d were"):format(may, count))
  end
  same(#model.changes.records - model.changes.shown + 1, found.count, "table_changes.count")
  return count
end

function World:drop_readers(which)
  for i = #self.readers, 1, -1 do
    if which(self.readers[i]) then
      self.readers[i].object:close()
      table.remove(self.readers, i)
    end
  end
end

--- Reads the id of a table that was just created.
function World:learn_id(handle, t)
  t.id = assert(self.table(handle, t.name):describe()).id
end

--- Reads the label of a stream that was just created or enabled.
function World:learn_label(handle, t)
  local description = assert(self.table(handle, t.name):describe())
  t.stream.label = description.stream.label
  same(description.newest_stream_label, t.stream.label, "newest_stream_label")
  for _, stream in ipairs(self.model.streams) do
    if stream ~= t.stream and stream.table_name == t.name and stream.label == t.stream.label then
      error("two streams of one table with the label " .. stream.label)
    end
  end
end

-- Items -----------------------------------------------------------------------------------------

--- Returns the items of a table in the order of a scan. Partitions with hashed keys come after the
--- others, in the order of the last scan, because the model cannot compute their order.
function World.in_order(t)
  local partitions, found = {}, {}
  for _, item in pairs(t.items) do
    local partition = partitions[item.p.text]
    if not partition then
      partition = { p = item.p, hashed = keys.is_hashed(item.p), rank = t.ranks[item.p.text] }
      partitions[item.p.text] = partition
      found[#found + 1] = partition
    end
    partition[#partition + 1] = item
  end
  table.sort(found, function(a, b)
    if a.hashed ~= b.hashed then
      return b.hashed
    elseif a.hashed then
      return (a.rank or 0) < (b.rank or 0)
    end
    return keys.compare(a.p, b.p) < 0
  end)
  local items = {}
  for _, partition in ipairs(found) do
    World.sort(partition)
    table.move(partition, 1, #partition, #items + 1, items)
  end
  return items
end

function World.sort(items)
  if items[1] and items[1].s then
    table.sort(items, function(a, b) return keys.compare(a.s, b.s) < 0 end)
  end
  return items
end

function World.partition(t, p)
  local items = {}
  for _, item in pairs(t.items) do
    if item.p.text == p.text then
      items[#items + 1] = item
    end
  end
  return World.sort(items)
end

--- Learns the order of hashed partitions from a scan. The order of two partitions must never
--- change.
function World:learn_order(t, scanned)
  local found = {}
  t.ranks = {}
  for _, item in ipairs(scanned) do
    local name = t.kind .. item.p.text
    if not t.ranks[item.p.text] then
      if not self.numbers[name] then
        self.count = self.count + 1
        self.numbers[name] = self.count
      end
      found[#found + 1] = self.numbers[name]
      t.ranks[item.p.text] = #found
    end
  end
  for i = 1, #found do
    for j = i + 1, math.min(#found, i + 12) do
      self.order[found[i] << 32 | found[j]] = true
      if self.order[found[j] << 32 | found[i]] then
        error("the order of hashed partitions has changed")
      end
    end
  end
end

--- Compares the results of a query or a scan with the expected ones.
function World.same_items(expected, actual, what)
  same(#expected, #actual, what .. ", count")
  for i, item in ipairs(expected) do
    same(item.text, values.freeze(actual[i]), what .. ", item " .. i)
  end
end

function World:check_table(handle, t)
  local scanned, hashed, by_text = {}, {}, {}
  for _, item in pairs(t.items) do
    by_text[item.text] = item
  end
  for item in self.table(handle, t.name):scan() do
    scanned[#scanned + 1] = item
    local known = by_text[values.freeze(item)]
    if known and keys.is_hashed(known.p) then
      hashed[#hashed + 1] = known
    end
  end
  self:learn_order(t, hashed)
  self.same_items(self.in_order(t), scanned, "scan of " .. t.name)
  local description = assert(self.table(handle, t.name):describe())
  same(t.name, description.name, "describe: name")
  same(t.partition[2], description.partition_key[2], "describe: partition_key")
  same(t.sort and t.sort[2], description.sort_key and description.sort_key[2], "describe: sort_key")
  same(t.stream and t.stream.label, description.stream and description.stream.label,
    "describe: stream")
end

-- Streams ---------------------------------------------------------------------------------------

local plain_fields = {
  "sequence_number", "event_name", "transaction_id", "transaction_position",
  "transaction_count",
}

local function same_definition(expected, definition, what)
  same(expected.name, definition.name, what .. "name")
  for _, key in ipairs { "partition_key", "sort_key" } do
    same(expected[key] and table.concat(expected[key], " "),
      definition[key] and table.concat(definition[key], " "), what .. key)
  end
  local stream, got = expected.stream, definition.stream or nil
  same(stream and stream.view_type, got and got.view_type, what .. "view_type")
  for _, limit in ipairs { "age", "count", "bytes" } do
    local value = stream and stream.retention[limit]
    same(value and limit == "age" and value / 1000 or value, got and got.retention[limit],
      what .. limit)
  end
end

--- Compares the other fields of a record of a change of a table.
local function same_change_of_table(expected, record, what)
  same(expected.table.name, record.table_name, what .. "table_name")
  same(expected.table.id, record.table_id, what .. "table_id")
  same(expected.created_at / 1000, record.created_at, what .. "created_at")
  same_definition(expected.definition, record.definition, what .. "definition.")
  same(expected.old_definition ~= nil, record.old_definition ~= nil, what .. "old_definition")
  if expected.old_definition then
    same_definition(expected.old_definition, record.old_definition, what .. "old_definition.")
  end
  for _, field in ipairs { "keys", "old_image", "new_image", "partition_hash", "context" } do
    same(nil, record[field], what .. field)
  end
end

--- Compares a record with the model's record. If `whole` is true, compares the images too.
function World:same_record(expected, record, whole)
  local what = "record " .. expected.sequence_number .. ", "
  for _, field in ipairs(plain_fields) do
    same(expected[field], record[field], what .. field)
  end
  if not whole then
    return
  end
  if expected.table then
    return same_change_of_table(expected, record, what)
  end
  same(expected.stream.table_name, record.table_name, what .. "table_name")
  same(expected.stream.label, record.stream_label, what .. "stream_label")
  same(expected.stream.view_type, record.view_type, what .. "view_type")
  same(expected.size_bytes, record.size_bytes, what .. "size_bytes")
  same(expected.created_at / 1000, record.created_at, what .. "created_at")
  same(expected.keys, values.freeze(record.keys), what .. "keys")
  for _, image in ipairs { "old_image", "new_image" } do
    same(expected[image], record[image] and values.freeze(record[image]), what .. image)
  end
  same(nil, record.user_identity, what .. "user_identity")
  same(expected.context, record.context and values.freeze(record.context), what .. "context")
  same(expected.origin, record.origin, what .. "origin")
  same(0, record.depth, what .. "depth")
  self:same_hash(expected, record, what)
end

--- Checks that equal partition keys have equal hashes.
function World:same_hash(expected, record, what)
  local partition = expected.partition
  if partition then
    self.hashes[partition] = self.hashes[partition] or record.partition_hash
    same(self.hashes[partition], record.partition_hash, what .. "partition_hash")
  end
end

function World:same_records(expected, actual, what)
  same(#expected, #actual, what .. ", count of records")
  local step = math.max(1, #expected // 100)
  for i, record in ipairs(expected) do
    self:same_record(record, actual[i], (i + #expected) % step == 0)
  end
end

local function collect(...)
  local all = {}
  for record in ... do
    all[#all + 1] = record
  end
  return all
end

function World:check_stream(handle, stream, hidden)
  local object = assert(self.library_stream(handle, stream))
  local expected = self.model:records_after({ [stream] = hidden }, stream)
  self:same_records(expected, collect(object:records()), "stream " .. named(stream))
  local d, what = assert(object:describe()), "describe of " .. named(stream) .. ": "
  local first, last = expected[1], expected[#expected]
  same(stream.status, d.status, what .. "status")
  same(stream.view_type, d.view_type, what .. "view_type")
  same(stream.created_at / 1000, d.created_at, what .. "created_at")
  same(hidden, d.trimmed_through, what .. "trimmed_through")
  same(#expected, d.count, what .. "count")
  same(first and first.sequence_number, d.first_sequence_number, what .. "first")
  same(last and last.sequence_number, d.last_sequence_number, what .. "last")
  same(first and stream.bytes - first.stream_bytes + first.bytes or 0, d.bytes, what .. "bytes")
  same(stream.retention.age / 1000, d.retention.age, what .. "retention.age")
  same(stream.retention.count, d.retention.count, what .. "retention.count")
  same(stream.retention.bytes, d.retention.bytes, what .. "retention.bytes")
end

function World:check_streams(handle)
  local hidden = self.model:hidden()
  local listed = {}
  for _, each in ipairs(assert(handle.db:list_streams())) do
    listed[#listed + 1] = each.table_name .. "/" .. each.label
  end
  local expected = {}
  for i, stream in ipairs(self.model.streams) do
    expected[i] = named(stream)
    self:check_stream(handle, stream, hidden[stream])
  end
  same(table.concat(expected, " "), table.concat(listed, " "), "list_streams")
  self:same_records(self.model:records_after(hidden), collect(handle.db:stream():records()),
    "db:stream()")
  local everything = self.model.everything
  self:same_records(self.model:records_after(self.model:hidden(everything), everything),
    collect(handle.db:stream():records { tables = true }), "db:stream() with tables")
end

-- Everything ------------------------------------------------------------------------------------

function World:check(handle)
  local names = {}
  for name in pairs(self.model.tables) do
    names[#names + 1] = name
  end
  table.sort(names)
  same(table.concat(names, " "), table.concat(assert(handle.db:list_tables()), " "), "list_tables")
  for _, name in ipairs(names) do
    self:check_table(handle, self.model.tables[name])
  end
  self:find_removed(handle)
  self:check_streams(handle)
  same(self.model.sequence, handle.db:info().sequence_number, "info().sequence_number")
  local report = assert(handle.db:check())
  if not report.ok then
    error("check: " .. table.concat(report.problems, "\n"))
  end
  self.model:forget()
  self:drop_readers(function(reader) return reader.place.position < self.model.forgotten end)
end

return World
