-- pipeline_spec.lua - the pipeline of examples/pipeline with a replica, under two writers: it is
-- killed at random or in a commit, and the disk is full several times.
--
--   make crash CYCLES=100 SEED=n
--
-- The victims are the supervisor, its workers, the program, the writers and `tidetable replicate`.
-- Each is started again, as by a service manager. In the end each order was processed once: the
-- stock is right, the invoices have numbers without gaps, the totals are their sums, and each
-- invoice has one mail. `tidetable diff` finds no difference between the database and its replica.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local judge = require "spec.crash.pipeline_judge"
local lfs = require "lfs"
local processes = require "spec.crash.processes"
local runtime = require "spec.tidetable.run.runtime"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local SCRIPT = lfs.currentdir() .. "/examples/pipeline/pipeline.lua"
local WRITERS = { "first", "second" }
local DIFF = "diff SOURCE TARGET orders stock invoices customers counters writers"
local FREE = 400                       -- articles of each kind in stock
local GONE_MAX = 1                     -- seconds in which all processes follow the supervisor
local REPLICA_MAX = 60                 -- seconds in which the replica catches up
local CYCLE_MAX = 0.2                  -- seconds between two kills
local DISK_MB = 64 + 3 * CYCLES
local FULL_EVERY = 20                  -- cycles from one full disk to the next
local FULL_TIME = 1                    -- seconds with a full disk before the next kill
local RUN_DATABASE = 4                 -- exit status

describe("the pipeline", function()
  local folder, disk, db, run, replica, writers, counts, is_full

  after_each(function()
    if disk then os.execute("umount -l " .. disk) end
    processes.clean_up(folder)
  end)

  runtime.setup(before_each, after_each)

  before_each(function()
    folder, disk, run, writers, is_full = processes.create_folder(), nil, nil, {}, false
    replica = nil
    counts = { supervisor = 0, worker = 0, program = 0, writer = 0, replica = 0, ended = 0,
      waits = 0, reload = 0 }
    assert(lfs.mkdir(folder .. "/mails"))
    local directory = helper.path "x":match "^(.*)/"
    local options = ("-t tmpfs -o size=%dm none %s"):format(DISK_MB, directory)
    if os.execute("mount " .. options .. " 2>/dev/null") then
      disk = directory
    end
    db = helper.open { busy_timeout = 60 }
    local images, new_image = { view_type = "NEW_AND_OLD_IMAGES" }, { view_type = "NEW_IMAGE" }
    assert(db:create_table { name = "orders", partition_key = "id", stream = images })
    assert(db:create_table { name = "invoices", partition_key = "customer",
      sort_key = { "number", "N" }, stream = images })
    for _, name in ipairs { "counters", "writers" } do
      assert(db:create_table { name = name, partition_key = "id", stream = new_image })
    end
    local stock = assert(db:create_table { name = "stock", partition_key = "article",
      stream = new_image })
    for i = 1, 5 do assert(stock:put { article = "a" .. i, available = FREE }) end
  end)

  -- Processes -------------------------------------------------------------------

  --- Returns changes of the environment with which processes kill themselves in a commit.
  local function in_commit(least, most)
    return ("LD_PRELOAD=%s %s/fault/killcommit.so"):format(os.getenv "LD_PRELOAD" or "",
      assert(os.getenv "TIDETABLE_BUILD")), ("COMMIT=%d"):format(math.random(least, most))
  end

  --- Starts the command. In every third start its workers kill themselves in a commit, unless it is
  --- the last one.
  local function start_run(is_last)
    if run then counts.waits = counts.waits + run:count "because of DISK_FULL" end
    local changes = { "MAIL_DIR=" .. folder .. "/mails" }
    if not is_last and math.random(3) == 1 then
      changes[2], changes[3] = in_commit(5, 60)
    end
    run = runtime.start({ SCRIPT, "--crash-limit", "1000000" }, changes)
  end

  local function start_writer(name)
    local environment = math.random(3) == 1 and processes.in_commit(math.random(100)) or ""
    writers[name] = processes.start_with(environment, "pipeline_writer", folder .. "/" .. name,
      helper.path(), folder .. "/end", name, math.random(1 << 30))
  end

  --- Starts `tidetable` with arguments for the shell, in which SOURCE and TARGET are replaced; its
  --- output is added to the log of the replica.
  local function start_command(words, changes)
    words = words:gsub("SOURCE", helper.path()):gsub("TARGET", helper.path "replica.tide")
    local command = ("exec lua5.4 %s/bin/tidetable %s >>%s/replica 2>&1"):format(
      assert(os.getenv "TIDETABLE_BUILD"), words, folder)
    local process, pid = core.start_process("/bin/sh", { "sh", "-c", command }, {}, changes or {})
    assert(process, pid)
    return { process = process, pid = pid }
  end

  local function start_replica()
    local changes = math.random(3) == 1 and { in_commit(1, 60) } or {}
    replica = start_command("replicate SOURCE TARGET -f --skip --busy-timeout 60", changes)
  end

  --- Returns true if a process has ended. Its field `status` is then its exit status; nil if it was
  --- ended by a signal.
  local function poll(command)
    local status, signal = core.process_poll(command.process)
    command.status = signal == 0 and status or nil
    return status ~= false
  end

  --- Runs a command to its end. Returns its exit status.
  local function run_command(words)
    local command = start_command(words)
    while not poll(command) do runtime.pause() end
    return command.status
  end

  --- Returns the pids of the children of a process.
  local function children_of(pid)
    local file <close> = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
    local pids = {}
    for child in (file and file:read "a" or ""):gmatch "%d+" do
      pids[#pids + 1] = math.tointeger(child)
    end
    return pids
  end

  --- Returns the pids of the workers and loaders, and those of their programs.
  local function descendants()
    local workers, programs = children_of(run.pid), {}
    for _, worker in ipairs(workers) do
      table.move(children_of(worker), 1, 100, #programs + 1, programs)
    end
    return workers, programs
  end

  --- Returns the first of the pids that is alive.
  local function survivor(pids)
    for _, pid in ipairs(pids) do
      if runtime.exists(pid) then return pid end
    end
  end

  --- Returns the command lines of all processes that name a file of the test.
  local function processes_left()
    local lines = {}
    for pid in lfs.dir "/proc" do
      local file = pid:find "^%d+$" and io.open("/proc/" .. pid .. "/cmdline")
      local line = file and file:read "a" or ""
      if file then file:close() end
      if line:find(folder, 1, true) or line:find(helper.path(), 1, true) then
        lines[#lines + 1] = line:gsub("%z", " ")
      end
    end
    return lines
  end

  local function await_end_of(pids)
    local began = core.elapsed()
    while survivor(pids) do
      assert.is_true(core.elapsed() - began < GONE_MAX, "a process has survived the supervisor")
      runtime.pause()
    end
  end

  --- Returns what a writer has logged.
  local function log_of(name)
    local file <close> = io.open(folder .. "/" .. name)
    return file and file:read "a" or ""
  end

  local function supervise_replica()
    if not replica or poll(replica) then
      assert(not replica or not replica.status or is_full, log_of "replica")
      start_replica()
    end
  end

  --- Starts ended commands again. Only a full disk may end a command.
  local function supervise()
    run:read()
    if run.status then
      counts.ended = counts.ended + 1
      assert(is_full and run.status == RUN_DATABASE, ("the command ended with %s:\n%s"):format(
        run.status, table.concat(run.raw, "\n")))
      start_run()
    end
    supervise_replica()
    for _, name in ipairs(WRITERS) do
      local log = log_of(name)
      assert.is_nil(log:find("failed", 1, true), log)
      local has_ended = not writers[name] or not runtime.exists(writers[name].pid)
      if has_ended and not log:find("written\n", 1, true) then
        if writers[name] then processes.wait(writers[name]) end
        start_writer(name)
      end
    end
  end

  local function sleep(seconds)
    local deadline = core.elapsed() + seconds
    repeat
      supervise()
      runtime.pause()
    until core.elapsed() >= deadline
  end

  -- Faults ----------------------------------------------------------------------

  local kill = {}

  function kill.supervisor(is_last)
    local workers, programs = descendants()
    run:signal "SIGKILL"
    run:wait()
    await_end_of(workers)
    await_end_of(programs)
    start_run(is_last)
    return true
  end

  local function kill_one(pids)
    if #pids > 0 then runtime.signal(pids[math.random(#pids)], "KILL") end
    return #pids > 0
  end

  --- Waits until the command is ready: a worker that dies earlier ends it. It may not become ready
  --- while the disk is full.
  local function is_ready()
    local function count()
      supervise()
      return run:count "ready: " > 0
    end
    return is_full and count() or not is_full and run:wait_until("the command", count)
  end

  function kill.worker() return is_ready() and kill_one((descendants())) end

  function kill.program() return is_ready() and kill_one((select(2, descendants()))) end

  function kill.writer()
    return kill_one { writers[WRITERS[math.random(#WRITERS)]].pid }
  end

  function kill.replica() return kill_one { replica.pid } end

  --- Between two kills the script is loaded again at times.
  local function reload()
    if math.random(4) == 1 and is_ready() then
      run:signal "SIGHUP"
      counts.reload = counts.reload + 1
    end
  end

  local VICTIMS = { "supervisor", "worker", "program", "writer", "replica" }

  local function count_full()
    local count = 0
    for _, name in ipairs(WRITERS) do
      count = count + select(2, log_of(name):gsub("full\n", ""))
    end
    return count
  end

  local function fill_disk()
    local before = count_full()
    os.execute(("dd if=/dev/zero of=%s/fill bs=64k 2>/dev/null;"
      .. " dd if=/dev/zero of=%s/fill4k bs=4k 2>/dev/null"):format(disk, disk))
    is_full = true
    run:wait_until("a refused write", function()
      supervise()
      return count_full() > before
    end)
    sleep(FULL_TIME)
  end

  local function free_disk()
    os.remove(disk .. "/fill")
    os.remove(disk .. "/fill4k")
    is_full = false
  end

  --- Waits until the writers have ended, and the pipeline has processed all changes.
  local function finish()
    assert(io.open(folder .. "/end", "w")):close()
    for _, name in ipairs(WRITERS) do
      run:wait_until("the end of a writer", function()
        supervise()
        return log_of(name):find("written\n", 1, true)
      end)
    end
    for _, name in ipairs { "reservations", "invoices", "customers", "mail" } do
      local consumer = assert(db:consumer(name))
      run:wait_until("the end of " .. name, function()
        supervise()
        return consumer:wait_for(db:info().sequence_number, 0)
      end)
    end
    for _, writer in pairs(writers) do processes.wait(writer) end
  end

  it("processes each order once", function()
    io.write("pipeline: SEED=", SEED, " CYCLES=", CYCLES, "\n")
    math.randomseed(SEED)
    local began = core.elapsed()
    start_run()
    supervise()
    run:ready()
    for cycle = 1, CYCLES do
      local phase = cycle % FULL_EVERY
      if disk and phase == FULL_EVERY // 2 then fill_disk() end
      reload()
      sleep(math.random() * CYCLE_MAX)
      local victim = VICTIMS[is_full and phase - FULL_EVERY // 2 + 1 or math.random(#VICTIMS)]
      if kill[victim]() then counts[victim] = counts[victim] + 1 end
      if is_full and phase == FULL_EVERY // 2 + #VICTIMS - 1 then free_disk() end
    end
    if is_full then free_disk() end
    kill.supervisor(true)
    finish()
    run:stop()
    local deadline = core.elapsed() + REPLICA_MAX
    while run_command (DIFF .. " --quiet") ~= 0 do
      assert(core.elapsed() < deadline, log_of "replica")
      supervise_replica()
    end
    runtime.signal(replica.pid, "TERM")
    while not poll(replica) do runtime.pause() end
    assert.equal(0, run_command(DIFF), log_of "replica")
    assert.same({}, processes_left())
    local invoices = judge.check(db, SCRIPT, FREE, folder .. "/mails")
    io.write(("pipeline: killed %d supervisors, %d workers, %d programs, %d writers, %d replicas;"
      .. " %d reloads; on a full disk %d writes refused, %d waits, %d ends; %d invoices, %.0f s\n")
      :format(counts.supervisor, counts.worker, counts.program, counts.writer, counts.replica,
      counts.reload, count_full(), counts.waits, counts.ended, invoices, core.elapsed() - began))
  end)
end)
