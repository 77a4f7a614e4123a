-- exceptions_spec.lua - each entry of coverage.txt and mutants.txt names lines that exist, and
-- mutate.lua names files that exist.
local exceptions = require "spec.exceptions"
local lfs = require "lfs"
local source = require "spec.source"

--- Returns the number of lines for each text "function: line" in csrc/.
local function lines_of_core()
  local found = {}
  for _, path in ipairs(source.walk(".", "csrc")) do
    if source.is_c(path) then
      local text = source.read(".", path)
      local names = exceptions.function_names(path, text)
      for number, line in ipairs(source.lines_of(text)) do
        local key = (names[number] or "") .. ": " .. exceptions.normalized(line)
        found[key] = (found[key] or 0) + 1
      end
    end
  end
  return found
end

local function missing_of(list, lines)
  local missing = {}
  for text, count in pairs(exceptions.read(list)) do
    local line = text:gsub("^([%w_]+: )%l+: ", list == "spec/mutants.txt" and "%1" or "%0")
    if (lines[line] or 0) < count then
      missing[#missing + 1] = ("%s: %d of %d: %s"):format(list, lines[line] or 0, count, text)
    end
  end
  table.sort(missing)
  return missing
end

--- Returns the strings of the table constructor after `opening` in spec/mutate.lua.
local function names_in_mutate(opening)
  local text = source.read(".", "spec/mutate.lua")
  local _, last = assert(text:find(opening, 1, true))
  local names = {}
  for name in text:match("^[^}]*", last + 1):gmatch '"([^"]+)"' do
    names[#names + 1] = name
  end
  return names
end

--- Checks that a pattern with one %s for the name gives the path of a file, for each name.
local function check_files(names, pattern)
  assert.is_true(#names > 0)
  for _, name in ipairs(names) do
    local path = pattern:format(name)
    assert.equal("file", lfs.attributes(path, "mode"), path)
  end
end

describe("mutate.lua", function()
  it("names files and tests that exist", function()
    check_files(names_in_mutate "\n  files = {", "%s")
    check_files(names_in_mutate "local tests = {", "spec/unit/%s.c")
    check_files(names_in_mutate "local specs = {", "spec/tidetable/%s.lua")
  end)
end)

describe("the lists of exceptions", function()
  it("name lines that exist", function()
    local lines = lines_of_core()
    assert.are.same({}, missing_of("spec/coverage.txt", lines))
    assert.are.same({}, missing_of("spec/mutants.txt", lines))
  end)

  it("are not accepted when a line is missing", function()
    assert.is_true(#missing_of("spec/coverage.txt", {}) > 0)
    assert.is_true(#missing_of("spec/mutants.txt", {}) > 0)
  end)
end)
