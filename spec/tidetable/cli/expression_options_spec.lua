-- expression_options_spec.lua - expressions on the command line, and their names and values.
local console = require "tidetable.cli.console"
local expression_options = require "tidetable.cli.expression_options"
local tidetable = require "tidetable"

local function read(args, form)
  return expression_options.read(args, form or "plain", {})
end

local function refuses(message, args, form)
  local ok, err = pcall(read, args, form)
  assert.is_false(ok)
  assert.is_true(console.is_failure(err), tostring(err))
  assert.is_true(err.is_usage)
  assert.equal(message, err.message)
end

it("adds expressions, names and values to the options", function()
  assert.same({ limit = 1 }, expression_options.read({}, "plain", { limit = 1 }))
  assert.same({ filter = "f", projection = "p", key_condition = "k", condition = "c" },
    read { filter = "f", projection = "p", key_condition = "k", condition = "c", other = "o" })
  assert.same({ names = { ["#s"] = "status" }, values = { [":s"] = "open", [":n"] = 1 } },
    read { names = '{"#s":"status"}', values = '{":s":"open",":n":1}' })
  assert.same({ values = { [":b"] = tidetable.binary "hi" } },
    read { values = '{":b":{"$B":"aGk="}}' })
  assert.same({ values = { [":n"] = 1 } }, read({ values = '{":n":{"N":"1"}}' }, "dynamodb"))
end)

it("refuses a value by position", function()
  refuses("--filter: '?' has no value", { filter = "a = ?" })
  refuses("--key-condition: '?' has no value", { key_condition = "a = ?" })
end)

it("refuses names and values that are not objects", function()
  local expected = [[--names: expected an object of texts, such as {"#s":"status"}]]
  refuses(expected, { names = "[]" })
  refuses(expected, { names = '["a"]' })
  refuses(expected, { names = '"a"' })
  refuses(expected, { names = '{"#s":1}' })
  refuses("--names: line 1, column 2: expected a name in double quotes, got the end",
    { names = "{" })
  refuses("--values: expected an object, got an array", { values = "[1]" })
  refuses("--values: :b: invalid base64 (padding is required)", { values = '{":b":{"$B":"x"}}' })
end)
