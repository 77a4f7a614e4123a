-- answer_spec.lua - answers of programs.
local answers = require "tidetable.run.answer"
local json = require "tidetable.dynamodb.json"

describe("the answer of a program", function()
  local records = { { sequence_number = 5 }, { sequence_number = 7 }, { sequence_number = 9 } }
  local seven = "100000000000000000007"

  it("is success if it names no failed record", function()
    for _, line in ipairs { "{}", " { } ", '{"batchItemFailures":[]}',
      '{"batchItemFailures":null}' } do
      assert.equal(0, answers.read(line, records))
    end
  end)

  it("names the first failed record, in any order", function()
    local function failures(...)
      local parts = {}
      for i, id in ipairs { ... } do parts[i] = ('{"itemIdentifier":"%s"}'):format(id) end
      return ('{"batchItemFailures":[%s]}'):format(table.concat(parts, ","))
    end
    assert.equal(2, answers.read(failures(seven), records))
    assert.equal(1, answers.read(failures(seven, json.wire_number(5)), records))
    assert.equal(seven, json.wire_number(7))
  end)

  it("is refused otherwise", function()
    for _, line in ipairs { "", " ", "null", "true", "[]", "[{}]", '"{}"', "{", "{}{}", "{} x",
      "no",
      '{"ok":true}', '{"batchItemFailures":[],"more":1}', '{"BatchItemFailures":[]}',
      '{"batchItemFailures":{}}', '{"batchItemFailures":""}', '{"batchItemFailures":0}',
      '{"batchItemFailures":[""]}', '{"batchItemFailures":[null]}', '{"batchItemFailures":[{}]}',
      '{"batchItemFailures":[[]]}', '{"batchItemFailures":[{"itemIdentifier":""}]}',
      '{"batchItemFailures":[{"itemIdentifier":null}]}',
      '{"batchItemFailures":[{"itemIdentifier":7}]}',
      '{"batchItemFailures":[{"itemIdentifier":"7"}]}',
      '{"batchItemFailures":[{"ItemIdentifier":"' .. seven .. '"}]}',
      '{"batchItemFailures":[{"itemIdentifier":"' .. seven .. '","x":1}]}',
      '{"batchItemFailures":[{"itemIdentifier":"100000000000000000006"}]}',
      '{"batchItemFailures":[],"batchItemFailures":[]}' } do
      local index, problem = answers.read(line, records)
      assert.is_nil(index, line)
      assert.equal("string", type(problem))
    end
  end)

  it("is quoted in messages, cut off and in one line", function()
    assert.equal('"a\\nb"', answers.quote "a\nb")
    assert.equal(205, #answers.quote(("x"):rep(1000)))
  end)
end)
