-- opening_spec.lua - opening a database that another process opens, compacts or writes to.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local tidetable = require "tidetable"

local refused = helper.refused

local function descriptors()
  local count = 0
  for _ in lfs.dir "/proc/self/fd" do count = count + 1 end
  return count
end

--- Starts a process that compacts the test's database, and pauses while it excludes others.
local function compacting()
  helper.open():close()
  local child = helper.child [[
    db:close()
    local paused = false
    assert(tidetable.compact(path, { progress = function()
      if not paused then paused = true pause() end
    end }))
    print "done"
  ]]
  child:paused()
  return child
end

describe("open, while another process has exclusive access,", function()
  helper.setup(before_each, after_each)

  it("returns BUSY at once with a busy_timeout of 0, and names the process", function()
    local child = compacting()
    local err = refused("BUSY", tidetable.open(helper.path(), { busy_timeout = 0 }))
    assert.equal(child.pid, err.pid)
    assert.is_true(err.retryable)
    child:go()
    assert.equal("done", child:line())
    helper.open()
  end)

  it("waits for busy_timeout in the program's event loop, without holding a lock", function()
    local child = compacting()
    local before, pauses = descriptors(), 0
    local function own(wakeup, seconds)
      pauses = pauses + 1
      assert.is_true(math.type(wakeup:pollfd()) == "integer")
      assert.equal("r", wakeup.events())
      assert.equal(seconds, wakeup:timeout())
      wakeup:clear()
      -- The descriptors of the pause and of the directory that is listed.
      assert.equal(before + 1, descriptors())
      tidetable.open(":memory:"):close()
      if pauses == 3 then
        child:go()
        assert.equal("done", child:line())
      end
    end
    local db = assert(tidetable.open(helper.path(), { busy_timeout = 60, wait = own }))
    assert.equal(3, pauses)
    db:close()
  end)

  it("sleeps in a plain script, and ends after busy_timeout", function()
    compacting()
    local before = core.elapsed()
    refused("BUSY", tidetable.open(helper.path(), { busy_timeout = 0.05 }))
    assert.is_true(core.elapsed() - before > 0.04)
    refused("BUSY", tidetable.compact(helper.path(), { busy_timeout = 0 }))
  end)

  it("is ended by an error in the program's event loop", function()
    compacting()
    local before = descriptors()
    local ok, err = pcall(tidetable.open, helper.path(), { wait = function() error("no", 0) end })
    assert.is_false(ok)
    assert.equal("no", err)
    assert.equal(before, descriptors())
  end)

  it("lets other coroutines of cqueues run", function()
    local cqueues = require "cqueues"
    local child = compacting()
    local loop, turns, db = cqueues.new(), 0, nil
    loop:wrap(function()
      db = assert(tidetable.open(helper.path(), { busy_timeout = 60 }))
    end)
    loop:wrap(function()
      for _ = 1, 5 do
        turns = turns + 1
        cqueues.sleep(0.001)
      end
      child:go()
    end)
    assert(loop:loop())
    assert.equal(5, turns)
    db:close()
  end)

  it("is ended by Ctrl-C", function()
    local waiting = helper.child [[
      db:close()
      pause()
      print "in"
      tidetable.open(path, { busy_timeout = 3600 })
      print "open"
    ]]
    waiting:paused()
    compacting()
    waiting:go()
    assert.equal("in", waiting:line())
    os.execute("sleep 0.2; kill -INT " .. waiting.pid)
    local said = waiting:output()
    assert.is_truthy(said:find("interrupted", 1, true), said)
    assert.is_nil(said:find("open\n", 1, true), said)
  end)
end)

describe("open, while another process writes and the boot must be recorded,", function()
  helper.setup(before_each, after_each)

  it("waits for busy_timeout, in event loops too", function()
    local path = helper.path("full.tide")
    -- The database was written at level "full" only: at another level the boot is recorded.
    local child = helper.child(([[
      db:close()
      db = assert(tidetable.open(%q))
      db:transact(pause, { time_limit = 3600 })
      print "done"
    ]]):format(path))
    child:paused()
    local given = { durability = "one_flush", busy_timeout = 0 }
    local err = refused("BUSY", tidetable.open(path, given))
    assert.equal(child.pid, err.pid)
    local before = descriptors()
    given.busy_timeout, given.wait = 60, function() error("no", 0) end
    local ok, why = pcall(tidetable.open, path, given)
    assert.is_false(ok)
    assert.equal("no", why)
    assert.equal(before, descriptors())
    local waits = 0
    given.wait = function(wakeup)
      waits = waits + 1
      if waits == 2 then child:go() end
      wakeup:wait(0.01)
    end
    local db = assert(tidetable.open(path, given))
    assert.is_true(waits >= 2)
    db:close()
    assert.equal("done", child:line())
  end)
end)
