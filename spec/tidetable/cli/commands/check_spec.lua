-- check_spec.lua - `tidetable check`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local console = require "tidetable.cli.console"
local dkjson = require "dkjson"
local elapsed = require "tidetable.core".elapsed
local helper = require "spec.tidetable.helper"
local main = require "tidetable.cli.main"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local function make()
  local db = helper.open()
  local items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
  for i = 1, 3 do items:put { id = "n" .. i, text = "something to be found" .. i } end
  db:close()
  return helper.path()
end

-- Changes one byte of an item in the file.
local function damage(path)
  local file = assert(io.open(path, "r+b"))
  local at = 0
  local bytes = file:read("a")
  repeat
    at = bytes:find("something to be found2", at + 1, true)
    if at then
      file:seek("set", at - 1)
      file:write("S")
    end
  until not at
  file:close()
end

describe("check", function()
  it("shows what a sound database contains", function()
    local path = make()
    local said = command.must { "check", path }
    assert.truthy(said:find("^ok  " .. path:gsub("%p", "%%%0")
      .. ": 1 table, 3 items, 1 stream, 3 records, "), said)
    local report = dkjson.decode(command.must { "check", path, "--json" })
    assert.is_true(report.ok)
    assert.equal(3, report.items)
    assert.are.same({}, report.problems)
  end)

  it("clears the reader slots of dead processes, and counts them", function()
    local path = make()
    local db = helper.open()
    local child = helper.child [[
      for _ in db:table "items":scan { snapshot = true } do
        print "in"
        while true do end
      end
    ]]
    assert.equal("in", child:line())
    child:kill()
    assert.truthy(command.must({ "check", path })
      :find("\ncleared %d+ reader slots? of dead processes\n$"))
    assert.is_nil(command.must({ "check", path }):find("cleared", 1, true))
    db:close()
  end)

  -- The child process is stopped, so that it is still running. If it was faster, this is repeated.
  it("ends with status 130 at Ctrl-C, at any time", function()
    local db = helper.open()
    local items, number = assert(db:create_table { name = "items", partition_key = "id" }), 0
    assert(items:load(function()
      number = number + 1
      return number <= 10000 and { id = tostring(number), text = ("x"):rep(100) } or nil
    end))
    db:close()

    local function interrupted()
      local pipe = assert(io.popen(("unset LD_PRELOAD; echo $$; exec %s check %s 2>&1"):format(
        command.line, command.quote(helper.path()))))
      local pid = pipe:read("n")
      local child = helper.child_of(pid)
      if child then command.shell("kill -STOP " .. child) end
      command.shell("kill -INT " .. math.tointeger(pid))
      local said = pipe:read("a")
      local _, _, status = pipe:close()
      return child ~= nil, status, said
    end

    local tries, was_walking, status, said, began = 0
    repeat
      tries, began = tries + 1, elapsed()
      was_walking, status, said = interrupted()
    until was_walking and status ~= 0 or tries == 20
    assert.same({ true, 130, "\n" }, { was_walking, status, said })
    assert.is_true(elapsed() - began < 40, "the child was waited for until the stall timeout")
  end)

  it("has one finding if the first pages cannot be read", function()
    local path = make()
    local file = assert(io.open(path, "r+b"))
    for _, at in ipairs { 80, 4096 + 80 } do
      file:seek("set", at)
      file:write(("\xfe"):rep(8))
    end
    file:close()
    local ran = command.run { "check", path }
    assert.equal(1, ran.status)
    assert.truthy(ran.out:find("^damaged  25: .*both meta pages of .* are damaged\nDAMAGED  .*"
      .. ", 1 finding\n$"), ran.out)
    assert.equal("", ran.err)
  end)

  -- The options that it gives to tidetable.check, and how it shows the report.
  it("runs in a child process, with a time limit, and counts findings it does not show", function()
    local asked, check = {}, tidetable.check
    finally(function() tidetable.check = check end)
    function tidetable.check(path, options)
      asked[#asked + 1] = { path, options.isolate, options.stall_timeout }
      return { ok = false, problems = { "25: one" }, findings = {}, problem_count = 123001,
        tables = 0, items = 0, streams = 0, records = 0, bytes = 0, pages = 0, stale_readers = 0 }
    end
    local parser, commands = main.parser()
    local said = ""
    local out = setmetatable({
      write = function(_, ...) said = said .. table.concat { ... } end,
      line = function(_, line) said = said .. line .. "\n" end,
    }, { __index = console.new("never") })
    for _, more in ipairs { {}, { "--stall-timeout", "7" } } do
      said = ""
      local args = parser:parse { "check", "x.tide", table.unpack(more) }
      assert.equal(1, commands.check.run(args, out))
    end
    assert.same({ { "x.tide", true, 60 }, { "x.tide", true, 7 } }, asked)
    assert.truthy(said:find("^damaged  25: one\nand 123,000 findings more\nDAMAGED  "), said)
  end)

  it("shows each finding, and ends with status 1", function()
    local path = make()
    damage(path)
    local ran = command.run { "check", path }
    assert.equal(1, ran.status)
    assert.truthy(ran.out:find("^damaged  1:"), ran.out)
    assert.truthy(ran.out:find("\nDAMAGED  ", 1, true), ran.out)
    ran = command.run { "check", path, "--json" }
    assert.equal(1, ran.status)
    local report = dkjson.decode(ran.out)
    assert.is_false(report.ok)
    assert.equal(report.problem_count, #report.problems)
  end)
end)
