-- state_spec.lua - the rows of a view's state: keys, and the items of groups.
local helper = require "spec.tidetable.helper"
local state = require "tidetable.view.state"
local tidetable = require "tidetable"

describe("the state of a view", function()
  helper.setup(before_each, after_each)

  local db, header

  before_each(function()
    db = helper.memory { tables = { { name = "s.state", partition_key = { "p", "B" },
      sort_key = { "s", "B" } } } }
    header = { generation = 7 }
  end)

  local function transact(fn)
    return db:transact(function(tx) return fn(tx:table "s.state") end)
  end

  it("contains the same bytes for equal keys", function()
    local names = { "a", "n" }
    local bytes = state.encode_key(names, { a = "x", n = 1, more = true })
    assert.equal(bytes, state.encode_key(names, { a = "x", n = tidetable.number "1.00" }))
    assert.not_equal(bytes, state.encode_key(names, { a = "x", n = 2 }))
    assert.same({ a = "x", n = 1 }, state.decode_place({}, state.place({}, bytes)))
    assert.same({ a = "x", n = 1 }, state.decode_place({ window = {} },
      state.place({}, bytes, -60)))
  end)

  it("contains items of any size, in the order of their keys", function()
    local sizes = { 10, 350000, 399000 }
    transact(function(rows)
      for i = 3, 1, -1 do
        state.put_member(rows, header, "place", { id = i }, { text = ("x"):rep(sizes[i]) })
      end
    end)
    transact(function(rows)
      local i = 0
      for item, keys in state.members(rows, header, "place") do
        i = i + 1
        assert.same({ i, sizes[i] }, { keys.id, #item.text })
      end
      assert.equal(3, i)
      assert.is_true(state.delete_member(rows, header, "place", { id = 3 }))
      assert.is_false(state.delete_member(rows, header, "place", { id = 3 }))
      assert.is_true(state.delete_member(rows, header, "place", { id = 2 }))
    end)
    local _, _, count = db:table "s.state":scan_page()
    assert.equal(1, count)
  end)

  it("refuses keys that are too long", function()
    local ok, err = pcall(state.place, { id = 1 }, ("x"):rep(1025))
    assert.is_false(ok)
    assert.matches("has 1025 bytes, at most 1024", err)
    ok, err = pcall(transact, function(rows)
      state.put_member(rows, header, "place", { id = ("x"):rep(1100) }, {})
    end)
    assert.is_false(ok)
    assert.matches("at most 1023 without `remove`", err)
  end)
end)
