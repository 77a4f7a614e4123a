-- script_spec.lua - the text of a script and of its modules.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local runtime = require "spec.tidetable.run.runtime"
local scripts = require "tidetable.run.script"

describe("a script", function()
  runtime.setup(before_each, after_each)

  local path, searchers, loaded

  before_each(function()
    path, searchers, loaded = package.path, #package.searchers, {}
    for name in pairs(package.loaded) do loaded[name] = true end
  end)

  after_each(function()
    package.path = path
    while #package.searchers > searchers do table.remove(package.searchers, 2) end
    for name in pairs(package.loaded) do
      if not loaded[name] then package.loaded[name] = nil end
    end
  end)

  local function no_warning(text) error(text) end

  it("is read with the modules that it requires, from its directory too", function()
    runtime.write("one.lua", "return { n = 1, two = require 'two' }")
    runtime.write("two.lua", "return 2")
    local path_of = runtime.write("s.lua", "#!/usr/bin/lua\nreturn require 'one'")
    local script = assert(scripts.read(path_of))
    assert.same({ n = 1, two = 2 }, scripts.run(script, no_warning))
    assert.equal("return 2", script.modules.two.text)
    assert.equal(helper.path "two.lua", script.modules.two.path)
    assert.is_nil(script.modules["tidetable.core"])
  end)

  it("is run from its text, whatever the files contain", function()
    local script = { path = helper.path "gone.lua", text = "return require 'lost' + 1",
      modules = { lost = { path = "lost.lua", text = "return 1" } }, is_complete = true }
    assert.equal(2, scripts.run(script, no_warning))
  end)

  it("warns of a module that was not required when it was loaded", function()
    runtime.write("late.lua", "return 3")
    local warnings = {}
    local script = { path = helper.path "s.lua", text = "return require 'late'", modules = {},
      is_complete = true }
    assert.equal(3, scripts.run(script, function(text) warnings[#warnings + 1] = text end))
    assert.is_truthy(warnings[1]:find "module late was not required when the script was loaded")
  end)

  it("finds the library and other modules as usual", function()
    local script = { path = "s.lua", modules = {}, is_complete = false,
      text = "return require 'tidetable.core'" }
    assert.equal(core, scripts.run(script, no_warning))
  end)

  it("returns errors with the lines of its code", function()
    local function message(text)
      local result, err = scripts.run({ path = "s.lua", text = text, modules = {} }, no_warning)
      assert.is_nil(result)
      return err
    end
    assert.is_truthy(message "return {":find "^s.lua:1: ")
    assert.equal("s.lua:1: no", message "error 'no'")
    assert.is_truthy(message "local function f()\n error 'no' end\nf()":find(
      "s.lua:2: no\nstack traceback:\n\ts.lua:2: in function <s.lua:1>\n"
      .. "\ts.lua:3: in main chunk", 1, true))
    assert.is_truthy(message "error {}":find "error object of type table")
    assert.is_truthy(message "error(setmetatable({}, { __tostring = function() return 'me' end }))"
      :find "^me")
    assert.is_truthy(message "require 'broken.module'":find "module 'broken.module' not found")
    assert.is_nil((scripts.read(helper.path "missing.lua")))
  end)
end)
