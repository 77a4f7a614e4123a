-- parking.lua - the database and the handlers of the specs of parked records.
local assert = require "luassert"
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"

--- A database with tables `orders` (id, n), `totals` and `dead`, and a consumer "c" of orders that
--- parks records.
local Parking = {}
Parking.__index = Parking

--- Opens the database in the test's directory.
function Parking:start()
  -- Names of the records on which the handler fails.
  self.failing = {}
  self.db = helper.open()
  self.orders = assert(self.db:create_table { name = "orders", partition_key = "id",
    sort_key = { "n", "N" }, stream = true })
  assert(self.db:create_table { name = "totals", partition_key = "id" })
  assert(self.db:create_table { name = "dead", partition_key = "id",
    sort_key = { "part", "N" } })
end

--- Opens the consumer.
function Parking:open(opts)
  local given = { source = "orders", mode = self.mode, backoff = 0, on_failure = "park",
    max_attempts = 2 }
  for name, value in pairs(opts or {}) do given[name] = value end
  return assert(self.db:consumer("c", given))
end

--- Puts items, "a1" is { id = "a", n = 1 }.
function Parking:put(...)
  for _, each in ipairs { ... } do
    local id, n = each:match "^(%a+)(%d+)$"
    assert(self.orders:put { id = id, n = math.tointeger(tonumber(n)) })
  end
end

--- Opens the consumer, which has handled the item a1 and parked its record. The handlers of the
--- test continue to fail on a1.
function Parking:open_with_a1_parked(opts)
  self:put("a1")
  self.failing.a1 = true
  local consumer = self:open(opts)
  self:drain(consumer)
  return consumer
end

--- Returns the name of a record, such as "a1".
function Parking.name_of(record)
  return record.keys.id .. record.keys.n
end

--- Returns a handler that fails on the records in `failing`, and adds the sizes of its batches to
--- `sizes`.
function Parking:handler(sizes)
  return function(records, tx)
    local names = {}
    if sizes then sizes[#sizes + 1] = #records end
    for _, record in ipairs(records) do
      local name = self.name_of(record)
      if self.failing[name] then error("bad " .. name, 0) end
      tx:table "totals":update({ id = "all" }, "ADD amount ?", { record.keys.n })
      names[#names + 1] = name
    end
    tx:table "totals":put { id = "last", names = names }
  end
end

--- Calls step until there is nothing left. Returns the names of the records handled, in order.
function Parking:drain(consumer, fn)
  local handled, got = {}, nil
  local function noting(records, tx)
    got = {}
    local results = table.pack((fn or self:handler())(records, tx))
    for _, record in ipairs(records) do got[#got + 1] = self.name_of(record) end
    return table.unpack(results, 1, results.n)
  end
  for _ = 1, 200 do
    got = {}
    local count, err = consumer:step(noting)
    if count == 0 then
      return table.concat(handled, " ")
    end
    assert.is_true(count ~= nil or err.code == "BATCH_FAILED", tostring(err))
    for _, name in ipairs(count and got or {}) do
      if not self.failing[name] then handled[#handled + 1] = name end
    end
  end
  error "endless"
end

--- Returns the names of the parked records in order, those to be delivered again with a star.
function Parking:parked(consumer, opts)
  local names = {}
  for each in consumer:parked(opts) do
    names[#names + 1] = self.name_of(each.record) .. (each.is_to_be_replayed and "*" or "")
  end
  table.sort(names)
  return table.concat(names, " ")
end

function Parking.counts(consumer)
  local about = consumer:describe()
  return { about.parked, about.replays, about.dead_letters, about.position }
end

--- Calls define(parking) for each mode of transactions (consumers.for_each_mode).
return function(describe, before_each, after_each, subject, define)
  consumers.for_each_mode(describe, before_each, after_each, subject, define, Parking)
end
