-- arguments_spec.lua - values of options that several commands have.
local arguments = require "tidetable.cli.arguments"
local json = require "tidetable.dynamodb.json"

describe("a value", function()
  it("is a number of seconds or an integer, or is refused", function()
    assert.equal(0.5, arguments.seconds "0.5")
    assert.equal("'soon': invalid number of seconds", select(2, arguments.seconds "soon"))
    assert.equal("'-1': invalid number of seconds", select(2, arguments.seconds "-1"))
    assert.equal("'nan': invalid number of seconds", select(2, arguments.seconds "nan"))
    assert.equal(3, arguments.integer_from(1) "3")
    for _, words in ipairs { "0", "1.5", "x", "", "0x10", "99999999999999999999" } do
      assert.is_nil(arguments.integer_from(1)(words))
    end
    assert.equal(3, arguments.integer_from(0, 3) "3")
    assert.equal("'4': expected an integer from 0 to 3",
      select(2, arguments.integer_from(0, 3) "4"))
  end)

  it("is a duration, or is refused", function()
    assert.equal("7d", arguments.duration "7d")
    assert.equal(1.5, arguments.duration "1.5")
    for _, words in ipairs { "", "d", "0", "-1", "nan", "1w" } do
      assert.is_nil(arguments.duration(words))
    end
    assert.equal("'1w': invalid duration, expected for example 7d",
      select(2, arguments.duration "1w"))
  end)

  it("is a sequence number, also in DynamoDB's form", function()
    assert.equal(17, arguments.sequence_number "17")
    assert.equal(100, arguments.sequence_number "100")
    assert.equal(17, arguments.sequence_number(json.wire_number(17)))
    assert.equal(math.maxinteger, arguments.sequence_number(json.wire_number(math.maxinteger)))
    for _, words in ipairs { "", "-1", "x", "200000000000000000017", "1" .. ("9"):rep(20) } do
      assert.is_nil(arguments.sequence_number(words))
    end
  end)

  it("is a key, types or a delimiter, or is refused", function()
    assert.same({ "id", "S" }, arguments.key_attribute "id")
    assert.same({ "id", "N" }, arguments.key_attribute "id:N")
    assert.is_nil(arguments.key_attribute "id:X")
    assert.same({ zip = "S", total = "N" }, arguments.types "zip:S,total:N")
    for _, words in ipairs { "", "zip", "zip:X", "zip:S,zip:N", "zip:S," } do
      assert.is_nil(arguments.types(words), words)
    end
    assert.equal("\t", arguments.delimiter "\\t")
    assert.equal(";", arguments.delimiter ";")
    for _, words in ipairs { "", "ab", '"', "\n", "a", "1" } do
      assert.is_nil(arguments.delimiter(words), words)
    end
  end)
end)
