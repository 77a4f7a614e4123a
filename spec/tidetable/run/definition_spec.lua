-- definition_spec.lua - what a script returns.
local consumers = require "spec.tidetable.consumers"
local definitions = require "tidetable.run.definition"
local helper = require "spec.tidetable.helper"

describe("the definitions of a script", function()
  helper.setup(before_each, after_each)

  local function named(name) return { name = name, source = "orders", handler = print } end

  it("are one or an array", function()
    local one, two = named "one", named "two"
    assert.same({ one }, definitions.check(one))
    assert.same({ one, two }, definitions.check { one, two })
  end)

  it("are refused with the name of the processor or its number", function()
    local function refused(message, value)
      assert.same({ nil, message }, { definitions.check(value) })
    end
    refused("definition 2: expected a table, got number", { named "a", 1 })
    refused('definition 1: "name" must be a string, got nil', { { source = "orders" } })
    refused('definition 1: unknown option "nmae" (did you mean "name"?)',
      { nmae = "a", source = "orders", handler = print })
    refused('definition 1: unknown option "Name" (did you mean "name"?)',
      { Name = "a", kind = "view", from = "orders", select = print })
    refused('definition 1: "name" must be a string, got nil',
      { kind = "view", from = "orders", select = print })
    refused('definition 1: "name" must be a string, got nil',
      { { source = "orders", handler = print, filter = "total > ?", 5 } })
    refused('definition 1: unknown kind "veiw"', { kind = "veiw", from = "orders" })
    refused('processor a: "handler" is missing', { name = "a", source = "orders" })
    refused("processor a: defined twice", { named "a", named "a" })
    refused('processor a: "workers" must be an integer from 1 to 256',
      { name = "a", source = "orders", handler = print, workers = 257 })
  end)

  it("are verified with the database, and change nothing", function()
    local db = consumers.orders()
    local function verify(changes)
      local definition = named "a"
      for name, value in pairs(changes) do definition[name] = value end
      return definitions.verify(db, definition)
    end
    assert.equal("create", verify {})
    assert.same({ nil, 'processor a: unknown option "exce" (did you mean "exec"?)' },
      { verify { exce = "x" } })
    local action, message, code = verify { source = "nope" }
    assert.is_nil(action)
    assert.equal("NOT_FOUND", code)
    assert.is_truthy(message:find "^processor a: ")
    assert.same({}, db:list_consumers())
    assert(db:consumer("a", { source = "orders" }))
    assert.equal("open", verify {})
    assert.equal("CONSUMER_DIFFERS", select(3, verify { lease = 5 }))
    assert.equal("update", verify { lease = 5, update = true })
  end)
end)
