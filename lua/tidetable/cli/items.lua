-- items.lua - items as a command shows them: in columns on a terminal, as JSON in a pipe.

local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.text"
local text = require "tidetable.cli.text"
local types = require "tidetable.types"

local items = {}

local CHUNK = 500      -- items that are put in columns together
local CELL = 40        -- columns of one value at most

--- The form of JSON that the option means.
---@param format string|nil
---@return tidetable.json.form
function items.form(format)
  return format == "dynamodb" and "dynamodb" or "plain"
end

--- The names of the key, the partition key first.
---@param description tidetable.TableDescription
---@return string[]
function items.key_names(description)
  return { description.partition_key[1], description.sort_key and description.sort_key[1] }
end

-- In columns -----------------------------------------------------------------

--- The names that get a column: the key's, and what half of the items have.
local function column_names(chunk, keys)
  local counts = {}
  for _, item in ipairs(chunk) do
    for name in pairs(item) do
      counts[name] = (counts[name] or 0) + 1
    end
  end
  local names, is_column = { table.unpack(keys) }, {}
  for _, name in ipairs(keys) do
    is_column[name] = true
  end
  for _, name in ipairs(text.sorted_names(counts)) do
    if not is_column[name] and counts[name] * 2 >= #chunk then
      names[#names + 1], is_column[name] = name, true
    end
  end
  return names, is_column
end

--- A value in its column: text without quotes where nobody can take it for more.
local function cell(value, out)
  if type(value) == "string" and value:find "^[%a_][%w_./:@+ -]*$" and
      value ~= "true" and value ~= "false" and value ~= "null" then
    return text.cut(value, CELL, out:ellipsis())
  end
  return text.short(value, CELL, out:ellipsis())
end

local function header(names, keys, out)
  local row = {}
  for i, name in ipairs(names) do
    row[i] = out:paint(i <= #keys and "bold" or "dim", text.name(name))
  end
  row[#row + 1] = ""
  return row
end

--- Whether all there is in a column are numbers: they stand at the right.
local function is_numeric(chunk, name)
  for _, item in ipairs(chunk) do
    if item[name] ~= nil and types.type(item[name]) ~= "N" then
      return false
    end
  end
  return true
end

local function show_chunk(chunk, keys, out)
  local names, is_column = column_names(chunk, keys)
  local rows, right = { header(names, keys, out) }, {}
  for i, name in ipairs(names) do
    right[i] = is_numeric(chunk, name)
  end
  for _, item in ipairs(chunk) do
    local row = {}
    for i, name in ipairs(names) do
      row[i] = item[name] == nil and "" or cell(item[name], out)
    end
    row[#row + 1] = text.attributes(item, is_column)
    rows[#rows + 1] = row
  end
  out:lines(text.grid(rows, right))
end

--- One item, an attribute a line.
local function show_one(item, keys, out)
  local rows, is_key = {}, {}
  for _, name in ipairs(keys) do
    is_key[name] = true
    rows[#rows + 1] = { out:paint("bold", text.name(name)), text.value(item[name]) }
  end
  for _, name in ipairs(text.sorted_names(item)) do
    if not is_key[name] then
      rows[#rows + 1] = { out:paint("dim", text.name(name)), text.value(item[name]) }
    end
  end
  out:lines(text.grid(rows))
end

-- Writing --------------------------------------------------------------------

---@class tidetable.cli.Items
local Items = {}
Items.__index = Items

--- What writes items as they come.
---@param out tidetable.cli.Console
---@param format string|nil
---@param description tidetable.TableDescription
---@return tidetable.cli.Items
function items.writer(out, format, description)
  local keys = items.key_names(description)
  return setmetatable({
    out = out, keys = keys, form = items.form(format), first = json_text.order(keys),
    in_columns = (format or out.is_terminal and "text") == "text", chunk = {},
  }, Items)
end

function Items:flush()
  if #self.chunk > 0 then
    show_chunk(self.chunk, self.keys, self.out)
    self.chunk = {}
  end
end

--- One of many.
---@param item table<string, any>
function Items:add(item)
  if not self.in_columns then
    self.out:write(assert(json.encode_item(item, self.form, self.first)), "\n")
    return
  end
  self.chunk[#self.chunk + 1] = item
  if #self.chunk == CHUNK then
    self:flush()
  end
end

--- The only one.
---@param item table<string, any>
function Items:only(item)
  if self.in_columns then
    show_one(item, self.keys, self.out)
  else
    self:add(item)
  end
end

return items
