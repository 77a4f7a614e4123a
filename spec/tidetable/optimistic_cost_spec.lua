-- optimistic_cost_spec.lua - how the cost of optimistic transactions grows with their writes.
--
-- Counts the comparisons of keys and the instructions of Lua's virtual machine, no time, for 2,000
-- and for 16,000 steps. Each step writes and reads at most a few items, so that the cost of n steps
-- may grow like n log n.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"

helper.setup(before_each, after_each)

local FEW, MANY = 2000, 16000
-- What n log n allows, and a fifth more.
local GROWTH_MAX = MANY * math.log(MANY) / (FEW * math.log(FEW)) * 1.2
local COUNTED = { "compare_bytes", "place" }
local RELOADED = { "tidetable.sorted_keys", "tidetable.merged_rows", "tidetable.optimistic" }

--- Loads the module with functions of the core that count their calls. Returns the module, and a
--- function that returns the number of calls and undoes this.
local function load_counting()
  local real, loaded, calls = {}, {}, 0
  for _, name in ipairs(COUNTED) do
    real[name] = core[name]
    core[name] = function(...)
      calls = calls + 1
      return real[name](...)
    end
  end
  for _, name in ipairs(RELOADED) do
    loaded[name], package.loaded[name] = package.loaded[name], nil
  end
  local module = require "tidetable.optimistic"
  return module, function()
    for name, value in pairs(real) do core[name] = value end
    for name, value in pairs(loaded) do package.loaded[name] = value end
    return calls
  end
end

--- Returns the comparisons and the thousands of instructions that fn(table, n) needs.
local function cost_of(n, fn)
  local db = helper.memory()
  assert(db:create_table { name = "items", partition_key = "p", sort_key = { "s", "N" } })
  local optimistic, stop = load_counting()
  local instructions = 0
  local ok, err = optimistic.transact(db, function(tx)
    debug.sethook(function() instructions = instructions + 1 end, "", 1000)
    local done, failure = pcall(fn, tx:table "items", n)
    debug.sethook()
    if not done then error(failure, 0) end
  end, 1, 600)
  local comparisons = stop()
  db:close()
  assert.is_true(ok, tostring(err))
  return comparisons, instructions
end

local function check_growth(fn)
  local few, few_instructions = cost_of(FEW, fn)
  local many, many_instructions = cost_of(MANY, fn)
  assert.is_true(few > 0)
  assert.is_true(many <= few * GROWTH_MAX, ("comparisons: %d, then %d"):format(few, many))
  assert.is_true(many_instructions <= few_instructions * GROWTH_MAX,
    ("thousands of instructions: %d, then %d"):format(few_instructions, many_instructions))
  -- Twice the 2 log n of a skip list, for a search and an insertion.
  assert.is_true(many <= 2 * 2 * MANY * math.log(MANY, 2) + 10 * MANY, many)
end

local orders = {
  ascending = function(i) return i end,
  descending = function(i) return -i end,
  random = function(i) return i * 7919 % 16001 end,      -- 16001 is a prime number
}

describe("n steps of an optimistic transaction take n log n", function()
  for name, order in pairs(orders) do
    it("of puts, " .. name .. ", each followed by a query or by a scan that is left", function()
      check_growth(function(items, n)
        for i = 1, n do
          local s = order(i)
          items:put { p = "x", s = s }
          if i % 2 == 0 then
            assert.equal(s, items:query("x", { sort = { ">=", s }, limit = 1 })().s)
          else
            assert.is_table(items:scan { descending = i % 4 == 1 }())
          end
        end
      end)
    end)

    it("of puts and deletions, " .. name .. ", with a page after each hundred", function()
      check_growth(function(items, n)
        for i = 1, n do
          local s = order(i)
          items:put { p = i % 2 == 0 and "x" or "y", s = s }
          if i % 3 == 0 then items:delete { p = "x", s = s } end
          if i % 100 == 0 then
            local start = { p = "x", s = s }
            items:query_page("x", { limit = 100, start_key = start })
            items:scan_page { limit = 100, descending = true, start_key = start }
          end
        end
      end)
    end)
  end

  it("of puts during an iteration", function()
    check_growth(function(items, n)
      for i = 1, n do items:put { p = "x", s = i } end
      local seen = 0
      for item in items:query "x" do
        seen = seen + 1
        items:put { p = "x", s = item.s + 0.5 }
        assert.is_table(items:query("x", { sort = { ">=", item.s + 0.5 }, limit = 1 })())
      end
      assert.equal(n, seen)
    end)
  end)

  it("of writes of one key, with iterations that began before", function()
    check_growth(function(items, n)
      local iterations = {}
      items:put { p = "x", s = 1 }
      for i = 1, n do
        items:put { p = "x", s = 2, v = i }
        iterations[i] = items:query "x"
      end
      for i, each in ipairs(iterations) do
        each()
        assert.equal(i, each().v)
      end
    end)
  end)
end)

-- members.guard searches for similar names when a field is read that does not exist.
it("a transaction of one write reads no field that does not exist", function()
  local options = require "tidetable.options"
  local nearest, names = options.nearest, {}
  local db = helper.memory()
  assert(db:create_table { name = "items", partition_key = "id" })
  options.nearest = function(name, ...)
    names[#names + 1] = name
    return nearest(name, ...)
  end
  for _, mode in ipairs { "locked", "optimistic" } do
    local ok, err = pcall(db.transact, db, function(tx)
      local items = tx:table "items"
      items:update({ id = "a" }, "ADD n ?", { 1 })
      items:put { id = "b", n = items:get({ id = "a" }).n }
    end, { mode = mode })
    if not ok then names[#names + 1] = tostring(err) end
  end
  options.nearest = nearest
  assert.same({}, names)
end)
