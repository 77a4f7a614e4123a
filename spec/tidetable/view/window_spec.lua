-- window_spec.lua - tumbling windows: the watermark, late changes, and closing.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local steps = require "tidetable.view.step"
local testing = require "tidetable.testing"
local views = require "spec.tidetable.views"
local windows = require "tidetable.view.window"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local ROUNDS = math.tointeger(tonumber(os.getenv("ROUNDS"))) or 20
local START = 60 * 16666666     -- a multiple of the sizes below

describe("a window", function()
  helper.setup(before_each, after_each)

  local db, events, clock, view

  --- Opens the view "rates": the sum of n by kind and window.
  local function open(size, grace, opts)
    local definition = {
      name = "rates", from = "events", batch_size = 3,
      key = function(item) return { kind = item.kind } end,
      window = { size = size, grace = grace, stamp = function(item) return item.at end },
      reduce = {
        initial = { n = 0 },
        add = function(group, item) group.n = group.n + item.n end,
        remove = function(group, item) group.n = group.n - item.n end,
      },
      table = { partition_key = "kind", sort_key = { "window", "N" }, stream = true },
    }
    for name, value in pairs(opts or {}) do definition[name] = value end
    if definition.no_remove then definition.reduce.remove = nil end
    definition.no_remove = nil
    return assert(db:view(definition))
  end

  local function begin(path)
    clock = helper.clock(START)
    db = helper.open({}, helper.path(path))
    events = assert(db:create_table { name = "events", partition_key = "id", stream = true,
      ttl = "expires" })
  end

  before_each(function() begin "first.tide" end)

  local id = 0

  local function put(at, n, more)
    id = id + 1
    local item = { id = "e" .. id, kind = "k", at = START + at, n = n or 1 }
    for name, value in pairs(more or {}) do item[name] = value end
    assert(events:put(item))
    return item
  end

  --- Returns the rows as { [start] = "n" or "n closed" }.
  local function rows()
    local found = {}
    for row in db:table "rates":scan() do
      found[row.window - START] = ("%s%s"):format(row.n, row.closed and " closed" or "")
    end
    return found
  end

  --- Advances the clock to this number of seconds after START.
  local function advance_to(seconds) clock:advance(START + seconds - clock:now()) end

  it("has a start that sorts as bytes as it does as a number", function()
    local starts = { math.mininteger, -3600, -1, 0, 1, 255, 256, START, math.maxinteger }
    for i, start in ipairs(starts) do
      assert.equal(start, windows.unpack(windows.pack(start)))
      if i > 1 then
        assert.is_true(core.compare_bytes(windows.pack(starts[i - 1]), windows.pack(start)) < 0)
      end
    end
  end)

  it("closes when the time of an item reaches its end", function()
    view = open(60, 30)
    views.drain(view)
    advance_to(61)
    put(5) put(59.5, 2) put(60, 3)
    views.drain(view)
    assert.same({ [0] = "3 closed", [60] = "3" }, rows())
    assert.equal(START + 60, view:describe().watermark)
  end)

  it("is corrected by late changes within the grace, and not by later ones", function()
    view = open(60, 30)
    views.drain(view)
    advance_to(89)
    local first = put(5)
    put(89)
    views.drain(view)
    put(7, 10)                       -- late, within the grace
    views.drain(view)
    assert.same({ [0] = "11 closed", [60] = "1" }, rows())
    advance_to(95)
    put(90)                          -- now the first window is final
    views.drain(view)
    put(8, 100)
    assert(events:delete { id = first.id })
    views.drain(view)
    assert.same({ [0] = "11 closed", [60] = "2" }, rows())
    assert.same({ 2, 0 }, { view:describe().late, view:describe().ahead })
    -- A change that leaves a final window is applied to the other one.
    assert(events:put { id = "e" .. id, kind = "k", at = START + 95, n = 100 })
    views.drain(view)
    assert.same({ [0] = "11 closed", [60] = "102" }, rows())
    assert.equal(3, view:describe().late)
    local report = assert(view:check())
    assert.same({ true, 1, 1 }, { report.is_equal, report.rows, report.final })
  end)

  it("keeps its row when items expire, once it is final", function()
    view = open(60)
    views.drain(view)
    advance_to(66)
    put(5, 7, { expires = clock:now() + 10 })
    put(65, 1, { expires = clock:now() + 10 })
    views.drain(view)
    clock:advance(20)
    assert(db:sweep())
    assert.same({}, views.items(events))
    -- The second window is open: its only item is gone.
    views.drain(view)
    assert.same({ [0] = "7 closed" }, rows())
  end)

  it("is not closed by a time after the clock; such items are counted", function()
    view = open(60)
    views.drain(view)
    advance_to(1000)
    put(5) put(5000, 9)
    views.drain(view)
    -- The clock itself closes the window of the first item, whose grace is 0.
    assert.same({ [0] = "1 closed", [4980] = "9" }, rows())
    assert.equal(1, view:describe().ahead)
    assert.is_true(view:describe().watermark <= clock:now())
  end)

  it("is closed without records in one commit, at its end plus the grace", function()
    view = open(60, 30)
    views.drain(view)
    advance_to(1000)
    put(985) put(990, 2)
    views.drain(view)
    assert.same({ [960] = "3" }, rows())
    clock:advance(20)                -- 1020: the end of the window
    local before = core.last_commit(db.core)
    assert.equal(0, views.drain(view))
    assert.equal(before, core.last_commit(db.core))
    clock:advance(29.5)
    assert.equal(0, views.drain(view))
    assert.equal(before, core.last_commit(db.core))
    clock:advance(0.5)
    views.drain(view)
    assert.equal(before + 1, core.last_commit(db.core))
    assert.same({ [960] = "3 closed" }, rows())
    clock:advance(1000)
    views.drain(view)
    assert.equal(before + 1, core.last_commit(db.core))
  end)

  it("is closed by a running worker that waits", function()
    view = open(60, 30, { wait = function(_, seconds)
      clock:advance(math.min(seconds, 1))
      coroutine.yield()
    end })
    advance_to(1000)
    put(985)
    local reader = db:table("rates"):stream { from = "LATEST" }
    local thread = coroutine.wrap(function() assert(view:run()) end)
    local waited = 0
    repeat
      thread()
      waited = waited + 1
      local record = reader:next(0)
      assert.is_true(waited < 100000, "never closed")
    until record and record.new_image.closed
    assert.is_true(clock:now() >= START + 1050 and clock:now() < START + 1060)
    view:stop()
    thread()
  end)

  it("with many groups closes in several steps, each group once", function()
    view = open(60, 30, { batch_size = 2000 })
    views.drain(view)
    advance_to(66)
    for i = 1, 1200 do put(5, 1, { kind = "k" .. i }) end
    put(65, 1, { kind = "other" })
    assert(view:step())
    assert(view:step())
    local before = 0
    for _ in db:table "rates":scan { filter = "closed = ?", true } do before = before + 1 end
    assert.is_true(before > 0 and before < 1200, before)
    -- Late changes of all groups, in the middle of closing.
    for i = 1, 1200 do put(6, 1, { kind = "k" .. i }) end
    views.drain(view)
    assert.is_true(assert(view:check()).is_equal)
    local closed, opened = 0, 0
    for record in assert(db:table "rates":stream()):records { from = "TRIM_HORIZON" } do
      local old, new = record.old_image or {}, record.new_image or {}
      if new.closed and not old.closed then closed = closed + 1 end
      if old.closed and not new.closed then opened = opened + 1 end
    end
    assert.same({ 1200, 0 }, { closed, opened })
  end)

  it("leaves no state behind when it is final", function()
    for _, no_remove in ipairs { false, true } do
      begin(tostring(no_remove))
      view = open(60, 10, { no_remove = no_remove })
      views.drain(view)
      advance_to(1000)
      for i = 0, 20 do put(i * 40) end
      views.drain(view)
      clock:advance(100)
      views.drain(view)
      clock:advance(100)
      put(1150)
      views.drain(view)
      local left = 0
      for _ in db:table "rates.state":scan() do left = left + 1 end
      -- The header, and the last window with its group and, without `remove`, its item.
      assert.equal(no_remove and 4 or 3, left)
      local report = assert(view:check())
      assert.same({ true, 1, 14 }, { report.is_equal, report.rows, report.final })
    end
  end)

  it("is in time while a snapshot is read, and the latest time counts after it", function()
    advance_to(1000)
    put(900) put(980) put(5) put(5000) put(30)
    view = open(60)
    while view:describe().phase == "copying" do assert(view:step()) end
    assert.same({ START + 980, 0, 1 }, { view:describe().watermark, view:describe().late,
      view:describe().ahead })
    views.drain(view)
    assert.same({ [0] = "2 closed", [900] = "1 closed", [960] = "1", [4980] = "1" }, rows())
  end)

  it("that is final is not changed by late items when the view is built again", function()
    view = open(60)
    views.drain(view)
    advance_to(200)
    put(5, 7) put(150)
    views.drain(view)
    put(6, 100)
    views.drain(view)
    assert(view:rebuild())
    views.drain(view)
    assert.same({ [0] = "7 closed", [120] = "1 closed" }, rows())
    -- In a new table there is nothing to keep.
    view:close()
    assert(db:delete_table "rates")
    view = open(60)
    views.drain(view)
    assert.same({ [0] = "107 closed", [120] = "1 closed" }, rows())
  end)

  it("is not closed by the clock while records wait", function()
    view = open(60)
    views.drain(view)
    advance_to(50)
    put(5, 7)
    assert(view:step())
    advance_to(100)
    put(6, 1)
    local header = db:table "rates.state":get(require "tidetable.view.state".HEADER)
    assert.equal(0, steps.close_idle(view, view.consumer.worker, header))
    assert.same({ [0] = "7" }, rows())
    views.drain(view)
    assert.same({ [0] = "8 closed" }, rows())
  end)

  it("is computed again by another version, and left alone by the same one", function()
    view = open(60)
    views.drain(view)
    advance_to(1000)
    local item = put(5, 7)
    put(65) put(125)
    views.drain(view)
    assert(events:delete { id = item.id })
    views.drain(view)
    assert.same({ [0] = "7 closed", [60] = "1 closed", [120] = "1 closed" }, rows())
    assert(view:rebuild())
    local before = db:last_change()
    views.drain(view)
    assert.same({ [0] = "7 closed", [60] = "1 closed", [120] = "1 closed" }, rows())
    assert.same({}, views.records(db:table "rates", before))
    view:close()
    view = open(60, 0, { version = 2 })
    views.drain(view)
    assert.same({ [60] = "1 closed", [120] = "1 closed" }, rows())
  end)

  it("needs a key attribute with its start, and an item with a time", function()
    local db2 = db
    helper.refused("VALIDATION", db2:view { name = "none", from = "events",
      key = function() return {} end, reduce = { add = function() end },
      window = { size = 1, stamp = function() end }, table = { partition_key = "kind" } })
    view = open(60)
    views.drain(view)
    for _, wrong in ipairs { "x", 1e20, { 1 } } do
      assert(events:put { id = "w", kind = "k", at = wrong, n = 1 })
      local _, err = view:step()
      assert.matches("window.stamp failed for the item {\"id\":\"w\"}: expected seconds since 1970",
        err.message)
    end
    assert(events:put { id = "w", kind = "k", n = 1 })
    local _, err = view:step()
    assert.matches("expected seconds", err.message)     -- the first wrong item is handled first
  end)

  -- Random times ---------------------------------------------------------------

  --- What the rows must be after each record, by the rules of the manual.
  local Reference = {}
  Reference.__index = Reference

  function Reference.new(size, grace)
    return setmetatable({ size = size, grace = grace, groups = {}, has_state = {}, touched = {},
      changes = {}, late = 0,
      ahead = 0, watermark = -math.huge, closed_until = -math.huge }, Reference)
  end

  function Reference:is_final(start) return start + self.size + self.grace <= self.watermark end

  function Reference:start(item) return math.floor(item.at / self.size) * self.size end

  function Reference:change(old, new)
    local late = false
    for sign, item in pairs { [-1] = old, [1] = new } do
      local start = self:start(item)
      if self:is_final(start) then
        late = true
      else
        local key = item.kind .. "/" .. start
        local group = self.groups[key] or { n = 0, members = 0, start = start }
        group.n, group.members = group.n + sign * item.n, group.members + sign
        self.groups[key], self.touched[key] = group.members > 0 and group or nil, true
      end
    end
    if late then self.late = self.late + 1 end
    if new and new.at > clock:now() then
      self.ahead = self.ahead + 1
    elseif new then
      self.watermark = math.max(self.watermark, new.at)
    end
  end

  function Reference:close(by_clock)
    while true do
      local first
      for start in pairs(self.has_state) do
        if start + self.size > self.closed_until and (not first or start < first) then
          first = start
        end
      end
      local idle = by_clock and clock:now() - self.grace or -math.huge
      if not first or first + self.size > math.max(self.watermark, idle) then return end
      self.watermark = math.max(self.watermark, idle)
      self.closed_until = first + self.size
      for start in pairs(self.has_state) do
        if self:is_final(start) and start + self.size <= self.closed_until then
          self.has_state[start] = nil
        end
      end
    end
  end

  --- Applies the changes in batches. A window that has a group after a batch can be closed.
  function Reference:catch_up(batch_size)
    for i, change in ipairs(self.changes) do
      self:change(change.old, change.new)
      if i % batch_size == 0 or i == #self.changes then
        for key in pairs(self.touched) do
          local group = self.groups[key]
          if group then self.has_state[group.start] = true end
        end
        self.touched = {}
        self:close(false)
      end
    end
    self.changes = {}
    self:close(true)
  end

  function Reference:rows()
    local found = {}
    for key, group in pairs(self.groups) do
      found[key] = ("%d%s"):format(group.n,
        group.start + self.size <= self.closed_until and " closed" or "")
    end
    return found
  end

  it("has the rows of a simple computation, whatever the order of the times (SEED)", function()
    for round = 1, ROUNDS do
      local seed = SEED + round
      math.randomseed(seed)
      begin(round .. ".tide")
      local random = math.random
      local size, grace = random(5, 40), random(0, 60)
      local options = { no_remove = random(2) == 1, mode = random(2) == 1 and "locked" or nil,
        batch_size = random(1, 4) }
      view = open(size, grace, options)
      views.drain(view)
      local reference, items = Reference.new(size, grace), {}
      for _ = 1, 150 do
        local key = "i" .. random(25)
        local old, new = items[key], nil
        if random(5) > 1 then
          new = { id = key, kind = "k" .. random(2), n = random(9),
            at = clock:now() - random(0, 150) + (random(10) == 1 and 100 or 0) }
        end
        -- An equal item is no change: 0.
        local number = new and assert(events:put(new)) or assert(events:delete { id = key })
        items[key] = new
        if number > 0 then table.insert(reference.changes, { old = old, new = new }) end
        if random(3) > 1 then
          views.drain(view)
          reference:catch_up(options.batch_size)
          local found = {}
          for row in db:table "rates":scan() do
            found[row.kind .. "/" .. row.window] = ("%d%s"):format(row.n,
              row.closed and " closed" or "")
          end
          assert.same(reference:rows(), found, "SEED=" .. seed - 1)
          local about = view:describe()
          assert.same({ reference.late, reference.ahead }, { about.late, about.ahead },
            "SEED=" .. seed - 1)
          assert.is_true(assert(view:check()).is_equal, "SEED=" .. seed - 1)
          clock:advance(random(0, 40))
          if random(10) == 1 then
            view:close()
            view = open(size, grace, options)
          end
        end
      end
      for _, record in ipairs(testing.records(db:table "rates")) do
        assert.is_nil(record.old_image and record.old_image.closed and record.new_image
          and not record.new_image.closed or nil)
      end
      db:close()
      clock:close()
    end
  end)
end)
