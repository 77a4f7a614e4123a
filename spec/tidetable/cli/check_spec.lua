-- check_spec.lua - what doc/modules/cli/check.md promises.
local command = require "spec.tidetable.cli.command"
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"

helper.setup(before_each, after_each)

local function make()
  local db = helper.open()
  local items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
  for i = 1, 3 do items:put { id = "n" .. i, text = "something to be found" .. i } end
  db:close()
  return helper.path()
end

-- One byte of an item, wherever it is in the file, becomes another.
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
  it("says that a sound database is, and what it holds", function()
    local path = make()
    local said = command.must { "check", path }
    assert.truthy(said:find("^ok  " .. path:gsub("%p", "%%%0")
      .. ": 1 table, 3 items, 1 stream, 3 records, "), said)
    local report = dkjson.decode(command.must { "check", path, "--json" })
    assert.is_true(report.ok)
    assert.equal(3, report.items)
    assert.are.same({}, report.problems)
  end)

  it("names each problem, and ends with status 1", function()
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
