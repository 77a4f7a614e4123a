-- consumers.lua - databases, consumers and handlers of the specs of consumers.
local assert = require "luassert"
local helper = require "spec.tidetable.helper"

local consumers = {}

--- Opens a database with the table `orders`, which has a stream, and tables without streams, all
--- with the partition key `id`. Returns the database and the tables.
function consumers.orders(...)
  local db, tables = helper.open(), {}
  for i, name in ipairs { "orders", ... } do
    tables[i] = assert(db:create_table { name = name, partition_key = "id", stream = i == 1 })
  end
  return db, table.unpack(tables)
end

--- Opens a database with two tables that have streams, `orders` and `other`.
function consumers.two_tables()
  local db, orders = consumers.orders()
  return db, orders,
    assert(db:create_table { name = "other", partition_key = "id", stream = true })
end

--- Puts items with the ids "1" to `count`.
function consumers.put(source, count)
  for i = 1, count do assert(source:put { id = tostring(i) }) end
end

--- Opens a consumer of `orders` with a short backoff.
function consumers.open(db, name, opts)
  local given = { source = "orders", backoff = 0.001 }
  for option, value in pairs(opts or {}) do given[option] = value end
  return assert(db:consumer(name, given))
end

--- Returns the sequence number of a record.
function consumers.number_of(record) return record.sequence_number end

--- Handles batches until none is left. Returns name_of(record) of each record; default: its id.
function consumers.drain(consumer, name_of)
  local names = {}
  repeat
    local count, err = consumer:step(function(records)
      for _, record in ipairs(records) do
        names[#names + 1] = name_of and name_of(record) or record.keys.id
      end
    end)
    assert(count, err)
  until count == 0
  return names
end

--- Opens a database with the table `orders`, which has ten items with an amount, and the table
--- `totals`. Returns the database and `totals`.
function consumers.totals()
  local db, orders, totals = consumers.orders "totals"
  for i = 1, 10 do assert(orders:put { id = tostring(i), amount = i }) end
  return db, totals
end

-- Handlers in both modes -----------------------------------------------------

--- The database of consumers.totals.
local Totals = {}
Totals.__index = Totals

function Totals:start() self.db, self.totals = consumers.totals() end

--- Opens the consumer "c" in the mode of the tests.
function Totals:open(opts)
  opts = opts or {}
  opts.mode = opts.mode or self.mode
  return consumers.open(self.db, "c", opts)
end

--- A handler that adds the amounts of the records to an item of `totals`.
function consumers.add(records, tx)
  for _, record in ipairs(records) do
    tx:table "totals":update({ id = "all" }, "ADD amount ?", { record.new_image.amount })
  end
end

--- Calls define(fixture) for each mode of transactions, in a describe block. The first three
--- arguments are functions of busted, which only specs have. The fixture is an object of `class`,
--- by default Totals, with the field `mode`. Its method `start` is called before each test.
function consumers.for_each_mode(describe, before_each, after_each, subject, define, class)
  for _, mode in ipairs { "optimistic", "locked" } do
    describe(subject .. " in mode " .. mode, function()
      local fixture = setmetatable({ mode = mode }, class or Totals)
      helper.setup(before_each, after_each)
      before_each(function() fixture:start() end)
      define(fixture)
    end)
  end
end

return consumers
