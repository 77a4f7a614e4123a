-- binding_spec.lua - random scripts that misuse the library (script.lua), from many seeds.
--
--   make binding SEEDS=1000 SEED=n        # one script alone: SEEDS=1
--
-- Each seed runs in its own process, which must exit in time and without a signal. The first seed
-- is printed, and the other seeds are the numbers after it.
local lfs = require "lfs"

local SEEDS = math.tointeger(tonumber(os.getenv("SEEDS"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local STEPS = math.tointeger(tonumber(os.getenv("STEPS"))) or 400
local LUA = os.getenv("LUA") or "lua5.4"
local TIMEOUT = 120   -- seconds; one takes about a tenth of one

local HERE = lfs.currentdir()

--- Runs one seed in its own directory. Returns what the script printed, and the signal or status if
--- it failed.
local function run(seed)
  local directory = os.tmpname()
  os.remove(directory)
  assert(lfs.mkdir(directory))
  local command = ("cd %s && LUA_PATH='%s;%s/?.lua' timeout %d %s %s/spec/binding/script.lua"
    .. " %d %d </dev/null 2>&1"):format(directory, package.path, HERE, TIMEOUT, LUA, HERE, seed,
    STEPS)
  local pipe = assert(io.popen(command))
  local printed = pipe:read("a")
  local ok, why, status = pipe:close()
  for name in lfs.dir(directory) do
    os.remove(directory .. "/" .. name)
  end
  lfs.rmdir(directory)
  return printed, not ok and ("%s %d"):format(why, status)
end

describe("a script", function()
  it("cannot end the process, read uncommitted data, or damage the file", function()
    print(("binding: SEED=%d, %d scripts of %d steps"):format(SEED, SEEDS, STEPS))
    for seed = SEED, SEED + SEEDS - 1 do
      local printed, wrong = run(seed)
      if wrong then
        error(("seed %d ended with %s:\n%s"):format(seed, wrong, printed:sub(-2000)), 0)
      end
    end
  end)
end)
