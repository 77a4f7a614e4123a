-- console_spec.lua - output on a terminal and in a pipe, and how a command fails.
local command = require "spec.tidetable.cli.command"
local console = require "tidetable.cli.console"
local helper = require "spec.tidetable.helper"

helper.setup(before_each, after_each)

local on_terminal = command.on_terminal(it, pending)

local function make()
  local db = helper.open()
  assert(db:create_table { name = "orders", partition_key = "id", stream = true })
  db:close()
  return helper.path()
end

local function has_colour(text)
  return text:find("\27[", 1, true) ~= nil
end

describe("colors", function()
  on_terminal("are used on a terminal, unless options or variables forbid them", function()
    local words = { "tables", make() }
    local function painted(more, variables)
      local all = table.move(words, 1, #words, 1, {})
      all[#all + 1] = more
      return has_colour((command.terminal(all, nil, variables)))
    end
    assert.is_true(painted())
    assert.is_false(painted("--color=never"))
    assert.is_false(painted(nil, { NO_COLOR = "1" }))
    assert.is_true(painted(nil, { NO_COLOR = "" }))
    assert.is_true(painted("--color=always", { NO_COLOR = "1" }))
    assert.is_false(painted(nil, { TERM = "dumb" }))
    assert.is_false(painted("--color=auto", { NO_COLOR = "1" }))
  end)

  it("are not used in a pipe, unless requested", function()
    local ran = command.run { "tables", "/nowhere/x" }
    assert.is_false(has_colour(ran.err))
    assert.is_false(has_colour(command.must { "tables", make() }))
    ran = command.run { "tables", "/nowhere/x", "--color=always" }
    assert.is_true(has_colour(ran.err))
  end)
end)

describe("JSON", function()
  local dkjson = require "dkjson"

  it("has integers, empty arrays and names in order", function()
    local json = command.must { "describe", make(), "orders", "--json" }
    assert.truthy(json:find('^{"name":"orders","id":1,"created_at":%d+%.?%d*,'
      .. '"partition_key":%["id","S"%],'), json)
    assert.truthy(json:find('"retention":{"age":86400}', 1, true), json)
    json = command.must { "check", helper.path(), "--json" }
    assert.truthy(json:find('"findings":[]', 1, true), json)
  end)

  -- The bytes were written unchanged, so the line was not JSON.
  it("is UTF-8 even if a path is not", function()
    local path = helper.path "caf\xe9.tide"
    helper.open(nil, path):close()
    local json = command.must { "stats", path, "--json" }
    assert.truthy(utf8.len(json))
    assert.truthy(dkjson.decode(json).info.path:find("caf\\xE9.tide", 1, true), json)
  end)
end)

describe("lines", function()
  on_terminal("are cut at the edge of the window", function()
    local words = { "tables", make() }
    local function widest(given, variables)
      local most = 0
      for line in command.plain((command.terminal(words, given, variables))):gmatch("[^\n]+") do
        most = math.max(most, utf8.len(line))
      end
      return most
    end
    local whole = widest { columns = 200 }
    assert.is_true(whole > 40)
    assert.equal(20, widest { columns = 20 })
    assert.equal(whole, widest { columns = 0 })
    assert.equal(25, widest({ columns = 20 }, { COLUMNS = "25" }))
    assert.equal(20, widest({ columns = 20 }, { COLUMNS = "nonsense" }))
  end)

  on_terminal("are cut with an ellipsis of the locale", function()
    local words = { "tables", make() }
    local narrow = { columns = 20 }
    assert.truthy((command.terminal(words, narrow)):find("…", 1, true))
    local ascii = command.terminal(words, narrow, { LANG = "C" })
    assert.is_nil(ascii:find("[\128-\255]"))
    assert.truthy(ascii:find("...", 1, true))
  end)
end)

describe("a style", function()
  it("has several words, and no effect without colors", function()
    local plain, painted = console.new "never", console.new "always"
    assert.equal("x", plain:paint("bold red", "x"))
    assert.equal("\27[1;31mx\27[0m", painted:paint("bold red", "x"))
    assert.equal("x", painted:paint("", "x"))
    assert.equal("", painted:paint("bold", ""))
  end)
end)
