-- pool.lua - a pool of workers shares the records of a table, in processes or in an event loop.
--
--   lua5.4 examples/pool.lua [blocking|cqueues|copas|luv]
--
-- (copas of Debian 12: LUA_PATH=";;/usr/share/lua/5.2/?.lua")
--
-- Each worker adds the payments of some accounts to their balances, in the order of each account.
-- One worker stops in the middle, and the others take over its accounts. The loops differ in the
-- first part only: `start(number)` starts a worker; `run(main)` runs `main`, and returns when it
-- and all workers have ended.
local loop, path, worker_number = arg[1] or "blocking", arg[2], arg[3]

local start, run, sleep, wait, work

if loop == "blocking" then -- each worker is a process, which runs this program with its number
  local interpreter, processes = 0, {}
  while arg[interpreter - 1] do interpreter = interpreter - 1 end

  function start(number)
    local words = { arg[interpreter], arg[0], loop, path, tostring(number) }
    for i, word in ipairs(words) do words[i] = "'" .. word:gsub("'", "'\\''") .. "'" end
    processes[#processes + 1] = assert(io.popen(table.concat(words, " "), "w"))
  end

  function run(main)
    main()
    for _, process in ipairs(processes) do assert(process:close()) end
  end

  function sleep(seconds) os.execute("sleep " .. seconds) end
elseif loop == "cqueues" then
  local cqueues = require "cqueues"
  local controller = cqueues.new()
  sleep = cqueues.sleep

  function start(number) controller:wrap(work, number) end

  function run(main)
    controller:wrap(main)
    assert(controller:loop())
  end
elseif loop == "copas" then -- threads are counted, because copas 1.1.7 does not end its loop
  local copas, copas_loop = require "copas", require "tidetable.loop.copas"
  local running = 0
  sleep, wait = copas_loop.sleep, copas_loop.wait

  local function thread(f, argument)
    running = running + 1
    copas.addthread(function()
      f(argument)
      running = running - 1
    end)
  end

  function start(number) thread(work, number) end

  function run(main)
    thread(main)
    while running > 0 do copas.step(0.01) end
  end
elseif loop == "luv" then
  local uv, luv_loop = require "luv", require "tidetable.loop.luv"
  sleep, wait = luv_loop.sleep, luv_loop.wait

  function start(number) coroutine.wrap(work)(number) end

  function run(main)
    coroutine.wrap(main)()
    uv.run()
  end
else
  error("unknown loop: " .. loop)
end

-- The same in every loop ----------------------------------------------------------------------

local tidetable = require "tidetable"

local WORKERS, ACCOUNTS, PAYMENTS, LEAVES_AT = 4, 100, 20, 11

local function open()
  return assert(tidetable.open(path, { wait = wait, durability = "none" }))
end

local db
local settings = { source = "payments", batch_size = 20, max_attempts = 3 }

-- A worker: an object of the consumer and a handler. It ends when the consumer is deleted.
function work(number)
  local consumer <close> = assert(db:consumer("balances", settings))
  local ok, err, code = consumer:run(function(records, tx)
    sleep(0.001) -- stands for a call of another service: other coroutines run meanwhile
    for _, record in ipairs(records) do
      local payment = record.new_image
      tx:table "accounts":update({ id = payment.account },
        "SET numbers = list_append(if_not_exists(numbers, ?), ?) ADD balance ?",
        { tidetable.list {}, { payment.number }, payment.amount })
      if number == 1 and payment.number >= LEAVES_AT then consumer:stop() end
    end
  end)
  assert(ok or code == "CONSUMER_GONE", err)
end

if worker_number then -- a process of `blocking`
  db = open()
  work(tonumber(worker_number))
  db:close()
  return
end

-- `tmpname` creates an empty file, which reserves the name of the database. If this program fails,
-- the workers end because their file no longer exists.
local reserved = os.tmpname()
path = reserved .. ".tide"
local _cleanup <close> = setmetatable({}, { __close = function()
  for _, name in ipairs { reserved, path, path .. "-lock", path .. "-wake" } do os.remove(name) end
end })

db = open()
local _db <close> = db
assert(db:create_table {
  name = "payments", partition_key = "account", sort_key = { "number", "N" }, stream = true,
})
assert(db:create_table { name = "accounts", partition_key = "id" })
local balances = assert(db:consumer("balances", settings))

-- Stores some payments to each account, one of each in a transaction.
local function pay(first, last)
  for number = first, last do
    assert(db:transact(function(tx)
      for account = 1, ACCOUNTS do
        tx:table "payments":put { account = "no. " .. account, number = number, amount = number }
      end
    end))
  end
end

-- Waits until all payments are handled and each of `count` workers has a range of shards. Prints
-- the ranges.
local function print_ranges(count)
  assert(balances:wait_for())
  local ranges, owned
  repeat
    sleep(0.01)
    ranges, owned = assert(balances:workers()), 0
    for _, range in ipairs(ranges) do
      owned = owned + (range.first and range.is_alive and 1 or 0)
    end
  until owned == count and #ranges == count
  print(count .. " workers")
  for _, range in ipairs(ranges) do
    print(("shards %2d to %2d, process %d"):format(range.first, range.last, range.pid))
  end
end

run(function()
  for number = 1, WORKERS do start(number) end
  pay(1, LEAVES_AT - 1)
  print_ranges(WORKERS)
  pay(LEAVES_AT, PAYMENTS)
  print_ranges(WORKERS - 1)
  assert(balances:delete())
end)

-- Each account has all of its payments, once and in order.
local all, correct = {}, 0
for number = 1, PAYMENTS do all[number] = number end
for account in db:table "accounts":scan() do
  assert(tidetable.equal(account.numbers, all), account.id)
  assert(account.balance == PAYMENTS * (PAYMENTS + 1) // 2, account.id)
  correct = correct + 1
end
assert(correct == ACCOUNTS)
print(("%d accounts have their %d payments, once and in order"):format(correct, PAYMENTS))

-- With `blocking` it prints, for example
--
--   4 workers
--   shards  0 to 15, process 26749
--   shards 16 to 31, process 26744
--   shards 32 to 47, process 26750
--   shards 48 to 63, process 26748
--   3 workers
--   shards  0 to 23, process 26749
--   shards 24 to 47, process 26750
--   shards 48 to 63, process 26748
--   100 accounts have their 20 payments, once and in order
