-- item_writer.lua - writes items: in columns on a terminal, as JSON lines in a pipe or file.

local core = require "tidetable.core"
local display = require "tidetable.cli.display"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local types = require "tidetable.types"

local item_writer = {}

-- Maximum number of items, and of bytes of text, that are kept in memory to align their columns.
local CHUNK, CHUNK_BYTES = 500, 16 * 1024 * 1024

-- Maximum width of a value or a name.
local CELL = 40

--- Returns the form of JSON for the option --format.
---@param format string|nil
---@return tidetable.json.form
function item_writer.form(format)
  return format == "dynamodb" and "dynamodb" or "plain"
end

--- Returns the names of the key attributes, the partition key first.
---@param description tidetable.TableDescription
---@return string[]
function item_writer.key_names(description)
  return { description.partition_key[1], description.sort_key and description.sort_key[1] }
end

-- In columns -----------------------------------------------------------------

--- Returns the names of the attributes that get a column: the key attributes that a projection has
--- not left out, and the attributes that at least half of the items have.
local function column_names(chunk, keys)
  local counts = {}
  for _, item in ipairs(chunk) do
    for name in pairs(item) do
      counts[name] = (counts[name] or 0) + 1
    end
  end
  local names, is_column = {}, {}
  for _, name in ipairs(keys) do
    if counts[name] then
      names[#names + 1], is_column[name] = name, true
    end
  end
  local key_count = #names
  for _, name in ipairs(display.sorted_names(counts)) do
    if not is_column[name] and counts[name] * 2 >= #chunk then
      names[#names + 1], is_column[name] = name, true
    end
  end
  return names, is_column, key_count
end

--- Returns true if a text is unambiguous without quotes. Two blanks would look like the end of a
--- column.
local function is_plain(value)
  return value:find "^[%a_][%w_./:@+ -]*$" and not value:find "  " and not value:find " $"
    and value ~= "true" and value ~= "false" and value ~= "null"
end

--- Formats a value for a column.
local function cell_text(value, out)
  if type(value) == "string" and is_plain(value) then
    return display.cut(value, CELL, out:ellipsis())
  end
  return display.short(value, CELL, out:ellipsis())
end

local function header_row(names, key_count, out)
  local row = {}
  for i, name in ipairs(names) do
    row[i] = out:paint(i <= key_count and "bold" or "dim",
      display.cut(display.name(name), CELL, out:ellipsis()))
  end
  row[#row + 1] = ""
  return row
end

--- Returns true if a column contains numbers only. It is aligned to the right then.
local function is_numeric(chunk, name)
  for _, item in ipairs(chunk) do
    if item[name] ~= nil and types.type(item[name]) ~= "N" then
      return false
    end
  end
  return true
end

local function show_chunk(chunk, keys, out)
  local names, is_column, key_count = column_names(chunk, keys)
  local rows, right = { header_row(names, key_count, out) }, {}
  local columns = out.is_terminal and (out:size()) or nil
  for i, name in ipairs(names) do
    right[i] = is_numeric(chunk, name)
  end
  for _, item in ipairs(chunk) do
    local row = {}
    for i, name in ipairs(names) do
      row[i] = item[name] == nil and "" or cell_text(item[name], out)
    end
    row[#row + 1] = display.attributes(item, is_column, columns)
    rows[#rows + 1] = row
  end
  out:lines(display.grid(rows, right))
end

--- Shows one item, one attribute per line, the key first. Lines are not cut at the edge of the
--- window.
local function show_one(item, keys, out)
  local names, is_key, width = {}, {}, 0
  for _, name in ipairs(keys) do
    is_key[name] = true
    names[#names + 1] = item[name] ~= nil and name or nil
  end
  local key_count = #names
  for _, name in ipairs(display.sorted_names(item)) do
    width = math.max(width, math.min(display.columns(display.name(name)), CELL))
    names[#names + 1] = not is_key[name] and name or nil
  end
  for i, name in ipairs(names) do
    local label = out:paint(i <= key_count and "bold" or "dim", display.name(name))
    out:write(display.pad(label, width), "  ", display.value(item[name]), "\n")
  end
end

-- Writing --------------------------------------------------------------------

---@class tidetable.cli.ItemWriter
local ItemWriter = {}
ItemWriter.__index = ItemWriter

--- Creates a writer of items.
---@param out tidetable.cli.Console
---@param format string|nil
---@param description tidetable.TableDescription
---@return tidetable.cli.ItemWriter
function item_writer.new(out, format, description)
  local keys = item_writer.key_names(description)
  return setmetatable({
    out = out, keys = keys, form = item_writer.form(format), first = json_text.order(keys),
    in_columns = (format or out.is_terminal and "text") == "text", chunk = {}, bytes = 0,
  }, ItemWriter)
end

--- Writes the items that are kept in memory.
function ItemWriter:flush()
  if #self.chunk > 0 then
    show_chunk(self.chunk, self.keys, self.out)
    self.chunk, self.bytes = {}, 0
  end
end

--- Returns the approximate number of bytes of text in a value.
local function text_bytes(value)
  if type(value) == "string" then
    return #value
  elseif type(value) ~= "table" then
    return types.type(value) == "B" and #value or 0
  end
  local bytes = 0
  for name, each in next, value do
    bytes = bytes + text_bytes(name) + text_bytes(each)
  end
  return bytes
end

--- Writes an item. In columns it may be kept until more items have arrived, or until `flush`.
---@param item table<string, any>
function ItemWriter:add(item)
  if not self.in_columns then
    self.out:write(assert(json.encode_item(item, self.form, self.first)), "\n")
    return
  end
  self.chunk[#self.chunk + 1] = item
  self.bytes = self.bytes + text_bytes(item)
  if #self.chunk == CHUNK or self.bytes >= CHUNK_BYTES then
    self:flush()
  end
end

--- Writes all items of a query as JSON, without reading them into Lua tables.
---@param query userdata  of the core
---@param before string|nil   text before each item
---@param after string|nil    text after each item; default: the end of the line
---@param count fun(n: integer)|nil  called with the number of items that are written next
function ItemWriter:all(query, before, after, count)
  before, after = before or "", after or "\n"
  local text, n = core.next_json(query, self.form, self.keys, before, after)
  while text do
    self.out:write(text)
    if count then
      count(n)
    end
    text, n = core.next_json(query, self.form, self.keys, before, after)
  end
end

--- Writes the only item.
---@param item table<string, any>
function ItemWriter:only(item)
  if self.in_columns then
    show_one(item, self.keys, self.out)
  else
    self:add(item)
  end
end

return item_writer
