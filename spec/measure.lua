-- measure.lua - statistics of the sources: files, functions, comments, assertions, cycles.
--
-- `make measure` prints the rows of tidetable in doc/architecture.md, "The house, measured". Blank
-- lines count only for the length of a file. The length of a function is its lines of code between
-- head and end. Headers are included, except in the number of files. A cycle consists of units that
-- include or require each other.
local source = require "spec.source"

local function count_lines(lines)
  local count = 0
  for _, line in ipairs(lines) do
    if line:find("%S") then count = count + 1 end
  end
  return count
end

-- Returns the name of a unit: a header and its source are one; a module's name is the required one.
local function unit_of(path)
  if source.is_c(path) then return (path:gsub("^csrc/", ""):gsub("%.[ch]$", "")) end
  return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
end

local function known_by(path, text)
  local pattern = source.is_c(path) and '#include "([%w_/]+)%.h"' or 'require%s*%(?%s*"([%w_.]+)"'
  local known = {}
  for name in text:gmatch(pattern) do known[name] = true end
  return known
end

local function add_arrows(arrows, path, text)
  local unit = unit_of(path)
  local known = arrows[unit] or {}
  arrows[unit] = known
  for name in pairs(known_by(path, text)) do
    if name ~= unit then known[name] = true end
  end
end

local function reaches(arrows, from, to, seen)
  for name in pairs(arrows[from] or {}) do
    if name == to then return true end
    if not seen[name] then
      seen[name] = true
      if reaches(arrows, name, to, seen) then return true end
    end
  end
  return false
end

local function in_circles(arrows)
  local found = {}
  for unit in pairs(arrows) do
    if reaches(arrows, unit, unit, {}) then found[#found + 1] = unit end
  end
  table.sort(found)
  return #found > 0 and table.concat(found, ", ") or "none"
end

local function measure(folder)
  local figures = { files = 0, lines = 0, comments = 0, biggest = 0, assertions = 0,
    functions = {}, arrows = {} }
  for _, path in ipairs(source.walk(".", folder)) do
    if source.is_c(path) or source.is_lua(path) then
      local text = source.read(".", path)
      local lines, code = source.lines_of(text), source.code_of(path, text)
      local written = count_lines(lines)
      figures.files = figures.files + (path:find("%.h$") and 0 or 1)
      figures.lines = figures.lines + written
      figures.comments = figures.comments + written - count_lines(code)
      if #lines > figures.biggest then figures.biggest, figures.where = #lines, path end
      local _, asserted = table.concat(code, "\n"):gsub("%f[%w_]assert%(", "")
      figures.assertions = figures.assertions + asserted
      for _, one in ipairs(source.functions(path, text)) do
        one.path = path
        table.insert(figures.functions, one)
      end
      add_arrows(figures.arrows, path, text)
    end
  end
  table.sort(figures.functions, function(a, b) return a.code < b.code end)
  return figures
end

local function row(folder)
  local figures = measure(folder)
  local functions = figures.functions
  local function at(part) return functions[math.max(1, math.ceil(#functions * part))].code end
  local last = functions[#functions]
  print(("| %s | %d | %d (%s) | %.0f%% | %d | %d / %d / %d (%s) | %s | %s |"):format(folder,
    figures.files, figures.biggest, figures.where:match("[^/]*$"),
    100 * figures.comments / figures.lines, #functions, at(0.5), at(0.9), last.code, last.name,
    folder == "csrc" and ("%.2f"):format(figures.assertions / #functions) or "-",
    in_circles(figures.arrows)))
end

print("| | files | biggest file | comments | functions | median / p90 / longest | assertions a" ..
  " function | in circles |")
row "csrc"
row "lua"
