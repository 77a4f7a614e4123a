-- merged_rows_spec.lua - queries after many deletions in an optimistic transaction skip the
-- deleted rows, return what a plain table says, and are validated.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local KEYS, STEPS = 400, 250

helper.setup(before_each, after_each)

describe("an optimistic transaction that deletes and queries", function()
  local db, orders

  before_each(function()
    db = helper.open()
    orders = assert(db:create_table { name = "orders", partition_key = "id",
      sort_key = { "n", "N" } })
    local items = {}
    for i = 1, KEYS do items[i] = { id = "a", n = i } end
    assert(orders:load(items))
  end)

  local function run(f)
    return db:transact(function(tx) return f(tx:table "orders") end, { mode = "optimistic" })
  end

  local function numbers(t, from, to, descending, limit)
    local found = {}
    for item in t:query("a", { sort = { "between", from, to }, descending = descending,
      limit = limit }) do
      found[#found + 1] = item.n
    end
    return found
  end

  --- What numbers() must return.
  local function expected(there, from, to, descending, limit)
    local found = {}
    for i = descending and to or from, descending and from or to, descending and -1 or 1 do
      if there[i] and #found < (limit or math.huge) then found[#found + 1] = i end
    end
    return found
  end

  it("sees what a plain table has", function()
    print("deletes and queries: SEED=" .. SEED)
    math.randomseed(SEED)
    local there = {}
    for i = 1, KEYS do there[i] = true end
    assert(run(function(t)
      -- An iterator that began earlier does not see later deletions.
      local early, seen = t:query("a"), expected(there, 1, KEYS)
      for _ = 1, STEPS do
        local first = math.random(KEYS)
        local last = math.min(KEYS, first + math.random(60))
        if math.random(3) > 1 then
          for i = first, last do t:delete { id = "a", n = i } there[i] = nil end
        else
          t:put { id = "a", n = first }
          there[first] = true
        end
        local from = math.random(KEYS)
        local to = math.random(4) == 1 and math.random(from, KEYS) or KEYS
        if math.random(2) == 1 then from = 1 end
        local descending, limit = math.random(2) == 1, math.random(2) == 1 and 5 or nil
        assert.same(expected(there, from, to, descending, limit),
          numbers(t, from, to, descending, limit))
        if math.random(4) == 1 then
          local item = early()
          assert.equal(table.remove(seen, 1), item and item.n)
        end
      end
      for item in early do assert.equal(table.remove(seen, 1), item.n) end
      assert.same({}, seen)
      return true
    end))
    assert.same(expected(there, 1, KEYS), numbers(orders, 1, KEYS))
    assert.is_true(db:check().ok)
  end)

  -- The transaction deletes the middle half with queries of this half, then reads everything once:
  -- before, in and after what this query skips.
  for _, descending in ipairs { false, true } do
    for _, number in ipairs { KEYS // 8 + 0.5, KEYS // 2 + 0.5, KEYS // 8 * 7 + 0.5 } do
      it(("runs again if another one puts %s into what it has read%s"):format(number,
        descending and ", descending" or ""), function()
        local other = helper.open():table "orders"
        local first, last, runs, found = KEYS // 4 + 1, KEYS // 4 * 3, 0, nil
        assert(run(function(t)
          runs = runs + 1
          for i = first, last do
            t:delete { id = "a", n = descending and first + last - i or i }
            t:query_page("a", { sort = { "between", first, last }, descending = descending,
              limit = 5 })
          end
          found = #numbers(t, 1, KEYS, descending)
          if runs == 1 then
            assert(other:put { id = "a", n = number })
          end
          return true
        end))
        assert.equal(2, runs)
        assert.equal(KEYS // 2 + 1, found)
      end)
    end
  end

  --- Calls of the core that begin a query or read a row, for n deletions with a query after each.
  local function calls(n)
    local counted, query, next_versioned = 0, core.query, core.next_versioned
    local function count(f)
      return function(...)
        counted = counted + 1
        return f(...)
      end
    end
    core.query, core.next_versioned = count(query), count(next_versioned)
    local ok, err = pcall(run, function(t)
      for i = 1, n do
        t:delete { id = "a", n = i }
        t:query_page("a", { limit = 5 })
      end
      return true
    end)
    core.query, core.next_versioned = query, next_versioned
    assert(ok, err)
    return counted
  end

  -- The rows that the transaction has deleted were read again by each query: n squared.
  it("reads a bounded number of rows for each query", function()
    local items = {}
    for i = 1, 2000 do items[i] = { id = "a", n = i } end
    assert(orders:load(items))
    local counted = calls(1500)
    assert.is_true(counted < 1500 * 60, counted)
  end)
end)
