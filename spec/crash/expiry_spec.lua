-- expiry_spec.lua - writers of items that expire, and a trimmer, killed at random times.
--
--   make crash CYCLES=1000 SEED=n
--
-- After each cycle the records are followed: they must describe every acknowledged put and update,
-- an unfinished transaction completely or not at all, and each item that has expired must be
-- removed once, by a record of time to live. What remains must be what a scan finds.
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"

local CYCLES = (math.tointeger(tonumber(os.getenv("CYCLES"))) or 20) // 4
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local CHECK_EVERY = 5

-- Times at which items expire, before and after the test.
local PAST, FUTURE = os.time() - 60, os.time() + 1000000

local random = math.random

describe("killed writers of items that expire", function()
  local folder, path, stored, position, counts

  local function at(name) return folder .. "/" .. name end

  before_each(function()
    folder = processes.create_folder()
    path, stored, position = at("db"), {}, 0
    counts = { killed = 0, acknowledged = 0, removed = 0, kept = 0, lost = 0 }
    local db <close> = assert(tidetable.open(path, { durability = "none" }))
    assert(db:create_table { name = "sessions", partition_key = "p", sort_key = { "id", "N" },
      stream = true, ttl = "e" })
  end)

  after_each(function() processes.clean_up(folder) end)

  -- Logs ---------------------------------------------------------------------------------------

  local function new_writer(name)
    return { name = name, log = at(name), next = 1, place = 0 }
  end

  --- Reads the new lines of a log. Sets writer.acknowledged, a list of the numbers that must be in
  --- records, and writer.unknown, the numbers of a transaction without a result.
  local function read_log(writer)
    local file = io.open(writer.log)
    local text = ""
    if file then
      file:seek("set", writer.place)
      text = file:read("a"):match("^.*\n") or ""
      file:close()
    end
    writer.place = writer.place + #text
    writer.acknowledged, writer.unknown = {}, nil
    for line in text:gmatch("[^\n]+") do
      if line:sub(1, 1) == "b" then
        writer.unknown = {}
        for number in line:gmatch("%d+") do
          writer.unknown[#writer.unknown + 1] = math.tointeger(tonumber(number))
          writer.next = writer.unknown[#writer.unknown] + 1
        end
      else
        assert.equal("a", line)
        table.move(writer.unknown, 1, #writer.unknown, #writer.acknowledged + 1,
          writer.acknowledged)
        writer.unknown = nil
        counts.acknowledged = counts.acknowledged + 1
      end
    end
  end

  -- Records ------------------------------------------------------------------------------------

  local function is_expired(item) return item.e == PAST end

  --- Applies a record to the stored items.
  local function apply(record)
    local key = record.keys.p .. record.keys.id
    local old = stored[key]
    if not tidetable.equal(old, record.old_image) then
      error(("%s, record %d: the old image differs"):format(key, record.sequence_number))
    end
    if record.user_identity then
      assert.equal("REMOVE", record.event_name)
      assert.is_true(is_expired(old), key .. " is not expired")
      counts.removed = counts.removed + 1
    else
      assert.is_false(old ~= nil and is_expired(old), key .. " was changed after it expired")
    end
    stored[key] = record.new_image
  end

  --- Reads the new records. Returns the numbers of the items that they put: numbers[writer][n].
  local function follow(db)
    local numbers = { w1 = {}, w2 = {} }
    for record in db:stream():records { after = position } do
      position = record.sequence_number
      apply(record)
      if record.new_image then numbers[record.keys.p][record.new_image.n] = true end
    end
    return numbers
  end

  local function count_known(numbers, list)
    local count = 0
    for _, n in ipairs(list) do count = count + (numbers[n] and 1 or 0) end
    return count
  end

  local function check_writer(writer, numbers)
    local lost = #writer.acknowledged - count_known(numbers, writer.acknowledged)
    assert.equal(0, lost, "acknowledged changes of " .. writer.name .. " that are lost")
    if writer.unknown then
      local known = count_known(numbers, writer.unknown)
      local what = known > 0 and "kept" or "lost"
      assert.is_true(known == 0 or known == #writer.unknown, "half a transaction")
      counts[what] = counts[what] + 1
    end
  end

  local function check_items(db)
    local visible, found = {}, {}
    for key, item in pairs(stored) do
      if not is_expired(item) then visible[key] = item.n end
    end
    for item in assert(db:table "sessions"):scan() do
      found[item.p .. item.id] = item.n
    end
    assert.same(visible, found)
  end

  -- Cycles -------------------------------------------------------------------------------------

  local function start(writer, in_commit)
    local environment = in_commit and processes.in_commit(random(1, 60)) or ""
    writer.process = processes.start_with(environment, "expirer", writer.log, path, writer.name,
      writer.next, random(1 << 30), PAST, FUTURE)
  end

  local function run_cycle(writers)
    local trimmer = random(2) == 1 and processes.start("trimmer", at "trimmer", path) or nil
    local all = { trimmer }
    for _, writer in ipairs(writers) do
      start(writer, random(3) == 1)
      all[#all + 1] = writer.process
    end
    system.sleep(0.02 + random() * 0.06)
    processes.kill(all)
    counts.killed = counts.killed + #all
  end

  it("lose nothing acknowledged, and each expired item is removed once", function()
    print(("crash: SEED=%d CYCLES=%d"):format(SEED, CYCLES))
    math.randomseed(SEED)
    local writers = { new_writer "w1", new_writer "w2" }
    for cycle = 1, CYCLES do
      run_cycle(writers)
      local db <close> = assert(tidetable.open(path, { durability = "none" }))
      local numbers = follow(db)
      for _, writer in ipairs(writers) do
        read_log(writer)
        check_writer(writer, numbers[writer.name])
      end
      check_items(db)
      if cycle % CHECK_EVERY == 0 or cycle == CYCLES then
        assert.same({}, assert(db:check()).problems)
      end
    end
    local db <close> = assert(tidetable.open(path, { durability = "none" }))
    assert(db:sweep())
    follow(db)
    for key, item in pairs(stored) do
      assert.is_false(is_expired(item), key .. " was not removed")
    end
    check_items(db)
    assert.is_true(counts.removed > 0)
    print(("crash: %d killed; %d commits acknowledged; unfinished %d kept, %d lost; "
      .. "%d items removed"):format(counts.killed, counts.acknowledged, counts.kept, counts.lost,
      counts.removed))
  end)
end)
