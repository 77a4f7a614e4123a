-- pool.lua - tests of a pool of workers of one consumer that hold in every event loop, and with
-- workers that are processes.
--
-- A backend is { name, wait, sleep(seconds), run(main), start(db, number, options),
-- stop(db, number), result(number) }. `run` runs a function until it and all workers have ended.
-- `stop` stops a worker. `result` returns "true" or the error's code after the run of a worker has
-- returned, or "killed".
local assert = require "luassert"
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"

local pool = {}

--- Source of a worker: runs a consumer and returns the result of the run as a text. Its handler
--- appends the number of each record to the item of its key.
pool.worker = [[
  local db, number, sleep, opts, on_open = ...
  local consumer <close> = assert(db:consumer("pool", opts))
  local control = db:table "control"
  if on_open then on_open(consumer) end
  local ok, err = consumer:run(function(records, tx)
    if opts.mode ~= "locked" then sleep(0.001) end
    while control:get { id = "hold" } do sleep(0.001) end
    for _, record in ipairs(records) do
      tx:table "seen":update({ id = record.keys.id },
        "SET numbers = list_append(if_not_exists(numbers, ?), ?)",
        { require "tidetable".list {}, { record.new_image.number } })
    end
    tx:table "workers":update({ id = tostring(number) }, "ADD records ?", { #records })
    if control:get { id = tostring(number) } then consumer:stop() end
  end)
  return tostring(ok or err.code)
]]

--- Number of keys. Each range of several shards has some of them.
local KEYS = 100

--- Seconds after which a wait fails.
local SECONDS = 120

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

--- Returns a backend whose workers are coroutines of an event loop. loop: as in behaviour.lua.
function pool.coroutines(loop)
  local backend = { name = "coroutines of " .. loop.name, wait = loop.wait, sleep = loop.sleep }
  local jobs, is_over, running, stopped, results

  --- Runs the jobs that are given to it, one after another.
  local function runner()
    while not is_over or #jobs > 0 do
      local job = table.remove(jobs)
      if job then job() else loop.sleep(0.001) end
    end
  end

  --- Stops the workers and the runners also if main raises an error.
  function backend.run(main)
    jobs, is_over, running, stopped, results = {}, false, {}, {}, {}
    local functions = { function()
      local ok, err = xpcall(main, debug.traceback)
      is_over = true
      for number in pairs(running) do backend.stop(nil, number) end
      if not ok then error(err, 0) end
    end }
    for i = 2, 9 do functions[i] = runner end
    loop.run(functions)
    assert.is_nil(next(running))
  end

  function backend.start(db, number, opts)
    jobs[#jobs + 1] = function()
      results[number] = assert(load(pool.worker))(db, number, loop.sleep, opts, function(consumer)
        running[number] = consumer
        if stopped[number] or is_over then consumer:stop() end
      end)
      running[number] = nil
    end
  end

  function backend.stop(_, number)
    stopped[number] = true
    if running[number] then running[number]:stop() end
  end

  function backend.result(number) return results[number] end

  return backend
end

--- The database, and the truth about it, of a test.
local Pool = {}
Pool.__index = Pool

local function new(backend) return setmetatable({ backend = backend }, Pool) end

function Pool:create(opts)
  self.db = helper.open { wait = self.backend.wait }
  self.opts = { source = "orders", batch_size = 20, max_attempts = 1 }
  for name, value in pairs(opts or {}) do self.opts[name] = value end
  for _, name in ipairs { "orders", "seen", "workers", "control" } do
    self[name] = assert(self.db:create_table { name = name, partition_key = "id",
      stream = name == "orders" })
  end
  self.consumer = assert(self.db:consumer("pool", self.opts))
  self.count = 0
end

--- Puts orders, one after another. Record n is the change n // KEYS of its key.
function Pool:put(count)
  for _ = 1, count do
    local number = self.count
    assert(self.orders:put { id = "key " .. number % KEYS, number = number // KEYS })
    self.count = number + 1
    if number % 20 == 0 then self.backend.sleep(0) end
  end
end

function Pool:start(number) self.backend.start(self.db, number, self.opts) end

function Pool:stop(number) self.backend.stop(self.db, number) end

--- Waits until f() returns true. A worker that has failed could make it wait forever.
function Pool:until_true(f)
  local started = core.elapsed()
  while not f() do
    assert.is_true(core.elapsed() - started < SECONDS, "a wait has not ended")
    self.backend.sleep(0.002)
  end
end

--- Returns the number of workers that have a range, and that of all, if each shard has one.
function Pool:owners()
  local owners, next_shard, workers = 0, 0, assert(self.consumer:workers())
  for _, each in ipairs(workers) do
    if each.first then
      assert.equal(next_shard, each.first)
      next_shard = each.last + 1
      owners = owners + (each.is_alive and 1 or 0)
    end
  end
  assert.equal(self.opts.shards or 64, next_shard)
  return owners, #workers
end

--- Waits until each of `count` workers has one range.
function Pool:share(count)
  self:until_true(function()
    local owners, all = self:owners()
    return owners == count and all == count
  end)
end

--- Waits until all records are handled, and checks that each was handled once and in order.
function Pool:check()
  assert(self.consumer:wait_for(nil, SECONDS))
  local seen, records = 0, 0
  for item in self.seen:scan() do
    local key = tonumber(item.id:match "%d+")
    assert.equal((self.count - 1 - key) // KEYS + 1, #item.numbers, item.id)
    for i, number in ipairs(item.numbers) do assert.equal(i - 1, number, item.id) end
    seen = seen + #item.numbers
  end
  for item in self.workers:scan() do records = records + item.records end
  assert.equal(self.count, seen)
  assert.equal(self.count, records)
  assert.equal(self.count, self.consumer:describe().records)
end

--- Returns the number of records that a worker has handled.
function Pool:handled(number)
  local item = self.workers:get { id = tostring(number) }
  return item and item.records or 0
end

--- Defines the tests of a backend. The arguments after it are functions of busted.
function pool.test(backend, describe, it, before_each, after_each)
  local self = new(backend)

  --- Runs main in the loop, then checks the file.
  local function run(main)
    backend.run(main)
    assert.same({}, assert(self.db:check()).problems)
  end

  describe("a pool of " .. backend.name, function()
    helper.setup(before_each, after_each)

    for _, mode in ipairs { "optimistic", "locked" } do
      it("shares the records while workers start and stop, mode " .. mode, function()
        self:create { mode = mode }
        run(function()
          for number = 1, 3 do
            self:start(number)
            self:put(KEYS)
          end
          self:share(3)
          local before = { self:handled(1), self:handled(2), self:handled(3) }
          self:put(KEYS)
          self:check()
          for number = 1, 3 do assert.is_true(self:handled(number) > before[number]) end
          -- One stops while records are written, and the others take over its shards.
          self:put(KEYS // 2)
          self:stop(2)
          self:put(KEYS)
          self:until_true(function() return backend.result(2) end)
          assert.is_truthy(backend.result(2) == "true" or backend.result(2) == "killed")
          self:share(2)
          local handled = self:handled(2)
          self:put(KEYS)
          self:check()
          assert.equal(handled, self:handled(2))
          self:start(4)
          self:put(KEYS)
          self:share(3)
          self:put(KEYS)
          self:check()
          assert.is_true(self:handled(4) > 0)
          assert(self.consumer:delete())
        end)
        for _, number in ipairs { 1, 3, 4 } do
          assert.equal("CONSUMER_GONE", backend.result(number))
        end
      end)
    end

    it("calls the handlers of all workers at the same time", function()
      self:create()
      run(function()
        for number = 1, 4 do self:start(number) end
        self:share(4)
        assert(self.control:put { id = "hold" })
        self:put(2 * KEYS)
        self:until_true(function()
          local in_handler = 0
          for _, each in ipairs(assert(self.consumer:workers())) do
            in_handler = in_handler + (each.in_handler and 1 or 0)
          end
          return in_handler == 4
        end)
        assert(self.control:delete { id = "hold" })
        self:check()
        assert(self.consumer:delete())
      end)
    end)

    it("starts and stops workers at random", function()
      math.randomseed(SEED)
      local random = math.random
      self:create { batch_size = 7 }
      local ok, err = pcall(run, function()
        local started, living = 0, {}
        for _ = 1, 12 do
          if #living == 0 or #living < 5 and random(2) == 1 then
            started = started + 1
            living[#living + 1] = started
            self:start(started)
          else
            self:stop(table.remove(living, random(#living)))
          end
          self:put(random(2 * KEYS))
          if random(3) == 1 then self.backend.sleep(random(5) / 1000) end
        end
        if #living == 0 then self:start(started + 1) end
        self:check()
        assert(self.consumer:delete())
      end)
      assert(ok, ("SEED=%d: %s"):format(SEED, err))
    end)
  end)
end

--- Defines the tests of coroutines of one process. loop: as in behaviour.lua.
function pool.test_coroutines(loop, describe, it, before_each, after_each)
  local backend = pool.coroutines(loop)
  pool.test(backend, describe, it, before_each, after_each)
  local self = new(backend)

  describe("a pool of " .. backend.name, function()
    helper.setup(before_each, after_each)

    it("has workers that wait if it has more of them than shards", function()
      self:create { shards = 2 }
      backend.run(function()
        for number = 1, 4 do self:start(number) end
        self:put(KEYS)
        self:until_true(function()
          local owners, all = self:owners()
          return owners == 2 and all == 4
        end)
        -- Whichever two stop, the others get the shards.
        self:stop(1)
        self:stop(3)
        self:put(KEYS)
        self:share(2)
        self:put(KEYS)
        self:check()
        self:stop(2)
        self:share(1)
        self:stop(4)
        self:until_true(function() return not self.consumer:describe().has_owner end)
      end)
      for number = 1, 4 do assert.equal("true", backend.result(number)) end
    end)

    it("ends with CLOSED if the program closes the database", function()
      self:create { shards = 3 }
      local codes = {}
      local function work(handler)
        return function()
          local consumer = assert(self.db:consumer("pool", self.opts))
          local ok, err = pcall(consumer.run, consumer, handler)
          assert.is_false(ok)
          codes[#codes + 1] = err.code
        end
      end
      local inside, is_over = 0, false
      local function handler()
        inside = inside + 1
        while not is_over do loop.sleep(0.001) end
      end
      loop.run { work(handler), work(handler), work(handler), work(handler), function()
        self:until_true(function()
          local owners, all = self:owners()
          return owners == 3 and all == 4
        end)
        -- A worker is in its handler, and others wait for records or for a range.
        assert(self.orders:put { id = "key" })
        self:until_true(function() return inside == 1 end)
        self.db:close()
        is_over = true
      end }
      assert.same({ "CLOSED", "CLOSED", "CLOSED", "CLOSED" }, codes)
    end)
  end)
end

return pool
