-- stream_options_spec.lua - options of a stream on the command line.
local console = require "tidetable.cli.console"
local stream_options = require "tidetable.cli.stream_options"

it("finds out whether an option is given", function()
  assert.is_false(stream_options.is_given {})
  for _, name in ipairs { "stream", "no_stream", "retention", "retention_size",
      "retention_count", "hold", "hold_size" } do
    assert.is_true(stream_options.is_given { [name] = true })
  end
end)

it("merges settings with those of the stream", function()
  assert.same({ view_type = "KEYS_ONLY", retention = {}, hold = {} },
    stream_options.settings { stream = "KEYS_ONLY" })
  local has = { view_type = "NEW_IMAGE", retention = { age = 60, bytes = 7, count = 8 },
    hold = { age = 90, bytes = 10 } }
  assert.same(has, stream_options.settings({}, has))
  assert.same({ view_type = "KEYS_ONLY", retention = { age = "7d", bytes = "1 KiB", count = 9 },
    hold = { age = "9d", bytes = 11 } }, stream_options.settings({ stream = "KEYS_ONLY",
      retention = "7d", retention_size = "1 KiB", retention_count = 9, hold = "9d",
      hold_size = 11 }, has))
end)

it("refuses a retention without a stream", function()
  stream_options.refuse_retention({}, "hint")
  for option, name in pairs { ["--retention"] = "retention",
      ["--retention-size"] = "retention_size", ["--retention-count"] = "retention_count",
      ["--hold"] = "hold", ["--hold-size"] = "hold_size" } do
    local ok, err = pcall(stream_options.refuse_retention, { [name] = 1 }, "hint")
    assert.is_false(ok)
    assert.is_true(console.is_failure(err))
    assert.equal(option .. ": the table would have no stream", err.message)
    assert.equal("hint", err.hint)
  end
end)
