-- measure.lua - statistics of the sources: files, functions, comments, assertions, cycles.
--
-- `make measure` prints the rows of tidetable in doc/architecture.md, "Figures of the sources".
-- Blank lines count only for the length of a file. The length of a function is the number of its
-- lines of code between signature and end. Headers are included, except in the number of files. A
-- cycle consists of units that include or require each other, or whose functions use each other's
-- functions.
local source = require "spec.source"

local function count_lines(lines)
  local count = 0
  for _, line in ipairs(lines) do
    if line:find("%S") then count = count + 1 end
  end
  return count
end

-- Returns the name of a unit. A header and its source are one unit; the name of a Lua module is the
-- one in `require`.
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

-- In C only the includes of headers can form a cycle, because no file includes a .c file.
local function add_arrows(arrows, path, text)
  if path:find("%.c$") then return end
  local unit = unit_of(path)
  local known = arrows[unit] or {}
  arrows[unit] = known
  for name in pairs(known_by(path, text)) do
    if name ~= unit then known[name] = true end
  end
end

-- Returns the groups of units that reach each other along the arrows (strongly connected components
-- of more than one unit), as text.
local function cycles(arrows)
  local index, low, stack, on_stack, next_index, groups = {}, {}, {}, {}, 0, {}
  local visit

  local function close_group(unit)
    local group = {}
    repeat
      local member = table.remove(stack)
      on_stack[member] = nil
      group[#group + 1] = member
    until member == unit
    if #group > 1 then
      table.sort(group)
      groups[#groups + 1] = table.concat(group, " ")
    end
  end

  function visit(unit)
    next_index = next_index + 1
    index[unit], low[unit], on_stack[unit] = next_index, next_index, true
    stack[#stack + 1] = unit
    for other in pairs(arrows[unit] or {}) do
      if not index[other] then
        visit(other)
        low[unit] = math.min(low[unit], low[other])
      elseif on_stack[other] then
        low[unit] = math.min(low[unit], index[other])
      end
    end
    if low[unit] == index[unit] then close_group(unit) end
  end

  for unit in pairs(arrows) do
    if not index[unit] then visit(unit) end
  end
  table.sort(groups)
  return #groups > 0 and table.concat(groups, "; ") or "none"
end

-- Adds the global functions of a C file to `owners` (function name -> unit).
local function add_owners(owners, path, text)
  if not path:find("%.c$") then return end
  local lines = source.code_of(path, text)
  for _, one in ipairs(source.functions(path, text)) do
    if one.name and not lines[one.line]:find("^static") then owners[one.name] = unit_of(path) end
  end
end

-- Returns which unit of `folder` uses functions of which other unit.
local function call_arrows(paths, owners)
  local arrows = {}
  for _, path in ipairs(paths) do
    if path:find("%.c$") then
      local unit = unit_of(path)
      local called = {}
      arrows[unit] = called
      for name in source.bare_c(source.read(".", path)):gmatch("[%a_][%w_]*") do
        local owner = owners[name]
        if owner and owner ~= unit then called[owner] = true end
      end
    end
  end
  return arrows
end

local function measure(folder)
  local figures = { files = 0, lines = 0, comments = 0, biggest = 0, assertions = 0,
    functions = {}, arrows = {}, owners = {}, paths = source.walk(".", folder) }
  for _, path in ipairs(figures.paths) do
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
      add_owners(figures.owners, path, text)
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
  print(("| %s | %d | %d (%s) | %.0f%% | %d | %d / %d / %d (%s) | %s | %s | %s |"):format(folder,
    figures.files, figures.biggest, figures.where:match("[^/]*$"),
    100 * figures.comments / figures.lines, #functions, at(0.5), at(0.9), last.code, last.name,
    folder == "csrc" and ("%.2f"):format(figures.assertions / #functions) or "-",
    cycles(figures.arrows),
    folder == "csrc" and cycles(call_arrows(figures.paths, figures.owners)) or "-"))
end

print("| | files | biggest file | comments | functions | median / p90 / longest | assertions a" ..
  " function | include or require cycles | call cycles |")
row "csrc"
row "lua"
