-- item_operations_spec.lua - checks of arguments, and loading, in the three kinds of tables.
local item_operations = require "tidetable.item_operations"

local function message_of(...)
  local ok, err = pcall(...)
  assert.is_false(ok)
  return err
end

describe("or_raise", function()
  it("returns all values", function()
    assert.are.same({ 1, 2, 3 }, { item_operations.or_raise(1, 2, 3) })
    assert.are.same({}, { item_operations.or_raise(nil) })
    assert.is_false(item_operations.or_raise(false, "not an error"))
  end)

  it("raises the error after a nil, without a position", function()
    local err = { code = "BUSY" }
    assert.equal(err, message_of(item_operations.or_raise, nil, err, "BUSY"))
  end)
end)

describe("load_items", function()
  local function load_items(items, size, take)
    local stored = {}
    local load = {
      into = stored, size = size,
      take = take or function() return false end,
      store = function(into, count)
        into[#into + 1] = count
        return count
      end,
    }
    local count, err, code = item_operations.load_items(load, items)
    return stored, count, err, code
  end

  it("stores batches of the given size, and the remainder", function()
    local batches, count = load_items({ {}, {}, {}, {}, {} }, 2)
    assert.are.same({ 2, 2, 1 }, batches)
    assert.equal(5, count)
  end)

  it("stores a smaller batch when take reports that it is full", function()
    local taken = 0
    local batches = load_items({ {}, {}, {}, {} }, 10, function()
      taken = taken + 1
      return taken == 3
    end)
    assert.are.same({ 3, 1 }, batches)
  end)

  it("returns the number of stored items and of the refused item with the error", function()
    local refused = { code = "VALIDATION", message = "item: bad" }
    local taken = 0
    local batches, count, err, code = load_items({ {}, {}, {}, {} }, 2, function()
      taken = taken + 1
      if taken == 4 then return nil, refused, "VALIDATION" end
      return false
    end)
    assert.are.same({ 2 }, batches)
    assert.is_nil(count)
    assert.equal("VALIDATION", code)
    assert.are.same({ code = "VALIDATION", message = "item 4: bad", loaded = 2, item = 4 }, err)
  end)
end)
