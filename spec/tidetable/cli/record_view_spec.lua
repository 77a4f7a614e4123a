-- record_view_spec.lua - stream records as text.
local record_view = require "tidetable.cli.record_view"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local binary, list, map, number, set =
  tidetable.binary, tidetable.list, tidetable.map, tidetable.number, tidetable.set

describe("the differences of two images", function()
  local function paths(old, new)
    local found = {}
    for i, each in ipairs(record_view.differences(old, new)) do found[i] = each.path end
    return found
  end

  it("are the attributes that differ, with their path inside maps", function()
    assert.are.same({ "a", "b.c", 'b."odd name".e', "f", "g" }, paths(
      { a = 1, same = 1, b = { c = 1, d = 2, ["odd name"] = { e = 1 } }, f = 1 },
      { a = 2, same = 1, b = { c = 2, d = 2, ["odd name"] = { e = 2 } }, g = 1 }))
    local one = record_view.differences({ x = 1 }, { x = "1" })[1]
    assert.equal(1, one.old)
    assert.equal("1", one.new)
  end)

  -- The values are stored and read back, as in a record. Each is equal to itself only.
  it("are found in values of every type, and in the last byte of a long one", function()
    local values = {
      1, 1.5, "1", true, false, tidetable.null, number "1.00000000000000000000000000000000001",
      number "1.00000000000000000000000000000000002", binary "1", binary(("x"):rep(1000) .. "a"),
      binary(("x"):rep(1000) .. "b"), list {}, map {}, list { 1 }, list { 1, 2 }, list { 2, 1 },
      { a = 1 }, { a = 1, b = 1 }, { a = { b = list { 1 } } }, { a = { b = list { 2 } } },
      set { "1" }, set { 1 }, set { 1, 2 }, set { binary "1" },
    }
    local items = assert(helper.memory():create_table { name = "items", partition_key = "id" })
    for i, value in ipairs(values) do
      assert(items:put { id = "x" .. i, value = value })
    end
    local function stored(i) return { value = items:get({ id = "x" .. i }).value } end
    for i = 1, #values do
      for j = 1, #values do
        local differ = #record_view.differences(stored(i), stored(j)) > 0
        assert.equal(i ~= j, differ, ("%d and %d"):format(i, j))
      end
    end
  end)
end)
