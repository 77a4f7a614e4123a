-- views.lua - definitions of views, and computations of what they contain, for the specs.
local assert = require "luassert"
local testing = require "tidetable.testing"
local tidetable = require "tidetable"

local views = {}

local number = tidetable.number

--- Returns a value as an exact number.
local function exact(value)
  return type(value) == "number" and number(value) or value
end

--- Returns a table as a key: the values of these attributes as text.
local function key_text(item, names)
  local parts = {}
  for i, name in ipairs(names) do parts[i] = tostring(item[name]) end
  return table.concat(parts, "/")
end
views.key_text = key_text

--- Fields that every definition of these specs has.
local function define(name, more, opts)
  local definition = { name = name, from = "orders" }
  for field, value in pairs(more) do definition[field] = value end
  for field, value in pairs(opts or {}) do definition[field] = value end
  return definition
end

local function by_customer(item)
  return item.customer and { customer = item.customer }
end

-- The views. Each has a function that computes its rows from all items: expected(items, version).

views.kinds = {}

views.kinds.sum = {
  key = { "customer" },
  define = function(version, opts)
    return define("spent", {
      version = version, key = by_customer, table = { partition_key = "customer", stream = true },
      reduce = {
        initial = { total = 0, orders = 0 },
        add = function(group, item)
          group.total, group.orders = group.total + version * item.total, group.orders + 1
        end,
        remove = function(group, item)
          group.total, group.orders = group.total - version * item.total, group.orders - 1
        end,
      },
    }, opts)
  end,
  expected = function(items, version)
    local rows = {}
    for _, item in ipairs(items) do
      if item.customer then
        local row = rows[item.customer] or { customer = item.customer, total = number "0",
          orders = 0 }
        row.total, row.orders = row.total + exact(item.total) * version, row.orders + 1
        rows[item.customer] = row
      end
    end
    return rows
  end,
}

views.kinds.members = {
  key = { "customer" },
  define = function(version, opts)
    return define("greatest", {
      version = version, key = by_customer, table = { partition_key = "customer", stream = true },
      reduce = {
        add = function(group, item)
          if not group.greatest or group.greatest < item.total then group.greatest = item.total end
          group.numbers = group.numbers or tidetable.list {}
          group.numbers[#group.numbers + 1] = item.number * version
        end,
      },
    }, opts)
  end,
  --- The order of the numbers is that of the encoded keys: the same for equal items.
  expected = function(items, version)
    local rows = {}
    for _, item in ipairs(items) do
      if item.customer then
        local row = rows[item.customer] or { customer = item.customer, numbers = {} }
        row.greatest = row.greatest and exact(row.greatest) > exact(item.total) and row.greatest
          or item.total
        row.numbers[#row.numbers + 1] = item.number * version
        rows[item.customer] = row
      end
    end
    return rows
  end,
  normalize = function(row)
    table.sort(row.numbers)
    return row
  end,
}

views.kinds.select = {
  key = { "number", "place" },
  define = function(version, opts)
    return define("lines", {
      version = version, table = { partition_key = { "number", "N" }, sort_key = "place",
        stream = true },
      select = function(item)
        local rows = {}
        for i = 1, item.lines or 0 do
          rows[i] = { number = item.number, place = item.place .. i, total = version * i }
        end
        return rows
      end,
    }, opts)
  end,
  expected = function(items, version)
    local rows = {}
    for _, item in ipairs(items) do
      for i = 1, item.lines or 0 do
        local row = { number = item.number, place = item.place .. i, total = version * i }
        rows[key_text(row, { "number", "place" })] = row
      end
    end
    return rows
  end,
}

--- Opens a database with the table `orders`.
function views.source(db)
  return assert(db:create_table { name = "orders", partition_key = "place",
    sort_key = { "number", "N" }, ttl = "expires", stream = true })
end

--- Does steps until there is nothing to do. Returns their number.
function views.drain(view)
  local steps = 0
  while true do
    local count = assert(view:step())
    if count == 0 then return steps end
    steps = steps + 1
  end
end

--- Returns the rows of a view's table by their keys.
function views.rows(db, name, names, normalize)
  local rows = {}
  for row in db:table(name):scan() do
    rows[key_text(row, names)] = normalize and normalize(row) or row
  end
  return rows
end

--- Returns all items of a table.
function views.items(handle)
  local items = {}
  for item in handle:scan() do items[#items + 1] = item end
  return items
end

--- Asserts that the rows of a view of this kind are those that the items of the source give.
function views.assert_equal(db, kind, version, definition)
  local about = views.kinds[kind]
  local items = views.items(db:table(definition.from))
  local expected = about.expected(items, version)
  local rows = views.rows(db, definition.into or definition.name, about.key, about.normalize)
  for key, row in pairs(expected) do
    if about.normalize then about.normalize(row) end
    assert.is_truthy(rows[key], "no row " .. key)
    assert.is_true(tidetable.equal(row, rows[key]), "row " .. key)
    rows[key] = nil
  end
  assert.is_nil(next(rows), "a row that no item gives")
end

--- Returns the records of a table after a position, without images.
function views.records(handle, after)
  local records = {}
  for _, record in ipairs(testing.records(handle, { "event_name", "keys", "sequence_number",
    "transaction_id" })) do
    if record.sequence_number > (after or 0) then records[#records + 1] = record end
  end
  return records
end

return views
