-- run_spec.lua - the processes of `tidetable run` are killed: supervisor, workers and programs, in
-- turn and at random.
--
--   make crash CYCLES=300 SEED=n
--
-- Every change is counted once, the changes of an item in order. A program gets each change at
-- least once, and none before an earlier one of its item. No worker and no program runs a second
-- after the death of the supervisor, also if that is starting them. Its exit status is right when
-- it was not killed.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local runtime = require "spec.tidetable.run.runtime"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local ITEMS = 20
local GONE_MAX = 1 + 1                 -- seconds, and a margin for a machine with much work
local CYCLE_MAX = 0.2                  -- seconds between two kills
local START_MAX = 0.2                  -- seconds from a start to a kill in the start

describe("killed processes of tidetable run", function()
  runtime.setup(before_each, after_each)

  local db, orders, effects, last

  --- Changes random items: each stores the number of its changes.
  local function change(count)
    for _ = 1, count do
      local id = math.random(ITEMS)
      last[id] = (last[id] or 0) + 1
      assert(orders:put { id = tostring(id), n = last[id] })
    end
  end

  local function write_script()
    runtime.write("program.lua", ([[
      local seen = assert(io.open(%q, "a"))
      seen:setvbuf "line"
      for line in io.lines() do
        for id, n in line:gmatch '"NewImage":{"id":{"S":"(%%d+)"},"n":{"N":"(%%d+)"}}' do
          seen:write(id, " ", n, "\n")
        end
        io.write "{}\n"
        io.flush()
      end
    ]]):format(helper.path "seen"))
    return runtime.write("p.lua", ([[
      return {
        { name = "totals", source = "orders", workers = 2, batch_size = 20, lease = 2,
          handler = function(records, tx)
            for _, record in ipairs(records) do
              local total = tx:table "effects":get(record.keys) or { id = record.keys.id, n = 0 }
              if record.new_image.n ~= total.n + 1 then
                error(("item %%s: change %%d after %%d"):format(total.id, record.new_image.n,
                  total.n))
              end
              total.n = total.n + 1
              tx:table "effects":put(total)
            end
          end },
        { name = "program", source = "orders", batch_size = 20, lease = 2,
          exec = "exec lua5.4 %s" },
      }
    ]]):format(helper.path "program.lua"))
  end

  --- Sleeps. run: command whose log is read meanwhile.
  local function pause(seconds, run)
    local deadline = core.elapsed() + seconds
    while core.elapsed() < deadline do
      if run then run:read() end
      runtime.pause()
    end
  end

  local function children_of(pid)
    local file = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
    local pids = {}
    for child in (file and file:read "a" or ""):gmatch "%d+" do
      pids[#pids + 1] = math.tointeger(child)
    end
    if file then file:close() end
    return pids
  end

  --- Returns the pids of the workers, and those of their programs.
  local function processes_of(run)
    local workers, programs = children_of(run.pid), {}
    for _, worker in ipairs(workers) do
      table.move(children_of(worker), 1, 100, #programs + 1, programs)
    end
    return workers, programs
  end

  --- Returns the pids of all processes whose arguments contain the directory of the test: of the
  --- supervisor, the loader of the script, the workers and the programs, also of those that are
  --- being started. Zombies have no arguments.
  local function survivors()
    -- The brackets keep the pattern from matching the arguments of the shell and of grep.
    local pattern = helper.path("run"):gsub("run$", ""):gsub("^/(.)", "/[%1]")
    local pipe <close> = assert(io.popen(("grep -las '%s' /proc/[0-9]*/cmdline"):format(pattern)))
    local pids = {}
    for pid in pipe:read "a":gmatch "%d+" do pids[#pids + 1] = math.tointeger(pid) end
    return pids
  end

  local function text_of(pid, name)
    local file = io.open(("/proc/%d/%s"):format(pid, name))
    local text = file and file:read "a" or "none"
    if file then file:close() end
    return (text:gsub("%z", " "))
  end

  --- Kills the supervisor, and checks that all other processes end. The kernel kills them, so that
  --- takes milliseconds.
  local function kill_supervisor(run)
    local found = {}
    for _, pid in ipairs(survivors()) do found[pid] = true end
    assert.is_true(found[run.pid])
    run:signal "SIGKILL"
    local began = core.elapsed()
    local _, signal = run:wait()
    assert.equal(9, signal)
    local pids = survivors()
    while #pids > 0 do
      if core.elapsed() - began >= GONE_MAX then
        error(("process %d has survived the supervisor: %s\n%s"):format(pids[1],
          text_of(pids[1], "cmdline"), text_of(pids[1], "status")))
      end
      runtime.pause()
      pids = survivors()
    end
  end

  --- Checks that no handler has found a change out of order. A death with a batch of one record is
  --- a failed attempt, too.
  local function check_log(run)
    for _, line in ipairs(run.lines) do
      assert.is_nil(line.message:find "change %d+ after %d+", line.message)
    end
  end

  --- Kills one process. Returns true if it was the supervisor.
  local function kill(run, victim)
    local workers, programs = processes_of(run)
    if victim == 1 then
      kill_supervisor(run)
      return true
    end
    local list = victim == 2 and workers or programs
    if #list > 0 then runtime.signal(list[math.random(#list)], "KILL") end
  end

  --- Checks what the program has got.
  local function check_program()
    local greatest = {}
    for line in io.lines(helper.path "seen") do
      local id, n = line:match "^(%d+) (%d+)$"
      if id then                       -- a killed program leaves a part of a line
        id, n = math.tointeger(id), math.tointeger(n)
        assert.is_true(n <= (greatest[id] or 0) + 1, line)
        greatest[id] = math.max(greatest[id] or 0, n)
      end
    end
    assert.same(last, greatest)
  end

  it("lose and double nothing, and leave no process", function()
    io.write("run: SEED=", SEED, " CYCLES=", CYCLES, "\n")
    math.randomseed(SEED)
    db, orders, effects = runtime.database()
    last = {}
    local script = write_script()
    local function start() return runtime.start { script, "--crash-limit", "1000000" } end
    local run = start()
    run:ready()
    for cycle = 1, CYCLES do
      change(math.random(0, 60))
      pause(math.random() * CYCLE_MAX, run)
      if kill(run, cycle <= 6 and (cycle - 1) % 3 + 1 or math.random(3)) then
        check_log(run)
        run = start()
        if math.random(2) == 1 then    -- kill it while it starts its processes
          pause(math.random() * START_MAX)
          kill_supervisor(run)
          run = start()
        end
        run:ready()
      end
      assert.is_nil(run.status, table.concat(run.raw, "\n"))
    end
    change(10)
    run:wait_until("all changes", function()
      for id, n in pairs(last) do
        local total = effects:get { id = tostring(id) }
        if not total or total.n ~= n then return false end
      end
      local lag = db:consumer "program":lag()
      return lag.records == 0
    end)
    run:stop()
    check_log(run)
    for _, name in ipairs { "totals", "program" } do
      assert.equal(0, db:consumer(name):describe().parked)
    end
    check_program()
    assert.is_true(db:check().ok)
  end)
end)
