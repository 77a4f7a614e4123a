-- errors_spec.lua - errors that look like the core's own.
local errors = require "tidetable.dynamodb.errors"
local tidetable = require "tidetable"

describe("an error of validation", function()
  local err = errors.validation("SerializationException", "a: no", { path = "a" })

  it("has the fields, the look and the metatable's name of the core's", function()
    local _, core_err = tidetable.number "x"
    core_err.where = nil -- the place that counts is in the text that was read: its path
    for name, value in pairs(core_err) do
      if name ~= "message" and name ~= "exception" then assert.equal(value, err[name]) end
    end
    assert.equal("SerializationException", err.exception)
    assert.equal("VALIDATION: a: no", tostring(err))
    assert.equal("so: VALIDATION: a: no.", "so: " .. err .. ".")
    assert.equal(getmetatable(core_err), getmetatable(err))
  end)

  it("carries what else the case has", function()
    assert.equal("a", err.path)
  end)
end)
