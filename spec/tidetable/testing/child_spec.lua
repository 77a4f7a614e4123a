-- child_spec.lua - child processes of tidetable.testing: code, talking to them, their end, misuse.
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local testing = require "tidetable.testing"

local SIGKILL, SIGALRM = 9, 14

describe("a child process", function()
  it("runs a string with arguments, and finds the same modules", function()
    local child <close> = testing.child([[
      local text, integer, float = ...
      require "spec.tidetable.helper"
      print(text, integer, float, package.path)
      os.exit(3)
    ]], { "a 'b\n", 7, 0.1 })
    local result = child:wait()
    assert.same({ status = 3, output = "a 'b\n\t7\t0.10000000000000001\t" .. package.path .. "\n" },
      result)
  end)

  it("runs a function without upvalues", function()
    local child <close> = testing.child(function(...) print(select("#", ...), ...) end, { "x" })
    assert.same({ status = 0, output = "1\tx\n" }, child:wait())
  end)

  it("reads lines and writes lines", function()
    local child <close> = testing.child [[
      for line in io.lines() do print("got " .. line) end
      io.stderr:write "end"
    ]]
    assert.is_true(child:send "one")
    assert.equal("got one", child:line())
    assert.is_true(child:send())
    assert.equal("got ", child:line())
    assert.same({ status = 0, output = "end" }, child:wait())
    assert.is_nil(child:line())
    assert.is_false(child:send "more")
  end)

  it("shares a database", function()
    local db <close> = testing.database { tables = { { name = "orders", partition_key = "id" } } }
    local child <close> = testing.child([[
      local db <close> = assert(require "tidetable".open(...))
      assert(db:table "orders":put { id = "a" })
    ]], { db.path })
    assert.same({ status = 0, output = "" }, child:wait())
    assert.same({ a = { id = "a" } }, testing.items(db:table "orders"))
  end)

  it("reports errors", function()
    local result = testing.child("\n\nerror 'deliberate'"):wait()
    assert.equal(1, result.status)
    assert.is_truthy(result.output:find("child.lua:3: deliberate", 1, true))
    assert.equal(1, testing.child("not Lua"):wait().status)
    local none <close> = testing.child("", { lua = "/nowhere/lua" })
    assert.equal(127, none:wait().status)
  end)

  it("can be run by another command", function()
    local child <close> = testing.child("print(os.getenv 'WORD')",
      { command = { "env", "WORD=x y" } })
    assert.equal("x y\n", child:wait().output)
  end)

  it("is killed by kill, by close, by its time limit and by the collector", function()
    local killed <close> = testing.child "print 'ready' io.read()"
    assert.equal("ready", killed:line())
    killed:kill()
    assert.equal(SIGKILL, killed:wait().signal)
    killed:kill()
    killed:close()
    local late <close> = testing.child("io.read() while true do end", { seconds = 1 })
    assert.equal(SIGALRM, late:wait().signal)
    local pids = {}
    do
      local closed <close> = testing.child "print 'ready' while true do end"
      closed:line()
      pids[1] = closed.pid
      local forgotten = testing.child "print 'ready' while true do end"
      forgotten:line()
      pids[2] = forgotten.pid
    end
    collectgarbage()
    collectgarbage()
    for _, pid in ipairs(pids) do assert.is_nil(lfs.attributes("/proc/" .. pid)) end
  end)

  it("raises misuse", function()
    local upvalue = 1
    helper.blames('the function uses the local variable "upvalue" of another function',
      function() testing.child(function() return upvalue end) end)
    helper.blames("child: expected a string of Lua code or a function, got nil",
      function() testing.child() end)
    helper.blames("child: expected a table of arguments and options",
      function() testing.child("", "x") end)
    helper.blames("child: argument 2 must be a string or a number, got table",
      function() testing.child("", { 1, {} }) end)
    helper.blames('unknown option "second"', function() testing.child("", { second = 1 }) end)
    helper.blames("an integer from 1", function() testing.child("", { seconds = 0 }) end)
    local child <close> = testing.child ""
    child:wait()
    helper.blames("wait: the end of the child was returned already",
      function() child:wait() end)
    helper.blames("call it with a colon", function() child.line() end)
  end)
end)
