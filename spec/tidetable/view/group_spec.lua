-- group_spec.lua - the groups and rows that the functions of a definition give.
local helper = require "spec.tidetable.helper"
local views = require "spec.tidetable.views"

describe("the rows of a view", function()
  helper.setup(before_each, after_each)

  local db, orders

  before_each(function()
    db = helper.memory()
    orders = views.source(db)
  end)

  local function put(place, number, more)
    local item = { place = place, number = number, total = 1 }
    for name, value in pairs(more or {}) do item[name] = value end
    assert(orders:put(item))
  end

  local function open(fields)
    fields.name, fields.from = fields.name or "made", "orders"
    fields.table = fields.table or { partition_key = "id", stream = true }
    return assert(db:view(fields))
  end

  --- Does steps until one fails. Returns its message.
  local function failure(view)
    while true do
      local count, err, code = view:step()
      if not count then
        assert.equal("BATCH_FAILED", code)
        return err.message
      end
      assert.is_true(count > 0, "no failure")
    end
  end

  it("must have the key attributes of the table, and no others", function()
    put("north", 1)
    for text, key in pairs {
      ["the key attribute id is missing"] = {},
      ["unknown key attribute other"] = { id = "a", other = 1 },
      ["expected the key attributes of the group, got string"] = "a",
    } do
      local view = open { name = "v" .. #text, key = function() return key end,
        reduce = { add = function() end } }
      assert.matches('key failed for the item {"number":1,"place":"north"}: ' .. text,
        failure(view))
    end
  end)

  it("can be none or several for an item, with different keys", function()
    local given = { { id = "a" }, { id = "b" } }
    local view = open { select = function(item) return item.number > 1 and given or nil end }
    put("north", 1)
    views.drain(view)
    assert.same({}, views.items(db:table "made"))
    put("north", 2)
    views.drain(view)
    assert.same(given, views.items(db:table "made"))
    given = { { id = "a" }, { id = "a" } }
    put("south", 1)
    views.drain(view)
    put("south", 2)
    assert.matches('two of the items have the key {"id":"a"}', failure(view))
    for text, wrong in pairs { ["got number"] = 7, ["id is missing"] = { total = 1 },
      ["expected an item, got string"] = { "a" } } do
      given = wrong
      assert.matches(text, failure(view))
    end
  end)

  it("change places between items in one transaction", function()
    local view = open { select = function(item) return { id = item.place, of = item.number } end }
    put("north", 1, { place = "north" })
    put("south", 2)
    views.drain(view)
    assert(db:transact(function(tx)
      local t = tx:table "orders"
      t:delete { place = "north", number = 1 }
      t:delete { place = "south", number = 2 }
      t:put { place = "south", number = 1 }
      t:put { place = "north", number = 2 }
    end))
    views.drain(view)
    assert.same({ { id = "north", of = 2 }, { id = "south", of = 1 } },
      views.items(db:table "made"))
    assert.is_true(assert(view:check()).is_equal)
  end)

  for _, phase in ipairs { "before", "after" } do
    it("belong to one item each: a collision " .. phase .. " the snapshot", function()
      local view = open { select = function(item) return { id = item.place } end }
      put("north", 1)
      if phase == "after" then views.drain(view) end
      put("north", 2)
      assert.matches('select gives the key {"id":"north"} for more than one item of orders',
        failure(view))
      assert(orders:delete { place = "north", number = 1 })
      assert.matches("BATCH_FAILED", view:describe().ended.code)
    end)
  end

  it("have no attribute with the name of a key attribute", function()
    put("north", 1)
    local view = open { key = function() return { id = "a" } end,
      reduce = { add = function(group) group.id = "b" end } }
    assert.matches('the group {"id":"a"} has an attribute id, which is a key attribute',
      failure(view))
  end)

  for name, more in pairs { reduce = { key = true }, select = { select = true } } do
    it("are not changed by a function that depends on something else: " .. name, function()
      local place = "a"
      local fields = more.key and {
        key = function() return { id = place } end,
        reduce = { add = function() end, remove = function() end },
      } or { select = function() return { id = place } end }
      local view = open(fields)
      put("north", 1)
      views.drain(view)
      place = "b"
      put("north", 1, { total = 2 })
      assert.matches("must depend on the item alone, and a changed function needs another version",
        failure(view))
      assert.equal("a", views.items(db:table "made")[1].id)
    end)
  end
end)
