-- coverage.lua - how many lines and branches of the core the tests have run.
--
--     lua5.4 spec/coverage.lua OBJECTS LIST
--
-- OBJECTS is the directory in which a coverage build left its counts. Prints for each file of csrc/
-- how many lines ran and how many branches were taken, then each line that has a branch not taken.
-- LIST contains the lines whose untaken branches have a reason (spec/coverage.txt). Other lines are
-- marked with !, and entries of LIST whose branches were all taken are printed with ~. The marked
-- lines differ a little from run to run, because some tests use random input.
--
-- Two branches of each luaL_argcheck are not counted, because it calls a function that does not
-- return and the compiler tests the result of that function. The total does not include the folders
-- whose branches depend on the answers of the operating system.
local exceptions = require "spec.exceptions"
local source = require "spec.source"

local objects, list = arg[1], arg[2]
local not_counted = { sys = true, os = true, lmdb = true, lmdb_file = true }

local function is_counted(path) return not not_counted[path:match("^csrc/([^/]+)/") or ""] end

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

-- Adds the counts of one object file. The inline functions of a header are in many object files.
local function read_object(path)
  local file, line, branch
  for _, text in ipairs(lines_of(("gcov -b -c -t '%s' 2>/dev/null"):format(path))) do
    local times, number, code = text:match("^%s*([^:]+):%s*(%d+):(.*)$")
    if number == "0" then
      file = code:match("^Source:(.+)$") or file
      line = nil
    elseif number then
      line = nil
      if times ~= "-" and file:find("^csrc/") then
        line, branch = line_at(file, tonumber(number), code), 0
        line.ran = line.ran + (tonumber(times:match("^%d+")) or 0)
      end
    elseif line and text:find("^branch") then
      branch = branch + 1
      line[branch] = (line[branch] or 0) + (tonumber(text:match("taken (%d+)")) or 0)
    end
  end
end

local function sorted_keys(set)
  local keys = {}
  for key in pairs(set) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local listed = exceptions.read(list)
local missed, unlisted = {}, 0

local function drop_dead_ends(line)
  for _ = 1, 2 do
    if line[#line] == 0 then line[#line] = nil end
  end
end

local function note_missed(path, number, line, gone, name)
  local text = exceptions.normalized(line.text)
  local is_listed = exceptions.take(listed, name .. ": " .. text)
  if not is_listed then unlisted = unlisted + gone end
  missed[#missed + 1] = ("%s %s:%d: %d of %d: %s: %s"):format(is_listed and " " or "!", path,
    number, gone, #line, name, text)
end

-- Returns the counts of one file. Adds lines with branches that were not taken to `missed`.
local function count(path)
  local sum = { lines = 0, ran = 0, branches = 0, taken = 0 }
  local names = exceptions.function_names(path, source.read(".", path))
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
    if gone > 0 and is_counted(path) then
      note_missed(path, number, line, gone, names[number] or "")
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
  if is_counted(path) then
    for key, value in pairs(sum) do total[key] = total[key] + value end
  end
end
print_row("total", total)
print(("%d branches not taken, %d of them not in %s (!):"):format(
  total.branches - total.taken, unlisted, list))
for _, text in ipairs(missed) do print(text) end
local gone = {}
for _, text in ipairs(sorted_keys(listed)) do
  for _ = 1, listed[text] do gone[#gone + 1] = text end
end
print(("%d entries of %s without such a branch in this run (~):"):format(#gone, list))
for _, text in ipairs(gone) do print("~ " .. text) end
