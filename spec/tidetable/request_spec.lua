-- request_spec.lua - conditional writes and updates, as documented in doc/expressions.md.
local helper = require "spec.tidetable.helper"
local shared = require "spec.tidetable.optimistic"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local refused, raises, blames = helper.refused, helper.raises, helper.blames
local collect, field = helper.collect, helper.field
local optimistic = shared.transact
local set, list = tidetable.set, tidetable.list

local db, orders

before_each(function()
  db = helper.memory()
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
end)

local function pack(...) return { ... } end

local function get(id) return orders:get { id = id } end

local function events() return field("event_name", db:stream():records()) end

--- Checks that the last change and the number of records are those before f.
local function changes_nothing(f)
  local count, last = #events(), db:last_change()
  f()
  assert.equal(count, #events())
  assert.equal(last, db:last_change())
end

--- Checks that a call returns VALIDATION with this message.
local function invalid(message, ...)
  assert.equal(message, refused("VALIDATION", ...).message)
end

local failed = "The conditional request failed"

--------------------------------------------------------------------------------
-- Conditions
--------------------------------------------------------------------------------

describe("a conditional put", function()
  local new_only = { condition = "attribute_not_exists(id)" }

  it("is made if the condition holds", function()
    assert.equal(2, orders:put({ id = "a", v = 1 }, new_only))
    assert.equal(3, orders:put({ id = "a", v = 2 }, { condition = "v = ?", 1 }))
    assert.are.same({ id = "a", v = 2 }, get "a")
    assert.are.same({ "INSERT", "MODIFY" }, events())
  end)

  it("returns CONDITION_FAILED and writes nothing if it does not hold", function()
    assert(orders:put { id = "a", v = 1 })
    changes_nothing(function()
      local err = refused("CONDITION_FAILED", orders:put({ id = "a", v = 2 }, new_only))
      assert.equal(failed, err.message)
      assert.equal("ConditionalCheckFailedException", err.exception)
      assert.is_nil(err.item)
      assert.is_false(err.retryable)
      refused("CONDITION_FAILED", orders:put({ id = "b" }, { condition = "v = ?", 1 }))
      -- The condition is evaluated even if the item would not change.
      refused("CONDITION_FAILED", orders:put({ id = "a", v = 1 }, new_only))
    end)
    assert.are.same({ id = "a", v = 1 }, get "a")
    assert.is_nil(get "b")
  end)

  it("returns the item that failed in err.item on request", function()
    assert(orders:put { id = "a", v = 1, tags = set { "x" } })
    local opts = { condition = "v > ?", 7, return_values_on_failure = "ALL_OLD" }
    local err = refused("CONDITION_FAILED", orders:put({ id = "a" }, opts))
    assert.is_true(err.item.tags:has "x")
    assert.equal(1, err.item.v)
    assert.is_nil(refused("CONDITION_FAILED", orders:put({ id = "b" }, opts)).item)
    opts.return_values_on_failure = "NONE"
    assert.is_nil(refused("CONDITION_FAILED", orders:put({ id = "a" }, opts)).item)
  end)

  it("returns 0 if the condition holds and the item does not change", function()
    assert(orders:put { id = "a", v = 1 })
    changes_nothing(function()
      assert.equal(0, orders:put({ id = "a", v = 1 }, { condition = "v = ?", 1 }))
    end)
  end)

  it("returns the replaced item on request", function()
    local opts = { condition = "attribute_not_exists(v) OR v < ?", 5, return_values = "ALL_OLD" }
    assert.are.same({ 2 }, pack(orders:put({ id = "a", v = 1 }, opts)))
    local results = pack(orders:put({ id = "a", v = 9 }, opts))
    assert.are.same({ 3, { id = "a", v = 1 } }, results)
  end)

  it("accepts names and values in DynamoDB's form, mixed with positions", function()
    assert(orders:put { id = "a", status = "open", total = 4 })
    assert.equal(3, orders:put({ id = "a", status = "paid" }, {
      condition = "#s = :open AND #t BETWEEN ? AND ?", 1, 4,
      names = { ["#s"] = "status", ["#t"] = "total" }, values = { [":open"] = "open" },
    }))
  end)
end)

describe("a conditional delete", function()
  it("is made if the condition holds", function()
    assert(orders:put { id = "a", v = 1 })
    local seq, old = orders:delete({ id = "a" }, { condition = "v = ?", 1,
      return_values = "ALL_OLD" })
    assert.equal(3, seq)
    assert.are.same({ id = "a", v = 1 }, old)
    assert.is_nil(get "a")
    assert.are.same({ "INSERT", "REMOVE" }, events())
  end)

  it("returns CONDITION_FAILED and deletes nothing if it does not hold", function()
    assert(orders:put { id = "a", v = 1 })
    changes_nothing(function()
      local err = refused("CONDITION_FAILED", orders:delete({ id = "a" }, {
        condition = "v = ?", 2, return_values_on_failure = "ALL_OLD" }))
      assert.are.same({ id = "a", v = 1 }, err.item)
      refused("CONDITION_FAILED", orders:delete({ id = "b" },
        { condition = "attribute_exists(id)" }))
    end)
    assert.is_table(get "a")
  end)

  it("returns 0 for an item that does not exist, if the condition holds", function()
    changes_nothing(function()
      assert.are.same({ 0 }, pack(orders:delete({ id = "a" }, {
        condition = "attribute_not_exists(id)", return_values = "ALL_OLD" })))
    end)
  end)
end)

describe("a conditional update", function()
  it("is made if the condition holds, and only then", function()
    assert(orders:put { id = "a", stock = 2 })
    local opts = { condition = "stock >= :n", values = { [":n"] = 2 } }
    assert.equal(3, orders:update({ id = "a" }, "SET stock = stock - :n", opts))
    changes_nothing(function()
      opts.return_values_on_failure = "ALL_OLD"
      local err = refused("CONDITION_FAILED",
        orders:update({ id = "a" }, "SET stock = stock - :n", opts))
      assert.are.same({ id = "a", stock = 0 }, err.item)
      refused("CONDITION_FAILED", orders:update({ id = "b" }, "SET v = ?",
        { condition = "attribute_exists(id)", 1 }))
    end)
    assert.is_nil(get "b")
  end)

  it("tests the condition before operands that may be missing", function()
    refused("CONDITION_FAILED", orders:update({ id = "a" }, "SET v = v + ?",
      { condition = "attribute_exists(v)", 1 }))
    invalid("The provided expression refers to an attribute that does not exist in the item",
      orders:update({ id = "a" }, "SET v = v + ?", { 1 }))
    assert.is_nil(get "a")
  end)

  it("takes the values of ? for the update first, then for the condition", function()
    assert(orders:put { id = "a", v = 1 })
    assert(orders:update({ id = "a" }, "SET v = ?, w = ?", { "one", "two",
      condition = "v = ? AND attribute_not_exists(w)", 1 }))
    assert.are.same({ id = "a", v = "one", w = "two" }, get "a")
  end)
end)

--------------------------------------------------------------------------------
-- Updates
--------------------------------------------------------------------------------

describe("update", function()
  it("changes the attributes that it names and keeps the others", function()
    assert(orders:put { id = "a", v = 1, keep = list { 1, "x" }, prev = true,
      tags = set { "x", "y" }, m = { n = 1 } })
    assert.equal(3, orders:update({ id = "a" },
      "SET #s = ?, m.n = m.n + ?, keep[2] = ? REMOVE prev ADD v ? DELETE tags ?",
      { "paid", 5, true, 3, set { "x" }, names = { ["#s"] = "status" } }))
    local item = get "a"
    assert.equal("paid", item.status)
    assert.equal(6, item.m.n)
    assert.are.same({ 1, "x", true }, { table.unpack(item.keep) })
    assert.is_nil(item.prev)
    assert.equal(4, item.v)
    assert.is_true(item.tags:has "y" and not item.tags:has "x")
    assert.are.same({ "INSERT", "MODIFY" }, events())
  end)

  it("creates an item that does not exist", function()
    assert.equal(2, orders:update({ id = "a" }, "ADD hits ? SET seen = if_not_exists(seen, ?)",
      { 1, "today" }))
    assert.are.same({ id = "a", hits = 1, seen = "today" }, get "a")
    local record = db:stream():next()
    assert.equal("INSERT", record.event_name)
    assert.are.same({ id = "a", hits = 1, seen = "today" }, record.new_image)
  end)

  it("creates none with REMOVE and DELETE alone", function()
    changes_nothing(function()
      local opts = { return_values = "ALL_NEW" }
      assert.are.same({ 0 }, pack(orders:update({ id = "a" }, "REMOVE v", opts)))
      assert.are.same({ 0 }, pack(orders:update({ id = "a" }, "DELETE v ?",
        { set { "x" }, return_values = "ALL_NEW" })))
    end)
    assert.is_nil(get "a")
  end)

  it("without an expression creates the item from its key, and changes none", function()
    assert.equal(2, orders:update { id = "a" })
    assert.are.same({ id = "a" }, get "a")
    assert(orders:put { id = "a", v = 1 })
    changes_nothing(function()
      assert.equal(0, orders:update { id = "a" })
      assert.are.same({ 0, { id = "a", v = 1 } },
        pack(orders:update({ id = "a" }, nil, { return_values = "ALL_NEW" })))
      refused("CONDITION_FAILED", orders:update({ id = "b" }, nil,
        { condition = "attribute_exists(id)" }))
    end)
    assert.equal(4, orders:update({ id = "b" }, nil, { condition = "attribute_not_exists(id)" }))
  end)

  it("returns 0 and adds no record if nothing changes", function()
    assert(orders:put { id = "a", v = 1, tags = set { "x" } })
    changes_nothing(function()
      assert.equal(0, orders:update({ id = "a" }, "SET v = ?", { 1 }))
      assert.equal(0, orders:update({ id = "a" }, "REMOVE gone"))
      assert.equal(0, orders:update({ id = "a" }, "ADD tags ?, v ?", { set { "x" }, 0 }))
    end)
    assert.equal(3, orders:update({ id = "a" }, "SET v = ?", { 2 }))
  end)

  it("keeps numbers exact", function()
    local big = assert(tidetable.number(("9"):rep(37) .. "0"))
    assert(orders:put { id = "a", v = big })
    assert(orders:update({ id = "a" }, "ADD v ?", { 9 }))
    assert.equal(("9"):rep(38), tostring(get "a".v))
    changes_nothing(function()
      invalid("Number overflow. Attempting to store a number with magnitude larger than"
        .. " supported range", orders:update({ id = "a" }, "ADD v ?", { 0.5 }))
    end)
  end)

  it("returns five forms of values", function()
    local key, m = { id = "a" }, { x = 1, y = 1 }
    local function update(returns, expression)
      assert(orders:put { id = "a", v = 1, w = 1, m = m })
      return pack(orders:update(key, expression or "SET v = ?, m.x = ?",
        { 2, 3, return_values = returns }))
    end
    assert.are.same({ 3 }, update "NONE")
    assert.are.same({ id = "a", v = 1, w = 1, m = m }, update "ALL_OLD"[2])
    assert.are.same({ id = "a", v = 2, w = 1, m = { x = 3, y = 1 } }, update "ALL_NEW"[2])
    assert.are.same({ v = 1, m = { x = 1 } }, update "UPDATED_OLD"[2])
    assert.are.same({ v = 2, m = { x = 3 } }, update "UPDATED_NEW"[2])
    -- A path that is missing in the item is left out.
    local both = "SET v = ?, x = ? REMOVE w"
    assert.are.same({ v = 1, w = 1 }, update("UPDATED_OLD", both)[2])
    assert.are.same({ v = 2, x = 3 }, update("UPDATED_NEW", both)[2])
    assert.is_nil(select(2, orders:update(key, "SET v = ?", { 5 })))
  end)

  it("returns no item where there is none", function()
    local function results(id, returns, expression, ...)
      return pack(orders:update({ id = id }, expression, { ..., return_values = returns }))
    end
    assert.are.same({ 2 }, results("a", "ALL_OLD", "SET v = ?", 1))
    assert.are.same({ 3 }, results("b", "UPDATED_OLD", "SET v = ?", 1))
    assert.are.same({ 4, { v = 1 } }, results("c", "UPDATED_NEW", "SET v = ?", 1))
    assert.are.same({ 5, { id = "d", v = 1 } }, results("d", "ALL_NEW", "SET v = ?", 1))
    assert.are.same({ 6 }, results("a", "UPDATED_NEW", "REMOVE v"))
    assert.are.same({ 0 }, results("a", "UPDATED_OLD", "REMOVE v"))
    assert.are.same({ 0 }, results("a", "UPDATED_OLD"))
    assert.are.same({ 0 }, results("e", "UPDATED_NEW", "REMOVE v"))
  end)

  it("refuses to change key attributes", function()
    local text = "One or more parameter values were invalid: Cannot update attribute id."
      .. " This attribute is part of the key"
    changes_nothing(function()
      invalid(text, orders:update({ id = "a" }, "SET id = ?", { "b" }))
      invalid(text, orders:update({ id = "a" }, "REMOVE id"))
      invalid(text, orders:update({ id = "a" }, "SET #i = ?", { "b", names = { ["#i"] = "id" } }))
    end)
  end)

  it("refuses a result that is too large, and changes nothing", function()
    assert(orders:put { id = "a", v = ("x"):rep(300000) })
    changes_nothing(function()
      invalid("Item size to update has exceeded the maximum allowed size",
        orders:update({ id = "a" }, "SET w = ?", { ("x"):rep(110000) }))
      invalid("Item size to update has exceeded the maximum allowed size",
        orders:update({ id = "a" }, "SET w = v"))
    end)
    assert.is_nil(get "a".w)
    assert(orders:update({ id = "a" }, "SET v = ?, w = v", { "short" }))
    assert.equal(300000, #get "a".w)
  end)

  it("changes the items of one transaction in order", function()
    db:transact(function(tx)
      local t = tx:table "orders"
      for _ = 1, 3 do assert.is_true(t:update({ id = "a" }, "ADD v ?", { 1 })) end
      assert.are.same({ id = "a", v = 3 }, t:get { id = "a" })
    end)
    assert.are.same({ "INSERT", "MODIFY", "MODIFY" }, events())
    assert.equal(4, db:last_change())
    assert.is_true(db:check().ok)
  end)
end)

--------------------------------------------------------------------------------
-- Errors
--------------------------------------------------------------------------------

describe("an expression", function()
  it("is refused with DynamoDB's message", function()
    local function refuses(message, expression, opts)
      changes_nothing(function()
        invalid(message, orders:update({ id = "a" }, expression, opts))
      end)
    end
    refuses("Invalid UpdateExpression: Attribute name is a reserved keyword; reserved keyword:"
      .. " status", "SET status = ?", { 1 })
    refuses("Invalid ConditionExpression: Attribute name is a reserved keyword; reserved"
      .. " keyword: Name", nil, { condition = "Name = ?", 1 })
    refuses("Invalid UpdateExpression: The expression can not be empty;", "")
    refuses("Invalid ConditionExpression: The expression can not be empty;", "SET v = ?",
      { 1, condition = "" })
    refuses('Invalid UpdateExpression: Syntax error; token: "<EOF>", near: "="', "SET v =")
    refuses("Invalid UpdateExpression: An expression attribute name used in the document path is"
      .. " not defined; attribute name: #n", "SET #n = ?", { 1, names = { ["#m"] = "m" } })
    refuses("Invalid UpdateExpression: An expression attribute value used in expression is not"
      .. " defined; attribute value: :v", "SET v = :v")
    refuses("Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}",
      "SET #a = ?", { 1, names = { ["#a"] = "a", ["#b"] = "b" } })
    refuses("Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}",
      "SET a = :a", { values = { [":a"] = 1, [":b"] = 2 } })
    refuses("ExpressionAttributeNames must not be empty", "SET a = ?", { 1, names = {} })
    refuses("ExpressionAttributeValues must not be empty", "REMOVE a", { values = {} })
    refuses("ExpressionAttributeNames can only be specified when using expressions", nil,
      { names = { ["#a"] = "a" } })
    refuses("ExpressionAttributeValues can only be specified when using expressions:"
      .. " UpdateExpression and ConditionExpression are null", nil, { values = { [":a"] = 1 } })
    invalid("ExpressionAttributeValues can only be specified when using expressions:"
      .. " ConditionExpression is null", orders:put({ id = "a" }, { values = { [":a"] = 1 } }))
  end)

  it("names the value that cannot be stored", function()
    for _, opts in ipairs { { condition = "v = ?", print }, { condition = "v = ?", 0 / 0 } } do
      local err = refused("VALIDATION", orders:put({ id = "a" }, opts))
      assert.is_truthy(err.message:find("?1", 1, true), err.message)
    end
    local err = refused("VALIDATION", orders:put({ id = "a" },
      { condition = "v = :v", values = { [":v"] = print } }))
    assert.is_truthy(err.message:find(":v", 1, true), err.message)
    for _, names in ipairs { { "a" }, { ["#a"] = 5 } } do
      err = refused("VALIDATION", orders:put({ id = "a" }, { condition = "#a = ?", 1,
        names = names }))
      assert.is_truthy(err.message:find("^names: "), err.message)
    end
    err = refused("VALIDATION", orders:put({ id = "a" }, { condition = "a = ?", 1,
      values = { 5 } }))
    assert.is_truthy(err.message:find("^values: "), err.message)
  end)
end)

describe("the array part", function()
  it("must have as many values as the expressions have ?", function()
    blames("update: the expressions have 2 `?`, the array part has 1 values", function()
      orders:update({ id = "a" }, "SET v = ?, w = ?", { 1 })
    end)
    blames("update: the expressions have 1 `?`, the array part has 0 values", function()
      orders:update({ id = "a" }, "SET v = ?")
    end)
    blames("update: the expressions have 2 `?`, the array part has 3 values", function()
      orders:update({ id = "a" }, "SET v = ?", { condition = "v = ?", 1, 2, 3 })
    end)
    blames("put: the expressions have 0 `?`, the array part has 1 values", function()
      orders:put({ id = "a" }, { 1 })
    end)
    blames("delete: the expressions have 1 `?`, the array part has 2 values", function()
      orders:delete({ id = "a" }, { condition = "v = ?", 1, 2 })
    end)
    assert.are.same({}, events())
  end)

  it("must not contain nil; n is the number of values", function()
    blames("update: value 2 of the array part is nil", function()
      orders:update({ id = "a" }, "SET v = ?, w = ?, x = ?", { 1, nil, 3, n = 3 })
    end)
    blames("update: value 1 of the array part is nil", function()
      orders:update({ id = "a" }, "SET v = ?", { nil, n = 1 })
    end)
    blames("update: the expressions have 1 `?`, the array part has 2 values", function()
      orders:update({ id = "a" }, "SET v = ?", { 1, n = 2 })
    end)
    for _, n in ipairs { -1, 1.5, "1", true } do
      blames('update: option "n" must be the number of values in the array part', function()
        orders:update({ id = "a" }, "SET v = ?", { 1, n = n })
      end)
    end
    assert(orders:update({ id = "a" }, "SET v = ?", table.pack(1)))
    assert(orders:update({ id = "a" }, "REMOVE v", { n = 0 }))
    assert.are.same({ id = "a" }, get "a")
  end)

  it("is checked in transactions too", function()
    for _, mode in ipairs { "locked", "optimistic" } do
      db:transact(function(tx)
        local t = tx:table "orders"
        blames("update: the expressions have 2 `?`, the array part has 1 values", function()
          t:update({ id = "a" }, "SET v = ?, w = ?", { 1 })
        end)
        blames("put: value 1 of the array part is nil", function()
          t:put({ id = "a" }, { condition = "v = ?", nil, n = 1 })
        end)
        blames("delete: the expressions have 0 `?`, the array part has 1 values", function()
          t:delete({ id = "a" }, { 1 })
        end)
      end, { mode = mode })
    end
    assert.are.same({}, events())
  end)
end)

describe("the options of a write", function()
  it("are checked", function()
    local function wrong(text, opts)
      blames("put: " .. text, function() orders:put({ id = "a" }, opts) end)
      blames("delete: " .. text, function() orders:delete({ id = "a" }, opts) end)
      blames("update: " .. text, function() orders:update({ id = "a" }, "REMOVE v", opts) end)
    end
    wrong('option "names" must be table, got 5', { names = 5 })
    wrong('option "values" must be table, got "x"', { values = "x" })
    wrong('option "condition" must be string, got table', { condition = {} })
    wrong('option "return_values" must be', { return_values = "ALL" })
    wrong('option "return_values_on_failure" must be', { return_values_on_failure = "ALL_NEW" })
    wrong('unknown option "conditions"', { conditions = "v = v" })
    wrong("", 5)
    for _, returns in ipairs { "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW" } do
      blames('put: option "return_values"', function()
        orders:put({ id = "a" }, { return_values = returns })
      end)
    end
    assert.are.same({}, events())
  end)

  it("of an update follow a key and an expression", function()
    blames("update: expected a key (a table), got string", function() orders:update "a" end)
    blames("update: expected an update expression (a string), got table", function()
      orders:update({ id = "a" }, { 1 })
    end)
    refused("VALIDATION", orders:update({ id = "a", more = 1 }, "REMOVE v"))
    refused("VALIDATION", orders:update({}, "REMOVE v"))
  end)
end)

describe("large items", function()
  local text = ("x"):rep(300000)

  it("are evaluated and returned like small ones", function()
    assert(orders:put { id = "a", text = text, v = 1 })
    local err = refused("CONDITION_FAILED", orders:put({ id = "a" }, {
      condition = "v = ? AND size(#t) = ?", 2, #text, names = { ["#t"] = "text" },
      return_values_on_failure = "ALL_OLD" }))
    assert.are.same({ id = "a", text = text, v = 1 }, err.item)
    local seq, old = orders:update({ id = "a" }, "ADD v ?", { 1, return_values = "ALL_OLD" })
    assert.equal(3, seq)
    assert.are.same({ id = "a", text = text, v = 1 }, old)
    assert.are.same({ id = "a", text = text, v = 3 }, (select(2, orders:update({ id = "a" },
      "ADD v ?", { 1, return_values = "ALL_NEW" }))))
    for _, mode in ipairs { "locked", "optimistic" } do
      db:transact(function(tx)
        local t = tx:table "orders"
        local failure = raises("CONDITION_FAILED", t.delete, t, { id = "a" },
          { condition = "v < ?", 0, return_values_on_failure = "ALL_OLD" })
        assert.equal(text, failure.item.text)
        local _, new = t:update({ id = "a" }, "SET w = ?", { mode, return_values = "ALL_NEW" })
        assert.are.same({ id = "a", text = text, v = 3, w = mode }, new)
        assert.are.same({ text = text }, t:get({ id = "a" }, { projection = "#t",
          names = { ["#t"] = "text" } }))
      end, { mode = mode })
    end
    assert.are.same({ id = "a", v = 3, w = "optimistic" }, (select(2, orders:update({ id = "a" },
      "REMOVE #t", { names = { ["#t"] = "text" }, return_values = "ALL_NEW" }))))
    assert.are.same({ "INSERT", "MODIFY", "MODIFY", "MODIFY", "MODIFY", "MODIFY" }, events())
    assert.is_true(db:check().ok)
  end)
end)

describe("a write with expressions", function()
  it("finds items with two key attributes", function()
    local t = assert(db:create_table { name = "times", partition_key = { "p", "B" },
      sort_key = { "n", "N" } })
    local key = { p = tidetable.binary "\0x", n = -2.5 }
    assert(t:update(key, "SET v = ?", { 1, condition = "attribute_not_exists(p)" }))
    assert(t:update(key, "SET v = v + n", { condition = "n < ? AND begins_with(p, ?)", 0,
      tidetable.binary "\0" }))
    assert.equal(-1.5, t:get(key).v)
    assert.are.same({ v = -1.5 }, t:get(key, { projection = "v" }))
    refused("VALIDATION", t:update({ p = key.p }, "SET v = ?", { 1 }))
    refused("VALIDATION", t:update(key, "ADD n ?", { 1 }))
    assert(t:delete(key, { condition = "v = ?", -1.5 }))
    assert.is_nil(t:get(key))
  end)

  it("accepts options without an expression", function()
    assert.equal(2, orders:put({ id = "a" }, { n = 0 }))
    assert.equal(0, orders:put({ id = "a" }, { return_values_on_failure = "ALL_OLD" }))
    assert.equal(3, orders:put({ id = "a", v = 1 }, {}))
    assert.equal(4, orders:delete({ id = "a" }, { return_values_on_failure = "NONE", n = 0 }))
  end)

  it("checks its expressions although the item is refused or does not exist", function()
    refused("VALIDATION", orders:delete({ id = "a" }, { condition = "v = = v" }))
    refused("VALIDATION", orders:update({ id = "a" }, "SET v = v.", { condition = "v = :v",
      values = { [":v"] = 1 } }))
    refused("VALIDATION", orders:put({}, { condition = "attribute_not_exists(id)" }))
    refused("VALIDATION", orders:put({ id = "" }, { condition = "attribute_not_exists(id)" }))
    assert.are.same({}, events())
  end)

  it("returns READ_ONLY on a read-only handle, and BUSY while another process writes", function()
    local writer = helper.open()
    assert(writer:create_table { name = "orders", partition_key = "id" })
    local reader = assert(helper.open { read_only = true }:table "orders")
    refused("READ_ONLY", reader:update({ id = "a" }, "SET v = ?", { 1 }))
    refused("READ_ONLY", reader:delete({ id = "a" }, { condition = "attribute_exists(id)" }))
    assert.equal(0, #collect(reader:scan { filter = "v = ?", 1 }))
    local second = helper.open { busy_timeout = 0 }
    writer:transact(function()
      local t = assert(second:table "orders")
      refused("BUSY", t:update({ id = "a" }, "SET v = ?", { 1 }))
      refused("BUSY", t:put({ id = "a" }, { condition = "attribute_not_exists(id)" }))
    end)
  end)

  it("of several processes counts every one of them", function()
    local file_db = helper.open()
    local t = assert(file_db:create_table { name = "orders", partition_key = "id", stream = true })
    local children = {}
    for i = 1, 3 do
      children[i] = helper.child [[
        local t = assert(db:table "orders")
        local won = 0
        pause()
        for n = 1, 100 do
          assert(t:update({ id = "hits" }, "ADD v ?", { 1 }))
          won = won + (t:put({ id = "n" .. n }, { condition = "attribute_not_exists(id)" })
            and 1 or 0)
        end
        print(won)
      ]]
    end
    for _, child in ipairs(children) do child:paused() end
    for _, child in ipairs(children) do child:go() end
    local won = 0
    for _, child in ipairs(children) do won = won + tonumber(child:close()) end
    assert.equal(100, won)
    assert.equal(300, t:get { id = "hits" }.v)
    assert.equal(400, #collect(file_db:stream():records()))
  end)
end)

--------------------------------------------------------------------------------
-- Transactions
--------------------------------------------------------------------------------

for _, mode in ipairs { "locked", "optimistic" } do
  local function transact(fn) return db:transact(fn, { mode = mode }) end

  describe("a " .. mode .. " transaction", function()
    it("raises CONDITION_FAILED and can continue", function()
      assert(orders:put { id = "a", v = 1 })
      assert.equal("done", transact(function(tx)
        local t = tx:table "orders"
        local opts = { condition = "v = ?", 2, return_values_on_failure = "ALL_OLD" }
        for _, f in ipairs {
          function() t:put({ id = "a", v = 3 }, opts) end,
          function() t:delete({ id = "a" }, opts) end,
          function() t:update({ id = "a" }, "SET v = :v", { condition = "v = ?", 2,
            values = { [":v"] = 3 }, return_values_on_failure = "ALL_OLD" }) end,
        } do
          local err = raises("CONDITION_FAILED", f)
          assert.equal(failed, err.message)
          assert.are.same({ id = "a", v = 1 }, err.item)
        end
        assert.is_nil(raises("CONDITION_FAILED", t.put, t, { id = "b" }, opts).item)
        assert.is_true(t:put { id = "c" })
        return "done"
      end))
      assert.are.same({ id = "a", v = 1 }, get "a")
      assert.are.same({ id = "c" }, get "c")
      assert.are.same({ "INSERT", "INSERT" }, events())
    end)

    it("is undone if the error is not caught", function()
      local err = raises("CONDITION_FAILED", transact, function(tx)
        tx:table "orders":put { id = "b" }
        tx:table "orders":put({ id = "a" }, { condition = "attribute_exists(id)" })
      end)
      assert.is_nil(err.item)
      assert.are.same({}, events())
    end)

    it("evaluates conditions and updates on its own writes", function()
      assert(orders:put { id = "a", v = 1 })
      transact(function(tx)
        local t = tx:table "orders"
        t:put { id = "b", v = 5 }
        assert.is_true(t:update({ id = "b" }, "ADD v ?", { condition = "v = ?", 1, 5 }))
        assert.is_true(t:delete({ id = "a" }, { condition = "v = ?", 1 }))
        raises("CONDITION_FAILED", t.update, t, { id = "a" }, "SET w = ?",
          { 1, condition = "attribute_exists(id)" })
        local ok, old = t:put({ id = "a", v = 2 }, { condition = "attribute_not_exists(id)",
          return_values = "ALL_OLD" })
        assert.is_true(ok)
        assert.is_nil(old)
        assert.are.same({ true, { id = "b", v = 6 } }, pack(t:delete({ id = "b" },
          { condition = "v = ?", 6, return_values = "ALL_OLD" })))
      end)
      assert.are.same({ { id = "a", v = 2 } }, collect(orders:scan()))
      assert.is_true(db:check().ok)
    end)

    it("returns the values of an update", function()
      transact(function(tx)
        local t = tx:table "orders"
        local function results(returns, expression, ...)
          return pack(t:update({ id = "a" }, expression, { ..., return_values = returns }))
        end
        assert.are.same({ true }, results("ALL_OLD", "SET v = ?", 1))
        assert.are.same({ true }, results("NONE", "SET v = ?", 1))
        assert.are.same({ true, { id = "a", v = 1 } }, results("ALL_OLD", "ADD v ?", 1))
        assert.are.same({ true, { id = "a", v = 3 } }, results("ALL_NEW", "ADD v ?", 1))
        assert.are.same({ true, { v = 3 } }, results("UPDATED_OLD", "ADD v ?", 1))
        assert.are.same({ true, { v = 5 } }, results("UPDATED_NEW", "ADD v ?", 1))
        assert.are.same({ true }, results("UPDATED_NEW", "REMOVE v"))
      end)
      assert.are.same({ id = "a" }, get "a")
    end)

    it("creates items by updates, but none by REMOVE alone", function()
      transact(function(tx)
        local t = tx:table "orders"
        assert.is_true(t:update({ id = "a" }, "REMOVE v"))
        assert.is_nil(t:get { id = "a" })
        assert.is_true(t:update { id = "b" })
        assert.are.same({ id = "b" }, t:get { id = "b" })
        assert.is_true(t:update({ id = "c" }, "SET v = ?", { 1 }))
      end)
      assert.are.same({ "b", "c" }, field("id", orders:scan()))
    end)

    it("raises the refusals of expressions", function()
      transact(function(tx)
        local t = tx:table "orders"
        local err = raises("VALIDATION", t.update, t, { id = "a" }, "SET id = ?", { "b" })
        assert.is_truthy(err.message:find("Cannot update attribute id.", 1, true))
        raises("VALIDATION", t.update, t, { id = "a" }, "SET v = v + ?", { 1 })
        raises("VALIDATION", t.put, t, { id = "a" }, { condition = "status = ?", 1 })
        raises("VALIDATION", t.update, t, { id = "a" }, "SET v = ?", { ("x"):rep(410000) })
        raises("VALIDATION", t.get, t, { id = "a" }, { projection = "a b" })
      end)
      assert.are.same({}, events())
    end)

    it("projects the items that it gets", function()
      assert(orders:put { id = "a", v = 1, m = { x = 1, y = 2 } })
      transact(function(tx)
        local t = tx:table "orders"
        t:put { id = "b", v = 1, m = { x = 1, y = 2 } }
        for _, id in ipairs { "a", "b" } do
          assert.are.same({ v = 1, m = { y = 2 } }, t:get({ id = id }, { projection = "v, m.y" }))
          assert.are.same({ m = { x = 1, y = 2 } },
            t:get({ id = id }, { projection = "#m", names = { ["#m"] = "m" } }))
        end
        assert.is_nil(t:get({ id = "c" }, { projection = "v" }))
      end)
    end)
  end)
end

describe("an optimistic transaction", function()
  it("conflicts if the item of a condition changes before its commit", function()
    assert(orders:put { id = "a", v = 1 })
    local runs, ok = shared.disturbed(db, function(tx)
      tx:table "orders":put({ id = "b" }, { condition = "attribute_not_exists(id)" })
      tx:table "orders":update({ id = "a" }, "ADD v ?", { 1, condition = "v < ?", 100 })
    end, function()
      assert(orders:update({ id = "a" }, "ADD v ?", { 10 }))
    end, function() end)
    assert.equal(2, runs)
    assert.equal("done", ok)
    assert.equal(12, get "a".v)
  end)

  it("conflicts too if the condition failed and other writes follow", function()
    local runs, ok = shared.disturbed(db, function(tx)
      local t = tx:table "orders"
      local made = pcall(t.update, t, { id = "a" }, "ADD v ?",
        { 1, condition = "attribute_exists(id)" })
      t:put { id = "b", made = made }
    end, function()
      assert(orders:put { id = "a", v = 1 })
    end, function() end)
    assert.equal(2, runs)
    assert.equal("done", ok)
    assert.is_true(get "b".made)
  end)

  it("returns CONFLICT after its attempts", function()
    local runs, ok, err, code = shared.disturbed(db, function(tx)
      tx:table "orders":update({ id = "a" }, "ADD v ?",
        { 1, return_values = "ALL_NEW" })
    end, function()
      assert(orders:update({ id = "a" }, "ADD v ?", { 1 }))
    end, function() end, { attempts = 3 }, 3)
    assert.equal(3, runs)
    refused("CONFLICT", ok, err, code)
    assert.equal(3, get "a".v)
  end)

  it("raises a condition that fails on the snapshot", function()
    raises("CONDITION_FAILED", optimistic, db, function(tx)
      tx:table "orders":update({ id = "a" }, "ADD v ?", { 1, condition = "attribute_exists(id)" })
    end)
  end)
end)
