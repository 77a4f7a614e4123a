-- progress_bar_spec.lua - a progress bar on a terminal.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local progress_bar = require "tidetable.cli.progress_bar"

helper.setup(before_each, after_each)

local on_terminal = command.on_terminal(it, pending)

-- Writes a program that slowly counts to ten.
local function counting(total)
  local path = helper.path("counting.lua")
  local file = assert(io.open(path, "w"))
  file:write(("package.path, package.cpath = %q, %q\n"):format(package.path, package.cpath), [[
    local console = require("tidetable.cli.console").new()
    local core = require "tidetable.core"
    do
      local progress_bar = require "tidetable.cli.progress_bar"
      local bar <close> = progress_bar.new(console, "counting", ]], total, [[)
      for i = 1, 10 do
        local ends = core.elapsed() + 0.03
        while core.elapsed() < ends do end
        bar:show(i * 1000)
      end
    end
    print "done"
  ]])
  file:close()
  return path
end

local function on_screen(total, variables, columns)
  local line = command.line
  command.line = command.lua
  local screen = command.terminal({ counting(total) }, { columns = columns or 100 }, variables)
  command.line = line
  return screen
end

describe("progress", function()
  on_terminal("shows amount, rate and remaining time, and is removed at the end", function()
    local screen = on_screen("10000", { NO_COLOR = "1" })
    assert.truthy(screen:find(
      "\rcounting =+%-+ +%d+%%  %d,000 of 10,000  [%d,]+/s  %d+m?s left\27%[K"), screen)
    assert.truthy(screen:find "\r\27%[Kdone\n$", screen)
    assert.is_nil(screen:find("\27[3", 1, true))
    assert.truthy(on_screen("10000"):find("\27[32m==", 1, true))
  end)

  on_terminal("is no wider than the window", function()
    local screen, count = on_screen("10000", { NO_COLOR = "1" }, 30), 0
    for line in screen:gmatch "\r([^\r\27]+)\27%[K" do
      count = count + 1
      assert.is_true(#line <= 29, line)
    end
    assert.is_true(count > 0)
  end)

  -- Three seconds pass, with a call every 30 ms.
  it("is written at most ten times per second", function()
    local core, now, lines = require "tidetable.core", 0, 0
    local elapsed, errors = core.elapsed, io.stderr
    finally(function()
      core.elapsed = elapsed
      rawset(io, "stderr", errors)
    end)
    function core.elapsed() return now end
    rawset(io, "stderr", { flush = function() end, write = function(_, first)
      lines = lines + (first == "\r" and 1 or 0)
    end })
    local bar = progress_bar.new({ shows_progress = true }, "counting", 100)
    for i = 1, 100 do
      now = now + 0.03
      bar:show(i)
    end
    bar:close()
    assert.is_true(lines >= 20 and lines <= 30, lines .. " lines")
  end)

  on_terminal("shows amount and rate if the total is unknown", function()
    local screen = on_screen("nil")
    assert.truthy(screen:find("\rcounting %d,000  [%d,]+/s\27%[K"), screen)
  end)

  on_terminal("is not shown if the cursor cannot be moved", function()
    assert.equal("done\n", on_screen("10000", { TERM = "dumb" }))
  end)

  it("is not shown in a pipe", function()
    local ran = command.shell(command.lua .. " " .. command.quote(counting("10000")))
    assert.equal("done\n", ran.out)
    assert.equal("", ran.err)
  end)
end)
