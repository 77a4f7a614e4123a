-- settings_spec.lua - stored settings of a consumer and their comparison.
local helper = require "spec.tidetable.helper"
local settings = require "tidetable.consumer.settings"

describe("the settings of a consumer", function()
  it("are stored unless they are defaults", function()
    assert.same({ source = "t" }, settings.stored({ batch_size = 100, window = 0 }, "t"))
    assert.same({ source = "", window = 2 }, settings.stored({ window = 2 }, ""))
  end)

  it("are complete with their defaults", function()
    local complete = settings.complete { source = "t", window = 2, max_attempts = 5 }
    assert.equal(2, complete.window)
    assert.equal(100, complete.batch_size)
    assert.equal(5, complete.max_attempts)
    assert.is_nil(settings.complete({}).max_attempts)
  end)

  it("are compared by name", function()
    local stored = settings.stored({ window = 2 }, "t")
    assert.is_true(settings.compare("c", stored, settings.stored({ window = 2 }, "t")))
    local err = helper.refused("CONSUMER_DIFFERS", settings.compare("c", stored,
      settings.stored({ lease = 1 }, "t")))
    assert.is_truthy(err.message:find("another lease, window", 1, true), err.message)
  end)

  it("are distinguished from other options", function()
    assert.is_true(settings.are_given { mode = "locked" })
    assert.is_false(settings.are_given { source = "t", from = "LATEST" })
  end)
end)
