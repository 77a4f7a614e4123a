-- importer.lua - stores JSON lines as items, in batches, and keeps track of the position.
--
-- A batch is one transaction. `line` is the number of the last processed line: all
-- lines up to it are committed, or were invalid and skipped. Items are put, so
-- processing a line again does no harm. With a checkpoint the number of the line is
-- committed in the transaction of its items, so that each item is stored exactly once.

local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local display = require "tidetable.cli.display"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local library_error = require "tidetable.cli.library_error"
local line_reader = require "tidetable.cli.line_reader"
local open = require "tidetable.cli.open_database"
local table_definition = require "tidetable.cli.table_definition"
local types = require "tidetable.types"

local importer = {}

-- Maximum number of items and of bytes of text in a transaction, and its time limit in seconds.
local BATCH_ITEMS, BATCH_BYTES, TIME_LIMIT = 1000, 4 * 1024 * 1024, 60

--- Name of the table of checkpoints.
importer.CHECKPOINTS = "tidetable.imports"

-- Number of bytes of a line that are stored in a checkpoint, to recognize the line.
local SAMPLE = 1000

---@class tidetable.cli.Importer
---@field stored integer   number of stored items
---@field line integer     number of the last processed line
---@field bad integer      number of skipped lines
local Importer = {}
Importer.__index = Importer

---@class tidetable.cli.ImportOptions
---@field form tidetable.json.form
---@field table string|nil        replaces the name of the table in the input
---@field create boolean|nil      create missing tables
---@field max_errors number       maximum number of invalid lines
---@field from_line integer       first line to store
---@field checkpoint string|nil   name of the checkpoint
---@field note fun(message: string)  reports a skipped line

--- Creates a batch: for each line its encoded item, or false and a message; its number; and its
--- text for a checkpoint. Invalid lines are kept in order with the others, because a line that the
--- table refuses is detected only when the batch is stored.
local function new_batch()
  return { items = {}, problems = {}, numbers = {}, texts = {}, bytes = 0, bad = 0 }
end

---@param db tidetable.Database
---@param source tidetable.cli.LineReader
---@param given tidetable.cli.ImportOptions
---@return tidetable.cli.Importer
function importer.new(db, source, given)
  return setmetatable({
    db = db, source = source, given = given, stored = 0, line = 0, bad = 0, seen = 0,
    batch = new_batch(), done = given.from_line - 1,
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
    self.checkpoint, self.done = found, found.line
  end
end

--- Ends the command unless the line is the one that the checkpoint was taken at.
function Importer:check_checkpoint(line)
  local checkpoint = self.checkpoint
  if checkpoint.length ~= #line or tostring(checkpoint.sample) ~= line:sub(1, SAMPLE) then
    console.fail(("%s:%d: not the line of checkpoint %s"):format(self.source.name,
      self.source.number, self.given.checkpoint),
      "the checkpoint belongs to another file, or the file has changed: use another name")
  end
end

--- Stores the checkpoint at the last of these lines that has a text.
function Importer:put_checkpoint(tx, first, last)
  local batch = self.batch
  while batch.texts[last] == line_reader.TOO_LONG do
    last = last - 1
  end
  local line = last >= first and batch.texts[last]
  if line then
    tx:table(importer.CHECKPOINTS):put {
      name = self.given.checkpoint, line = batch.numbers[last], length = #line,
      sample = types.binary(line:sub(1, SAMPLE)),
    }
  end
end

-- Invalid lines --------------------------------------------------------------

function Importer:place(number, column)
  return ("%s:%d%s"):format(self.source.name, number, column and ":" .. column or "")
end

--- Skips and reports an invalid line. Returns false if there are too many.
function Importer:skips(message)
  if self.bad >= self.given.max_errors then
    return false
  end
  self.bad = self.bad + 1
  self.given.note(message)
  return true
end

function Importer:give_up(message)
  console.fail(message, self.bad > 0
    and ("%s skipped before"):format(display.counted(self.bad, "invalid line"))
    or self.given.max_errors == 0 and "--skip-bad skips invalid lines" or nil)
end

--- Returns true if an invalid line may have been the definition of the table of later items.
function Importer:may_be_definition(line)
  return self.definition and (line == line_reader.TOO_LONG or not line:find '^%s*{%s*"Item"')
end

--- Handles a line that is not an item.
function Importer:refuse(line, column, reason)
  local message = self:place(self.source.number, column) .. ": " .. reason
  if self:may_be_definition(line) and self.given.max_errors > 0 then
    self:flush(self.source.number - 1)
    console.fail(message, "it may be the definition of another table, so it cannot be skipped")
  end
  self.batch.bad = self.batch.bad + 1
  self:collect(false, message, line)
  if self.bad + self.batch.bad > self.given.max_errors then
    self:flush(self.source.number)
  end
end

-- Storing --------------------------------------------------------------------

--- Puts an encoded item. Returns false and the error if the table refuses it; the transaction is
--- unchanged then. Raises any other error.
local function put(table, item)
  local ok, err, code = core.apply(table.core, item, false)
  if ok then
    return true
  elseif code ~= "VALIDATION" then
    error(err, 0)
  end
  return false, err
end

--- Puts the items from first to last, and the checkpoint. Returns the last processed one, and the
--- messages of the invalid lines: at most one more than may be skipped.
function Importer:put_all(tx, first, last)
  local batch, table = self.batch, self.table and tx:table(self.table)
  local refused, left = {}, self.given.max_errors - self.bad
  local through = first - 1
  for i = first, last do
    local item = batch.items[i]
    local ok, err
    if item then
      ok, err = put(table, item)
    end
    if not ok then
      refused[#refused + 1] = batch.problems[i]
        or self:place(batch.numbers[i]) .. ": " .. err.message
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

--- Calls put_all in a transaction. Returns nil, err if that fails.
function Importer:transact(first, last)
  local through, refused
  local ok, err = library_error.transact(self.db, function(tx)
    through, refused = self:put_all(tx, first, last)
  end, { time_limit = TIME_LIMIT })
  if ok then
    return through, refused
  end
  return nil, err
end

--- Errors after which a smaller transaction may succeed. FULL is reported for the maximum that a
--- transaction may need.
local halves_help = { TOO_BIG = true, FULL = true }

--- Stores the items from first to last, or half of them if they do not fit into one transaction.
--- Returns the last one that is stored.
function Importer:store(first, last)
  local through, refused = self:transact(first, last)
  if not through then
    if halves_help[refused.code] and last > first then
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
      self:give_up(message)
    end
  end
  self:stored_through(through, put_count)
  return through
end

function Importer:stored_through(through, count)
  self.stored = self.stored + count
  self.line = self.batch.numbers[through] or self.line
end

--- Stores the batch. All lines up to `line` have been processed then.
function Importer:flush(line)
  local batch, first = self.batch, 1
  while first <= #batch.items do
    first = self:store(first, #batch.items) + 1
  end
  self.batch = new_batch()
  self.line = math.max(self.line, line)
end

--- Adds the item of the last line, or false and a message, to the batch. Stores the batch if it is
--- full.
function Importer:collect(item, problem, line)
  local batch = self.batch
  local count = #batch.items + 1
  batch.items[count], batch.problems[count] = item, problem
  batch.numbers[count], batch.texts[count] = self.source.number, line
  batch.bytes = batch.bytes + #line
  if count == BATCH_ITEMS or batch.bytes >= BATCH_BYTES then
    self:flush(self.source.number)
  end
end

--- Opens the table that --table names.
function Importer:open_table()
  self.table = open.table(self.db, self.given.table).name
end

--- Adds an encoded item to the batch.
function Importer:add(item, line)
  if not self.table then
    if not self.given.table then
      console.fail(("%s: unknown table"):format(
        self:place(self.source.number)), "name the table with --table")
    end
    self:open_table()
  end
  self:collect(item, nil, line)
end

-- Tables ---------------------------------------------------------------------

function Importer:make_table(spec)
  if not self.given.create then
    console.fail(("%s: no table %s"):format(self.db.path, spec.name),
      "--create creates it as it was exported")
  end
  library_error.check(self.db.path, self.db:create_table(spec))
end

--- Handles the definition of a table. The items of the table follow.
function Importer:begin_table(tree)
  local place = self:place(self.source.number)
  self:flush(self.source.number - 1)
  local spec, problem = table_definition.spec(tree)
  if not spec then
    console.fail(("%s: %s"):format(place, problem))
  elseif self.given.table and self.definition then
    console.fail(place .. ": second table, but --table names one",
      "without --table each is stored in the table of its name")
  end
  self.definition, spec.name = spec, self.given.table or spec.name
  local table, err, code = self.db:table(spec.name)
  if code == "NOT_FOUND" then
    self:make_table(spec)
  elseif not table then
    console.fail(("%s: %s"):format(place, err.message))
  elseif not table_definition.matches(spec,
      library_error.check(self.db.path, table:describe())) then
    console.fail(("%s: table %s exists with another key"):format(place, spec.name))
  end
  self.table = spec.name
end

--- Handles the end of an export: compares the number of items.
function Importer:end_export(tree)
  local count = type(tree) == "table" and tree.Items or "an unknown number of"
  if count ~= self.seen then
    self:flush(self.source.number - 1)
    console.fail(("%s: %s items exported, %d read"):format(
      self:place(self.source.number), count, self.seen), "lines are missing or were added")
  end
  self.seen, self.definition = 0, nil
end

-- Lines ----------------------------------------------------------------------

--- Returns the kind of a line in DynamoDB's JSON: "Item", "Table" or "End"; nil for others.
local function kind_of(tree)
  local kind = types.type(tree) == "M" and next(tree)
  if (kind == "Item" or kind == "Table" or kind == "End") and next(tree, kind) == nil then
    return kind
  end
end

--- Handles a line in DynamoDB's JSON.
function Importer:take_line(tree, line)
  local kind = kind_of(tree)
  if kind == "Table" then
    self:begin_table(tree.Table)
  elseif kind == "End" then
    self:end_export(tree.End)
  elseif not kind then
    self.seen = self.seen + 1
    self:refuse(line, nil, 'expected {"Item":...}; use --format json for plain items')
  else
    self:take_item(tree.Item, line)
  end
end

function Importer:take_item(tree, line)
  self.seen = self.seen + 1
  local item, err = json.item(tree, self.given.form)
  local bytes = item
  if item then
    bytes, err = core.values.encode(item)
  end
  if bytes then
    self:add(bytes, line)
  else
    self:refuse(line, nil, err.message)
  end
end

--- Handles a line that an earlier run has processed: only definitions and ends are evaluated.
function Importer:pass(line)
  if self.checkpoint and self.source.number == self.checkpoint.line then
    self:check_checkpoint(line)
  end
  if self.given.form == "dynamodb" and line ~= line_reader.TOO_LONG and
      line:find '^%s*{%s*"[TE]' then
    local tree = json_text.decode(line)
    if kind_of(tree) then
      return self:take_line(tree, line)
    end
  end
  self.seen = self.seen + 1
end

--- Processes the next line of the source.
---@param line string|table
function Importer:take(line)
  if line == "" or line ~= line_reader.TOO_LONG and not line:find "%S" then
    return
  elseif self.source.number <= self.done then
    return self:pass(line)
  elseif line == line_reader.TOO_LONG then
    self.seen = self.seen + 1
    return self:refuse(line, nil, tostring(line))
  end
  local form = self.given.form
  local bytes = core.json_bytes(line, form, form == "dynamodb" and "Item" or nil)
  if bytes then
    self.seen = self.seen + 1
    return self:add(bytes, line)
  end
  -- the definition or the end of a table, or an invalid line, which this names
  local tree, err, code = json_text.decode(line)
  if code then
    self.seen = self.seen + 1
    local hint = line:find "^\x1f\x8b"
      and "compressed file: use gunzip -c FILE | tidetable import"
    self:refuse(line, err.column, hint or err.reason)
  elseif self.given.form == "dynamodb" then
    self:take_line(tree, line)
  else
    self:take_item(tree, line)
  end
end

--- Processes the end of the source: stores the last batch and deletes the checkpoint.
function Importer:finish()
  self:flush(self.source.number)
  if self.given.table and not self.table then
    self:open_table() -- so that a wrong name is an error for an empty file, too
  end
  if self.definition then
    console.fail(self.source.name .. ": missing end: the export is incomplete",
      "its items are stored")
  elseif self.source.number < self.done then
    console.fail(("%s: %d lines, but the import starts after line %d"):format(
      self.source.name, self.source.number, self.done))
  end
  if self.given.checkpoint then
    local checkpoints = open.table(self.db, importer.CHECKPOINTS)
    library_error.check(self.db.path, checkpoints:delete { name = self.given.checkpoint })
  end
end

return importer
