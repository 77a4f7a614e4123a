-- log_spec.lua - the log: complete lines, two formats, and readers that do not read.
local core = require "tidetable.core"
local json_text = require "tidetable.dynamodb.json_text"
local runtime = require "spec.tidetable.run.runtime"

describe("the log", function()
  runtime.setup(before_each, after_each)

  --- Runs code that has the local `log` in a process. Returns its output.
  local function written(format, code)
    local path = runtime.write("log.lua", ([[
      local log = require "tidetable.run.log".new(%q)
      %s
      log:finish()
    ]]):format(format, code))
    local output, input = core.pipe()
    local process = assert(core.start_process(core.program_path(), { "lua", path },
      { false, 1, input }, {}))
    core.descriptor_close(input)
    local parts = {}
    while true do
      local bytes = core.descriptor_read(output)
      if bytes == "" then break end
      parts[#parts + 1] = bytes or ""
      if not bytes then runtime.pause() end
    end
    while core.process_poll(process) == false do runtime.pause() end
    return table.concat(parts)
  end

  it("has one line for each line of a message as text", function()
    local text = written("text", [[
      log:write("info", {}, "hello")
      local fields = { processor = "p", worker = 2, stream = "stdout" }
      log:write("warning", fields, "a\n\27[1mb\tc\255\n")
    ]])
    assert.same({ "info    - hello", "warning p/2 stdout a",
      "warning p/2 stdout \\x1B[1mb\tc\\xFF" },
      (function()
        local lines = {}
        for time, rest in text:gmatch "(%S+) ([^\n]*)\n" do
          assert.is_truthy(time:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$")
          lines[#lines + 1] = rest
        end
        return lines
      end)())
  end)

  it("has one object for each message as JSON", function()
    local text = written("json", [[
      log:write("error", { processor = "p", worker = 1, pid = 7, stream = "stderr" }, "a\nb \255")
    ]])
    local tree = json_text.decode(text:match "^([^\n]*)\n$")
    assert.equal("error", tree.level)
    assert.equal("a\\x0Ab \\xFF", tree.message)
    assert.same({ "p", 1, 7, "stderr" }, { tree.processor, tree.worker, tree.pid, tree.stream })
  end)

  it("cuts a message that is too long", function()
    local text = written("text", [[ log:write("info", {}, ("x"):rep(1000000)) ]])
    assert.is_true(#text < 70000)
    assert.is_truthy(text:find "xxx%.%.%.\n$")
  end)

  it("drops and counts lines that are not read, and does not stop the runtime", function()
    local _, orders, effects = runtime.database()
    runtime.put(orders, 1, 1)
    local run = runtime.start { runtime.write("p.lua", runtime.counting("c", "batch_size = 1", [[
      for i = 1, 20000 do print(("a line that is not read %d"):format(i)) end
      io.stderr:write "unfinished"
    ]])) }
    local deadline = core.elapsed() + 60
    while runtime.effects(effects) == 0 do     -- without reading the log
      assert.is_true(core.elapsed() < deadline)
      runtime.pause()
    end
    for _ = 1, 50 do runtime.pause() end
    run:wait_for "log lines were dropped: they were not read"
    run:signal "SIGTERM"
    run:ends(0)
    for _, line in ipairs(run.lines) do assert.is_not.equal("raw", line.level) end
    assert.is_true(#run.lines < 20000)
  end)

  it("shows the output of workers as complete lines with worker and stream", function()
    local db, orders = runtime.database()
    runtime.put(orders, 1, 1)
    local run = runtime.start { runtime.write("p.lua", runtime.counting("c", "batch_size = 1", [[
      io.stdout:write "one, "
      io.stdout:write "two\nthree"
      io.stderr:write "four\n"
      io.stderr:write(("five"):rep(5000), "\n")
    ]])) }
    local line = run:wait_for "one, two"
    assert.same({ "c", 1, "stdout", "info" }, { line.processor, line.worker, line.stream,
      line.level })
    assert.equal("stderr", run:wait_for "four".stream)
    run:wait_for "fivefive"
    run:stop()
    assert.equal(1, run:count "three")
    assert.is_nil(db:consumer "c":describe().ended)
  end)
end)
