-- coverage.lua - how much of the core the tests have run, by line and by branch.
--
--     lua5.4 spec/coverage.lua OBJECTS [PAGE]
--
-- OBJECTS is where a coverage build left its counts. Says for each file of csrc/ how many lines
-- ran and how many branches were taken, then each line with a branch that was not. PAGE lists
-- them, each with its reason (a table row with the file and the line's text): a line that is not
-- there is new (!), and a row whose line has no such branch any more is said too (~). Of the
-- latter some come and go, for noise and damage are random. A check of Lua's for arguments
-- (luaL_argcheck) ends in a function that does not return, and the compiler looks at what it
-- returned: no program takes these two branches, and they are left out. The doors (csrc/sys) are
-- shown and kept out of the total: what they answer is the machine's.
local objects, page = arg[1], arg[2]
local doors = "^csrc/sys/"

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

-- files[path][line] = { ran = times, text = source, [n] = times that branch n was taken }
local files = {}

local function line_at(path, number, text)
  files[path] = files[path] or {}
  files[path][number] = files[path][number] or { ran = 0, text = text }
  return files[path][number]
end

-- What one object says. A header's inline functions are in many objects: their counts add up.
local function read_object(path)
  local source, line, branch
  for _, text in ipairs(lines_of(("gcov -b -c -t '%s' 2>/dev/null"):format(path))) do
    local times, number, code = text:match("^%s*([^:]+):%s*(%d+):(.*)$")
    if number == "0" then
      source = code:match("^Source:(.+)$") or source
      line = nil
    elseif number then
      line = nil
      if times ~= "-" and source:find("^csrc/") then
        line, branch = line_at(source, tonumber(number), code), 0
        line.ran = line.ran + (tonumber(times:match("^%d+")) or 0)
      end
    elseif line and text:find("^branch") then
      branch = branch + 1
      line[branch] = (line[branch] or 0) + (tonumber(text:match("taken (%d+)")) or 0)
    end
  end
end

local function explained_on(path)
  local known = {}
  local file = path and io.open(path)
  if not file then return known end
  for text in file:lines() do
    local source, code = text:match("^| `(csrc/[^`]+)` | `(.-)` |")
    if source and not code:find("^%l+: ") then -- mutants have rows as well: spec/mutate.lua
      local key = source .. "\0" .. code:gsub("\\|", "|")
      known[key] = (known[key] or 0) + 1
    end
  end
  file:close()
  return known
end

local function sorted_keys(set)
  local keys = {}
  for key in pairs(set) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function trimmed(text) return (text:gsub("^%s+", ""):gsub("%s+$", "")) end

local known = explained_on(page)
local missed, unexplained = {}, 0

local function drop_dead_ends(line)
  for _ = 1, 2 do
    if line[#line] == 0 then line[#line] = nil end
  end
end

-- A row stands for one line, though others may have the same text.
local function is_listed(key)
  if (known[key] or 0) == 0 then return false end
  known[key] = known[key] - 1
  return true
end

-- Counts of one file; its branches not taken go to the list.
local function count(path)
  local sum = { lines = 0, ran = 0, branches = 0, taken = 0 }
  for _, number in ipairs(sorted_keys(files[path])) do
    local line, gone = files[path][number], 0
    sum.lines = sum.lines + 1
    sum.ran = sum.ran + (line.ran > 0 and 1 or 0)
    if line.text:find("luaL_arg[ce]") then drop_dead_ends(line) end
    for _, times in ipairs(line) do
      sum.branches = sum.branches + 1
      sum.taken = sum.taken + (times > 0 and 1 or 0)
      gone = gone + (times > 0 and 0 or 1)
    end
    if gone > 0 and not path:find(doors) then
      local text = trimmed(line.text)
      local explained = is_listed(path .. "\0" .. text)
      if not explained then unexplained = unexplained + gone end
      missed[#missed + 1] = ("%s %s:%d: %d of %d: %s"):format(explained and " " or "!", path,
        number, gone, #line, text)
    end
  end
  return sum
end

local function share(part, whole) return whole == 0 and 100 or 100 * part / whole end

local function print_row(name, sum)
  print(("%-28s %5d lines %6.2f %%   %5d branches %6.2f %%"):format(name, sum.lines,
    share(sum.ran, sum.lines), sum.branches, share(sum.taken, sum.branches)))
end

for _, path in ipairs(lines_of(("find '%s/csrc' -name '*.gcda'"):format(objects))) do
  read_object(path)
end
local total = { lines = 0, ran = 0, branches = 0, taken = 0 }
for _, path in ipairs(sorted_keys(files)) do
  local sum = count(path)
  print_row(path, sum)
  if not path:find(doors) then
    for key, value in pairs(sum) do total[key] = total[key] + value end
  end
end
print_row("total without csrc/sys", total)
local gone = {}
for _, key in ipairs(sorted_keys(known)) do
  if known[key] > 0 then gone[#gone + 1] = (key:gsub("%z", ": ")) end
end
print(("%d branches not taken, %d of them not on the page (!):"):format(
  total.branches - total.taken, unexplained))
for _, text in ipairs(missed) do print(text) end
print(("%d lines on the page whose branches were all taken this time:"):format(#gone))
for _, text in ipairs(gone) do print("~ " .. text) end
