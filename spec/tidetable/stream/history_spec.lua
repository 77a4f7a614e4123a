-- history_spec.lua - orders:history, the records of one item (doc/modules/table.md).
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

helper.setup(before_each, after_each)

local field = helper.field

local clock, db, orders

before_each(function()
  clock = tidetable.manual_clock(1e9)
  db = helper.memory { clock = clock }
  orders = assert(db:create_table { name = "orders", partition_key = "id",
    sort_key = { "n", "N" }, stream = true })
end)

local KEY = { id = "a", n = 1 }

local function put(count, key)
  for i = 1, count do
    assert(orders:put { id = (key or KEY).id, n = (key or KEY).n, total = i })
  end
end

local function numbers(opts, key)
  return field("sequence_number", orders:history(key or KEY, opts))
end

local function reversed(list)
  local other = {}
  for i = #list, 1, -1 do other[#other + 1] = list[i] end
  return other
end

--- Returns the iterator with pages of at most `n` records.
local function in_pages(n, opts)
  local step, _, _, feed = orders:history(KEY, opts)
  core.limit_page(feed, n)
  return step
end

describe("the history of an item", function()
  it("has its records, oldest or newest first", function()
    put(2)
    put(2, { id = "a", n = 2 })
    assert(orders:delete(KEY))
    assert.same({ 2, 3, 6 }, numbers())
    assert.same({ 6, 3, 2 }, numbers { descending = true })
    assert.same({ 5, 4 }, numbers({ descending = true }, { id = "a", n = 2 }))
    assert.same({}, numbers({ descending = true }, { id = "b", n = 2 }))
    local last = helper.first(orders:history(KEY, { descending = true }))
    assert.equal("REMOVE", last.event_name)
    assert.same({ id = "a", n = 1, total = 2 }, last.old_image)
  end)

  it("is limited and filtered", function()
    put(9)
    assert.same({ 2, 3 }, numbers { limit = 2 })
    assert.same({ 10, 9, 8 }, numbers { limit = 3, descending = true })
    for _, opts in ipairs { { filter = "new_image.total > ?", 5 },
        { filter = "new_image.total > :t", values = { [":t"] = 5 } },
        { filter = "new_image.#t > ?", names = { ["#t"] = "total" }, n = 1, 5 } } do
      assert.same({ 7, 8, 9, 10 }, numbers(opts))
      opts.descending = true
      assert.same({ 10, 9, 8, 7 }, numbers(opts))
      opts.limit = 2
      assert.same({ 10, 9 }, numbers(opts))
    end
  end)

  it("has images with the attributes of the projection", function()
    put(3)
    for _, descending in ipairs { true, false } do
      local images = field("new_image", orders:history(KEY, { projection = "#t, absent",
        filter = "new_image.n = ? AND #t <> ?", names = { ["#t"] = "total" }, 1, 7,
        descending = descending, limit = 2 }))
      assert.same(descending and { { total = 3 }, { total = 2 } }
        or { { total = 1 }, { total = 2 } }, images)
    end
    helper.raises("VALIDATION", orders.history, orders, KEY, { projection = "a," })
  end)

  it("is the same in both directions, for random records and sizes of pages", function()
    math.randomseed(SEED)
    for round = 1, 10 do
      for _ = 1, math.random(60) do
        db:transact(function(tx)
          for _ = 1, math.random(3) do
            local item = { id = "a", n = math.random(2), total = math.random(100),
              text = ("x"):rep(math.random(3) == 1 and math.random(5000) or 1) }
            if math.random(4) == 1 then
              tx:table "orders":delete { id = item.id, n = item.n }
            else
              tx:table "orders":put(item)
            end
          end
        end, math.random(2) == 1 and { context = { round = round }, origin = "spec" } or nil)
        clock:advance(math.random())
      end
      if round > 5 then
        assert(assert(orders:stream()):set_retention { age = 60, count = 30 })
      end
      local wanted = {}
      for record in assert(orders:stream()):records() do
        if record.keys.n == 1 then table.insert(wanted, 1, record) end
      end
      for _, n in ipairs { 1, 3, 1000 } do
        local where = ("SEED=%d, round %d, pages of %d"):format(SEED, round, n)
        local i = 0
        for record in in_pages(n, { descending = true }) do
          i = i + 1
          assert.equal(wanted[i].sequence_number, record.sequence_number, where)
          assert.same(wanted[i].new_image, record.new_image)
          assert.same(wanted[i].old_image, record.old_image)
          assert.same(wanted[i].context, record.context)
          assert.equal(wanted[i].origin, record.origin)
        end
        assert.equal(#wanted, i, where)
        assert.same(reversed(numbers()), numbers { descending = true }, where)
      end
    end
  end)

  it("does not have the records of later commits, newest first", function()
    put(3)
    local step = in_pages(1, { descending = true })
    assert.equal(4, step().sequence_number)
    put(1)
    assert.equal(3, step().sequence_number)
    assert.equal(2, step().sequence_number)
    assert.is_nil(step())
    put(2)
    assert.is_nil(step())
  end)

  it("of a disabled stream can be read; a new stream begins a new one", function()
    put(2)
    assert(orders:disable_stream())
    assert.same({ 3, 2 }, numbers { descending = true })
    assert(orders:enable_stream())
    assert.same({}, numbers { descending = true })
    assert(orders:put { id = "a", n = 1, total = "new" })
    assert.equal(1, #numbers())
  end)

  it("contains only committed records when it is read in a transaction", function()
    put(1)
    db:transact(function(tx)
      tx:table "orders":put { id = "a", n = 1, total = 5 }
      assert.same({ 2 }, numbers { descending = true })
    end)
    assert.same({ 3, 2 }, numbers { descending = true })
  end)
end)

describe("a record of the history that expires", function()
  before_each(function()
    assert(assert(orders:stream()):set_retention(10))
    put(2)
    clock:advance(5)
    put(3)
    assert.same({ 7, 6, 5, 4, 3 }, numbers { descending = true })
  end)

  it("is not returned, nor is an older one", function()
    clock:advance(6)
    assert.same({ 5, 6, 7 }, numbers())
    assert.same({ 7, 6, 5 }, numbers { descending = true })
    clock:advance(100)
    assert.same({}, numbers { descending = true })
    assert(db:sweep())
    assert.same({}, numbers { descending = true })
  end)

  it("between two pages ends the iteration, newest first, and is TRIMMED, oldest first", function()
    local newest, oldest = in_pages(2, { descending = true }), in_pages(1)
    assert.equal(7, newest().sequence_number)
    assert.equal(6, newest().sequence_number)
    assert.equal(3, oldest().sequence_number)
    clock:advance(6)
    assert.equal(5, newest().sequence_number)
    assert.is_nil(newest())
    local err = helper.raises("TRIMMED", oldest)
    assert.same({ 4, 4 }, { err.first, err.last })
  end)

  it("and is removed between two pages ends the iteration", function()
    local step = in_pages(1, { descending = true })
    assert.equal(7, step().sequence_number)
    clock:advance(100)
    assert(db:sweep())
    put(1)
    assert.is_nil(step())
    assert.is_nil(step())
  end)

  it("with its whole stream ends the iteration", function()
    local step = in_pages(1, { descending = true })
    assert.equal(7, step().sequence_number)
    assert(orders:disable_stream())
    clock:advance(100)
    assert(db:sweep())
    assert.is_nil(step())
  end)
end)

describe("orders:history", function()
  it("raises errors for wrong arguments", function()
    helper.raises("VALIDATION", orders.history, orders, { id = "a" })
    helper.raises("VALIDATION", orders.history, orders, { id = "a", n = 1, total = 1 },
      { descending = true })
    helper.raises("VALIDATION", orders.history, orders, KEY, { filter = "a =" })
    local deleted = assert(db:create_table { name = "deleted", partition_key = "id",
      stream = true })
    assert(db:delete_table "deleted")
    helper.raises("NOT_FOUND", deleted.history, deleted, { id = "a" })
    local silent = assert(db:create_table { name = "silent", partition_key = "id" })
    helper.raises("NOT_FOUND", silent.history, silent, { id = "a" })
    helper.blames("history: expected a key (a table), got string",
      function() orders:history "a" end)
    helper.blames('history: unknown option "from"',
      function() orders:history(KEY, { from = "LATEST" }) end)
    helper.blames('history: option "limit"', function() orders:history(KEY, { limit = 0 }) end)
    helper.blames("history: the expressions have 1 `?`, the array part has 0 values",
      function() orders:history(KEY, { filter = "a = ?" }) end)
    assert(orders:disable_stream())
    assert(orders:enable_stream { view_type = "KEYS_ONLY" })
    helper.blames("history: the filter reads new_image, which a stream with view type KEYS_ONLY",
      function() orders:history(KEY, { filter = "attribute_exists(new_image)" }) end)
  end)

  it("raises CLOSED after the database was closed", function()
    put(3)
    local step = in_pages(1, { descending = true })
    step()
    db:close()
    helper.raises("CLOSED", step)
    helper.raises("CLOSED", orders.history, orders, KEY)
  end)

  it("closes the iterator when its loop is left", function()
    put(3)
    local step, state, first, feed = orders:history(KEY, { descending = true })
    for _ in step, state, first, feed do break end -- luacheck: ignore 512
    helper.raises("CLOSED", step)
    helper.raises("CLOSED", core.try_record, feed)
  end)

  it("lets Ctrl-C end a search for an older record", function()
    put(1)
    for i = 1, 3000 do assert(orders:put { id = "b", n = 1, total = i }) end
    local step = orders:history(KEY, { descending = true })
    debug.sethook(function()
      if debug.getinfo(2, "S").source == "return" then     -- the core runs hooks by this chunk
        debug.sethook()
        error "interrupted!"
      end
    end, "", 1)
    local ok, err = pcall(step)
    debug.sethook()
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find "interrupted!")
    assert.equal(2, step().sequence_number)
    assert.is_nil(step())
  end)

  it("reads backward from one stream only", function()
    assert.is_false(pcall(core.feed, db.core, 0, 6, 0))
    assert.is_false(pcall(core.feed, db.core, 1, 5, 0))
    assert.is_false(pcall(core.feed, db.core, 1, 7, 0))
  end)
end)
