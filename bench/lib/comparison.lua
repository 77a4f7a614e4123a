-- comparison.lua - the rows of a bench, measured with all contenders, and their targets.
--
-- A row has the fields:
--
--     id, title, unit                    for the tables
--     run(contender, path, round)        measures a contender on its copy of the base. Returns a
--                                        number, a table of numbers by the id of their row, or nil
--                                        if the contender has no such operation
--     same_as                            id of a row whose number is used if run returns nil

local bench = require "bench"
local contenders = require "contenders"

local comparison = {}
local comparison_of = {}
comparison_of.__index = comparison_of

--- Creates a comparison. results[row id][contender id] is a list with a number for each round.
function comparison.new(rows)
  local self = setmetatable({ results = {}, targets = {} }, comparison_of)
  for _, row in ipairs(rows) do self.results[row.id] = {} end
  return self
end

function comparison_of:note(row_id, contender, number)
  local of = self.results[row_id]
  of[contender.id] = of[contender.id] or {}
  table.insert(of[contender.id], number)
end

local function note_all(self, row, contender, measured)
  if type(measured) == "table" then
    for row_id, number in pairs(measured) do self:note(row_id, contender, number) end
  elseif measured then
    self:note(row.id, contender, measured)
  elseif row.same_as then
    local series = self.results[row.same_as][contender.id]
    self:note(row.id, contender, series[#series])
  end
end

--- Measures one row with all contenders, in an order that differs from round to round.
function comparison_of:measure(row, list, directory, round)
  local runs = {}
  for i, contender in ipairs(list) do
    runs[i] = {
      name = contender.id,
      run = function()
        note_all(self, row, contender,
          row.run(contender, contenders.path(contender, directory), round))
      end,
    }
  end
  bench.interleave(round, runs)
end

--------------------------------------------------------------------------------
-- Targets
--------------------------------------------------------------------------------

--- Returns a list with fn of the numbers of two series in each round, by default their ratio. The
--- list is empty if a series is nil.
function comparison.each_round(series_a, series_b, fn)
  local list = {}
  for round = 1, series_a and series_b and #series_a or 0 do
    local a, b = series_a[round], series_b[round]
    list[round] = fn and fn(a, b) or a / b
  end
  return list
end

--- Adds a target: the greatest median of a series. No target is added if the series is empty.
function comparison_of:judge(what, series, most, unit)
  if #series > 0 then
    table.insert(self.targets, {
      what = what, measured = bench.show(series, 1) .. unit, most = ("%g%s"):format(most, unit),
      verdict = bench.median(series) <= most and "reached" or "MISSED",
    })
  end
end

function comparison_of:print_targets()
  for _, target in ipairs(self.targets) do
    print(("%-7s %s: %s, at most %s"):format(target.verdict, target.what, target.measured,
      target.most))
  end
end

--- Returns the targets for which `is_shown` returns true, by default all, as a Markdown table.
function comparison_of:targets_as_markdown(is_shown)
  local lines = { "| target | median | at most | |", "|---|---|---|---|" }
  for i, target in ipairs(self.targets) do
    if not is_shown or is_shown(target, i) then
      lines[#lines + 1] = ("| %s | %s | %s | %s |"):format(target.what, target.measured,
        target.most, target.verdict)
    end
  end
  return table.concat(lines, "\n")
end

return comparison
