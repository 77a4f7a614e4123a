-- refresh_spec.lua - handlers in optimistic mode that take longer than they hold a snapshot.
local consumers = require "spec.tidetable.consumers"
local cqueues = require "cqueues"
local helper = require "spec.tidetable.helper"

local raises, refused = helper.raises, helper.refused

--- Seconds after which a handler's snapshot is older than it may be.
local LATER = 1.2

describe("a handler that takes long", function()
  helper.setup(before_each, after_each)

  local db, other, clock

  before_each(function()
    clock = helper.clock()
    local orders
    db, orders = consumers.orders "totals"
    assert(db:create_table { name = "lines", partition_key = "p", sort_key = { "s", "N" } })
    consumers.put(orders, 1)
    other = helper.open()
  end)

  local function outside(name) return assert(other:table(name)) end

  --- Handles the record with fn(tx, run). Returns the number of runs.
  local function handle(fn)
    local consumer, runs = assert(db:consumer("c", { source = "orders", batch_size = 1 })), 0
    assert.equal(1, assert(consumer:step(function(_, tx)
      runs = runs + 1
      return fn(tx, runs)
    end)))
    assert.equal(0, consumer:describe().failures)
    consumer:close()
    return runs
  end

  --- Commits something unrelated, and lets the time pass in which a snapshot is held.
  local function wait_long()
    assert(outside "totals":put { id = "unrelated", at = clock:now() })
    clock:advance(LATER)
  end

  it("continues on a newer snapshot if nothing that it has read has changed", function()
    assert(outside "totals":put { id = "a", v = 1 })
    assert.equal(1, (handle(function(tx)
      local totals = tx:table "totals"
      assert.equal(1, totals:get({ id = "a" }).v)
      totals:put { id = "mine", v = 3 }
      wait_long()
      assert(outside "totals":put { id = "c", v = 4 })
      assert.equal(4, totals:get({ id = "c" }).v)
      assert.equal(3, totals:get({ id = "mine" }).v)
      for _ = 1, 3 do
        wait_long()
        assert.equal(1, totals:get({ id = "a" }).v)
      end
      totals:put { id = "last", v = 5 }
    end)))
    assert.equal(5, outside "totals":get({ id = "last" }).v)
    assert.equal(3, outside "totals":get({ id = "mine" }).v)
  end)

  it("runs again if something that it has read has changed", function()
    for name, change in pairs {
      item = function() return outside "totals":put { id = "a", v = 2 } end,
      row = function() return outside "lines":put { p = "x", s = 2, v = 2 } end,
      absence = function() return outside "totals":put { id = "none" } end,
      end_of_range = function() return outside "lines":put { p = "x", s = 9 } end,
      deletion = function() return outside "totals":delete { id = "a" } end,
      table = function()
        assert(other:delete_table "totals")
        return other:create_table { name = "totals", partition_key = "id" }
      end,
      missing_table = function()
        return other:create_table { name = "missing", partition_key = "id" }
      end,
    } do
      assert(outside "totals":put { id = "a", v = 1 })
      for s = 1, 5 do assert(outside "lines":put { p = "x", s = s, v = 1 }) end
      local late
      local runs = handle(function(tx, run)
        local totals, lines = tx:table "totals", tx:table "lines"
        local a = totals:get { id = "a" }
        local none, count = totals:get { id = "none" }, 0
        local has = pcall(tx.table, tx, "missing")
        for _ in lines:query "x" do count = count + 1 end
        if run == 1 then
          assert(change())
          clock:advance(LATER)
        end
        pcall(lines.get, lines, { p = "y", s = 1 })
        late = run == 2
        totals:put { id = "seen", a = a and a.v or 0, none = none ~= nil, count = count, has = has }
      end)
      assert.equal(2, runs, name)
      assert.is_true(late)
      local seen, now = outside "totals":get { id = "seen" }, outside "totals":get { id = "a" }
      assert.equal(now and now.v or 0, seen.a)
      assert.equal(outside "totals":get { id = "none" } ~= nil, seen.none)
      assert.equal(#helper.collect(outside "lines":query "x"), seen.count)
      assert(outside "orders":put { id = "next" .. name })
      assert(outside "totals":delete { id = "none" })
      assert(outside "lines":delete { p = "x", s = 9 })
      if seen.has then assert(other:delete_table "missing") end
    end
  end)

  it("can't read on after a conflict, whatever it does with the error", function()
    assert(outside "totals":put { id = "a", v = 1 })
    local function disturbed(tx, run)
      local totals = tx:table "totals"
      totals:get { id = "a" }
      if run > 2 then return totals end
      assert(outside "totals":put { id = "a", v = run + 10 })
      clock:advance(LATER)
      for _ = 1, 3 do raises("CONFLICT", totals.get, totals, { id = "x" }) end
      raises("CONFLICT", tx.table, tx, "lines")
      raises("CONFLICT", tx.cancel, tx, "why")
      return totals
    end
    local runs = handle(function(tx, run)
      local totals = disturbed(tx, run)
      if run == 1 then return nil, "refused" end
      if run == 2 then error "other" end
      totals:put { id = "done" }
    end)
    assert.equal(3, runs)
    assert.is_table(outside "totals":get { id = "done" })
  end)

  it("runs under the lock after three runs with conflicts", function()
    assert(outside "totals":put { id = "a", v = 0 })
    local runs = handle(function(tx, run)
      local totals = tx:table "totals"
      local v = totals:get({ id = "a" }).v
      if run <= 3 then
        assert(outside "totals":put { id = "a", v = run })
        clock:advance(LATER)
        totals:get { id = "b" }
        error "not reached"
      end
      totals:put { id = "a", v = v + 100 }
    end)
    assert.equal(4, runs)
    assert.equal(103, outside "totals":get({ id = "a" }).v)
  end)

  it("need not have written anything", function()
    assert(outside "totals":put { id = "a" })
    assert.equal(2, (handle(function(tx, run)
      local totals = tx:table "totals"
      totals:get { id = "a" }
      if run == 1 then assert(outside "totals":put { id = "a", v = 1 }) end
      clock:advance(LATER)
      totals:get { id = "b" }
    end)))
  end)

  it("leaves its transaction to the first cycle of the collector", function()
    local kept = setmetatable({}, { __mode = "k" })
    handle(function(tx)
      tx:table "totals":put { id = "a" }
      kept[tx] = true
    end)
    collectgarbage()
    assert.is_nil((next(kept)))
  end)

  it("is not verified before its end if it only writes", function()
    assert.equal(1, (handle(function(tx)
      local totals = tx:table "totals"
      totals:put { id = "a" }
      clock:advance(LATER)
      assert(outside "totals":put { id = "a", v = 1 })
      totals:put { id = "b" }
    end)))
    assert.same({ id = "a" }, outside "totals":get { id = "a" })
  end)

  describe("and iterates", function()
    local COUNT = 2500

    before_each(function()
      assert(db:transact(function(tx)
        for s = 1, COUNT do tx:table "lines":put { p = "x", s = s, v = "old" } end
      end))
    end)

    --- Returns the sort keys that the iteration visits while it calls visit(item, run), as text,
    --- and the number of runs.
    local function visited(opts, visit, before)
      local keys
      local runs = handle(function(tx, run)
        keys = {}
        local lines = tx:table "lines"
        if before then before(lines) end
        for item in opts.segment and lines:scan(opts) or lines:query("x", opts) do
          keys[#keys + 1] = item.s
          visit(item, run, #keys, lines)
        end
        tx:table "totals":put { id = "keys", n = #keys }
      end)
      return table.concat(keys, " "), runs
    end

    local function expected(opts)
      return table.concat(helper.field("s", outside "lines":query("x", opts)), " ")
    end

    for name, opts in pairs {
      ["in the order of the keys"] = {},
      ["in the opposite order"] = { descending = true },
      ["within a range"] = { sort = { "between", 100, 2400 } },
      ["with a filter"] = { filter = "v = ?", "old" },
    } do
      it("sees each item once, " .. name, function()
        local asked = {}
        for field, value in pairs(opts) do asked[field] = value end
        local keys, runs = visited(asked, function(_, _, n)
          if n % 400 == 7 then wait_long() end
        end)
        assert.equal(1, runs)
        assert.equal(expected(opts), keys)
        -- Nothing is committed meanwhile.
        assert(outside "orders":put { id = "2" })
        keys, runs = visited(asked, function(_, _, n)
          if n % 400 == 7 then clock:advance(LATER) end
        end)
        assert.equal(1, runs)
        assert.equal(expected(opts), keys)
      end)
    end

    it("sees what has changed ahead of it", function()
      local values = {}
      local keys, runs = visited({}, function(item, _, n)
        values[item.s] = item.v
        if n == 10 then
          assert(outside "lines":put { p = "x", s = 20, v = "new" })
          assert(outside "lines":delete { p = "x", s = 21 })
          assert(outside "lines":put { p = "x", s = 10.5, v = "new" })
          clock:advance(LATER)
        end
      end)
      assert.equal(1, runs)
      assert.equal(expected {}, keys)
      assert.same({ "new", "new" }, { values[20], values[10.5] })
    end)

    it("runs again if something has changed that it has passed", function()
      local keys, runs = visited({}, function(_, run, n)
        if n == 10 and run == 1 then
          assert(outside "lines":put { p = "x", s = 3.5 })
          clock:advance(LATER)
        end
      end)
      assert.equal(2, runs)
      assert.equal(expected {}, keys)
    end)

    it("sees its own writes", function()
      local keys, runs = visited({}, function(_, _, n)
        if n % 400 == 7 then wait_long() end
      end, function(lines)
        lines:put { p = "x", s = 0.5 }
        lines:put { p = "x", s = 2000.5 }
        for s = 300, 900 do lines:delete { p = "x", s = s } end
      end)
      assert.equal(1, runs)
      assert.equal(expected {}, keys)
    end)

    it("sees the items of its segment once", function()
      local count = 0
      for segment = 0, 2 do
        assert(outside "orders":put { id = "s" .. segment })
        local keys, runs = visited({ segment = segment, total_segments = 3 }, function(_, _, n)
          if n % 300 == 7 then wait_long() end
        end)
        assert.equal(1, runs)
        for _ in keys:gmatch "%d+" do count = count + 1 end
      end
      assert.equal(COUNT, count)
    end)
  end)

  describe("and has an update that never conflicts", function()
    local function add(tx, n) tx:table "totals":update({ id = "n" }, "ADD v ?", { n }) end

    local function add_outside(n)
      assert(outside "totals":update({ id = "n" }, "ADD v ?", { n }))
    end

    it("evaluates it on the stored item, whenever that has changed", function()
      assert.equal(1, (handle(function(tx)
        add(tx, 1)
        add_outside(10)
        clock:advance(LATER)
        tx:table "totals":get { id = "x" }
        add(tx, 100)
      end)))
      assert.equal(111, outside "totals":get({ id = "n" }).v)
    end)

    it("does not show what it has evaluated on an older item", function()
      for _, read in ipairs {
        function(totals) return totals:get({ id = "n" }).v end,
        function(totals) return totals:query("n")().v end,
        function(totals) return totals:scan_page()[1].v end,
        function(totals) return select(2, totals:delete({ id = "n" }, {
          return_values = "ALL_OLD" })).v end,
      } do
        assert(outside "totals":put { id = "n", v = 0 })
        local seen
        assert.equal(2, (handle(function(tx, run)
          local totals = tx:table "totals"
          add(tx, 1)
          if run == 1 then add_outside(10) end
          clock:advance(LATER)
          totals:get { id = "x" }
          seen = read(totals)
          tx:table "lines":put { p = "seen", s = 1, v = seen }
        end)))
        assert.equal(11, seen)
        assert(outside "orders":put { id = tostring(read) })
      end
    end)

    it("does not show it to an iteration that has begun", function()
      local seen
      assert.equal(2, (handle(function(tx, run)
        local totals = tx:table "totals"
        add(tx, 1)
        local next_item, rows = totals:scan()
        if run == 1 then add_outside(10) end
        clock:advance(LATER)
        seen = next_item(rows).v
      end)))
      assert.equal(11, seen)
    end)
  end)

  it("sees that an item has expired meanwhile", function()
    assert(outside "totals":alter { ttl = "ends" })
    assert(outside "totals":put { id = "a", ends = math.floor(clock:now()) + 1 })
    local seen
    assert.equal(2, (handle(function(tx)
      local totals = tx:table "totals"
      seen = totals:get { id = "a" }
      clock:advance(2 * LATER)
      totals:get { id = "b" }
    end)))
    assert.is_nil(seen)
  end)

  it("raises TIMEOUT after handler_limit, which is a failed attempt", function()
    local consumer = assert(db:consumer("c", { source = "orders", handler_limit = 30 }))
    for _, is_read in ipairs { true, false } do
      local err = refused("BATCH_FAILED", consumer:step(function(_, tx)
        local totals = tx:table "totals"
        clock:advance(29)
        totals:get { id = "a" }
        clock:advance(2)
        if is_read then
          for _ = 1, 2 do raises("TIMEOUT", totals.get, totals, { id = "a" }) end
        end
      end))
      assert.is_truthy(err.message:find("the handler took longer than handler_limit", 1, true))
      assert.equal("TIMEOUT", err.reason.code)
    end
    assert.equal(2, consumer:describe().attempts)
  end)
end)

describe("the snapshot of a handler", function()
  helper.setup(before_each, after_each)

  local db

  before_each(function()
    local orders
    db, orders = consumers.orders "totals"
    consumers.put(orders, 1)
  end)

  --- Waits in the handler by wait(), while a second process overwrites an item many times, once
  --- the snapshot has been held for its time. Returns the number of readers that this process sees
  --- before and then, and by how many bytes the file has grown.
  local function disturbed(wait)
    local child = helper.child [[
      pause()
      local before = db:info().readers
      os.execute "sleep 1.5"
      local size = db:info().file_bytes
      local totals, text = assert(db:table "totals"), ("x"):rep(100000)
      for i = 1, 100 do assert(totals:put { id = "large", text = text .. i }) end
      print(before - db:info().readers)
      print(db:info().file_bytes - size)
    ]]
    local consumer = assert(db:consumer("c", { source = "orders" }))
    local runs, released, grown = 0, nil, nil
    assert.equal(1, assert(consumer:step(function(_, tx)
      local totals = tx:table "totals"
      runs = runs + 1
      assert.is_nil(totals:get { id = "small" })
      child:paused()
      child:go()
      wait(child)
      released, grown = tonumber(child:line()), tonumber(child:line())
      assert.is_table(totals:get { id = "large" })
      totals:put { id = "small" }
    end)))
    assert.equal(1, runs)
    assert.equal(1, released)
    assert.is_true(grown < 3000000, grown .. " bytes")
  end

  it("is released while it sleeps in an event loop, and nothing else runs", function()
    local loop = cqueues.new()
    loop:wrap(function() disturbed(function() cqueues.sleep(2) end) end)
    assert(loop:loop())
  end)

  it("is released while it blocks", function()
    disturbed(function() os.execute "sleep 2" end)
  end)

  it("is released while it computes", function()
    disturbed(function()
      local ends = os.time() + 3
      while os.time() < ends do end
    end)
  end)
end)
