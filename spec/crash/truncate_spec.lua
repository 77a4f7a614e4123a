-- truncate_spec.lua - a process that truncates a table is killed, at random or in a commit.
--
--   make crash CYCLES=1000 SEED=n
--
-- What it has removed is a prefix of the key order: the items of whole transactions. Each of them
-- has one record if there is a stream. Another process can put items and truncate again.
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local ITEMS = 4500

describe("killed truncations", function()
  local folder, path, log

  before_each(function()
    folder = processes.create_folder()
    log = folder .. "/log"
  end)

  after_each(function() processes.clean_up(folder) end)

  local function open()
    return assert(tidetable.open(path, { busy_timeout = 0, durability = "none" }))
  end

  --- Creates a table with big items and long keys among others.
  local function fill(with_stream)
    local db <close> = open()
    local items = assert(db:create_table { name = "items", partition_key = { "id", "N" },
      sort_key = "place", stream = with_stream })
    local id = 0
    assert(items:load(function()
      id = id + 1
      return id <= ITEMS and { id = id, place = ("p"):rep(id % 97 == 0 and 1000 or 3),
        text = ("x"):rep(id % 89 == 0 and 10000 or 10) } or nil
    end))
  end

  local function logged(word)
    local file <close> = io.open(log)
    return file and file:read("a"):find(word, 1, true) ~= nil
  end

  --- Runs the truncation and kills it. Returns true if it was killed before its end.
  local function run(cycle)
    if cycle % 2 == 0 then
      local process = processes.start_with(processes.in_commit(1 + cycle // 2 % 5),
        "truncater", log, path)
      processes.wait(process)
    else
      local process = processes.start("truncater", log, path)
      processes.wait_until(20, "the truncation to begin", function() return logged "open" end)
      system.sleep(math.random() * 0.01)
      processes.kill { process }
    end
    return not logged "removed"
  end

  --- Returns the number of items that are left, which must be the last ones.
  local function remaining(db)
    local first, count = nil, 0
    for item in db:table "items":scan() do
      first, count = first or item.id, count + 1
      assert.equal(first + count - 1, item.id)
    end
    assert.is_true(count == 0 or first + count - 1 == ITEMS)
    return count
  end

  local function check_records(db, removed)
    local transactions, count = {}, 0
    for record in db:table "items":stream():records() do
      if record.event_name == "REMOVE" then
        count = count + 1
        assert.equal(count, record.keys.id)
        local last = transactions[#transactions]
        if last ~= record.transaction_id then
          transactions[#transactions + 1] = record.transaction_id
        end
      end
    end
    assert.equal(removed, count)
    return #transactions
  end

  it("leave a sound file", function()
    print(("truncations: SEED=%d CYCLES=%d"):format(SEED, CYCLES))
    math.randomseed(SEED)
    local killed, removed_some = 0, 0
    for cycle = 1, CYCLES do
      local ok, err = pcall(function()
        path = ("%s/db%d"):format(folder, cycle)
        os.remove(log)
        local with_stream = math.random(2) == 1
        fill(with_stream)
        killed = killed + (run(cycle) and 1 or 0)
        local db <close> = open()
        local left = remaining(db)
        removed_some = removed_some + (left > 0 and left < ITEMS and 1 or 0)
        assert.same({}, assert(db:check()).problems)
        if with_stream then
          local steps = check_records(db, ITEMS - left)
          assert.is_true(steps >= (ITEMS - left) // 1000)
        end
        assert.equal(left, assert(db:table "items":truncate()))
        assert.equal(0, remaining(db))
        assert.same({}, assert(db:check()).problems)
      end)
      if not ok then
        error(("SEED=%d, cycle %d: %s"):format(SEED, cycle, tostring(err)), 0)
      end
      for _, suffix in ipairs { "", "-lock", "-wake" } do os.remove(path .. suffix) end
    end
    print(("truncations: %d killed, %d of them in the middle"):format(killed, removed_some))
    assert.is_true(CYCLES < 10 or removed_some > 0, "no truncation was killed in the middle")
  end)
end)
