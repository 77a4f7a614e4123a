-- source.lua - our sources as text: their files, lines and functions.
--
-- They are told by the house's layout: braces at the left margin hold a function of C, and an
-- `end` under its `function` closes one of Lua.
local lfs = require "lfs"

local source = {}

--- Paths of all files under `root/folder`, sorted, without the root.
function source.walk(root, folder, found)
  found = found or {}
  if lfs.attributes(root .. "/" .. folder, "mode") == "directory" then
    for name in lfs.dir(root .. "/" .. folder) do
      local path = folder .. "/" .. name
      if name:sub(1, 1) ~= "." then
        if lfs.attributes(root .. "/" .. path, "mode") == "directory" then
          source.walk(root, path, found)
        else
          found[#found + 1] = path
        end
      end
    end
  end
  table.sort(found)
  return found
end

function source.read(root, path)
  local file = assert(io.open(root .. "/" .. path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

function source.lines_of(text)
  local lines = {}
  for line in text:gmatch("([^\n]*)\n?") do lines[#lines + 1] = line end
  if lines[#lines] == "" then lines[#lines] = nil end
  return lines
end

function source.is_c(path) return path:find("%.[ch]$") ~= nil end
function source.is_lua(path) return path:find("%.lua$") ~= nil end

--- C without its comments and the insides of its strings; lines stay where they are.
function source.bare_c(text)
  text = text:gsub("/%*.-%*/", function(comment) return comment:gsub("[^\n]", "") end)
  text = text:gsub("//[^\n]*", "")
  return text:gsub('"[^"\n]*"', '""')
end

--- Lua without lines that are comments alone.
local function bare_lua(text)
  text = ("\n" .. text):gsub("\n%s*%-%-%[%[.-%]%]", function(comment)
    return comment:gsub("[^\n]", "")
  end)
  return text:gsub("\n%s*%-%-[^\n]*", "\n"):sub(2)
end

--- The code alone, by lines.
function source.code_of(path, text)
  return source.lines_of(source.is_c(path) and source.bare_c(text) or bare_lua(text))
end

local function count_code(lines, first, last)
  local count = 0
  for at = first, last do
    if lines[at]:find("%S") then count = count + 1 end
  end
  return count
end

local function c_functions(lines)
  local found, start = {}, nil
  for at, line in ipairs(lines) do
    if line == "{" then
      start = at
    elseif line == "}" and start then
      local head = start - 1
      while not lines[head]:find("^[%a_]") do head = head - 1 end
      found[#found + 1] = { name = lines[head]:match("([%w_]+)%s*%("), line = head,
        code = count_code(lines, start + 1, at - 1) }
      start = nil
    end
  end
  return found
end

-- Those that take more than a line.
local function lua_functions(lines)
  local found = {}
  for at, line in ipairs(lines) do
    local indent = line:match("^(%s*).*%f[%w]function%f[%W][^%(]*%b()%s*$")
    if indent then
      local last = at + 1
      while not lines[last]:find("^" .. indent .. "end") do last = last + 1 end
      found[#found + 1] = { name = line:match("function%s+([%w_.:]+)") or "function", line = at,
        code = count_code(lines, at + 1, last - 1) }
    end
  end
  return found
end

--- The functions of a file: name, line, and lines of code between head and end.
function source.functions(path, text)
  local lines = source.code_of(path, text)
  return (source.is_c(path) and c_functions or lua_functions)(lines)
end

return source
