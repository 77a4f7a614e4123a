-- handler_fork_spec.lua - handlers of `tidetable run` that create processes with fork: nothing is
-- lost or doubled, and the stop does not wait for these processes.
local runtime = require "spec.tidetable.run.runtime"

--- Code at the start of a handler: its first call in each worker forks; `child` runs in the child.
local FORK = [[
  if not FORKED then
    FORKED = true
    local pid = require "fault.forking".fork(%s)
    if pid == 0 then
      %s
    else
      print("child " .. pid)
    end
  end
]]

local SLEEP = 'require "fault.forking".sleep()'

describe("a handler that forks", function()
  runtime.setup(before_each, after_each)

  local db, orders, effects, children

  before_each(function()
    db, orders, effects = runtime.database()
    children = {}
  end)

  after_each(function()
    for pid in pairs(children) do
      if runtime.exists(pid) then runtime.signal(pid, "KILL") end
    end
  end)

  local function start(session, child, options)
    return runtime.start { runtime.write("p.lua", runtime.counting("c",
      options or "batch_size = 10, lease = 1", FORK:format(session, child))) }
  end

  --- Waits for the next child. Returns its pid. from: number of lines of the log that are skipped.
  local function child_of(run, from)
    local pid = math.tointeger(run:wait_for("child ", from).message:match "%d+")
    children[pid] = true
    return pid
  end

  --- Stops the command. Fails if that takes longer than the time after which workers are killed.
  local function stop(run)
    run:stop()
    assert.equal(0, run:count "did not stop in time")
    assert.equal(0, run:count "failed")
    local about = db:consumer "c":describe()
    assert.same({ 0, 0 }, { about.failures, about.parked })
    assert.is_true(db:check().ok)
  end

  for _, session in ipairs { "false", "true" } do
    local where = session == "true" and "in a session of its own" or "in its group"

    it("and its child returns from the handler, " .. where, function()
      runtime.put(orders, 1, 30)
      local run = start(session, "")
      local pid = child_of(run)
      run:counted(effects, 30)
      run:wait_until("the end of the child", function() return not runtime.exists(pid) end)
      runtime.put(orders, 31, 60)
      run:counted(effects, 60)
      stop(run)
    end)

    it("and its child raises an error, " .. where, function()
      runtime.put(orders, 1, 30)
      local run = start(session, 'error "in the child"')
      local pid = child_of(run)
      run:counted(effects, 30)
      run:wait_until("the end of the child", function() return not runtime.exists(pid) end)
      stop(run)
    end)

    it("and its child outlives it, " .. where, function()
      runtime.put(orders, 1, 30)
      local run = start(session, SLEEP)
      local pid = child_of(run)
      run:counted(effects, 30)
      assert.is_true(runtime.exists(pid))
      stop(run)
      assert.equal(session == "true", runtime.exists(pid))
    end)

    it("and is killed while its child lives, " .. where, function()
      runtime.put(orders, 1, 30)
      local run = start(session, SLEEP)
      for cycle = 1, 3 do
        local from = #run.lines
        runtime.put(orders, 30 * cycle + 1, 30 * cycle + 30)
        local pid = child_of(run, from)
        run:counted(effects, 30 * cycle + 30)
        runtime.signal(run:workers()[1], "KILL")
        if session == "false" then
          run:wait_until("the end of the child", function() return not runtime.exists(pid) end)
        end
      end
      runtime.put(orders, 121, 130)
      child_of(run, #run.lines)
      run:counted(effects, 130)
      run:stop()
      assert.equal(0, db:consumer "c":describe().parked)
    end)
  end

  it("does not keep the command when that is killed", function()
    runtime.put(orders, 1, 10)
    local run = start("true", SLEEP)
    local pid = child_of(run)
    run:counted(effects, 10)
    run:signal "SIGKILL"
    run:wait()
    assert.is_true(runtime.exists(pid))
    local again = runtime.start { runtime.write("p.lua", runtime.counting("c",
      "batch_size = 10, lease = 1")) }
    runtime.put(orders, 11, 20)
    again:counted(effects, 20)      -- after the lease: the child has a copy of the guard lock
    stop(again)
  end)
end)
