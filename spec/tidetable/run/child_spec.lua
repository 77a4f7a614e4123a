-- child_spec.lua - the child processes of `tidetable run`, and the connection to the supervisor.
local children = require "tidetable.run.child"
local cqueues = require "cqueues"
local frames = require "tidetable.run.frame"
local processes = require "tidetable.run.process"
local runtime = require "spec.tidetable.run.runtime"

describe("a child process", function()
  runtime.setup(before_each, after_each)

  --- Runs a child with these messages. Returns the messages and lines it has sent, and its process.
  local function run(...)
    local parts = {}
    for i, message in ipairs { ... } do parts[i] = frames.encode(table.unpack(message)) end
    local loop, got, lines = cqueues.new(), {}, {}
    local process = assert(processes.start(loop, { title = "tidetable: test",
      messages = table.concat(parts),
      on_message = function(name, fields) got[#got + 1] = { name, table.unpack(fields) } end,
      on_line = function(stream, line) lines[#lines + 1] = { stream, line } end }))
    local is_over = false
    loop:wrap(function()
      repeat
        process:poll()
        is_over = process:wait(0.02)
      until is_over
    end)
    assert(loop:loop())
    return got, lines, process
  end

  it("loads a script, and reports its text and definitions", function()
    local db = runtime.database()
    local text = "require 'm' print 'loading'\n"
      .. "return { name = 'c', source = 'orders', exec = 'cat' }"
    runtime.write("m.lua", "return 1")
    local path = runtime.write("p.lua", text)
    local got, lines, process = run({ "file", path }, { "load", "database", db.path })
    assert.same({ { "script", path, text },
      { "module", "m", path:gsub("p.lua$", "m.lua"), "return 1" },
      { "definition", "c", "exec", "", "create" }, { "loaded" } }, got)
    assert.same({ { "stdout", "loading" } }, lines)
    assert.same({ 0, 0 }, { process.status, process.signal })
  end)

  it("reports why it has rejected a script", function()
    local db = runtime.database()
    local got = run({ "file", runtime.write("p.lua", "return 1") }, { "load", "database", db.path })
    assert.same({ "rejected", "script" }, { got[1][1], got[1][2] })
    local right = runtime.write("p.lua", "return { name = 'c', source = 'o', exec = 'cat' }")
    got = run({ "file", right },
      { "load", "database", db.path .. ".missing" })
    assert.same({ "rejected", "database" }, { got[1][1], got[1][2] })
  end)

  it("handles records, and reports that it is ready and how it has ended", function()
    local db, orders = runtime.database()
    runtime.put(orders, 1, 1)
    local script = { "script", "p.lua", runtime.counting("c", "max_attempts = 1", "error 'bad'") }
    local got, _, process = run(script, { "work", "name", "c", "database", db.path, "region", "r" })
    assert.same({ "ready" }, got[1])
    assert.same({ "reached", "3" }, got[2])
    assert.same({ "failed", "3", "3", "1" }, { got[3][1], table.unpack(got[3], 3) })
    assert.same({ "ended", "BATCH_FAILED" }, { got[4][1], got[4][2] })
    assert.equal(1, process.status)
    got = run(script, { "work", "name", "other", "database", db.path, "region", "r" })
    assert.same({ "ended", "", 'the script has no definition "other"' }, got[1])
    got = run({ "script", "p.lua", runtime.counting "d" },
      { "work", "name", "d", "database", db.path, "region", "r" }, { "stop" })
    assert.equal("stopped", got[#got][1])
  end)

  it("ends if its supervisor sends no work", function()
    local _, _, process = run({ "nonsense" })
    assert.equal(1, process.status)
  end)

  it("has a command that contains the module paths, and not all variables", function()
    local path, words = children.command "title"
    assert.is_truthy(path:find "^/")
    assert.equal("title", words[1])
    assert.is_truthy(words[3]:find(package.cpath:match "^[^;]+", 1, true))
    assert.same({ "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC" }, children.environment)
  end)
end)
