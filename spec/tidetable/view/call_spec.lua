-- call_spec.lua - the arguments and the failures of a definition's functions.
local calls = require "tidetable.view.call"
local tidetable = require "tidetable"

local number = tidetable.number

describe("the functions of a view", function()
  local keys = { id = "a" }

  local function view(reduce) return { reduce = reduce } end

  it("get numbers whose sums are exact", function()
    local group = {}
    local spent = view {
      add = function(g, item) g.total = (g.total or 0) + item.total end,
      remove = function(g, item) g.total = g.total - item.total end,
    }
    for _, total in ipairs { 0.1, 0.2, 1 << 60, 1 << 62, 1 << 62, 1 << 62 } do
      group = calls.change(spent, "add", keys, group, calls.exact { total = total })
    end
    for _, total in ipairs { 1 << 62, 1 << 62, 1 << 62, 1 << 60, 0.2 } do
      group = calls.change(spent, "remove", keys, group, calls.exact { total = total })
    end
    assert.is_true(tidetable.equal(0.1, group.total))
  end)

  it("have exact sums in nested maps", function()
    local group = calls.initial(view { initial = { by = { day = { total = 0 } } } }, keys)
    local spent = view {
      add = function(g, item) g.by.day.total = g.by.day.total + item.total end,
    }
    for _ = 1, 1025 do
      group = calls.change(spent, "add", keys, group, calls.exact { total = 1 << 53 })
    end
    assert.is_true(tidetable.equal(number "9232379236109516800", group.by.day.total))
  end)

  it("may return a group that contains itself, which can't be stored", function()
    local loop = {}
    loop.one, loop.other = loop, { loop = loop }
    assert.equal(loop, calls.change(view { add = function() return loop end }, "add", keys, {}, {}))
  end)

  it("get a deep copy, in which only numbers have changed", function()
    local set, list = tidetable.set { 1, 2.5 }, tidetable.list { 0.5, { x = 1 << 60 } }
    local item = { n = 3, f = 0.5, set = set, list = list, text = "a", null = tidetable.null }
    local copy = calls.exact(item)
    assert.is_true(tidetable.equal(item, copy))
    assert.equal(3, copy.n)
    assert.equal("userdata", type(copy.f))
    assert.equal("userdata", type(copy.list[2].x))
    assert.equal(getmetatable(list), getmetatable(copy.list))
    copy.list[2].x = 1
    assert.equal(1 << 60, item.list[2].x)
  end)

  it("change the group they get, or return another one", function()
    local function result(add)
      return calls.change(view { add = add }, "add", keys, { n = 1 }, {})
    end
    assert.same({ n = 2 }, result(function(g) g.n = 2 end))
    assert.same({ m = 3 }, result(function() return { m = 3 } end))
    local ok, err = pcall(result, function() return 7 end)
    assert.same({ false, 'reduce.add failed for the item {"id":"a"}: expected the attributes of the'
      .. ' group or nothing, got number' }, { ok, err })
  end)

  it("begin with a copy of the initial attributes", function()
    local initial = { n = 0.5, list = { 1 } }
    local first = calls.initial(view { initial = initial }, keys)
    first.list[1] = 2
    assert.same({ 1 }, initial.list)
    assert.is_true(number "0.5":equals(first.n))
    assert.same({ n = 1 }, calls.initial(view { initial = function() return { n = 1 } end }, keys))
    assert.same({}, calls.initial(view {}, keys))
    assert.has_error(function() calls.initial(view { initial = function() end }, keys) end)
  end)

  it("fail with the name of the function and the key of the item", function()
    local ok, err = pcall(calls.call, "key", keys, function() error("no luck", 0) end)
    assert.same({ false, 'key failed for the item {"id":"a"}: no luck' }, { ok, err })
    ok, err = pcall(calls.call, "key", keys, function() error() end)
    assert.same({ false, 'key failed for the item {"id":"a"}: nil' }, { ok, err })
    local _, late = require "tidetable.core".consumer_failure("LOOP", "of the library")
    ok, err = pcall(calls.call, "key", keys, function() error(late) end)
    assert.is_false(ok)
    assert.equal(late, err)
  end)
end)
