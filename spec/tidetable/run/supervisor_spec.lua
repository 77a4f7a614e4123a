-- supervisor_spec.lua - the supervisor: start, restart, reload, stop, exit statuses, the file.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local runtime = require "spec.tidetable.run.runtime"

describe("the supervisor", function()
  runtime.setup(before_each, after_each)

  local db, orders, effects

  before_each(function()
    db, orders, effects = runtime.database()
  end)

  local start = runtime.start_script

  it("runs the workers of each processor until SIGTERM", function()
    runtime.put(orders, 1, 100)
    local run = start(([[return { %s, %s }]]):format(
      runtime.counting("one"):gsub("^return ", ""), (runtime.counting("two", "workers = 2", [[
        for i = 1, #records do records[i].keys.id = "two-" .. records[i].keys.id end
      ]]):gsub("^return ", ""))))
    run:ready()
    run:counted(effects, 200)
    assert.equal(3, #run:workers())
    run:stop()
    assert.same({}, run:workers())
    assert.is_false(db:consumer "one":describe().has_owner)
  end)

  it("stops on SIGINT, and a worker that gets SIGTERM alone is started again", function()
    local run = start(runtime.counting "c")
    run:ready()
    local worker = run:workers()[1]
    runtime.signal(worker, "TERM")
    run:wait_until("another worker", function()
      local now = run:workers()[1]
      return now and now ~= worker
    end)
    runtime.put(orders, 1, 5)
    run:counted(effects, 5)
    run:signal "SIGINT"
    run:ends(0)
    assert.equal(0, db:consumer "c":describe().failures)
  end)

  it("starts a killed worker again; nothing is lost or doubled", function()
    local run = start(runtime.counting "c", "--workers", "2")
    run:ready()
    for i = 1, 5 do
      runtime.put(orders, 20 * i - 19, 20 * i)
      local worker = run:workers()[1]
      if worker then runtime.signal(worker, "KILL") end
    end
    run:counted(effects, 100)
    run:stop()
  end)

  it("kills the group of a worker when it has ended", function()
    local run = start(runtime.counting("c",
      "max_attempts = 1, on_failure = 'park'", [[
      os.execute "sleep 1000 & echo sleeper $!"
      os.execute "kill -9 $PPID"
    ]]))
    runtime.put(orders, 1, 1)
    local pid = math.tointeger(run:wait_for "sleeper ".message:match "%d+")
    run:wait_until("the end of the group", function() return not runtime.exists(pid) end)
    run:wait_until("the parked record", function()
      return db:consumer "c":describe().parked == 1
    end)
    run:stop()
  end)

  it("ends with status 1 when the last consumer has ended with an error", function()
    runtime.put(orders, 1, 1)
    local run = start(([[return { %s, %s }]]):format(
      runtime.counting("bad", "max_attempts = 2, backoff = 0", [[error "no"]]):gsub("^return ", ""),
      (runtime.counting("good"):gsub("^return ", ""))))
    run:wait_for "ended: BATCH_FAILED"
    run:counted(effects, 1)
    assert.is_nil(run.status)
    local failed = run:wait_for "attempt 2 with records 3 to 3 failed: "
    assert.equal("bad", failed.processor)
    assert.is_truthy(failed.message:find("p.lua:", 1, true))
    assert(db:consumer "bad":seek { from = "LATEST" })      -- answers the error
    run:wait_for "is started again"
    runtime.put(orders, 2, 2)
    run:wait_until("the error again", function() return run:count "ended: BATCH_FAILED" == 2 end)
    assert(db:consumer "good":delete())
    run:ends(1, "CONSUMER_GONE")
  end)

  it("ends with status 2 for a wrong script", function()
    local cases = {
      { "return {", "p.lua:1:" },
      { "error 'no luck'", "no luck" },
      { "error { 1 }", "error object of type table" },
      { "local x = nil; x.y = 1", "attempt to index" },
      { "return 5", "the script returned a number" },
      { "", "the script returned nothing" },
      { "return {}", "the script returned no definition" },
      { "return { { name = 'a' }, x = 1 }", 'with the name "x"' },
      { "return { 1 }", "definition 1: expected a table, got number" },
      { "return { name = 'a', source = 'orders' }", 'processor a: "handler" is missing' },
      { "return { name = 'a', source = 'orders', handler = 1 }", '"handler" must be a function' },
      { "return { name = 'a', handler = print }", 'processor a: "source" is missing' },
      { "return { name = 'a', source = 'nope', handler = print }", "Table: nope not found" },
      { "return { name = 'a', source = 'effects', handler = print }", "stream" },
      { "return { name = 'a b', source = 'orders', handler = print }", "a name has 1 to 255" },
      { "return { name = 5, source = 'orders', handler = print }", '"name" must be a string' },
      { "return { name = 'a', source = 'orders', handeler = print, handler = print }",
        'unknown option "handeler" (did you mean "handler"?)' },
      { "return { name = 'a', source = 'orders', handler = print, batchsize = 1 }",
        'unknown option "batchsize" (did you mean "batch_size"?)' },
      { "return { name = 'a', source = 'orders', handler = print, batch_size = 0 }",
        'option "batch_size" must be' },
      { "return { name = 'a', source = 'orders', handler = print, wait = print }",
        '"wait" is not allowed' },
      { "return { name = 'a', source = 'orders', handler = print, workers = 0 }",
        '"workers" must be an integer' },
      { "return { name = 'a', source = 'orders', handler = print, kind = 'odd' }",
        'unknown kind "odd"' },
      { "return { name = 'a', source = 'orders', handler = print, filter = 'x =' }",
        "Invalid FilterExpression" },
      { "local d = { name = 'a', source = 'orders', handler = print } return { d, d }",
        "processor a: defined twice" },
      { "os.exit(7)", "the script ended its process, which exited with status 7" },
      { "require 'nowhere.to.be.found'", "nowhere.to.be.found" },
    }
    for _, case in ipairs(cases) do
      start(case[1], "--check"):ends(2, case[2])
    end
    runtime.start { helper.path "missing.lua" }:ends(2, "missing.lua")
    assert.same({}, db:list_consumers())
  end)

  it("ends with status 3 if a process is killed before it is ready", function()
    local kill = 'os.execute "kill -9 $PPID"\n'
    start(kill .. runtime.counting "c"):ends(3, "which was ended by signal 9")
    -- The loader leaves a mark, and the worker kills itself.
    start(([[local seen = io.open(%q)
      if seen then %s else io.open(%q, "w"):close() end
      %s]]):format(helper.path "mark", kill, helper.path "mark", runtime.counting "c"))
      :ends(3, "the worker was ended by signal 9 before it was ready")
  end)

  it("refuses a consumer with other settings", function()
    assert(db:consumer("a", { source = "orders" }))
    start("return { name = 'a', source = 'orders', handler = print, batch_size = 3 }"):ends(2,
      "consumer a exists with another batch_size")
    local run = start(runtime.counting("a", "batch_size = 3, update = true"))
    run:ready()
    run:stop()
    assert.equal(3, db:consumer "a":describe().settings.batch_size)
  end)

  it("verifies a script with --check, and creates nothing", function()
    assert(db:consumer("b", { source = "orders" }))
    local run = start([[return {
      { name = "a", source = "orders", handler = print },
      { name = "b", source = "orders", handler = print },
      { name = "c", source = "orders", exec = "cat" },
    }]], "--check")
    assert.equal(0, run:wait())
    assert.equal("a: valid; its consumer will be created\nb: valid; its consumer exists\n"
      .. "c: valid; its consumer will be created\n", run.out)
    assert.same({ "b" }, db:list_consumers())
  end)

  it("ends with status 3 after too many ends without progress", function()
    runtime.put(orders, 1, 1)
    local run = start(runtime.counting("c", "batch_size = 1", "os.exit(9)"), "--crash-limit", "3")
    run:ends(3, "worker 1 ended 3 times without progress; at last it exited with status 9")
    assert.equal(2, run:count "it is started again in")
    assert.equal(1, run:count "started again in 0.1 s")
    assert.equal(1, run:count "started again in 0.2 s")
  end)

  it("counts ends from zero after progress", function()
    runtime.put(orders, 1, 6)
    local run = start(runtime.counting("c", "batch_size = 1, max_attempts = 1, on_failure = 'park'",
      "os.exit(0, true)"), "--crash-limit", "3")
    run:wait_until("six parked records", function()
      local consumer = db:consumer "c"
      return consumer and consumer:describe().parked == 6
    end)
    assert.equal(6, run:count "it is started again in 0.1 s")
    run:stop()
    for parked in db:consumer "c":parked() do
      assert.equal("the worker died in the handler", parked.error)
    end
  end)

  it("parks only the record that kills its worker", function()
    runtime.put(orders, 1, 20)
    local run = start(runtime.counting("c", "max_attempts = 1, on_failure = 'park', shards = 1", [[
      for _, record in ipairs(records) do if record.keys.id == "7" then os.exit(1) end end
    ]]))
    run:counted(effects, 19)
    run:stop()
    assert.equal(1, db:consumer "c":describe().parked)
  end)

  it("ends with status 4 if the database is removed, replaced or missing", function()
    local run = start(runtime.counting "c")
    run:ready()
    assert(os.rename(helper.path(), helper.path "moved.tide"))
    run:ends(4, "removed or renamed")
    assert(os.rename(helper.path "moved.tide", helper.path()))
    run = start(runtime.counting "c")
    run:ready()
    assert(os.rename(helper.path(), helper.path "moved.tide"))
    runtime.write("test.tide", "another file")
    run:ends(4, "replaced")
    start(runtime.counting "c"):ends(4, "not a tidetable database")
    os.remove(helper.path())
    start(runtime.counting "c"):ends(4, "does not exist")
  end)

  it("lets a second signal kill a worker that does not stop, and ends with status 130", function()
    runtime.put(orders, 1, 1)
    local run = start(runtime.counting("c", "max_attempts = 1", [[
      print "in the handler"
      os.execute "sleep 1000"
    ]]))
    run:wait_for "in the handler"
    run:signal "SIGTERM"
    run:wait_for "SIGTERM: stopping"
    run:signal "SIGTERM"
    run:ends(130, "a second signal")
    assert.equal(0, db:consumer "c":describe().failures)
    run = start(runtime.counting("c", "max_attempts = 1"))          -- the death was no attempt
    run:counted(effects, 1)
    run:stop()
  end)

  it("kills a worker that does not stop in time; its batch costs no attempt", function()
    runtime.put(orders, 1, 1)
    local run = start(runtime.counting("c", "max_attempts = 1", [[
      print "in the handler"
      os.execute "sleep 1000"
    ]]), "--stop-timeout", "0")
    run:wait_for "in the handler"
    run:signal "SIGTERM"
    run:ends(0, "did not stop in time")
    run = start(runtime.counting("c", "max_attempts = 1"))
    run:counted(effects, 1)
    assert.equal(0, db:consumer "c":describe().failures)
    run:stop()
  end)

  it("interrupts a handler that never returns, and kills one that can't be interrupted", function()
    runtime.put(orders, 1, 1)
    local run = start(runtime.counting("c", "max_attempts = 1, handler_limit = 1",
      "while true do end"))
    run:ends(1, "BATCH_FAILED")
    assert(db:consumer "c":delete())
    run = start(runtime.counting("c", "max_attempts = 1, handler_limit = 1, on_failure = 'park'",
      [[os.execute "sleep 1000"]]))
    run:wait_for "can't be interrupted"
    run:wait_until("the parked record", function()
      return db:consumer "c":describe().parked == 1
    end)
    run:stop()
  end)

  it("kills an unresponsive worker, and starts it again", function()
    local run = start(runtime.counting("c", "lease = 0.5"))
    run:ready()
    local worker = run:workers()[1]
    runtime.signal(worker, "STOP")
    runtime.put(orders, 1, 1)
    assert.is_truthy(run:wait_for "no heartbeat for")
    run:counted(effects, 1)
    assert.is_false(runtime.exists(worker))
    assert.equal(0, db:consumer "c":describe().failures)
    run:stop()
  end)

  it("can be stopped while the script is loaded", function()
    local run = start [[print "loading" os.execute "sleep 1000"]]
    run:wait_for "loading"
    run:stop()
    assert.equal(1, run:count "SIGTERM: stopping")
  end)

  it("loads the script with its modules again on SIGHUP", function()
    runtime.write("text.lua", [[return "old"]])
    local script = runtime.counting("c", "batch_size = 1", [[print(require "text")]])
    local run = start("require 'text'\n" .. script)
    run:ready()
    runtime.write("text.lua", [[return "new"]])
    runtime.put(orders, 1, 1)
    run:wait_for "old"
    local worker = run:workers()[1]
    runtime.signal(worker, "KILL")             -- a restart still uses the accepted text
    run:wait_until("another worker", function()
      return run:workers()[1] and run:workers()[1] ~= worker
    end)
    runtime.put(orders, 2, 2)
    run:wait_until("the old text", function() return run:count "old" == 2 end)
    worker = run:workers()[1]
    run:signal "SIGHUP"
    run:wait_for "loaded "
    run:wait_until("a worker with the new text", function()
      return run:workers()[1] and run:workers()[1] ~= worker
    end)
    runtime.put(orders, 3, 3)
    run:wait_for "new"
    run:counted(effects, 3)
    run:stop()
  end)

  it("keeps the old script if the new one is rejected", function()
    local run = start(runtime.counting "c")
    run:ready()
    for _, text in ipairs { "return {", "os.exit(0)", "return { name = 'c' }" } do
      local from = #run.lines
      runtime.write("p.lua", text)
      run:signal "SIGHUP"
      run:wait_for("the old one stays", from)
    end
    runtime.put(orders, 1, 3)
    run:counted(effects, 3)
    run:stop()
  end)

  it("stops a processor that disappears, starts a new one, and changes their number", function()
    local run = start(runtime.counting "old")
    run:ready()
    runtime.write("p.lua", runtime.counting("new", "workers = 3"))
    run:signal "SIGHUP"
    assert.is_truthy(run:wait_for "is no longer in the script".message:find("its consumer old", 1,
      true))
    run:wait_until("three workers", function() return #run:workers() == 3 end)
    runtime.put(orders, 1, 3)
    run:counted(effects, 3)
    runtime.write("p.lua", runtime.counting("new", "workers = 1"))
    run:signal "SIGHUP"
    run:wait_until("one worker", function() return #run:workers() == 1 end)
    run:stop()
    assert.same({ "new", "old" }, db:list_consumers())
  end)

  it("shares the records with a second command", function()
    local runs = { start(runtime.counting "c"), start(runtime.counting "c") }
    for _, run in ipairs(runs) do run:ready() end
    runtime.put(orders, 1, 100)
    runs[1]:counted(effects, 100)
    for _, run in ipairs(runs) do run:stop() end
  end)

  it("waits while the database is full, counts no attempt, and says why", function()
    runtime.put(orders, 1, 1)
    local run = start(runtime.counting("c", "max_attempts = 1", ([[
      if not io.open(%q) then
        tx:table "effects":put { id = "big" }
        error((select(2, require "tidetable.core".consumer_failure("DISK_FULL", "no space"))))
      end
    ]]):format(helper.path "flag")))
    run:wait_for "waits, because of DISK_FULL"
    assert.equal("waiting", db:processors()[1].state)
    assert.equal("DISK_FULL", db:processors()[1].reason)
    runtime.write("flag", "")
    run:counted(effects, 1)
    run:wait_for "continues"
    assert.equal(0, db:consumer "c":describe().failures)
    run:stop()
  end)

  it("leaves no process when it is killed", function()
    local run = start(runtime.counting "c", "--workers", "3")
    run:ready()
    local workers = run:workers()
    assert.equal(3, #workers)
    run:signal "SIGKILL"
    run:wait()
    local deadline = core.elapsed() + 1
    local function alive()
      for _, pid in ipairs(workers) do if runtime.exists(pid) then return true end end
    end
    while alive() and core.elapsed() < deadline do runtime.pause() end
    assert.is_nil(alive())
  end)

  it("gives a worker no descriptor except its own pipes", function()
    local run = start(runtime.counting("c", "batch_size = 1", [[
      local pipe = io.popen "ls /proc/self/fd | tr '\n' ' '"
      print("mine", pipe:read "a")
      pipe:close()
      os.execute("ls -l /proc/$PPID/fd | grep -c tide-wake | sed 's/^/wakes /'")
    ]]))
    runtime.put(orders, 1, 1)
    assert.equal("mine\t0 1 2 3 ", run:wait_for "mine".message)   -- 3 is that of ls
    run:stop()
  end)
end)
