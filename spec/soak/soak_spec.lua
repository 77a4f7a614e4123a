-- soak_spec.lua - a long run: file, memory and descriptors do not grow after the first fifth.
--
--   make soak RECORDS=10000000 SEED=n
--
-- One process writes and trims; one follows every record; one reads items, pages and snapshots.
-- Samples are taken throughout: the size of the file, memory and descriptors of each process, and
-- the number of reader slots.
local cqueues = require "cqueues"
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local tidetable = require "tidetable"

local RECORDS = math.tointeger(tonumber(os.getenv("RECORDS"))) or 20000
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local LUA = os.getenv("LUA") or "lua5.4"
local BATCH = 50
local KEYS = 1000
local KEPT = math.max(2000, RECORDS // 100)   -- number of records that the stream keeps
local SNAPSHOT_AGE = 12        -- maximum age of a snapshot in commits
local SAMPLES = 100
local WARM = SAMPLES // 5
local FLAT = 0.05
local COLLECTOR_DELAY = 1536 * 1024   -- bytes that the collector may not have freed yet
-- The file of a short run is small, so one pinned snapshot makes it 50 % larger.
local SMALL_FILE_SLACK = RECORDS < 1000000 and 4 * 1024 * 1024 or 0

helper.setup(before_each, after_each)

local function start(path, program, ...)
  local words = { "echo $$; exec", LUA, "spec/soak/" .. program .. ".lua", "'" .. path .. "'" }
  for _, word in ipairs { ... } do
    words[#words + 1] = tostring(word)
  end
  local pipe = assert(io.popen(table.concat(words, " ") .. " 2>&1"))
  return { pipe = pipe, pid = pipe:read("n"), name = program }
end

--- Returns nil if the process has exited.
local function memory_of(pid)
  local file <close> = io.open(("/proc/%s/status"):format(pid))
  local kib = file and file:read("a"):match("RssAnon:%s+(%d+)")
  return kib and tonumber(kib) * 1024
end

local function descriptors_of(pid)
  local count = 0
  for _ in lfs.dir(("/proc/%s/fd"):format(pid)) do
    count = count + 1
  end
  return count
end

local function write_batch(db, from)
  assert(db:transact(function(tx)
    local items = tx:table "items"
    for n = from, from + BATCH - 1 do
      items:put { id = n % KEYS, n = n, text = ("x"):rep(n * 7919 % 200) }
    end
    return true
  end))
end

--- Waits until the follower's lag is less than half of what the stream keeps, and until no snapshot
--- is old, because a reader that is not scheduled makes any file grow.
local function wait_for_others(db, places, n)
  for _ = 1, 600000 do
    local place = places:get { id = "follower" }
    if n - (place and place.n or 0) < KEPT // 2 and db:info().oldest_reader_lag <= SNAPSHOT_AGE then
      return
    end
    cqueues.sleep(0.0005)
  end
  error("the other processes make no progress")
end

local function median(list)
  local sorted = { table.unpack(list) }
  table.sort(sorted)
  return sorted[#sorted // 2 + 1]
end

--- Checks that no sample after the warm-up is too far from the median.
local function is_flat(name, list, slack)
  local rest = { table.unpack(list, WARM + 1) }
  local middle = median(rest)
  local least, most = math.min(table.unpack(rest)), math.max(table.unpack(rest))
  print(("soak: %-22s %12d to %12d, median %12d"):format(name, least, most, middle))
  local room = math.max(middle * FLAT, slack)
  assert.is_true(most - middle <= room and middle - least <= room,
    name .. " is not flat: " .. table.concat(list, " "))
end

describe("a database in a long run", function()
  it("does not grow in memory or on disk", function()
    print(("soak: SEED=%d RECORDS=%d, %d kept"):format(SEED, RECORDS, KEPT))
    local path = helper.path()
    local db = assert(tidetable.open(path, { durability = "none", busy_timeout = 60 }))
    assert(db:create_table { name = "items", partition_key = { "id", "N" },
      stream = { retention = { count = KEPT } } })
    local places = assert(db:create_table { name = "places", partition_key = "id" })
    local others = { start(path, "follower", RECORDS), start(path, "reader", RECORDS, SEED) }

    cqueues.sleep(0) -- the first sleep opens descriptors that stay open
    local sizes, used, readers, memory, open = {}, {}, {}, {}, {}
    local own = { pid = "self", name = "writer" }
    local processes = { own, table.unpack(others) }
    for i in ipairs(processes) do
      memory[i], open[i] = {}, {}
    end
    local function sample()
      collectgarbage()
      local info = assert(db:info())
      sizes[#sizes + 1], readers[#readers + 1] = info.file_bytes, info.readers
      used[#used + 1] = info.file_bytes - info.free_bytes
      for i, process in ipairs(processes) do
        local bytes = memory_of(process.pid)
        if bytes then -- nil if it has finished
          table.insert(memory[i], bytes)
          table.insert(open[i], descriptors_of(process.pid))
        end
      end
    end

    local step = RECORDS // SAMPLES
    for from = 1, RECORDS, BATCH do
      write_batch(db, from)
      wait_for_others(db, places, from + BATCH)
      local written = from - 1 + BATCH
      -- The other processes exit after the last one.
      if (from - 1) // step ~= written // step and written < RECORDS then
        sample()
      end
    end
    for _, process in ipairs(others) do
      local output = process.pipe:read("a")
      assert.is_truthy(process.pipe:close(), process.name .. ": " .. output)
      print("soak: " .. output:match("%S.*"):gsub("\n", ""))
    end

    is_flat("file bytes", sizes, SMALL_FILE_SLACK)
    is_flat("bytes in use", used, SMALL_FILE_SLACK)
    is_flat("reader slots", readers, 2)
    for i, process in ipairs(processes) do
      -- The address sanitizer keeps freed memory to detect later uses.
      if not (os.getenv "LD_PRELOAD" or ""):find("asan", 1, true) then
        is_flat(process.name .. "'s memory", memory[i], COLLECTOR_DELAY)
      end
      is_flat(process.name .. "'s descriptors", open[i], 1)
    end
    assert.same({}, assert(db:check()).problems)
    db:close()
  end)
end)
