-- live_view_spec.lua - the display on a terminal.
local command = require "spec.tidetable.cli.command"
local console = require "tidetable.cli.console"
local helper = require "spec.tidetable.helper"
local logs = require "tidetable.run.log"
local runtime = require "spec.tidetable.run.runtime"
local testing = require "tidetable.testing"
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
    assert.is_truthy(text:find("busy +running +%- +1/2 +%- +1,234 +3s +2 +1"), text)
    assert.is_truthy(text:find("new +starting +0s +1/2 +%- +%- +%- +%- +%-"), text)
    assert.is_truthy(text:find("over +ended +%- "))
    assert.is_truthy(text:find("\nreload rejected: p.lua:1: wrong\n", 1, true))
    assert.is_truthy(text:find("\nbusy: no\\x1B[1m\n", 1, true) or text:find "\nbusy: no\\", text)
    assert.is_truthy(text:find("\nover: gone\n", 1, true))
    assert.is_truthy(text:find("\nfull: waits, because of DISK_FULL\n", 1, true))
    assert.is_truthy(text:find "%d%d:%d%d:%d%d info    busy/1 hello$")
  end)

  it("shows for how long each processor has been in its state, if that is known", function()
    local clock <close> = testing.clock()
    local about = { state = "paused", records = 0, failures = 0, parked = 0 }
    local one, new = processor("one", about), processor "new"
    local view = views.new(console.new "never", supervisor(one, new))
    local function shows(name, text)
      local all = table.concat(view:lines(20), "\n")
      assert.is_truthy(all:find("\n" .. name .. " +" .. text .. " "), all)
    end
    shows("one", "paused +%-")         -- perhaps it was before this command
    clock:advance(60)
    shows("one", "paused +%-")
    shows("new", "starting +1m")
    about.state = "running"
    shows("one", "running +0s")
    clock:advance(3599)
    shows("one", "running +59m")
    about.state = "paused"
    shows("one", "paused +0s")
    clock:advance(2 * 86400 + 5)
    shows("one", "paused +2d")
    about.state, about.since = "ended", clock:now() - 7300
    shows("one", "ended +2h")          -- by the time in the file
    about.state, about.since = "running", nil
    shows("one", "running +0s")
    one.ending = { message = "gone", at = clock:now() - 3 }
    shows("one", "ended +3s")
  end)

  it("shows the newest lines of the log that fit", function()
    local one = supervisor(processor "p")
    for i = 1, 50 do one.log:write("info", {}, "line " .. i) end
    local shown = lines(one, 10)
    assert.equal(10, #shown)
    assert.is_truthy(shown[10]:find "line 50$")
  end)

  it("cuts long names, so that the columns at the right are visible", function()
    local about = { state = "running", records = 7, failures = 0, parked = 12, lag_records = 0 }
    local out = console.new "never"
    local window = 80
    function out.size() return window, 24 end
    local long = ("n"):rep(30)
    local view = views.new(out, supervisor(processor(long, about), processor("new")))
    local function first()
      local all = view:lines(20)
      for i = 3, 5 do assert.is_true(utf8.len(all[i]) <= window, all[i]) end
      return all[3], all[4]
    end
    local titles, row = first()
    assert.is_truthy(titles:find "^PROCESS%S* .* PARKED$", titles)
    assert.is_truthy(row:find "^nnnn+%S* +running .* 12$", row)
    assert.is_nil(row:find(long, 1, true))
    window = 200
    assert.is_truthy(select(2, first()):find("^" .. long .. " +running .* 12$"))
    window = 20 -- too narrow in any case: the name keeps 8 columns
    assert.is_truthy(view:lines(20)[4]:find "^nnnnn+%S* +running", view:lines(20)[4])
  end)

  it("shows nothing before the script is loaded", function()
    if not command.has_terminals() then return pending "there are no terminals" end
    runtime.database()
    local script = runtime.write("p.lua", "return {")
    local screen = command.plain(command.terminal({ "run", helper.path(), script },
      { columns = 80, rows = 24 }))
    assert.is_truthy(screen:find("p.lua:1:", 1, true), screen)
    assert.is_nil(screen:find "PROCESSOR", screen)
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
      assert.is_truthy(screen:find "PROCESSOR +STATE +FOR +WORKERS +PER SECOND +WAITING", screen)
      assert.is_truthy(screen:find "totals +retrying +%d+s +1/1", screen)
      for line in screen:gsub("\27%[[%d;]*%a", ""):gmatch "[^\r\n]+" do
        assert.is_true(utf8.len(line) <= columns, line)
      end
    end)
  end
end)
