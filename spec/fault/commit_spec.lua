-- commit_spec.lua - waiting and checking while a commit is in the file but not yet visible.
--
-- A writer is stopped between the two steps of LMDB's commit (killcommit.c), as on a very slow
-- disk. Waiters must sleep and check must find no problem. When the writer is killed, the commit
-- becomes visible to waiters before another write. The test counts how often a waiter reads the
-- database, not how long this takes.
local counted = require "spec.crash.counted"
local core = require "tidetable.core"
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"

local SIGSTOP = 19

describe("a writer that is stopped while it commits", function()
  local folder, path, db, writer

  before_each(function()
    folder = processes.create_folder()
    path = folder .. "/db"
    db = assert(tidetable.open(path))
    local counters = assert(db:create_table { name = "counters", partition_key = "id",
      stream = true })
    assert(counters:put { id = "c", n = 1 })
  end)

  after_each(function()
    db:close()
    processes.clean_up(folder)
  end)

  local function is_stopped(process)
    local file <close> = assert(io.open(("/proc/%d/stat"):format(process.pid)))
    return file:read("a"):match("%) (%a)") == "T"
  end

  --- Two commits are visible; the third is in the file.
  local function stop_in_third_commit()
    writer = processes.start_with(processes.in_commit(3, SIGSTOP), "counter", folder .. "/log",
      path, "full")
    local deadline = system.monotime() + 20
    while not is_stopped(writer) do
      assert(system.monotime() < deadline, "the writer does not stop")
      system.sleep(0.001)
    end
  end

  --- Waits for a record. Returns it, the number of reads of the stream or the shared page, and the
  --- seconds that it took.
  local function next_counting(stream, seconds)
    local reads, originals = 0, {}
    for _, name in ipairs { "try_record", "is_touched", "wait_feed" } do
      local original = core[name]
      originals[name] = original
      core[name] = function(...)
        reads = reads + 1
        return original(...)
      end
    end
    local began = system.monotime()
    local record = stream:next(seconds)
    for name, original in pairs(originals) do
      core[name] = original
    end
    return record, reads, system.monotime() - began
  end

  local ways = {
    ["plain scripts"] = false,
    ["loops"] = function(wakeup, seconds)
      wakeup:wait(math.min(seconds or math.huge, wakeup:timeout()))
    end,
  }

  for name, wait in pairs(ways) do
    it("lets waiters sleep in " .. name .. " and shows them the commit when killed", function()
      stop_in_third_commit()
      local before = counted.state(db)
      assert.equal("3 ", before:match("^3 "))
      local last = assert(tonumber(before:match("^3 (%d+)")))
      local stream = assert(db:stream { after = last, wait = wait or nil })
      local record, reads, took = next_counting(stream, 0.3)
      assert.is_nil(record)
      assert.is_true(reads >= 2 and reads <= 2 * took / 0.01 + 5,
        ("%d reads in %.3f s"):format(reads, took))
      assert.equal(before, counted.state(db))

      processes.kill { writer }
      record, reads, took = next_counting(stream, 20)
      assert.equal(4, record and record.new_image.n)
      assert.is_true(reads <= 2 * took / 0.01 + 5, ("%d reads in %.3f s"):format(reads, took))
      assert.equal("4 ", counted.state(db):match("^4 "))
    end)
  end

  it("is not reported by check", function()
    stop_in_third_commit()
    local reports = { assert(db:check()), assert(tidetable.check(path)) }
    for _, report in ipairs(reports) do
      assert.same({}, report.problems)
    end
    assert.equal("3 ", counted.state(db):match("^3 "))
  end)

  it("is followed after it continues", function()
    stop_in_third_commit()
    processes.signal("CONT", { writer })
    local stream = assert(db:stream { from = "LATEST" })
    assert(stream:next(20))
    assert.same({}, assert(db:check()).problems)
  end)
end)
