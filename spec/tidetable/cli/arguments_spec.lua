-- arguments_spec.lua - values of options that several commands have.
local arguments = require "tidetable.cli.arguments"

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
end)
