-- segment_spec.lua - the segments of a parallel scan are disjoint, and their union is the scan.
--
-- Random tables with sort keys, long keys and items in parts, read by random numbers of segments:
-- in both directions, as iterators, pages and counts, with filters, in transactions.
local tidetable = require "tidetable"

local STEPS = math.tointeger(tonumber(os.getenv("STEPS"))) or 1000
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local function text_of(length)
  local bytes = {}
  for i = 1, length do
    bytes[i] = string.char(math.random(4) == 1 and 0 or math.random(97, 99))
  end
  return table.concat(bytes)
end

--- Random lengths near those at which a key gets another form: hashed, or a node (codec/key.h,
--- table/long_key.h).
local function length()
  local bounds = ({ { 1, 3 }, { 120, 132 }, { 480, 520 }, { 900, 1024 } })[math.random(4)]
  return math.random(bounds[1], bounds[2])
end

local make = {
  S = function() return text_of(length()) end,
  B = function() return tidetable.binary(text_of(length())) end,
  N = function() return math.random(-50, 50) * (math.random(2) == 1 and 1 or 1e10) // 1 end,
}
local types = { "S", "B", "N" }

local function key_text(item) return ("%q %q"):format(tostring(item.p), tostring(item.s)) end

--- Fills a table; partitions have one item or several, and some items are in parts.
local function fill(db, name, sorted)
  local partition = types[math.random(3)]
  local sort = sorted and types[math.random(3)] or nil
  local t = assert(db:create_table { name = name, partition_key = { "p", partition },
    sort_key = sort and { "s", sort } or nil })
  local items = {}
  for _ = 1, math.random(60) do
    local p = make[partition]()
    for _ = 1, sort and math.random(4) or 1 do
      items[#items + 1] = { p = p, s = sort and make[sort](), even = math.random(2) == 2,
        text = ("x"):rep(math.random(20) == 1 and 5000 or 1) }
    end
  end
  assert(t:load(items))
  return t
end

local function with(segment, total, more)
  local opts = { segment = segment, total_segments = total }
  for name, value in pairs(more or {}) do opts[name] = value end
  return opts
end

--- The ways to read a segment; each returns the texts of its keys, in order.
local ways = {}

local function texts(...)
  local list = {}
  for item in ... do list[#list + 1] = key_text(item) end
  return list
end

function ways.iterator(t, segment, total, opts)
  return texts(t:scan(with(segment, total, opts)))
end

function ways.snapshot(t, segment, total, opts)
  local given = with(segment, total, opts)
  given.snapshot = true
  return texts(t:scan(given))
end

function ways.pages(t, segment, total, opts)
  local list, start = {}, nil
  repeat
    local given = with(segment, total, opts)
    given.start_key, given.limit = start, math.random(7)
    local items, last = t:scan_page(given)
    if not items then error(last, 0) end
    for _, item in ipairs(items) do list[#list + 1] = key_text(item) end
    start = last
  until not start
  return list
end

--- A start key in the middle: what precedes it is read from the whole segment.
function ways.continued(t, segment, total, opts)
  local all, start, before = ways.iterator(t, segment, total, opts), nil, {}
  local stop = #all > 0 and math.random(#all) or 0
  for item in t:scan(with(segment, total, opts)) do
    if #before < stop then
      before[#before + 1], start = key_text(item), { p = item.p, s = item.s }
    end
  end
  local given = with(segment, total, opts)
  given.start_key = start
  for item in t:scan(given) do before[#before + 1] = key_text(item) end
  return before
end

function ways.transaction(t, segment, total, opts, db)
  return assert(db:transact(function(tx)
    return ways.iterator(tx:table(t.name), segment, total, opts)
  end))
end

function ways.optimistic(t, segment, total, opts, db)
  return assert(db:transact(function(tx)
    return ways[math.random(2) == 1 and "iterator" or "pages"](tx:table(t.name), segment, total,
      opts)
  end, { mode = "optimistic" }))
end

local names = {}
for name in pairs(ways) do names[#names + 1] = name end
table.sort(names)

--- Compares the union of all segments with the scan, and each way with the order of the scan.
local function compare(db, t, opts)
  local place, count = {}, 0
  for i, text in ipairs(texts(t:scan(opts))) do place[text], count = i, i end
  local total, seen = math.random(64), {}
  for segment = 0, total - 1 do
    local way = names[math.random(#names)]
    local last = 0
    local list = ways[way](t, segment, total, opts, db)
    for _, text in ipairs(list) do
      assert.is_nil(seen[text], "twice: " .. text)
      assert.is_truthy(place[text] and place[text] > last, way .. ": out of order: " .. text)
      seen[text], last, count = segment, place[text], count - 1
    end
    assert.equal(#list, (t:scan(with(segment, total, { count = true, filter = opts.filter,
      values = opts.values }))))
  end
  assert.equal(0, count, "items in no segment")
  return seen
end

--- All items of a partition are in one segment.
local function check_partitions(t, seen, opts)
  local of = {}
  for item in t:scan(opts) do
    local p = tostring(item.p)
    assert.equal(of[p] or seen[key_text(item)], seen[key_text(item)])
    of[p] = seen[key_text(item)]
  end
end

describe("the segments of a scan", function()
  it("are disjoint, and their union is the scan", function()
    math.randomseed(SEED)
    for step = 1, math.max(STEPS // 60, 3) do
      local ok, err = pcall(function()
        local db <close> = assert(tidetable.open(":memory:"))
        local t = fill(db, "random", math.random(3) > 1)
        for _, opts in ipairs { {}, { descending = true },
            { filter = "even = :e", values = { [":e"] = true } } } do
          check_partitions(t, compare(db, t, opts), opts)
        end
        assert(db:check().ok)
      end)
      if not ok then
        error(("SEED=%d, step %d: %s"):format(SEED, step, tostring(err)), 0)
      end
    end
  end)

  it("contain what an optimistic transaction has written", function()
    math.randomseed(SEED)
    local db <close> = assert(tidetable.open(":memory:"))
    local t = fill(db, "random", true)
    local total, expected = math.random(8), nil
    local function read(table_)
      local lists = {}
      for segment = 0, total - 1 do
        lists[#lists + 1] = table.concat(ways.pages(table_, segment, total), "\n")
        assert.equal(lists[#lists],
          table.concat(ways.iterator(table_, segment, total), "\n"), "SEED=" .. SEED)
      end
      return table.concat(lists, "\n\n")
    end
    local spec = t:definition()
    assert(db:transact(function(tx)
      local table_, n = tx:table "random", 0
      for item in table_:scan() do
        n = n + 1
        if n % 3 == 0 then table_:delete { p = item.p, s = item.s } end
      end
      for _ = 1, 40 do
        table_:put { p = make[spec.partition_key[2]](), s = make[spec.sort_key[2]](), text = "new" }
      end
      expected = read(table_)
    end, { mode = "optimistic" }))
    assert.equal(expected, read(t), "SEED=" .. SEED)
  end)
end)
