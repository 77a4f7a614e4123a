-- importer.lua - lines of JSON become items, in transactions, and it is known how far.
--
-- `line` is the number of the last line that is dealt with: it and all before it
-- are committed, or were bad and skipped. Items are put, so to begin again too
-- early does no harm; with a checkpoint the number is committed with the items.

local console = require "tidetable.cli.console"
local display = require "tidetable.cli.display"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local library_error = require "tidetable.cli.library_error"
local line_reader = require "tidetable.cli.line_reader"
local open = require "tidetable.cli.open_database"
local table_definition = require "tidetable.cli.table_definition"
local types = require "tidetable.types"

local importer = {}

-- A transaction's items and bytes of text at most, and seconds.
local BATCH_ITEMS, BATCH_BYTES, TIME_LIMIT = 1000, 4 * 1024 * 1024, 60

--- Where checkpoints are, and how much of a line tells it from another.
importer.CHECKPOINTS = "tidetable.imports"
local SAMPLE = 1000

---@class tidetable.cli.Importer
---@field stored integer   items
---@field line integer
---@field bad integer      lines skipped
local Importer = {}
Importer.__index = Importer

---@class tidetable.cli.ImportOptions
---@field form tidetable.json.form
---@field table string|nil        where to, whatever the lines say
---@field create boolean|nil
---@field max_errors number       bad lines that are skipped
---@field from_line integer       lines before it are done
---@field checkpoint string|nil
---@field note fun(message: string)  says what was skipped

--- Lines that are dealt with together, in their order: of each the item, or false and
--- what is wrong with it; its number, and its text for a checkpoint.
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

--- Finds how far an earlier run came; makes the table for it.
function Importer:find_checkpoint()
  local db, name = self.db, self.given.checkpoint
  local table, err, code = db:table(importer.CHECKPOINTS)
  if code == "NOT_FOUND" then
    table, err, code = db:create_table { name = importer.CHECKPOINTS, partition_key = "name" }
    if code == "IN_USE" then -- another import was faster
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

--- Ends the command unless the line is the one that the checkpoint was set at.
function Importer:check_checkpoint(line)
  local checkpoint = self.checkpoint
  if checkpoint.length ~= #line or tostring(checkpoint.sample) ~= line:sub(1, SAMPLE) then
    console.fail(("%s:%d: not the line that checkpoint %s stands at"):format(self.source.name,
      self.source.number, self.given.checkpoint),
      "it is of another file, or of another version of this one: choose another name")
  end
end

--- Puts the checkpoint: at the last of these lines of which there is a text.
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

-- Bad lines ------------------------------------------------------------------

function Importer:place(number, column)
  return ("%s:%d%s"):format(self.source.name, number, column and ":" .. column or "")
end

--- Whether one more may be skipped; then it is.
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
    and ("%s before it skipped"):format(display.counted(self.bad, "bad line"))
    or self.given.max_errors == 0 and "--skip-bad skips what is wrong, and says so" or nil)
end

--- Whether a bad line may have said where the items behind it belong.
function Importer:may_be_definition(line)
  return self.definition and (line == line_reader.TOO_LONG or not line:find '^%s*{%s*"Item"')
end

--- A line that is no item. It has its place among the others, for what the table refuses
--- of them is only known when they are stored.
function Importer:refuse(line, column, reason)
  local message = self:place(self.source.number, column) .. ": " .. reason
  if self:may_be_definition(line) and self.given.max_errors > 0 then
    self:flush(self.source.number - 1)
    console.fail(message, "it may have begun another table: this line can't be skipped")
  end
  self.batch.bad = self.batch.bad + 1
  self:collect(false, message, line)
  if self.bad + self.batch.bad > self.given.max_errors then
    self:flush(self.source.number)
  end
end

-- Storing --------------------------------------------------------------------

--- Puts an item; false and why if it is refused, which leaves the transaction
--- as it was. Any other failure is raised.
local function put(table, item)
  local ok, err = pcall(table.put, table, item)
  if not ok and (type(err) ~= "table" or err.code ~= "VALIDATION") then
    error(err, 0)
  end
  return ok, err
end

--- Puts items from first on, and the checkpoint. Returns the last that is dealt
--- with, and what is wrong with the bad ones among them, one more than may be
--- skipped at most.
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

--- The same in a transaction; nil, err when that fails.
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

--- FULL is said of what a transaction might need at most; a smaller may still go.
local halves_help = { TOO_BIG = true, FULL = true }

--- Stores from first on, all, or half of it where that is too much for one
--- transaction. Returns how far it came.
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

--- Stores what has been collected. All lines through `line` are dealt with then.
function Importer:flush(line)
  local batch, first = self.batch, 1
  while first <= #batch.items do
    first = self:store(first, #batch.items) + 1
  end
  self.batch = new_batch()
  self.line = math.max(self.line, line)
end

--- Keeps an item, or false and what is wrong, of the line that was read last.
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

--- The table that --table names; a definition may have named it already, and made it.
function Importer:open_table()
  self.table = open.table(self.db, self.given.table).name
end

--- One more item.
function Importer:add(item, line)
  if not self.table then
    if not self.given.table then
      console.fail(("%s: nothing says of which table this item is"):format(
        self:place(self.source.number)), "--table says it")
    end
    self:open_table()
  end
  self:collect(item, nil, line)
end

-- Tables ---------------------------------------------------------------------

function Importer:make_table(spec)
  if not self.given.create then
    console.fail(("%s: no table %s"):format(self.db.path, spec.name),
      "--create makes it, as it was exported")
  end
  library_error.check(self.db.path, self.db:create_table(spec))
end

--- A table's definition: its items follow.
function Importer:begin_table(tree)
  local place = self:place(self.source.number)
  self:flush(self.source.number - 1)
  local spec, problem = table_definition.spec(tree)
  if not spec then
    console.fail(("%s: %s"):format(place, problem))
  elseif self.given.table and self.definition then
    console.fail(place .. ": another table: --table is for one", "without it each is stored in "
      .. "the table of its name")
  end
  self.definition, spec.name = spec, self.given.table or spec.name
  local table, err, code = self.db:table(spec.name)
  if code == "NOT_FOUND" then
    self:make_table(spec)
  elseif not table then
    console.fail(("%s: %s"):format(place, err.message))
  elseif not table_definition.matches(spec,
      library_error.check(self.db.path, table:describe())) then
    console.fail(("%s: the table %s that is there has another key"):format(place, spec.name))
  end
  self.table = spec.name
end

--- The end of an export: as many items were read as had been written.
function Importer:end_export(tree)
  local count = type(tree) == "table" and tree.Items or "no number of"
  if count ~= self.seen then
    self:flush(self.source.number - 1)
    console.fail(("%s: %s items were exported, %d were read"):format(
      self:place(self.source.number), count, self.seen), "lines are missing, or there are more")
  end
  self.seen, self.definition = 0, nil
end

-- Lines ----------------------------------------------------------------------

--- What a line of DynamoDB's JSON says: "Item", "Table" or "End".
local function word_of(tree)
  local word = types.type(tree) == "M" and next(tree)
  if (word == "Item" or word == "Table" or word == "End") and next(tree, word) == nil then
    return word
  end
end

--- A line of the form {"Item":...}; or nil.
function Importer:take_word(tree, line)
  local word = word_of(tree)
  if word == "Table" then
    self:begin_table(tree.Table)
  elseif word == "End" then
    self:end_export(tree.End)
  elseif not word then
    self.seen = self.seen + 1
    self:refuse(line, nil, 'an object {"Item":...} expected; --format json is for plain items')
  else
    self:take_item(tree.Item, line)
  end
end

function Importer:take_item(tree, line)
  self.seen = self.seen + 1
  local item, err = json.item(tree, self.given.form)
  if item then
    self:add(item, line)
  else
    self:refuse(line, nil, err.message)
  end
end

--- A line that an earlier run has dealt with: tables begin and end all the same.
function Importer:pass(line)
  if self.checkpoint and self.source.number == self.checkpoint.line then
    self:check_checkpoint(line)
  end
  if self.given.form == "dynamodb" and line ~= line_reader.TOO_LONG and
      line:find '^%s*{%s*"[TE]' then
    local tree = json_text.decode(line)
    if word_of(tree) then
      return self:take_word(tree, line)
    end
  end
  self.seen = self.seen + 1
end

--- The next line.
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
  local tree, err, code = json_text.decode(line)
  if code then
    self.seen = self.seen + 1
    local hint = line:find "^\x1f\x8b" and "this is compressed: gunzip -c FILE | tidetable import"
    self:refuse(line, err.column, hint or err.reason)
  elseif self.given.form == "dynamodb" then
    self:take_word(tree, line)
  else
    self:take_item(tree, line)
  end
end

--- There are no more lines: stores the rest, forgets the checkpoint.
function Importer:finish()
  self:flush(self.source.number)
  if self.given.table and not self.table then
    self:open_table() -- it was named wrongly, also if nothing was to be stored
  end
  if self.definition then
    console.fail(self.source.name .. ": the end is missing: the export was cut short",
      "what is there is stored")
  elseif self.source.number < self.done then
    console.fail(("%s has %d lines, not %d"):format(self.source.name, self.source.number,
      self.done))
  end
  if self.given.checkpoint then
    local checkpoints = open.table(self.db, importer.CHECKPOINTS)
    library_error.check(self.db.path, checkpoints:delete { name = self.given.checkpoint })
  end
end

return importer
