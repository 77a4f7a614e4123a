-- steps.lua - all steps of the model test, with their weights.
local choice = require "spec.model.choice"
local World = require "spec.model.world"

local steps = {}
local random, same, pick = math.random, World.same, choice.of
local SECOND, MINUTE, HOUR = 1000, 60000, 3600000

for _, kind in ipairs { "item", "query", "stream", "table" } do
  for name, step in pairs(require("spec.model." .. kind .. "_steps")) do
    steps[name] = step
  end
end

-- Time ------------------------------------------------------------------------------------------

function steps.advance(world)
  local ms = pick { random(5), random(5 * SECOND), random(5 * SECOND), random(MINUTE),
    random(10 * MINUTE), random(90 * MINUTE) }
  world.clock:advance(ms / 1000)
  world.model:advance(ms)
end

local function set_clock(world, now)
  world.clock:set(now / 1000)
  world.model:set_clock(now)
end

function steps.jump(world)
  local now = world.model.time_sample.now
  local what = random(7)
  if what <= 2 then
    set_clock(world, now + random(HOUR))
  elseif what <= 4 then
    set_clock(world, now - random(20 * MINUTE))
  elseif what == 5 then
    set_clock(world, now + random(80 * HOUR))
  elseif what == 6 then
    set_clock(world, now - random(80 * HOUR))
  else
    -- Sets the clock back to the correct time.
    set_clock(world, world.model.clock.at + random(SECOND))
  end
end

function steps.reboot(world)
  world.clock:reboot()
  world.model:reboot()
end

-- Handles ---------------------------------------------------------------------------------------

function steps.reopen(world)
  while world.handles[1] do
    world:close(world.handles[1])
  end
  if random(3) == 1 then
    local handle = world:open { read_only = true }
    world:check(handle)
    local ok, _, code = world.table(handle, choice.table(world).name):put { pk = 1 }
    same(nil, ok, "put, read-only")
    same("READ_ONLY", code, "put, read-only")
    world:close(handle)
  end
  world:open()
end

function steps.second_handle(world)
  if #world.handles > 1 then
    world:close(world:handle())
  else
    world:open()
  end
end

function steps.count_changes(world)
  same(world.model.sequence, world:handle().db:info().sequence_number, "sequence_number")
end

--- Relative frequencies of the steps.
local weights = {
  put = 30, put_existing = 4, delete = 12, get = 5, transact = 8, load = 2, query = 12,
  scan = 1, snapshot = 0.5, records = 5, history = 3, transactions = 1.5, next = 8,
  create_table = 0.4, delete_table = 0.15, truncate = 0.15, switch_stream = 0.3,
  set_retention = 0.5, trim = 1, advance = 8, jump = 1, reboot = 0.1, reopen = 0.4,
  second_handle = 0.4, count_changes = 2,
}

local order, total = {}, 0
for name, weight in pairs(weights) do
  order[#order + 1] = name
  total = total + weight
end
table.sort(order)

--- Chooses a random step. Returns its name.
function steps.choose()
  local at = random() * total
  for _, name in ipairs(order) do
    at = at - weights[name]
    if at < 0 then
      return name
    end
  end
  return order[1]
end

return steps
