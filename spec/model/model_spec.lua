-- model_spec.lua - compares random steps on the library with a plain model of it.
--
--   make model STEPS=100000 SEED=n
--
-- The message of a failure contains the seed and the step. A run with this seed repeats the steps.
local steps = require "spec.model.steps"
local World = require "spec.model.world"

local STEPS = math.tointeger(tonumber(os.getenv("STEPS"))) or 1000
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local LOOK_EVERY = 500

local function remove(path)
  for _, suffix in ipairs { "", "-lock", "-wake" } do
    os.remove(path .. suffix)
  end
end

local function temporary()
  local path = os.tmpname()
  os.remove(path)
  return path .. ".tide"
end

describe("the library and its model", function()
  it("agree after each of many steps", function()
    print(("model: SEED=%d STEPS=%d"):format(SEED, STEPS))
    math.randomseed(SEED)
    local path = temporary()
    local world = World.new(path)
    for _ = 1, 8 do
      steps.create_table(world)
    end
    local number, name = 0, nil
    local ok, err = xpcall(function()
      while number < STEPS do
        number = number + 1
        name = steps.choose()
        steps[name](world)
        if number % LOOK_EVERY == 0 or number == STEPS then
          name = "look"
          world:check(world:handle())
        end
      end
    end, function(e)
      return debug.traceback(tostring(type(e) == "table" and e.message or e), 2)
    end)
    while world.handles[1] do
      world:close(world.handles[1])
    end
    remove(path)
    if not ok then
      error(("SEED=%d, step %d (%s): %s"):format(SEED, number, name, err), 0)
    end
  end)
end)
