-- adoption_view_spec.lua - what a target shows while it takes over tables is what `tidetable diff`
-- would have shown before. SEED repeats a run.
local adoption_view = require "tidetable.cli.adoption_view"
local diff = require "tidetable.cli.commands.diff"
local frames = require "spec.replicate.frames"
local helper = require "spec.tidetable.helper"
local receivers = require "tidetable.replica.receiver"
local replication = require "spec.replicate.replication"

helper.setup(before_each, after_each)

local seed = tonumber(os.getenv "SEED") or 1

--- Returns an output, and the array of what was written to it.
local function output()
  local parts = {}
  return {
    write = function(_, ...) parts[#parts + 1] = table.concat { ... } end,
    paint = function(_, _, text) return text end,
  }, parts
end

local function sorted_lines(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  table.sort(lines)
  return lines
end

--- Returns what `tidetable diff` shows of these tables.
local function expected(source, target, names)
  local out, parts = output()
  diff.show(target, source, names, out)
  return table.concat(parts)
end

local function fill(items)
  for _ = 1, math.random(0, 60) do
    local id = ("k"):rep(({ 1, 200 })[math.random(2)]) .. math.random(12)
    assert(items:put { id = id, n = math.random(3), v = math.random(2) })
  end
end

--- Applies the frames of the source, the first two together, and shows it after each commit.
local function apply(source, target, view)
  local receiver = receivers.new(target, "replica", {}, { adopt = true })
  local state = { position = 0, head = 0 }
  local first = ""
  for i, frame in ipairs(frames.decode(frames.read(source, target))) do
    first = first .. frames.encode(frame)
    if i > 1 then
      assert.is_nil(receiver:apply(first, state))
      view:show(state.is_copying ~= false)
      first = ""
    end
  end
end

describe("the view of an adoption", function()
  for number = seed, seed + 9 do
    it(("shows the differences of the tables that existed (seed %d)"):format(number), function()
      math.randomseed(number)
      local source, target = replication.pair()
      local names = { "first", "second" }
      for _, name in ipairs(names) do
        fill(replication.table(source, name))
        fill(replication.table(target, name, { ttl = math.random(2) == 1 and "e" or nil }))
      end
      fill(replication.table(source, "new"))
      fill(replication.table(target, "own"))
      local shown = expected(source, target, names)
      local out, parts = output()
      apply(source, target, assert(adoption_view.new(target, "replica", "target", out)))
      local text = table.concat(parts)
      -- The definitions of all tables are shown before the items.
      local headings = { ["@@ first @@"] = true, ["@@ second @@"] = true }
      local got, wanted = {}, {}
      for _, line in ipairs(sorted_lines(text)) do
        if not headings[line] then got[#got + 1] = line end
      end
      for _, line in ipairs(sorted_lines(shown)) do
        if not headings[line] then wanted[#wanted + 1] = line end
      end
      assert.same(wanted, got)
      replication.check_equal(source, target, { tables = { "first", "new", "second" } })
    end)
  end

  it("is none if the target has a replica", function()
    local source, target = replication.pair()
    replication.table(source)
    replication.start(target, source)
    assert.is_nil(adoption_view.new(target, "replica", "target"))
  end)
end)
