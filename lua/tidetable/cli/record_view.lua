-- record_view.lua - shows stream records as text: one line each, or one line for each attribute.
--
-- One line has columns that grow with their content and the changed attributes,
-- and is cut at the edge of the window. The record of the change of a table has no key; its
-- definition is shown like an image. The expanded view has one line for each
-- attribute. Changes that the images do not contain (KEYS_ONLY, or one of two
-- images) are not shown.

local display = require "tidetable.cli.display"
local item_writer = require "tidetable.cli.item_writer"
local types = require "tidetable.types"

local record_view = {}

local EVENT_STYLES = {
  INSERT = "green", MODIFY = "yellow", REMOVE = "red",
  CREATE_TABLE = "green", ALTER_TABLE = "yellow", DELETE_TABLE = "red", TRUNCATE_TABLE = "red",
}

-- Maximum width of a value in the one-line view, and of the column of names in the expanded view.
local LONGEST_VALUE, LONGEST_NAME = 28, 40

-- What changed ---------------------------------------------------------------

local equal

local function equal_tables(a, b)
  for key, value in pairs(a) do
    if b[key] == nil or not equal(value, b[key]) then
      return false
    end
  end
  for key in pairs(b) do
    if a[key] == nil then
      return false
    end
  end
  return true
end

--- Returns true if two values from the core are equal.
function equal(a, b)
  local kind = types.type(a)
  if kind ~= types.type(b) then
    return false
  elseif kind == "M" or kind == "L" then
    return equal_tables(a, b)
  end
  return a == b
end

---@class tidetable.cli.Difference
---@field path string  "address.city", escaped
---@field old any      nil: added
---@field new any      nil: removed

local function collect_differences(old, new, path, found)
  local names = {}
  for name in pairs(old) do
    names[name] = true
  end
  for name in pairs(new) do
    names[name] = true
  end
  for _, name in ipairs(display.sorted_names(names)) do
    local before, after = old[name], new[name]
    local whole = path .. display.name(name)
    if before == nil or after == nil then
      found[#found + 1] = { path = whole, old = before, new = after }
    elseif types.type(before) == "M" and types.type(after) == "M" then
      collect_differences(before, after, whole .. ".", found)
    elseif not equal(before, after) then
      found[#found + 1] = { path = whole, old = before, new = after }
    end
  end
  return found
end

--- Returns the differences between two images in the order of their paths.
---@param old table<string, any>
---@param new table<string, any>
---@return tidetable.cli.Difference[]
function record_view.differences(old, new)
  return collect_differences(old, new, "", {})
end

-- A view of records ----------------------------------------------------------

--- Shows records one after the other. Column widths and the last day are kept between them.
---@class tidetable.cli.RecordView
local View = {}
View.__index = View

---@param out tidetable.cli.Console
---@param db tidetable.Database   to look up the order of key attributes
---@param given { table_name: string|nil, is_expanded: boolean|nil }
---@return tidetable.cli.RecordView
function record_view.new(out, db, given)
  return setmetatable({
    out = out, db = db, table_name = given.table_name, is_expanded = given.is_expanded,
    keys = {}, widths = { sequence = 5, event = 6, table = 0, key = 6 },
  }, View)
end

--- Returns the names of the key attributes of a table, the partition key first; for a deleted table
--- in alphabetical order.
function View:key_names(record)
  local names = self.keys[record.table_name]
  if not names then
    local table = self.db:table(record.table_name)
    local description = table and table:describe()
    if description then
      names = item_writer.key_names(description)
    else
      names = display.sorted_names(record.keys)
    end
    self.keys[record.table_name] = names
  end
  return names
end

function View:key(record)
  if record.definition then
    return ""
  end
  local names = self:key_names(record)
  if record.keys[names[1]] == nil then -- a newer table has the same name
    names = display.sorted_names(record.keys)
  end
  return display.key(record.keys, names[1], names[2])
end

--- Formats a value for the one-line view.
function View:short(value)
  return display.short(value, LONGEST_VALUE, self.out:ellipsis())
end

function View:difference(each)
  if each.old == nil then
    return self.out:paint("green", "+" .. each.path) .. ": " .. self:short(each.new)
  elseif each.new == nil then
    return self.out:paint("red", "-" .. each.path)
  end
  return ("%s: %s %s %s"):format(self.out:paint("yellow", each.path),
    self.out:paint("dim", self:short(each.old)), self.out:arrow(), self:short(each.new))
end

--- Formats the attributes of an image, except key attributes, for the one-line view.
function View:image(image, keys)
  local parts = {}
  for _, name in ipairs(display.sorted_names(image)) do
    if keys[name] == nil then
      parts[#parts + 1] = display.name(name) .. ": " .. self:short(image[name])
    end
  end
  return table.concat(parts, ", ")
end

--- Returns what a record contains before and after the change: images, or definitions of a table.
---@return table|nil old, table|nil new
local function contents(record)
  if record.event_name == "DELETE_TABLE" then
    return record.definition, nil
  elseif record.event_name == "TRUNCATE_TABLE" then
    return nil, nil
  elseif record.definition then
    return record.old_definition, record.definition
  end
  return record.old_image, record.new_image
end

--- Names that are shown in other columns.
local function names_elsewhere(record)
  return record.keys or { name = true }
end

--- Formats the changes of a record for the one-line view.
function View:summary(record)
  local old, new = contents(record)
  if old and new then
    local parts = {}
    for i, each in ipairs(record_view.differences(old, new)) do
      parts[i] = self:difference(each)
    end
    return table.concat(parts, ", ")
  elseif new then
    return self:image(new, names_elsewhere(record))
  elseif old then
    return self.out:paint("dim", self:image(old, names_elsewhere(record)))
  end
  return ""
end

--- Formats the annotation of a record for the one-line view; "" if there is none.
function View:annotation(record)
  local parts = {}
  if record.origin then
    parts[1] = "origin " .. self:short(record.origin)
  end
  if record.context then
    parts[#parts + 1] = "context " .. self:short(record.context)
  end
  return #parts > 0 and self.out:paint("dim", ("(%s)"):format(table.concat(parts, ", "))) or ""
end

--- Returns the maximum width of a column.
function View:limit(column)
  local columns = (self.out:size())
  if column == "sequence" then
    return 20
  elseif column == "event" then
    return #"TRUNCATE_TABLE"
  elseif column == "table" then
    return math.max(columns // 6, 8)
  end
  return math.max(self.table_name and columns // 4 or columns // 5, 8)
end

--- Widens a column for a content, up to its maximum width.
function View:widen(column, content)
  self.widths[column] = math.min(math.max(self.widths[column], display.columns(content)),
    self:limit(column))
end

--- Formats a cell, padded to the width of its column.
function View:cell(column, style, content)
  self:widen(column, content)
  content = display.cut(content, self:limit(column), self.out:ellipsis())
  return display.pad(self.out:paint(style, content), self.widths[column], column == "sequence")
end

--- Widens the columns for records that are about to be shown, so that they are aligned.
---@param records tidetable.Record[]
function View:prepare(records)
  for _, record in ipairs(records) do
    self:widen("sequence", ("%d"):format(record.sequence_number))
    self:widen("event", record.event_name)
    self:widen("table", record.table_name)
    self:widen("key", self:key(record))
  end
end

--- Writes a line with the date if the record has another date than the previous one.
function View:day(record)
  local day = os.date("%A, %Y-%m-%d", math.floor(record.created_at))
  if day ~= self.last_day then
    self.last_day = day
    self.out:line(self.out:paint("dim", ("%s %s"):format(self.out.is_unicode and "──" or "--",
      day)))
  end
end

function View:line(record, mark)
  local out = self.out
  local cells = {
    mark .. self:cell("sequence", "dim", ("%d"):format(record.sequence_number)),
    out:paint("dim", os.date("%H:%M:%S", math.floor(record.created_at))),
    self:cell("event", EVENT_STYLES[record.event_name], record.event_name),
  }
  if not self.table_name then
    cells[#cells + 1] = self:cell("table", "cyan", record.table_name)
  end
  cells[#cells + 1] = self:cell("key", "bold", self:key(record))
  cells[#cells + 1] = self:summary(record)
  cells[#cells + 1] = self:annotation(record)
  out:line(display.trimmed(table.concat(cells, "  ")))
end

-- Expanded view: not cut at the edge of the window --------------------------------

local SIGNS = {
  old = { "-", "red" }, new = { "+", "green" }, both = { "~", "yellow" }, neither = { " ", "" },
}

function View:attribute(sign, name, width, value)
  self.out:write(("  %s %s  "):format(self.out:paint(sign[2], sign[1]),
    self.out:paint(sign[2], display.pad(name, width))), value, "\n")
end

local function widest_path(list)
  local width = 0
  for _, each in ipairs(list) do
    width = math.max(width, display.columns(each.path))
  end
  return math.min(width, LONGEST_NAME)
end

--- Writes each difference between two images on a line of its own. If a MODIFY record has only one
--- image, the changes are unknown, and the lines have no sign.
function View:differences(old, new, one_image)
  local list = record_view.differences(old, new)
  local width = widest_path(list)
  for _, each in ipairs(list) do
    if each.old ~= nil and each.new ~= nil then
      self:attribute(SIGNS.both, each.path, width, ("%s %s %s"):format(
        self.out:paint("dim", display.value(each.old)), self.out:arrow(), display.value(each.new)))
    elseif each.new ~= nil then
      self:attribute(one_image and SIGNS.neither or SIGNS.new, each.path, width,
        display.value(each.new))
    else
      self:attribute(one_image and SIGNS.neither or SIGNS.old, each.path, width,
        self.out:paint("dim", display.value(each.old)))
    end
  end
end

function View:expand(record, mark)
  local out = self.out
  local head = ("%s%s  %s  %s  %s  %s  %s"):format(mark,
    out:paint("dim", ("%d"):format(record.sequence_number)),
    out:paint("dim", ("%s.%03d"):format(display.time(record.created_at),
      record.created_at * 1000 // 1 % 1000)),
    out:paint(EVENT_STYLES[record.event_name], record.event_name),
    out:paint("cyan", record.table_name), out:paint("bold", self:key(record)),
    out:paint("dim", record.transaction_count > 1 and ("%d of %d of transaction %d"):format(
      record.transaction_position, record.transaction_count, record.transaction_id) or ""))
  out:write(display.trimmed(head), "\n")
  if record.user_identity then
    out:line("  " .. out:paint("dim", "removed by time to live"))
  end
  for _, name in ipairs { "origin", "context" } do
    if record[name] then
      out:line(("  %s %s"):format(out:paint("dim", name), display.value(record[name])))
    end
  end
  local old, new = contents(record)
  local one_image = record.event_name == "MODIFY" and not (old and new)
  self:differences(old or {}, new or {}, one_image)
end

-- Showing --------------------------------------------------------------------

--- Shows a record.
---@param record tidetable.Record
---@param mark string|nil  written before the record
function View:show(record, mark)
  if self.is_expanded then
    self:expand(record, mark or "")
  else
    self:day(record)
    self:line(record, mark or "")
  end
end

local BRACKETS = {
  [true] = { first = "┌ ", between = "│ ", last = "└ " },
  [false] = { first = "/ ", between = "| ", last = "\\ " },
}

--- Shows the records of a transaction, joined by a bracket.
---@param group tidetable.RecordsOfTransaction
function View:show_transaction(group)
  local brackets = BRACKETS[self.out.is_unicode]
  for i, record in ipairs(group) do
    local mark = "  "
    if #group > 1 then
      mark = i == 1 and brackets.first or i == #group and brackets.last or brackets.between
    end
    self:show(record, self.out:paint("magenta", mark))
  end
end

return record_view
