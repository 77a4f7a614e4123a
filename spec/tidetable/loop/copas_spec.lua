-- copas_spec.lua - waiting in threads of copas, as documented in doc/modules/loop/copas.md.
local behaviour = require "spec.tidetable.loop.behaviour"
local helper = require "spec.tidetable.helper"
local pool = require "spec.tidetable.loop.pool"

-- Debian installs copas for older versions of Lua only; it runs in this one.
package.path = package.path .. ";/usr/share/lua/5.2/?.lua"

-- Debian 13 has the copas of Lua 5.2 without coxpcall, which that requires.
local loaded, copas = pcall(require, "copas")
if not loaded then
  describe("in a copas loop", function()
    it("waits", function() pending("copas can't be loaded: " .. copas:match "[^\n]*") end)
  end)
  return
end

local copas_loop = require "tidetable.loop.copas"
local elapsed = require "tidetable.core".elapsed

-- copas 1.1.7 has no timers, so a step must end by itself.
local TURN = 0.002

local function run(functions)
  local left, why = #functions, nil
  for _, f in ipairs(functions) do
    copas.addthread(function()
      local ok, err = xpcall(f, debug.traceback)
      why = why or not ok and err or nil
      left = left - 1
    end)
  end
  local started = elapsed()
  while left > 0 do
    copas.step(TURN)
    if elapsed() - started > 30 then error("the loop did not end in 30 seconds", 0) end
  end
  if why then error(why, 0) end
end

local program = ("package.path = %q\n"):format(package.path) .. [[
  local copas = require "copas"
  local start, wait = copas.addthread, require "tidetable.loop.copas".wait
  local function run()
    while true do copas.step(0.02) end
  end
]]

local loop = { name = "a copas loop", run = run, sleep = copas_loop.sleep,
  wait = copas_loop.wait, poll = copas_loop.wait, program = program, says = "interrupted!" }

behaviour(loop, describe, it, before_each, after_each)
pool.test_coroutines(loop, describe, it, before_each, after_each)

describe("tidetable.loop.copas", function()
  helper.setup(before_each, after_each)

  it("raises an error if select does not support the descriptor", function()
    local high = { pollfd = function() return 5000 end, timeout = function() return 1 end }
    run({ function()
      helper.misuse("supports descriptors below 1024, got 5000", copas_loop.wait, high, 1)
    end })
  end)

  -- copas 4 has pause; copas 2 and 3 have sleep.
  it("sleeps with copas's timers if it has any", function()
    local pause, sleep = rawget(copas, "pause"), rawget(copas, "sleep")
    local asked
    copas.sleep = function(seconds) asked = "sleep " .. seconds end
    copas.pause = nil
    copas_loop.sleep(7)
    assert.equal("sleep 7", asked)
    copas.pause = function(seconds) asked = "pause " .. seconds end
    copas_loop.sleep(8)
    assert.equal("pause 8", asked)
    copas.pause, copas.sleep = pause, sleep
  end)

  it("allows several threads to wait on one wakeup", function()
    local db = helper.open()
    local wakeup, woken = assert(db:wakeup()), 0
    local function wait()
      copas_loop.wait(wakeup, 30)
      woken = woken + 1
    end
    run({ wait, wait, function()
      copas_loop.sleep(0.01)
      assert.equal(0, woken)
      wakeup:close()
    end })
    assert.equal(2, woken)
  end)

  -- copas 1.1.7 closes the socket that a thread waited for last.
  it("a wakeup remains open after the end of the thread that waited on it", function()
    local db = helper.open()
    local wakeup <close> = assert(db:wakeup())
    run({ function() copas_loop.wait(wakeup, 0.01) end })
    assert.is_true(wakeup:pollfd() >= 0)
  end)
end)
