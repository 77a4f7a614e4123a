-- consumer_tidetable.lua - consumers of this library, and plain transactions that write the same.
--
--     lua5.4 bench/lib/consumer_tidetable.lua locked|optimistic COMMAND...
--     lua5.4 bench/lib/consumer_tidetable.lua plain_locked|plain_optimistic COMMAND...
--
-- The commands are those of bench/lib/consumer.h. A plain transaction reads no records. It updates
-- the same counters, and an item in place of the position.

package.path = arg[0]:gsub("[^/]*$", "?.lua;") .. package.path

local tidetable = require "tidetable"

local bench = require "bench"
local sales = require "sales"

local is_plain, mode = arg[1]:find "^plain_" ~= nil, arg[1]:match "%l+$"

local adapter = {}
local handle_of = {}
handle_of.__index = handle_of

local file = "/data.tide"
local load_batch = 1000

function adapter.describe()
  print("tidetable, from Lua; durability by name; a stream of new images; mode " .. mode)
  print(is_plain and "db:transact" or "consumer:run")
  print 'counters:update({ id = customer }, "ADD n ?", { total })'
end

local function open(path, level)
  return assert(tidetable.open(path .. file, { durability = level }))
end

function adapter.make(path, count)
  local db <close> = open(path, "none")
  local counters = assert(db:create_table { name = "counters", partition_key = "id" })
  for name in sales.counters() do assert(counters:put { id = name, n = 0 }) end
  local orders = assert(db:create_table {
    name = "sales", partition_key = "customer", sort_key = { "placed_at", "N" },
    stream = { view_type = "NEW_IMAGE" },
  })
  local i = -1
  assert(orders:load(function()
    i = i + 1
    return i < count and sales.make(i) or nil
  end, { batch = load_batch }))
  assert(db:sync())
end

function adapter.open(path, level)
  local db = open(path, level)
  return setmetatable({ db = db, counters = assert(db:table "counters") }, handle_of)
end

--- Reads all records, so that the pages of the file are mapped.
function handle_of:start(job)
  self.batch, self.records = job.batch, 0
  for record in self.db:table "sales":stream():records() do
    assert(record.new_image)
    self.records = self.records + 1
  end
  if not is_plain then
    self.consumer = assert(self.db:consumer("bench", {
      source = "sales", batch_size = job.batch, mode = mode,
    }))
  end
end

--- Returns the handler for a job.
local function handler_of(job)
  local memory = job.memory
  if job.is_counters and job.is_exact then
    return function(records, tx)
      local counters = tx:table "counters"
      for _, record in ipairs(records) do
        local sale = record.new_image
        counters:update({ id = sale.customer }, "ADD n ?", { sale.total })
      end
    end
  elseif job.is_counters then
    return function(records)
      for _, record in ipairs(records) do
        local sale = record.new_image
        memory[sale.customer] = memory[sale.customer] + sale.total
      end
    end
  elseif job.is_exact then
    return function(records, tx)
      tx:table "counters":update({ id = sales.records_counter }, "ADD n ?", { #records })
    end
  end
  return function(records)
    memory[sales.records_counter] = memory[sales.records_counter] + #records
  end
end

local function consume(self, job, count)
  local handler, consumer, done = handler_of(job), self.consumer, 0
  assert(consumer:run(function(records, tx)
    handler(records, tx)
    done = done + #records
    if done >= count then
      consumer:stop()
    end
  end))
end

--- Adds the same amounts to the counters as the handler, without reading records.
local function write(job, counters, from, to)
  local memory = not job.is_exact and job.memory
  local function add(counter, n)
    if memory then
      memory[counter] = memory[counter] + n
    else
      counters:update({ id = counter }, "ADD n ?", { n })
    end
  end
  if not job.is_counters then
    add(sales.records_counter, to - from)
    return
  end
  for i = from, to - 1 do add(sales.of(i)) end
end

local function write_plainly(self, job, count)
  local options = { mode = mode }
  for from = 0, count - 1, job.batch do
    assert(self.db:transact(function(tx)
      local counters = tx:table "counters"
      write(job, counters, from, from + job.batch)
      counters:put { id = "position", at = bench.now() }   -- an equal item would not be written
    end, options))
  end
end

function handle_of:consume(job, count)
  if is_plain then
    write_plainly(self, job, count)
  else
    consume(self, job, count)
  end
end

--- A plain transaction stores no position.
function handle_of:position()
  if is_plain then
    return nil
  end
  local described = assert(self.consumer:describe())
  local position = self.records - assert(self.consumer:lag()).records
  assert(described.records == position and described.batches * self.batch == position,
    "each batch should be handled once")
  return position
end

function handle_of:sum()
  local sum = 0
  for name in sales.counters() do sum = sum + self.counters:get({ id = name }).n end
  return sum
end

function handle_of:close()
  if self.consumer then
    assert(self.consumer:delete())
  end
  self.db:close()
end

handle_of.__close = handle_of.close

sales.main(adapter, table.unpack(arg, 2))
