-- lease_spec.lua - the protocol by which workers share the shards of a consumer (doc/leases.md),
-- explored breadth first: each reachable state satisfies the invariants, and from each of them all
-- shards get an owner. Then errors are added to the protocol, and each of them must be detected.
--
--   make model STEPS=100000   explores this number of states in each case
local search = require "spec.model.lease_search"

local STEPS = math.tointeger(tonumber(os.getenv("STEPS"))) or 1000

--- Cases that are explored completely: 3 workers, 2 shards, 2 records of each, and the events that
--- may happen.
local complete = {
  { limits = {} },
  { limits = {}, puts = 2 },
  { limits = { stops = 1 } },
  { limits = { deletes = 1 } },
}

--- Cases of which STEPS states are explored.
local bounded = {
  { limits = { stops = 2 } },
  { limits = { stops = 1, kills = 1, starts = 1 } },
  { limits = { leaves = 2, starts = 2 } },
  { limits = { stops = 1, seeks = 1 } },
  { limits = { stops = 1, pauses = 1, reshards = 2 } },
  { limits = { stops = 1, fails = 1 }, puts = 1 },
  { limits = { stops = 1, busy = 1, pauses = 1 } },
  { limits = { kills = 1 }, records = 3 },
  -- More shards: ranges are also divided for a narrower neighbour, and need not be adjacent.
  { limits = { stops = 2 }, keys = 3, records = 0 },
  { limits = { stops = 1, leaves = 1, starts = 1 }, keys = 4, records = 0 },
  { limits = { stops = 1, kills = 1, starts = 1 }, keys = 4, records = 1, workers = 2 },
  { limits = { fails = 1, kills = 1 }, keys = 3, records = 1 },
  { limits = { kills = 1, starts = 1 }, keys = 9, records = 1 },
  { limits = { leaves = 1, starts = 1 }, keys = 12, records = 0, workers = 4 },
}

--- Deliberate errors in the protocol, each with a case in which it is detected.
local mistakes = {
  { rule = "join_ignores_epoch", limits = {} },      -- two workers take over a range
  { rule = "join_keeps_epoch", limits = {} },
  { rule = "divide_keeps_epoch", limits = {} },
  { rule = "unite_epoch_of_left", limits = {} },     -- not the greater one of both
  { rule = "unites_any_position", limits = {} },
  { rule = "reads_beyond_held", limits = {} },       -- passes the position of its other range
  { rule = "commit_ignores_epoch", limits = { stops = 1 } },
  { rule = "seek_keeps_epoch", limits = { seeks = 1 } },
  { rule = "reshard_keeps_epoch", limits = { pauses = 1, reshards = 2 } },
  { rule = "nobody_takes", limits = {} },            -- a free range next to one with an owner
  -- A worker that has lost one range keeps being the owner of the other one.
  { rule = "keeps_unknown", limits = { stops = 2 }, keys = 3, records = 0 },
}

local function options_of(case, max_states)
  return { workers = case.workers or 3, keys = case.keys or 2, records = case.records or 2,
    puts = case.puts, limits = case.limits, max_states = max_states,
    rules = case.rule and { [case.rule] = true } }
end

--- Returns the events of a case as a text.
local function text_of(case)
  local names = {}
  for name, count in pairs(case.limits) do names[#names + 1] = ("%d %s"):format(count, name) end
  table.sort(names)
  return ("%d workers, %d shards, %d records: %s"):format(case.workers or 3, case.keys or 2,
    (case.keys or 2) * (case.records or 2), names[1] and table.concat(names, ", ") or "no events")
end

--- Explores a case, prints the number of its states, and returns whether these are all.
local function explore(case, max_states)
  local count, transitions, is_complete = search.explore(options_of(case, max_states))
  if not count then
    error(("%s: %s, after:\n  %s"):format(text_of(case), transitions,
      table.concat(is_complete, "\n  ")), 0)
  end
  print(("leases: %s: %s%d states, %d transitions"):format(text_of(case),
    is_complete and "all " or "", count, transitions))
  return is_complete
end

describe("the protocol of ranges and leases", function()
  it("satisfies its invariants in each state, and every shard gets an owner again", function()
    for _, case in ipairs(complete) do
      assert.is_true(explore(case))
    end
  end)

  it("does so in the first STEPS states of larger cases", function()
    for _, case in ipairs(bounded) do
      explore(case, STEPS)
    end
  end)

  it("violates an invariant with each deliberate error", function()
    for _, case in ipairs(mistakes) do
      local count, text = search.explore(options_of(case, 30000))
      assert.is_nil(count, case.rule .. " is not detected")
      assert.is_string(text)
    end
  end)

  it("has a test for each deliberate error in the model", function()
    local rules = {}
    for _, case in ipairs(mistakes) do rules[case.rule] = true end
    for _, name in ipairs { "states", "protocol" } do
      local file <close> = assert(io.open("spec/model/lease_" .. name .. ".lua"))
      for rule in file:read("a"):gmatch "self%.rules%.([%w_]+)" do
        assert.is_true(rules[rule], rule .. " is not tested")
      end
    end
  end)
end)
