-- live_view_spec.lua - the display on a terminal.
local command = require "spec.tidetable.cli.command"
local console = require "tidetable.cli.console"
local helper = require "spec.tidetable.helper"
local logs = require "tidetable.run.log"
local runtime = require "spec.tidetable.run.runtime"
local views = require "tidetable.run.live_view"

describe("the live view", function()
  runtime.setup(before_each, after_each)

  local function processor(name, about, more)
    local slots = { { state = "running" }, { state = "pausing" } }
    local one = { name = name, worker_count = 2, slots = slots, about = about, failures = 0 }
    for field, value in pairs(more or {}) do one[field] = value end
    return one
  end

  local function supervisor(...)
    local log = logs.new "text"
    log.is_silent = true
    return { given = { database = "a.tide", script = "p.lua" }, processors = { ... }, log = log,
      is_ready = true }
  end

  local function lines(runtime_of, height)
    return views.new(console.new "never", runtime_of):lines(height or 20)
  end

  it("shows each processor, its last error, and the log", function()
    local one = supervisor(
      processor("busy", { state = "running", records = 5, lag_records = 1234, lag_seconds = 3,
        failures = 2, parked = 1 }, { last_error = { message = "no\27[1m" } }),
      processor("new"),
      processor("over", { state = "ended", records = 0, lag_records = 0, failures = 0, parked = 0 },
        { ending = { message = "gone" } }),
      processor("full", { state = "waiting", reason = "DISK_FULL", records = 0, lag_records = 0,
        failures = 0, parked = 0 }))
    one.reload_error = "p.lua:1: wrong\nmore"
    one.log:write("info", { processor = "busy", worker = 1 }, "hello")
    local text = table.concat(lines(one), "\n")
    assert.is_truthy(text:find "^a.tide  p.lua  ready  up ")
    assert.is_truthy(text:find("busy +running +1/2 +%- +1,234 +3s +2 +1"), text)
    assert.is_truthy(text:find("new +starting +1/2 +%- +%- +%- +%- +%-"), text)
    assert.is_truthy(text:find("over +ended"))
    assert.is_truthy(text:find("\nreload rejected: p.lua:1: wrong\n", 1, true))
    assert.is_truthy(text:find("\nbusy: no\\x1B[1m\n", 1, true) or text:find "\nbusy: no\\", text)
    assert.is_truthy(text:find("\nover: gone\n", 1, true))
    assert.is_truthy(text:find("\nfull: waits, because of DISK_FULL\n", 1, true))
    assert.is_truthy(text:find "%d%d:%d%d:%d%d info    busy/1 hello$")
  end)

  it("shows the newest lines of the log that fit", function()
    local one = supervisor(processor "p")
    for i = 1, 50 do one.log:write("info", {}, "line " .. i) end
    local shown = lines(one, 10)
    assert.equal(10, #shown)
    assert.is_truthy(shown[10]:find "line 50$")
  end)

  for _, columns in ipairs { 80, 200 } do
    it(("fits in %d columns"):format(columns), function()
      if not command.has_terminals() then return pending "there are no terminals" end
      local _, orders = runtime.database()
      runtime.put(orders, 1, 3)
      local script = runtime.write("p.lua", runtime.counting("totals", "backoff = 60",
        "error(('a long message '):rep(20))"))
      local screen = command.terminal({ "run", helper.path(), script },
        { columns = columns, rows = 24, enough = "totals: .*message" })
      screen = command.plain(screen)
      assert.is_truthy(screen:find "PROCESSOR +STATE +WORKERS +PER SECOND +WAITING", screen)
      for line in screen:gsub("\27%[[%d;]*%a", ""):gmatch "[^\r\n]+" do
        assert.is_true(utf8.len(line) <= columns, line)
      end
    end)
  end
end)
