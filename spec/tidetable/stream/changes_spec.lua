-- changes_spec.lua - record:changes() (doc/modules/stream.md).
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

helper.setup(before_each, after_each)

local db, items

before_each(function()
  db = helper.memory()
  items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
end)

-- Returns the record of a change from one item to another; nil: no item. Returns nil if they are
-- equal.
local function record_between(old, new, opts)
  items:delete { id = "x" }
  local function put(attributes)
    local item = { id = "x" }
    for name, value in pairs(attributes) do item[name] = value end
    return assert(items:put(item))
  end
  local sequence = old and put(old)
  if new then sequence = put(new) elseif old then sequence = assert(items:delete { id = "x" }) end
  if sequence == 0 then return nil end
  local given = { at = sequence }
  for name, value in pairs(opts or {}) do given[name] = value end
  return assert(assert(items:stream()):records(given)())
end

local function changes(...)
  return record_between(...):changes()
end

local function change(path, steps, old, new)
  return { path = path, steps = steps, old = old, new = new }
end

describe("changes", function()
  it("are the attributes that differ", function()
    assert.same({ change("b", { "b" }, 2, 3), change("c", { "c" }, "x", nil),
      change("d", { "d" }, nil, { 1, { e = true } }), change("f", { "f" }, 1, "1") },
      changes({ a = 1, b = 2, c = "x", f = 1 }, { a = 1, b = 3, d = { 1, { e = true } }, f = "1" }))
  end)

  it("of an INSERT are new, of a REMOVE old", function()
    assert.same({ change("id", { "id" }, nil, "x"), change("m", { "m" }, nil, { a = 1 }) },
      changes(nil, { m = { a = 1 } }))
    assert.same({ change("id", { "id" }, "x"), change("m", { "m" }, { a = 1 }) },
      changes({ m = { a = 1 } }, nil))
  end)

  it("are members of maps and elements of lists", function()
    assert.same({
      change("address.city", { "address", "city" }, "Ulm", "Bonn"),
      change("address.lines[0]", { "address", "lines", 1 }, "a", "b"),
      change("address.lines[2].x", { "address", "lines", 3, "x" }, 1, 2),
      change("address.lines[3]", { "address", "lines", 4 }, nil, { 1 }),
      change("address.zip", { "address", "zip" }, nil, 89073),
    }, changes({ address = { city = "Ulm", lines = { "a", "c", { x = 1, y = 1 } } } },
      { address = { city = "Bonn", lines = { "b", "c", { x = 2, y = 1 }, { 1 } }, zip = 89073 } }))
    assert.same({ change("l[0]", { "l", 1 }, 1, 2), change("l[1]", { "l", 2 }, 2) },
      changes({ l = { 1, 2 } }, { l = { 2 } }))
  end)

  it("of sets, and of values of different types, are whole values", function()
    local found = changes({ s = tidetable.set { 1, 2 }, m = { a = 1 }, e = tidetable.map {} },
      { s = tidetable.set { 2, 3 }, m = tidetable.list { 1 }, e = { a = tidetable.null } })
    local paths = {}
    for i, each in ipairs(found) do paths[i] = each.path end
    assert.same({ "e.a", "m", "s" }, paths)
    assert.is_nil(found[1].old)
    assert.equal(tidetable.null, found[1].new)
    assert.same({ a = 1 }, found[2].old)
    assert.equal(tidetable.set { 1, 2 }, found[3].old)
    assert.equal(tidetable.set { 2, 3 }, found[3].new)
    local empty = changes({ a = 1 }, { a = tidetable.map {}, b = tidetable.list {} })
    assert.equal("M", tidetable.type(empty[1].new))
    assert.equal("L", tidetable.type(empty[2].new))
  end)

  it("compare numbers by value, to the last digit", function()
    local exact = assert(tidetable.number "0.12345678901234567890123456789")
    assert.same({}, changes({ a = 1, b = 1 }, { a = 1.0, b = 2 }, { projection = "a" }))
    local found = changes({ a = exact }, { a = exact + tidetable.number "1e-29" })
    assert.equal(exact, found[1].old)
    assert.not_equal(exact, found[1].new)
  end)

  it("write names that are not identifiers as Lua strings", function()
    local names = { ["a b"] = '["a b"]', ["1"] = '["1"]', _x = '["_x"]', ['"'] = '["\\""]',
      ["\\"] = '["\\\\"]', ["\n\127"] = '["\\x0a\\x7f"]', ["a.b"] = '["a.b"]',
      ["a:b"] = '["a:b"]', ["é"] = '["é"]',
      name = "name", a_1 = "a_1", Z = "Z" }
    for name, path in pairs(names) do
      assert.same({ change(path, { name }, 1, 2) }, changes({ [name] = 1 }, { [name] = 2 }))
      assert.same({ change("m" .. (path:find "^%[" and "" or ".") .. path .. "[0]",
        { "m", name, 1 }, 1, 2) }, changes({ m = { [name] = { 1 } } }, { m = { [name] = { 2 } } }))
      if path:find "^%[" then
        assert.equal(name, load("return " .. path:match "^%[(.*)%]$")())
      end
    end
    local long = ("n"):rep(60000)
    assert.equal(long, changes({ [long] = 1 }, { [long] = 2 })[1].path)
  end)

  it("are those of the projected images", function()
    local old = { a = 1, l = { 1, 2, { x = 1, y = 1 } }, b = 1 }
    local new = { a = 2, l = { 3, 2, { x = 2, y = 2 } }, b = 1 }
    assert.same({ change("a", { "a" }, 1, 2), change("l[0].y", { "l", 1, "y" }, 1, 2) },
      changes(old, new, { projection = "a, b, l[2].y" }))
    assert.same({}, changes(old, new, { projection = "b, c" }))
    assert.same({ change("b", { "b" }, nil, 1) }, changes(nil, new, { projection = "b" }))
  end)

  it("are new tables at each call", function()
    local record = record_between({ m = { a = 1 } }, { m = 1 })
    local first = record:changes()
    first[1].old.a, first[1].path, first[2] = 5, nil, "x"
    assert.same({ change("m", { "m" }, { a = 1 }, 1) }, record:changes())
    assert.same({ a = 1 }, record.old_image.m)
  end)

  it("of deep items are found", function()
    local function nested(value)
      for i = 1, 30 do value = i % 2 == 0 and { value } or { a = value } end
      return { top = value }
    end
    local found = changes(nested(1), nested(2))
    assert.equal(1, #found)
    assert.equal("top" .. ("[0].a"):rep(15), found[1].path)
    local value = nested(1)
    for _, step in ipairs(found[1].steps) do value = value[step] end
    assert.equal(1, value)
  end)

  it("can be read from a closed database, also in the records of a transaction", function()
    assert(items:put { id = "x", n = 1 })
    assert(db:transact(function(tx)
      tx:table "items":put { id = "x", n = 2 }
      tx:table "items":put { id = "y" }
    end))
    local groups = helper.collect(assert(db:stream { projection = "n" }):transactions())
    db:close()
    assert.same({ change("n", { "n" }, 1, 2) }, groups[2][1]:changes())
    assert.same({}, groups[2][2]:changes())
  end)

  it("of an item of a snapshot are new", function()
    assert(items:put { id = "x", n = 1 })
    local consumer = assert(db:consumer("c", { source = "items", from = "SNAPSHOT" }))
    local found
    assert.equal(1, consumer:step(function(records) found = records[1]:changes() end))
    assert.same({ change("id", { "id" }, nil, "x"), change("n", { "n" }, nil, 1) }, found)
    assert(items:put { id = "x", n = 2 })
    for _ = 1, 5 do
      if found[1].path == "n" then break end
      consumer:step(function(records) found = records[1]:changes() end)
    end
    assert.same({ change("n", { "n" }, 1, 2) }, found)
  end)

  it("are misuse unless the stream has both images", function()
    for _, view in ipairs { "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE" } do
      local other = assert(db:create_table { name = view, partition_key = "id",
        stream = { view_type = view } })
      assert(other:put { id = "x" })
      local record = assert(assert(other:stream()):next())
      helper.blames(("changes: a stream with view type %s does not contain both images")
        :format(view), function() record:changes() end)
    end
    local record = record_between(nil, { a = 1 })
    for _, wrong in ipairs { 1, {}, "x", items } do
      helper.blames("changes: call it with a colon: record:changes()",
        function() record.changes(wrong) end)
    end
    helper.blames("changes: call it with a colon: record:changes()",
      function() record.changes() end)
    assert.equal(record.changes, record.changes)
    for name in pairs(record) do assert.not_equal("changes", name) end
  end)
end)

-- Random items --------------------------------------------------------------------------------

local function random_value(depth)
  local kind = math.random(depth > 3 and 4 or 7)
  if kind == 1 then return math.random(3) end
  if kind == 2 then return ({ "a", "b", "" })[math.random(3)] end
  if kind == 3 then return ({ true, false, tidetable.null })[math.random(3)] end
  if kind == 4 then return tidetable.set { math.random(2), 3 } end
  local value = {}
  if kind == 5 then
    for i = 1, math.random(0, 3) do value[i] = random_value(depth + 1) end
    return tidetable.list(value)
  end
  for _ = 1, math.random(0, 3) do
    value[({ "p", "q", "r s", "q2" })[math.random(4)]] = random_value(depth + 1)
  end
  return tidetable.map(value)
end

-- Returns a value that differs from the given one in few places.
local function altered(value)
  local kind = tidetable.type(value)
  if math.random(8) == 1 or kind ~= "M" and kind ~= "L" then
    return math.random(3) > 1 and value or random_value(2)
  end
  local copy = {}
  for name, member in pairs(value) do copy[name] = altered(member) end
  if kind == "L" then
    if math.random(4) == 1 then copy[#copy + (math.random(2) == 1 and #copy > 0 and 0 or 1)] = 1 end
    if math.random(4) == 1 then copy[#copy] = nil end
    return tidetable.list(copy)
  end
  if math.random(4) == 1 then copy[({ "p", "q", "t" })[math.random(3)]] = random_value(3) end
  if math.random(4) == 1 then copy[next(copy) or "p"] = nil end
  return tidetable.map(copy)
end

local function same(a, b)
  local kind = tidetable.type(a)
  if kind ~= tidetable.type(b) then return false end
  if kind ~= "M" and kind ~= "L" then return a == b end
  for name, member in pairs(a) do
    if b[name] == nil or not same(member, b[name]) then return false end
  end
  for name in pairs(b) do
    if a[name] == nil then return false end
  end
  return true
end

-- Collects the differences between two values by a comparison of Lua tables.
local function compare(old, new, steps, found)
  local kind = tidetable.type(old)
  if old == nil or new == nil or kind ~= tidetable.type(new) or kind ~= "M" and kind ~= "L" then
    if old == nil or new == nil or not same(old, new) then
      found[#found + 1] = { steps = { table.unpack(steps) }, old = old, new = new }
    end
    return found
  end
  local names, seen = {}, {}
  for _, map in ipairs { old, new } do
    for name in pairs(map) do
      if not seen[name] then names[#names + 1], seen[name] = name, true end
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    steps[#steps + 1] = name
    compare(old[name], new[name], steps, found)
    steps[#steps] = nil
  end
  return found
end

local function text_of(steps)
  local text = ""
  for i, step in ipairs(steps) do
    if math.type(step) then
      text = text .. ("[%d]"):format(step - 1)
    elseif step:find "^%a[%w_]*$" then
      text = text .. (i > 1 and "." or "") .. step
    else
      text = text .. ("[%q]"):format(step)
    end
  end
  return text
end

it("changes of random items are those of a comparison in Lua", function()
  math.randomseed(SEED)
  for round = 1, 400 do
    local where = ("SEED=%d, round %d"):format(SEED, round)
    local old = { a = random_value(0), b = random_value(0), ["c d"] = random_value(0) }
    local new = {}
    for name, value in pairs(old) do new[name] = altered(value) end
    local record = record_between(old, new)
    if record then
      local found = record:changes()
      local expected = compare(record.old_image, record.new_image, {}, {})
      assert.equal(#expected, #found, where)
      for i, each in ipairs(expected) do
        assert.same(each.steps, found[i].steps, where)
        assert.equal(text_of(each.steps), found[i].path, where)
        for _, side in ipairs { "old", "new" } do
          assert.equal(each[side] == nil, found[i][side] == nil, where)
          assert.is_true(each[side] == nil or same(each[side], found[i][side]), where)
        end
      end
    end
  end
end)
