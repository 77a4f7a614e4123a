-- expression_spec.lua - compares random requests with expressions with a plain model: items, errors
-- with their messages, return values, pages and the records of the stream.
--
--   make model STEPS=100000 SEED=n; ten seeds: make oracle OPERATIONS=20000; one program: make
--   oracle PROGRAM=file
--
-- Requests run outside a transaction and in locked and optimistic ones. A program that shows a
-- difference is shrunk, saved and printed.
local helper = require "spec.tidetable.helper"
local programs = require "spec.model.programs"
local runs = require "spec.model.item_runs"

local STEPS = math.tointeger(tonumber(os.getenv("STEPS"))) or 1000
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local PROGRAM = os.getenv("PROGRAM")

helper.setup(before_each, after_each)

describe("expressions and their model", function()
  it("agree on each of many requests", function()
    if PROGRAM then
      print("expressions: PROGRAM=" .. PROGRAM)
      local difference = runs.replay(programs.load(PROGRAM))
      return difference and error(difference, 0)
    end
    print(("expressions: SEED=%d STEPS=%d"):format(SEED, STEPS))
    math.randomseed(SEED)
    local run = runs.new()
    local difference = runs.attempt(runs.random, run, STEPS, "random", 15)
    if difference then
      error(("SEED=%d, request %d: %s\n%s"):format(SEED, run.count, difference,
        programs.explain(run.program, runs.replay, "oracle", SEED)), 0)
    end
  end)
end)
