-- view_spec.lua - views under random changes of their source, against a computation from all items.
--
-- The seed of a failure is printed; SEED=n repeats it.
local helper = require "spec.tidetable.helper"
local testing = require "tidetable.testing"
local tidetable = require "tidetable"
local views = require "spec.tidetable.views"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local ROUNDS = math.tointeger(tonumber(os.getenv("ROUNDS"))) or 12

describe("views of a changing source", function()
  helper.setup(before_each, after_each)

  local random = math.random

  --- A world: a database, its source, and the view of one kind.
  local World = {}
  World.__index = World

  local function open_world(kind, round)
    local self = setmetatable({ kind = kind, version = 1, clock = helper.clock(1e9) }, World)
    self.path = helper.path(("%s%d.tide"):format(kind, round))
    self.db = helper.open({}, self.path)
    self.orders = views.source(self.db)
    return self
  end

  function World:definition()
    return views.kinds[self.kind].define(self.version, {
      batch_size = self.batch_size, mode = self.mode, hold = self.hold, lease = 1000,
    })
  end

  function World:open_view()
    if not self.view then
      self.batch_size, self.mode = random(1, 5), random(2) == 1 and "locked" or "optimistic"
      self.hold = random(4) > 1
      self.view = assert(self.db:view(self:definition()))
    end
    return self.view
  end

  local customers, places = { "ann", "bob", "eve" }, { "north", "south" }

  local function random_total()
    local n = random(4)
    return n == 1 and random(100) or n == 2 and random(1000) / 100
      or n == 3 and random(3) * (1 << 60) or assert(tidetable.number("0." .. random(1 << 50)))
  end

  function World:random_item()
    return {
      place = places[random(#places)], number = random(6),
      customer = random(6) > 1 and customers[random(#customers)] or nil, total = random_total(),
      lines = random(0, 3), expires = random(8) == 1 and self.clock:now() + random(0, 50) or nil,
    }
  end

  local changes = {}

  function changes:put() assert(self.orders:put(self:random_item())) end

  function changes:delete()
    local item = self:random_item()
    assert(self.orders:delete { place = item.place, number = item.number })
  end

  function changes:transact()
    assert(self.db:transact(function(tx)
      local orders = tx:table "orders"
      for _ = 1, random(8) do
        local item = self:random_item()
        if random(3) == 1 then
          orders:delete { place = item.place, number = item.number }
        else
          orders:put(item)
        end
      end
    end))
  end

  function changes:wait() self.clock:advance(random(30)) end

  function changes:sweep() assert(self.db:sweep()) end

  function changes:truncate()
    if random(4) == 1 then assert(self.orders:truncate()) end
  end

  local works = {}

  --- Does a step. One in three fails at a commit.
  function works:step()
    local view = self:open_view()
    local fault <close> = random(3) == 1
      and testing.fail_at("before_commit", random(3), "DISK_FULL") or nil
    local count, _, code = view:step()
    assert(count or code == "DISK_FULL", code)
    return fault
  end

  --- Opens the view again, as after a restart of the program.
  function works:restart()
    if self.view then self.view:close() end
    self.view = nil
    self:open_view()
  end

  function works:raise_version()
    if self.view then self.view:close() end
    self.view, self.version = nil, self.version + 1
    self:open_view()
  end

  function works:rebuild() assert(self:open_view():rebuild()) end

  --- Removes records that the view may not have read.
  function works:trim()
    assert(self.orders:alter { stream = { retention = { count = 1 } } })
    changes.put(self)
    assert(self.orders:alter { stream = { retention = 86400 } })
  end

  function works:break_stream()
    if random(3) > 1 then return end
    assert(self.orders:disable_stream())
    changes.put(self)
    assert(self.orders:enable_stream())
    if self.view then self.view:close() end
    self.view = nil
  end

  --- Lets the view catch up and compares it with the items, by the view's own check, too.
  function World:catch_up()
    assert(self.db:sweep())
    views.drain(self:open_view())
    views.assert_equal(self.db, self.kind, self.version, self:definition())
    local report = assert(self.view:check())
    assert.is_true(report.is_equal, report.differences[1] and report.differences[1].is_state
      and "the state differs" or "a row differs")
    assert.equal("live", self.view:describe().phase)
  end

  local function names_of(functions)
    local names = {}
    for name in pairs(functions) do names[#names + 1] = name end
    table.sort(names)
    return names
  end

  local change_names, work_names = names_of(changes), names_of(works)

  for _, kind in ipairs { "sum", "members", "select" } do
    it("are equal to it whenever they have caught up: " .. kind .. " (SEED)", function()
      for round = 1, ROUNDS do
        local seed = SEED + round
        math.randomseed(seed)
        local ok, err = pcall(function()
          local world = open_world(kind, round)
          for _ = 1, 6 do
            for _ = 1, random(20) do
              if random(2) == 1 then
                changes[change_names[random(#change_names)]](world)
              else
                local name = random(2) == 1 and "step" or work_names[random(#work_names)]
                works[name](world)
              end
            end
            world:catch_up()
            -- The check needs no view that has caught up.
            changes.transact(world)
            assert.is_true(assert(world.view:check()).is_equal)
          end
          assert.same({}, assert(world.db:check()).problems)
          world.db:close()
          world.clock:close()
        end)
        assert(ok, ("SEED=%d %s: %s"):format(seed - 1, kind, tostring(err)))
      end
    end)
  end
end)
