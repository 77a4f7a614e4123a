-- others_spec.lua - waiting in cqueues and in the program's own scheduler (doc/loops.md).
local behaviour = require "spec.tidetable.loop.behaviour"
local cqueues = require "cqueues"
local pool = require "spec.tidetable.loop.pool"

local function run_cqueues(functions)
  local controller = cqueues.new()
  for _, f in ipairs(functions) do controller:wrap(f) end
  assert(controller:loop(30))
  assert(controller:empty(), "the loop did not end in 30 seconds")
  controller:close()
end

local cqueues_program = [[
  local loop, wait = require "cqueues".new(), nil
  local function start(f) loop:wrap(f) end
  local function run() assert(loop:loop()) end
]]

local cqueues_loop = { name = "a cqueues loop", run = run_cqueues, sleep = cqueues.sleep,
  poll = cqueues.poll, program = cqueues_program, says = "interrupted!" }

behaviour(cqueues_loop, describe, it, before_each, after_each)
pool.test_coroutines(cqueues_loop, describe, it, before_each, after_each)

-- The scheduler of the example.
package.path = "./examples/?.lua;" .. package.path

if not package.searchpath("system", package.path) then
  describe("in the program's own scheduler", function()
    it("waits", function() pending "luasystem is not installed here" end)
  end)
  return
end

local scheduler = require "own_scheduler.scheduler"

local function run_own(functions)
  for _, f in ipairs(functions) do scheduler.start(f) end
  scheduler.run()
end

-- Its `wait` only works in its own coroutines.
local function wait(wakeup, seconds)
  if not coroutine.isyieldable() then return wakeup:wait(seconds) end
  scheduler.wait(wakeup, seconds)
end

local own_program = ("package.path = %q\n"):format(package.path) .. [[
  local scheduler = require "own_scheduler.scheduler"
  local start, run, wait = scheduler.start, scheduler.run, scheduler.wait
]]

local own_loop = { name = "a custom scheduler", run = run_own, sleep = scheduler.sleep,
  wait = wait, poll = wait, program = own_program, says = "interrupted!" }

behaviour(own_loop, describe, it, before_each, after_each)
pool.test_coroutines(own_loop, describe, it, before_each, after_each)
