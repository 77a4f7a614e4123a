-- luv_spec.lua - waiting in coroutines of libuv, as documented in doc/modules/loop/luv.md.
local behaviour = require "spec.tidetable.loop.behaviour"
local helper = require "spec.tidetable.helper"
local pool = require "spec.tidetable.loop.pool"

if not package.searchpath("luv", package.cpath) then
  describe("in a libuv loop", function()
    it("waits", function() pending "luv is not installed here" end)
  end)
  return
end

local luv_loop = require "tidetable.loop.luv"
local uv = require "luv"

-- Closes all handles, so that no coroutine of a test that failed continues in the loop of the next.
local function close_handles()
  uv.walk(function(handle) if not handle:is_closing() then handle:close() end end)
  uv.run()
end

local function where(threads)
  local traces = {}
  for i, thread in ipairs(threads) do
    if coroutine.status(thread) ~= "dead" then
      traces[#traces + 1] = debug.traceback(thread, ("coroutine %d is suspended"):format(i))
    end
  end
  return table.concat(traces, "\n")
end

local function run(functions)
  local threads, left, why = {}, #functions, nil
  uv.update_time()
  local guard = uv.new_timer()
  guard:start(30000, 0, function()
    why = why or "the loop did not end in 30 seconds\n" .. where(threads)
    uv.stop()
  end)
  for i, f in ipairs(functions) do
    threads[i] = coroutine.create(function()
      local ok, err = xpcall(f, debug.traceback)
      why = why or not ok and err or nil
      left = left - 1
      if left == 0 then guard:close() end
    end)
    assert(coroutine.resume(threads[i]))
  end
  uv.run()
  if why then
    close_handles()
    error(why, 0)
  end
end

-- As in doc/modules/loop/luv.md.
local program = [[
  local uv = require "luv"
  local wait = require "tidetable.loop.luv".wait
  local said
  local function start(f)
    coroutine.wrap(function() said = tostring(select(2, pcall(f))) end)()
  end
  local function run()
    local signal = uv.new_signal()
    signal:start("sigint", function()
      signal:close()
      db:close()
    end)
    uv.run()
    error(said)
  end
]]

local loop = { name = "a libuv loop", run = run, sleep = luv_loop.sleep,
  wait = luv_loop.wait, poll = luv_loop.wait, program = program, says = "CLOSED: " }

behaviour(loop, describe, it, before_each, after_each)
pool.test_coroutines(loop, describe, it, before_each, after_each)

describe("tidetable.loop.luv", function()
  helper.setup(before_each, after_each)

  it("leaves no handle in the loop after a wait", function()
    local db = helper.open { wait = luv_loop.wait }
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    run({ function() assert.is_nil(assert(orders:stream()):next(0.01)) end,
      function() luv_loop.sleep(0.001) end })
    local count = 0
    uv.walk(function(handle) if not handle:is_closing() then count = count + 1 end end)
    assert.equal(0, count)
  end)

  it("closes a database whose waits the program has closed", function()
    local db = helper.open { wait = luv_loop.wait }
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    local thread = coroutine.create(function() assert(orders:stream()):next(30) end)
    assert(coroutine.resume(thread))
    close_handles()
    db:close()
    uv.run()
    assert.equal("suspended", coroutine.status(thread))
  end)

  it("allows one coroutine to wait on a wakeup, not two", function()
    local db = helper.open()
    local wakeup = assert(db:wakeup())
    local ended
    run({ function()
      luv_loop.wait(wakeup, 30)
      ended = true
    end, function()
      helper.misuse("this wakeup already has a function", luv_loop.wait, wakeup, 30)
      wakeup:close()
    end })
    assert.is_true(ended)
  end)

  it("a coroutine that is closed while it waits is not resumed", function()
    local db = helper.open()
    local wakeup = assert(db:wakeup())
    local thread = coroutine.create(function() luv_loop.wait(wakeup, 0.01) error "resumed" end)
    assert(coroutine.resume(thread))
    assert(coroutine.close(thread))
    run({ function() luv_loop.sleep(0.05) end })
    assert.equal("dead", coroutine.status(thread))
  end)

  it("an error of a coroutine is reported by luv, with its traceback", function()
    local child = helper.child [[
      local wait = require "tidetable.loop.luv".wait
      local function breaks() error "it broke" end
      coroutine.wrap(function()
        local _ <close> = setmetatable({}, { __close = function() print "closed" end })
        assert(db:stream { wait = wait }):next(0.01)
        breaks()
      end)()
      require "luv".run()
      print "went on"
    ]]
    local said = child:output()
    assert.is_truthy(said:find("it broke.*in upvalue 'breaks'"), said)
    assert.is_truthy(said:find("closed", 1, true), said)
    assert.is_nil(said:find("went on", 1, true), said)
  end)
end)
