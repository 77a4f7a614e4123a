-- dynalite_spec.lua - compares random requests with dynalite, an emulator of DynamoDB.
--
--   make oracle-dynalite OPERATIONS=2000 SEEDS=10 SEED=n; one program: PROGRAM=file
--
-- Expected differences are listed in rules.lua. A program that shows another one is shrunk, saved
-- and printed.
local helper = require "spec.tidetable.helper"
local judge = require "spec.dynalite.judge"
local programs = require "spec.model.programs"
local runs = require "spec.model.item_runs"

local STEPS = math.tointeger(tonumber(os.getenv("STEPS"))) or 1000
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local PROGRAM = os.getenv("PROGRAM")

helper.setup(before_each, after_each)

local function shown_counts(used)
  local list = {}
  for rule, count in pairs(used) do list[#list + 1] = ("\n  %d %s"):format(count, rule) end
  table.sort(list)
  return table.concat(list)
end

describe("the library and dynalite", function()
  it("agree on each of many requests", function()
    if PROGRAM then
      local difference = judge.replay(programs.load(PROGRAM))
      return difference and error(difference, 0)
    end
    print(("dynalite: SEED=%d STEPS=%d"):format(SEED, STEPS))
    math.randomseed(SEED)
    local run = runs.new()
    local observe, seen = judge.observer(run.model)
    run.observe = observe
    local failed = runs.attempt(runs.random, run, STEPS, "service", 0)
    if failed then error(("SEED=%d: the model differs: %s"):format(SEED, failed), 0) end
    local i, difference, used = judge.compare(run.model, seen)
    print("differences that rules allow:" .. shown_counts(used))
    if i then
      error(("SEED=%d, request %d: %s\n%s"):format(SEED, i, difference, programs.explain(
        judge.reduced(seen, i), judge.replay, "oracle-dynalite", SEED)), 0)
    end
  end)
end)
