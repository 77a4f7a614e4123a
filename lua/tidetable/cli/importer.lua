-- importer.lua - stores records as items, in batches, and keeps track of the position.
--
-- A source (record_source.lua, csv_source.lua) reads the records. A batch is one
-- transaction. `record` is the number of the last processed record: all records up to it
-- are committed, or were invalid and skipped. Items are put, so processing a record again
-- does no harm. With a checkpoint the number of the record is committed in the
-- transaction of its items, so that each item is stored exactly once.

local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local display = require "tidetable.cli.display"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local table_definition = require "tidetable.cli.table_definition"
local types = require "tidetable.types"

local importer = {}

-- Maximum number of items and of bytes of text in a transaction, and its time limit in seconds.
local BATCH_ITEMS, BATCH_BYTES, TIME_LIMIT = 1000, 4 * 1024 * 1024, 60

--- Name of the table of checkpoints.
importer.CHECKPOINTS = "tidetable.imports"

-- Number of bytes of a record that are stored in a checkpoint, to recognize the record.
local SAMPLE = 1000

---@class tidetable.cli.Importer
---@field stored integer   number of stored items
---@field record integer   number of the last processed record
---@field bad integer      number of skipped records
---@field read integer     number of items read, including those that were skipped
---@field tables table<string, boolean>  names of the tables that items were stored in
---@field is_complete boolean|nil  all records are processed
---@field partial string|nil  message if the last answer of a scan is missing
local Importer = {}
Importer.__index = Importer

---@class tidetable.cli.ImportOptions
---@field form tidetable.json.form
---@field table string|nil        replaces the name of the table in the input
---@field create boolean|nil      create missing tables
---@field key table|nil          definition of the table that --create and --key make
---@field max_errors number       maximum number of invalid records
---@field from_record integer     first record to store
---@field checkpoint string|nil   name of the checkpoint
---@field expect integer|nil      number of items that the input must have
---@field name string             of the input, for messages
---@field note fun(message: string)  reports a skipped record

--- Creates a batch. For each record it contains the record, and the item bytes, or false and a
--- message. Invalid records are kept in order with the others, because a record that the table
--- refuses is detected only when the batch is stored.
local function new_batch()
  return { items = {}, problems = {}, records = {}, bytes = 0, bad = 0 }
end

---@param db tidetable.Database
---@param given tidetable.cli.ImportOptions
---@return tidetable.cli.Importer
function importer.new(db, given)
  return setmetatable({
    db = db, given = given, stored = 0, record = 0, bad = 0, seen = 0, read = 0,
    tables = {}, batch = new_batch(), done = given.from_record - 1,
  }, Importer)
end

-- Checkpoints ----------------------------------------------------------------

--- Reads the checkpoint of an earlier run. Creates the table of checkpoints if it does not exist.
function Importer:find_checkpoint()
  local db, name = self.db, self.given.checkpoint
  local table, err, code = db:table(importer.CHECKPOINTS)
  if code == "NOT_FOUND" then
    table, err, code = db:create_table { name = importer.CHECKPOINTS, partition_key = "name" }
    if code == "IN_USE" then -- created by another import
      table, err = db:table(importer.CHECKPOINTS)
    end
  end
  if not table then
    library_error.fail(db.path, err)
  end
  local found = library_error.check(db.path, table:get { name = name })
  if found then
    self.checkpoint, self.done = found, found.record
  end
end

--- Ends the command unless the record is the one that the checkpoint was taken at.
function Importer:check_checkpoint(record)
  local checkpoint, text = self.checkpoint, record.text or ""
  if checkpoint.length ~= #text or tostring(checkpoint.sample) ~= text:sub(1, SAMPLE) then
    console.fail(("%s: not the record of checkpoint %s"):format(self:place(record),
      self.given.checkpoint),
      "the checkpoint belongs to another file, or the file has changed: use another name")
  end
end

--- Stores the checkpoint at the last of these records that has a text.
function Importer:put_checkpoint(tx, first, last)
  local records = self.batch.records
  while last >= first and not records[last].text do
    last = last - 1
  end
  local record = last >= first and records[last]
  if record then
    tx:table(importer.CHECKPOINTS):put {
      name = self.given.checkpoint, record = record.number, length = #record.text,
      sample = types.binary(record.text:sub(1, SAMPLE)),
    }
  end
end

-- Invalid records ------------------------------------------------------------

--- Returns the place of a record, or of the fault in it: "in.json:4:7".
function Importer:place(record)
  local at = record.fault or record
  local column = record.fault and record.fault.column
  return ("%s:%d%s"):format(self.given.name, at.line, column and ":" .. column or "")
end

--- Returns the message for an invalid record.
function Importer:message(record, reason)
  return ("%s: %s (record %d, byte %d)"):format(self:place(record), reason, record.number,
    (record.fault or record).byte)
end

--- Skips and reports an invalid record. Returns false if the maximum number was skipped before.
function Importer:skips(message)
  if self.bad >= self.given.max_errors then
    return false
  end
  self.bad = self.bad + 1
  self.given.note(message)
  return true
end

function Importer:fail_invalid(message)
  console.fail(message, self.bad > 0
    and ("%s skipped before"):format(display.counted(self.bad, "invalid record"))
    or self.given.max_errors == 0 and "--skip-bad skips invalid records" or nil)
end

--- Returns true if an invalid record may have been the definition of the table of later items.
function Importer:may_be_definition(record)
  return self.definition and not record.bare
    and not (record.text and record.text:find '^%s*{%s*"Item"')
end

--- Handles a record that is not an item.
function Importer:collect_invalid(record, reason)
  local message = self:message(record, reason)
  if self:may_be_definition(record) and self.given.max_errors > 0 then
    self:flush(record.number - 1)
    console.fail(message, "it may be the definition of another table, so it cannot be skipped")
  end
  self.batch.bad = self.batch.bad + 1
  self:collect(false, message, record)
  if self.bad + self.batch.bad > self.given.max_errors then
    self:flush(record.number)
  end
end

--- Stores the batch and ends the command.
function Importer:fail(record, message, hint)
  self:flush(record.number - 1)
  console.fail(message, hint)
end

-- Storing --------------------------------------------------------------------

--- Puts an item. If the table refuses the item, the transaction is unchanged, and false and the
--- error are returned. Raises any other error.
local function put_item(table, bytes)
  local ok, err, code = core.apply(table.core, bytes, false)
  if ok then
    return true
  elseif code ~= "VALIDATION" then
    error(err, 0)
  end
  return false, err
end

--- Puts the items from first to last, and the checkpoint. Returns the index of the last processed
--- item, and the messages of the invalid records: at most one more than may be skipped.
function Importer:put_all(tx, first, last)
  local batch, table = self.batch, self.table and tx:table(self.table)
  local refused, left = {}, self.given.max_errors - self.bad
  local through = first - 1
  for i = first, last do
    local item = batch.items[i]
    local ok, err
    if item then
      ok, err = put_item(table, item)
    end
    if not ok then
      refused[#refused + 1] = batch.problems[i] or self:message(batch.records[i], err.message)
    end
    if #refused > left then
      break
    end
    through = i
  end
  if self.given.checkpoint then
    self:put_checkpoint(tx, first, through)
  end
  return through, refused
end

--- To-be-closed value that lets signals interrupt the program again.
local Released = { __close = function()
  core.hold_signals(false)
end }

--- Calls put_all in a transaction. Returns nil, err if the transaction fails. No signal can
--- interrupt the program after put_all, so that the caller counts exactly the committed items.
function Importer:transact(first, last)
  local through, refused
  local ok, err = library_error.transact(self.db, function(tx)
    through, refused = self:put_all(tx, first, last)
    core.hold_signals(true)
  end, { time_limit = TIME_LIMIT })
  if ok then
    return through, refused
  end
  return nil, err
end

--- Errors after which a smaller transaction may succeed. FULL is reported for the maximum that a
--- transaction may need.
local smaller_may_succeed = { TOO_BIG = true, FULL = true }

--- Stores the items from first to last, or half of them if they do not fit into one transaction.
--- Returns the index of the last item that is stored.
function Importer:store(first, last)
  local _released <close> = setmetatable({}, Released)
  local through, refused = self:transact(first, last)
  if not through then
    if smaller_may_succeed[refused.code] and last > first then
      return self:store(first, first + (last - first) // 2)
    end
    library_error.fail(self.db.path, refused)
  end
  local put_count = through - first + 1
  for _, message in ipairs(refused) do
    if self:skips(message) then
      put_count = put_count - 1
    else
      self:stored_through(through, put_count)
      self:fail_invalid(message)
    end
  end
  self:stored_through(through, put_count)
  return through
end

function Importer:stored_through(through, count)
  local last = self.batch.records[through]
  self.stored = self.stored + count
  self.record = last and last.number or self.record
  if count > 0 and self.table then
    self.tables[self.table] = true
  end
end

--- Stores the batch. After that all records up to `number` have been processed.
function Importer:flush(number)
  local batch, first = self.batch, 1
  while first <= #batch.items do
    first = self:store(first, #batch.items) + 1
  end
  self.batch = new_batch()
  self.record = math.max(self.record, number)
end

--- Adds the item of a record, or false and a message, to the batch. Stores the batch if it is full.
function Importer:collect(item, problem, record)
  local batch = self.batch
  local count = #batch.items + 1
  batch.items[count], batch.problems[count], batch.records[count] = item, problem, record
  record.tree, record.item, record.bytes = nil, nil, nil
  batch.bytes = batch.bytes + (record.text and #record.text or 0)
  if count == BATCH_ITEMS or batch.bytes >= BATCH_BYTES then
    self:flush(record.number)
  end
end

--- Opens the table that --table names.
function Importer:open_table()
  local given = self.given
  if given.key then
    self:begin_defined(given.key)
  else
    self.table = open.table(self.db, given.table).name
  end
end

--- Adds item bytes to the batch.
function Importer:add(bytes, record)
  if not self.table then
    if not self.given.table then
      self:fail(record, ("%s: unknown table"):format(self:place(record)),
        "name the table with --table")
    end
    self:open_table()
  end
  self:collect(bytes, nil, record)
end

-- Tables ---------------------------------------------------------------------

function Importer:make_table(spec)
  if not self.given.create then
    console.fail(("%s: no table %s"):format(self.db.path, spec.name),
      "--create creates it as it was exported")
  end
  library_error.check(self.db.path, self.db:create_table(spec))
end

--- Opens a table, or creates it. Ends the command if it exists with another key.
function Importer:begin_defined(spec, place)
  local table, err, code = self.db:table(spec.name)
  if code == "NOT_FOUND" then
    self:make_table(spec)
  elseif not table then
    console.fail(("%s: %s"):format(place or self.db.path, err.message))
  elseif not table_definition.matches(spec,
      library_error.check(self.db.path, table:describe())) then
    console.fail(("%s: table %s exists with another key"):format(place or self.db.path, spec.name))
  end
  self.table = spec.name
end

--- Handles the definition of a table, which is followed by the items of the table.
function Importer:begin_table(tree, record)
  local place = self:place(record)
  self:flush(record.number - 1)
  local spec, problem = table_definition.spec(tree)
  if not spec then
    console.fail(("%s: %s"):format(place, problem))
  elseif self.given.table and self.definition then
    console.fail(place .. ": second table, but --table names one",
      "without --table each is stored in the table of its name")
  end
  self.definition, spec.name = spec, self.given.table or spec.name
  self:begin_defined(spec, place)
end

--- Handles the end of an export: compares the number of items.
function Importer:end_export(tree, record)
  local count = type(tree) == "table" and tree.Items or "an unknown number of"
  if count ~= self.seen then
    self:fail(record, ("%s: %s items exported, %d read"):format(self:place(record), count,
      self.seen), "items are missing or were added")
  end
  self.seen, self.definition = 0, nil
end

--- Handles the end of an answer of Scan or Query: compares the number of items. An answer with a
--- key to continue from is not the last one.
function Importer:end_answer(record)
  local answer, place = record.answer, self:place(record)
  if not answer.Items then
    self:fail(record, place .. ': an answer without "Items"')
  elseif answer.Count ~= nil and answer.Count ~= record.count then
    self:fail(record, ("%s: the answer has Count %s, but %d items"):format(place,
      tostring(answer.Count), record.count), "items are missing or were added")
  end
  for _, name in ipairs { "LastEvaluatedKey", "NextToken" } do
    if answer[name] ~= nil and answer[name] ~= types.null then
      self.partial = self.partial or ("%s: the answer has %s: the scan has more items"):format(
        place, name)
    end
  end
end

-- Records --------------------------------------------------------------------

--- Returns the kind of a record in DynamoDB's JSON: "Item", "Table" or "End"; nil for others.
local function kind_of(tree)
  local kind = types.type(tree) == "M" and next(tree)
  if (kind == "Item" or kind == "Table" or kind == "End") and next(tree, kind) == nil then
    return kind
  end
end

--- Handles a record in DynamoDB's JSON.
function Importer:take_typed(tree, record)
  local kind = kind_of(tree)
  if kind == "Table" then
    self:begin_table(tree.Table, record)
  elseif kind == "End" then
    self:end_export(tree.End, record)
  elseif not kind then
    self:count_item()
    self:collect_invalid(record, 'expected {"Item":...}; use --format json for plain items')
  else
    self:take_item(tree.Item, record)
  end
end

function Importer:count_item()
  self.seen, self.read = self.seen + 1, self.read + 1
end

--- Encodes an item and adds it to the batch.
function Importer:add_item(item, record)
  local bytes, err = core.values.encode(item)
  if bytes then
    self:add(bytes, record)
  else
    self:collect_invalid(record, err.message)
  end
end

function Importer:take_item(tree, record)
  self:count_item()
  local item, err = json.item(tree, self.given.form)
  if item then
    self:add_item(item, record)
  else
    self:collect_invalid(record, err.message)
  end
end

--- Handles a record that an earlier run has processed. Only definitions and ends are evaluated.
function Importer:skip_processed(record)
  if self.checkpoint and record.number == self.checkpoint.record then
    self:check_checkpoint(record)
  end
  if self.given.form == "dynamodb" and not record.bare and record.text
      and record.text:find '^{%s*"[TE]' then
    local tree = json_text.decode(record.text)
    if kind_of(tree) then
      return self:take_typed(tree, record)
    end
  end
  self:count_item()
end

--- Processes a record of the source.
---@param record tidetable.cli.Record
function Importer:take(record)
  if record.answer then
    self:end_answer(record)
  elseif record.is_end then
    self:fail(record, self:message(record, record.fault.reason))
  elseif record.number <= self.done then
    self:skip_processed(record)
  elseif record.fault then
    self:count_item()
    self:collect_invalid(record, record.fault.reason)
  elseif record.bytes then
    self:count_item()
    self:add(record.bytes, record)
  elseif record.item then
    self:count_item()
    self:add_item(record.item, record)
  elseif self.given.form == "dynamodb" and not record.bare then
    self:take_typed(record.tree, record)
  else
    self:take_item(record.tree, record)
  end
end

--- Ends the command if the end of the input shows that something is missing.
function Importer:check_end(number)
  local name = self.given.name
  if self.definition then
    console.fail(name .. ": missing end: the export is incomplete", "its items are stored")
  elseif number < self.done then
    console.fail(("%s: %s, but the import starts after record %d"):format(name,
      display.counted(number, "record"), self.done))
  elseif self.given.expect and self.read ~= self.given.expect then
    console.fail(("%s: expected %s, read %d"):format(name,
      display.counted(self.given.expect, "item"), self.read), "its items are stored")
  end
end

--- Processes the end of the source, after `number` records: stores the last batch and deletes the
--- checkpoint.
---@param number integer
function Importer:finish(number)
  self:flush(number)
  if self.given.table and not self.table then
    self:open_table() -- a wrong name is an error even if the file is empty
  end
  self:check_end(number)
  self.is_complete = true
  if self.given.checkpoint then
    local checkpoints = open.table(self.db, importer.CHECKPOINTS)
    library_error.check(self.db.path, checkpoints:delete { name = self.given.checkpoint })
  end
  if self.partial then
    console.fail(self.partial, "its items are stored")
  end
end

return importer
