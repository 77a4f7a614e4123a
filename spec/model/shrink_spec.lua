-- shrink_spec.lua - a difference that the test injects into the model is found and shrunk.
local helper = require "spec.tidetable.helper"
local programs = require "spec.model.programs"
local runs = require "spec.model.item_runs"
local shrink = require "spec.model.shrink"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local REQUESTS = 3000

helper.setup(before_each, after_each)

--- Returns a random program whose last request shows the difference.
local function failing_program(alter)
  math.randomseed(SEED)
  local run = runs.new(alter)
  local difference = runs.attempt(runs.random, run, REQUESTS, "random", 15)
  assert.is_string(difference, "no request shows the difference")
  return run.program
end

local function replay_with(alter)
  return function(program) return runs.replay(program, alter) end
end

--- Returns the shrunk program. Checks that it fails, also from a file, and only with the
--- difference; and that it does not fail without any one of its entries.
local function check_shrunk(alter, count)
  local program = failing_program(alter)
  local replay = replay_with(alter)
  local small = programs.shrink(program, replay)
  assert.is_string(replay(small))
  assert.is_nil(runs.replay(small))
  local path = helper.path "program.lua"
  programs.save(path, small, "a difference")
  assert.is_string(replay(programs.load(path)))
  assert.is_true(programs.count(small) <= count, programs.source(small))
  for i = 1, #small > 1 and #small or 0 do
    local shorter = table.move(small, 1, #small, 1, {})
    table.remove(shorter, i)
    assert.is_nil(replay(shorter), programs.source(small))
  end
  return small
end

describe(("shrinking (SEED=%d)"):format(SEED), function()
  it("leaves the write and the delete that returns its item", function()
    local small = check_shrunk(function(request, result)
      if request.operation == "delete" and result and result.item then result.item = nil end
    end, 2)
    local last = small[#small]
    assert.equal("delete", (last[#last] or last).operation)
  end)

  it("leaves few writes if the last depends on the others", function()
    check_shrunk(function(request, result)
      local first = request.operation == "update" and request.update[1]
      if first and first.section == "ADD" and result and request.returns == "UPDATED_OLD" then
        result.item = nil
      end
    end, 5)                      -- 2, unless no single removal leaves the difference
  end)

  it("leaves one request if its error has another message", function()
    local small = check_shrunk(function(request, _, failure)
      if request.condition and failure and failure[3] and failure[3]:find "BETWEEN" then
        failure[3] = failure[3] .. "!"
      end
    end, 1)
    assert.is_nil(small[1].transaction)
  end)

  it("simplifies an entry until none of the replacements fails", function()
    local function simpler(n) return n > 10 and { { n // 2 }, { n - 1 } } or {} end
    local function fails(list)
      for _, n in ipairs(list) do
        if n >= 37 then return true end
      end
      return false
    end
    assert.same({ 37 }, shrink({ 4, 900, 7, 37, 12 }, fails, simpler, 1000))
  end)

  it("stops when its budget is used up", function()
    local calls = 0
    local program = shrink({ 1, 2, 3, 4, 5, 6, 7, 8 }, function()
      calls = calls + 1
      return true
    end, function() return {} end, 2)
    assert.equal(2, calls)
    assert.equal(2, #program)
  end)
end)
