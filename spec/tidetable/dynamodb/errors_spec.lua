-- errors_spec.lua - errors of the JSON modules are of the core's class.
local errors = require "tidetable.dynamodb.errors"
local tidetable = require "tidetable"

describe("an error of validation", function()
  local err = errors.validation("SerializationException", "a: no", { path = "a" })

  it("has the fields, the text and the metatable of the core's", function()
    local _, core_err = tidetable.number "x"
    core_err.where = nil -- the position in the JSON matters, not the line of the program
    for name, value in pairs(core_err) do
      if name ~= "message" and name ~= "exception" then assert.equal(value, err[name]) end
    end
    assert.equal("SerializationException", err.exception)
    assert.equal("VALIDATION: a: no", tostring(err))
    assert.equal("so: VALIDATION: a: no.", "so: " .. err .. ".")
    assert.equal(debug.getmetatable(core_err), debug.getmetatable(err))
    assert.equal("tidetable.error", getmetatable(err))
  end)

  it("has the given fields", function()
    assert.equal("a", err.path)
  end)

  it("is a new object each time", function()
    local other = errors.validation("ValidationException", "b: no")
    assert.equal("a: no", err.message)
    assert.is_nil(other.path)
  end)
end)
