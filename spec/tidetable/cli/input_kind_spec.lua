-- input_kind_spec.lua - input that cannot be read is recognized by its first bytes.
--
-- The messages that users see are tested in import_spec.lua.
local console = require "tidetable.cli.console"
local input_kind = require "tidetable.cli.input_kind"

--- Returns the message for an input that is read byte by byte, nil if it is accepted.
local function problem(text, is_csv)
  local at = 0
  local source = { name = "in", peek = function(_, is_enough)
    at = 1
    while not is_enough(text:sub(1, at)) and at < #text do at = at + 1 end
    return text ~= "" and text:sub(1, at) or nil
  end }
  local ok, err = pcall(input_kind.check, source, is_csv)
  assert.is_true(ok or console.is_failure(err), tostring(err))
  return not ok and err.message or nil, at
end

it("waits for the bytes that it needs, and for no others", function()
  assert.same({ "in: compressed with gzip", 2 }, { problem "\x1f\x8b\8\0\0\0\0\0" })
  assert.same({ "in: compressed with xz", 6 }, { problem "\xfd7zXZ\0\0\0" })
  assert.equal("in: compressed with bzip2", (problem "BZh91AY"))
  assert.same({ nil, 2 }, { [2] = select(2, problem '{"a":1}') })
  assert.is_nil((problem "\x1f"))
  assert.is_nil((problem ""))
end)

it("takes no JSON and no damaged JSON for CSV", function()
  for _, text in ipairs { '{"a":1,"b":2}', ' [1,2]', "\u{feff}{}", '5', '"a"', "\xff,",
    "\1,", "\n\n{," } do
    assert.is_nil((problem(text .. "\n")), text)
  end
  for _, text in ipairs { "id,name", "id;name", "id\tname", '"id","name"', "\u{feff}id,b" } do
    assert.is_nil((problem(text .. "\n", true)))
  end
end)
