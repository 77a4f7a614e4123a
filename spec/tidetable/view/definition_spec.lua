-- definition_spec.lua - what a definition of a view may contain.
local definitions = require "tidetable.view.definition"
local helper = require "spec.tidetable.helper"
local views = require "tidetable.view.view"

describe("the definition of a view", function()
  helper.setup(before_each, after_each)

  local function f() end

  --- Returns a valid definition, with these fields changed; `false` removes one.
  local function with(fields)
    local definition = { name = "spent", from = "orders", key = f,
      reduce = { add = f, remove = f } }
    for name, value in pairs(fields or {}) do definition[name] = value or nil end
    return definition
  end

  it("is valid in these forms", function()
    for _, fields in ipairs { {}, { kind = "view" }, { version = 3 }, { into = "other" },
      { reduce = { add = f } }, { reduce = { add = f, initial = { total = 0 } } },
      { key = false, reduce = false, select = f }, { batch_size = 1, hold = false, lease = 1 },
      { window = { size = 60, stamp = f, grace = 1.5, attribute = "hour" } },
      { table = { partition_key = { "id", "N" }, stream = true } } } do
      assert.is_true(views.validate(with(fields)))
    end
  end)

  it("is refused with a message that names the mistake", function()
    for text, fields in pairs {
      ["unknown option \"form\" .did you mean \"from\""] = { form = "x" },
      ["the option \"name\" is missing"] = { name = false },
      ["the option \"from\" is missing"] = { from = false },
      ["option \"name\" must be a name of 3 to 249 characters"] = { name = "a b" },
      ["option \"kind\" must be \"view\""] = { kind = "handler" },
      ["option \"version\" must be an integer from 1"] = { version = 0 },
      ["option \"from\" must be the name of a table, or a table"] = { from = 7 },
      ["excludes \"key\", \"reduce\" and \"window\""] = { select = f },
      ["expected \"key\" and \"reduce\", or \"select\""] = { reduce = false },
      ["reduce: the function \"add\" is missing"] = { reduce = {} },
      ["reduce: unknown option \"ad\""] = { reduce = { ad = f } },
      ["reduce: initial contains a value that can't be stored"] =
        { reduce = { add = f, initial = { f } } },
      ["window: the option \"stamp\" is missing"] = { window = { size = 1 } },
      ["window: the option \"size\" is missing"] = { window = { stamp = f } },
      ["window: option \"size\" must be an integer"] = { window = { size = 0.5, stamp = f } },
      ["window: option \"grace\" must be a finite number"] =
        { window = { size = 1, stamp = f, grace = -1 } },
      ["window: the attribute has no name"] = { window = { size = 1, stamp = f, attribute = "" } },
      ["table: the option \"partition_key\" is missing"] = { table = {} },
      ["table: unknown option \"name\""] = { table = { name = "x", partition_key = "id" } },
      ["ttl is available for views with a window only"] =
        { table = { partition_key = "id", ttl = "x" } },
      ["are the same table, orders"] = { into = "orders" },
      ["spent.state contains the state of the view"] = { into = "spent.state" },
    } do
      local ok, message = views.validate(with(fields))
      assert.is_nil(ok, text)
      assert.matches("^view: ", message)
      assert.matches(text, message)
    end
    assert.same({ nil, "view: expected a definition, got nil" }, { views.validate(nil) })
  end)

  it("raises its mistake when a view is opened", function()
    local db = helper.memory()
    local ok, err = pcall(db.view, db, { name = "spent" })
    assert.is_false(ok)
    assert.matches("definition_spec.lua:%d+: view: the option \"from\" is missing", err)
  end)

  it("is completed", function()
    local complete = definitions.complete(with { window = { size = 60, stamp = f } })
    assert.same({ "spent", "spent.state", 1, "sum, windows of 60 s in window" },
      { complete.into, complete.state, complete.version, complete.shape })
    assert.same({ batch_size = 1000, hold = true }, complete.settings)
    assert.equal("members", definitions.complete(with { reduce = { add = f } }).strategy)
    assert.equal("select",
      definitions.complete(with { key = false, reduce = false, select = f }).shape)
  end)
end)
