-- quiet_spec.lua - writers killed during a commit, after which no process writes.
--
--   make crash CYCLES=1000 SEED=n
--
-- In each cycle a writer, and a follower that maintains the sum of the writer's changes, are killed
-- at a random time or between the two steps of LMDB's commit. Then no process writes, so no writer
-- repairs the state that they left. Handles that were open before, processes that open the database
-- now, and check must find the same state, in any order. A change of another table must not change
-- this state.
local counted = require "spec.crash.counted"
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

-- Time, in seconds, after which waiters have tested the owner of the write lock again.
local BOUND = 0.011

-- A long run measures a follower's share of a core in every 50th cycle, for 2 seconds.
local LONG_RUN = 200
local MEASURE_EVERY, MEASURE_SECONDS, SHARE_MOST = 50, 2, 0.01

local random = math.random

describe("a killed commit", function()
  local folder, path, round

  local function at(name)
    return folder .. "/" .. name
  end

  before_each(function()
    folder = processes.create_folder()
    path, round = at("db"), 0
    local db <close> = assert(tidetable.open(path))
    for _, name in ipairs { "counters", "sums", "checkpoints", "others" } do
      assert(db:create_table { name = name, partition_key = "id", stream = name == "counters" })
    end
    assert(assert(db:table "counters"):put { id = "c", n = 1 })
  end)

  after_each(function()
    processes.clean_up(folder)
  end)

  --- Returns the last complete line of a file, nil if it has none.
  local function last_line(name)
    local file <close> = io.open(name)
    if file then
      file:seek("set", math.max(0, file:seek("end") - 100))
      return file:read("a"):match("([^\n]*)\n[^\n]*$")
    end
  end

  -- Readers ----------------------------------------------------------------------------------

  local function read_in_new_process(mode)
    local process = processes.start("observer", at("anew"), path, mode)
    local output = processes.wait(process)
    local line = last_line(at("anew"))
    os.remove(at("anew"))
    return line and line:match("^0 (.*)") or "an observer failed: " .. output
  end

  local function read_in_observer(observer)
    local file <close> = assert(io.open(at("round.new"), "w"))
    round = round + 1
    file:write(("%d"):format(round))
    file:close()
    assert(os.rename(at("round.new"), at("round")))
    return processes.wait_until(20, "an observer", function()
      return (last_line(observer.log) or ""):match("^" .. ("%d"):format(round) .. " (.*)")
    end)
  end

  --- The check includes that each record exists once and the last one matches the item.
  local function count_by_check(check)
    local report = assert(check())
    assert.same({}, report.problems)
    return report.records
  end

  -- Cycles -----------------------------------------------------------------------------------

  local function start(program, log, ...)
    if random(2) == 1 then
      return processes.start(program, log, ...)
    end
    return processes.start_with(processes.in_commit(random(30)), program, log, ...)
  end

  --- Lets the writer and the follower run, and kills both. Returns the last acknowledged n, or nil.
  local function write_and_kill()
    os.remove(at("counter"))
    local writers = {
      start("counter", at("counter"), path, "full"),
      start("deriver", at("deriver"), path),
    }
    system.sleep(0.02 + random() * 0.06)
    processes.kill(writers)
    return tonumber((last_line(at("counter")) or ""):match("^a (%d+)"))
  end

  --- Lets all readers read, in a random order. Returns the state that they agree on.
  local function agree(readers)
    local first, first_name
    for i = #readers, 2, -1 do
      local j = random(i)
      readers[i], readers[j] = readers[j], readers[i]
    end
    for _, reader in ipairs(readers) do
      local state = reader.read()
      first, first_name = first or state, first_name or reader.name
      assert(state == first, ("%s: %s; %s: %s"):format(first_name, first, reader.name, state))
    end
    return first
  end

  --- Returns the share of a core that a process uses at this time.
  local function share_of(process)
    local function ticks()
      local file <close> = assert(io.open(("/proc/%d/stat"):format(process.pid)))
      local user, kernel = file:read("a"):match("%) %a" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
      return user + kernel
    end
    local before = ticks()
    system.sleep(MEASURE_SECONDS)
    return (ticks() - before) / 100 / MEASURE_SECONDS
  end

  --- Continues the sum of the changes; checks that it contains each record once.
  local function check_sum(db, n)
    assert.equal("\n", processes.wait(processes.start("deriver", at("deriver"), path, "once")))
    local sum = assert(db:table "sums"):get { id = "c" }
    assert.equal(n, sum.total)
    assert.equal(n, sum.records)
  end

  it("is visible to every process or to none, before another write", function()
    print(("quiet: SEED=%d CYCLES=%d"):format(SEED, CYCLES))
    math.randomseed(SEED)
    local db <close> = assert(tidetable.open(path, { busy_timeout = 20 }))
    local observer = processes.start("observer", at("observer"), path, "read", at("round"))
    local follower = processes.start("follower", at("follower"), path, "counters", 0)
    processes.wait_until(20, "the observer", function() return last_line(observer.log) end)
    local readers = {
      { name = "this handle", read = function() return counted.state(db) end },
      { name = "an open process", read = function() return read_in_observer(observer) end },
      { name = "a new process", read = function() return read_in_new_process("write") end },
      { name = "a new read-only one", read = function() return read_in_new_process("read") end },
    }
    local checkers = {
      { name = "db:check", read = function()
        return count_by_check(function() return db:check() end)
      end },
      { name = "check", read = function()
        return count_by_check(function() return tidetable.check(path) end)
      end },
    }
    local acknowledged, kept, most = 1, 0, 0
    for cycle = 1, CYCLES do
      acknowledged = write_and_kill() or acknowledged
      system.sleep(BOUND)
      local checked_first = random(2) == 1 and agree(checkers)
      local state = agree(readers)
      local records = agree(checkers)
      assert(not checked_first or checked_first == records)

      local n, last = state:match("^(%d+) (%d+)")
      n = math.tointeger(tonumber(n))
      assert(n == acknowledged or n == acknowledged + 1,
        ("%d acknowledged, and n is %d"):format(acknowledged, n))
      assert.equal(n, records) -- one record for each increment
      kept = kept + (n - acknowledged)
      acknowledged = n
      processes.wait_until(20, "the follower", function()
        return last_line(follower.log) == "r " .. last
      end)
      if CYCLES >= LONG_RUN and cycle % MEASURE_EVERY == 0 then
        most = math.max(most, share_of(follower))
      end
      assert(assert(db:table "others"):put { id = "o", cycle = cycle })
      assert.equal(state, agree(readers), "after a change of another table")
      check_sum(db, n)
    end
    assert.is_true(most <= SHARE_MOST, ("a follower took %.1f %% of a core"):format(most * 100))
    print(("quiet: %d commits, %d of them unacknowledged but kept; a follower took at most %.1f %%")
      :format(acknowledged, kept, most * 100))
  end)
end)
