-- process_spec.lua - child processes: lines, ends, groups.
local core = require "tidetable.core"
local cqueues = require "cqueues"
local frames = require "tidetable.run.frame"
local processes = require "tidetable.run.process"
local runtime = require "spec.tidetable.run.runtime"

describe("a process of the supervisor", function()
  runtime.setup(before_each, after_each)

  --- Starts a worker that executes the code as a script.
  local function run(code, body)
    local loop, lines = cqueues.new(), {}
    local process = assert(processes.start(loop, { title = "tidetable: test",
      messages = frames.encode("script", "p.lua", code) .. frames.encode("work", "name", "x"),
      on_message = function() end,
      on_line = function(stream, line) lines[#lines + 1] = stream .. " " .. line end }))
    loop:wrap(function() body(process) end)
    assert(loop:loop())
    return lines, process
  end

  local function wait(process)
    repeat process:poll() until process:wait(0.01)
  end

  it("returns complete lines, the last one too, and divides a long one", function()
    local lines = run([[
      io.stdout:write "a" io.stdout:flush() io.stdout:write "b\n\nlast"
      io.stderr:write(("x"):rep(40000), "\n") os.exit(0)
    ]], wait)
    local out, sizes = {}, {}
    for _, line in ipairs(lines) do
      if line:find "^stdout" then out[#out + 1] = line else sizes[#sizes + 1] = #line - 7 end
    end
    assert.same({ "stdout ab", "stdout ", "stdout last" }, out)
    local sum = 0
    for _, size in ipairs(sizes) do
      sum = sum + size
      assert.is_true(size <= 16384 + 65536)
    end
    assert.equal(40000, sum)
  end)

  it("reports its end: status or signal", function()
    local _, process = run("os.exit(7)", wait)
    assert.equal("exited with status 7", process:end_text())
    _, process = run("os.execute 'kill -9 $PPID'", wait)
    assert.equal("was ended by signal 9", process:end_text())
    _, process = run("while true do end", function(one)
      assert.is_false(one:wait(0.05))
      one:kill()
      wait(one)
      one:kill()
    end)
    assert.equal("was ended by signal 9", process:end_text())
  end)

  it("is over soon after its end, even if another process keeps its output open", function()
    local began
    run("os.execute 'setsid sleep 3 & true' os.exit(0)", function(process)
      began = core.elapsed()
      wait(process)
    end)
    assert.is_true(core.elapsed() - began < 2.5)
  end)
end)
