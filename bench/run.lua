-- run.lua - `tidetable run`: an empty handler beside the loop of a consumer in one process, and
-- programs that get the records as JSON.
--
-- All handle the same records, in the same round; the order differs from round to round. The time
-- is that from the first call of the handler to the last one. doc/bench.md describes each row.
--
--     ROUNDS=9 ITEMS=1000000 MEM=/dev/shm lua5.4 bench/run.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"
local tidetable = require "tidetable"

local count = bench.scaled(200000, 2000) // 1000 * 1000
local command = (os.getenv "TIDETABLE_BUILD" or "build") .. "/bin/tidetable"
local lua = os.getenv "LUA" or "lua5.4"

--- Code that is called with the number of records of each batch, and writes the rate at the end.
local COUNT = ([[
  local now = require "cqueues".monotime
  local count, first, at = 0, nil, nil
  local function note(n)
    if not at then first, at = n, now() end
    count = count + n
    if count == %d then
      local file = assert(io.open(os.getenv "RATE", "w"))
      file:write((count - first) / (now() - at))
      file:close()
      return true
    end
  end
]]):format(count)

local PROGRAM = COUNT .. [[
  for line in io.lines() do
    note(1000)
    io.write "{}\n"
    io.flush()
  end
]]

local function script(batch)
  return COUNT .. ([[
    return { name = "c", source = "orders", batch_size = %d, handler = function(records)
      note(#records)
    end }
  ]]):format(batch)
end

local function loop(batch)
  return COUNT .. ([[
    local db <close> = assert(require "tidetable".open(arg[1], { durability = "none" }))
    local consumer = assert(db:consumer("c", { source = "orders", batch_size = %d }))
    assert(consumer:run(function(records)
      if note(#records) then consumer:stop() end
    end))
  ]]):format(batch)
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

local function make(path)
  local db <close> = assert(tidetable.open(path, { durability = "none" }))
  local orders = assert(db:create_table { name = "orders", partition_key = "id",
    stream = { view_type = "NEW_AND_OLD_IMAGES" } })
  local i = 0
  assert(orders:load(function()
    i = i + 1
    return i <= count and { id = tostring(i), customer = "customer-" .. i % 1000, total = i % 97,
      status = "open", note = "ring twice, door " .. i % 50 } or nil
  end))
end

local folder = bench.memory
os.execute(("rm -rf %s && mkdir -p %s"):format(folder, folder))
local file = folder .. "/run.tide"
make(file)
write(folder .. "/program.lua", PROGRAM)
for _, batch in ipairs { 100, 1000 } do
  write(("%s/loop-%d.lua"):format(folder, batch), loop(batch))
  write(("%s/script-%d.lua"):format(folder, batch), script(batch))
end

--- Runs a shell command after which the file of the rate exists. Returns the rate.
local function rate(line)
  assert(os.execute(("rm -f %s/rate"):format(folder)))
  local db = assert(tidetable.open(file, { durability = "none" }))
  for _, name in ipairs(db:list_consumers()) do
    assert(assert(db:consumer(name)):delete { discard = true })
  end
  db:close()
  assert(os.execute(("RATE=%s/rate %s >/dev/null 2>%s/log"):format(folder, line, folder)), line)
  local opened <close> = assert(io.open(folder .. "/rate"), line)
  return opened:read "n"
end

local function in_loop(batch)
  return ("%s %s/loop-%d.lua %s"):format(lua, folder, batch, file)
end

local function in_run(batch)
  return ("%s %s run %s %s/script-%d.lua --once --durability none"):format(lua, command, file,
    folder, batch)
end

local rows = {
  { "consumer:run, batches of 100", in_loop(100) },
  { "tidetable run, batches of 100", in_run(100) },
  { "consumer:run, batches of 1,000", in_loop(1000) },
  { "tidetable run, batches of 1,000", in_run(1000) },
  { "tidetable run --exec, batches of 1,000",
    ("%s %s run %s --exec '%s %s/program.lua' --name c --source orders --option batch_size=1000"
      .. " --once --durability none"):format(lua, command, file, lua, folder) },
}

local rates = {}
for round = 1, bench.rounds do
  for i = 1, #rows do
    local at = (i + round) % #rows + 1
    rates[at] = rates[at] or {}
    table.insert(rates[at], rate(rows[at][2]))
  end
end

print(("%d records, %d rounds; median, records per second"):format(count, bench.rounds))
local medians = {}
for i, row in ipairs(rows) do
  table.sort(rates[i])
  medians[i] = rates[i][(#rates[i] + 1) // 2]
  print(("  %-42s %12.0f"):format(row[1], medians[i]))
end
print(("  tidetable run / consumer:run: %.2f (batches of 100), %.2f (1,000)"):format(
  medians[2] / medians[1], medians[4] / medians[3]))
os.execute("rm -rf " .. folder)
