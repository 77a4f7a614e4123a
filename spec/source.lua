-- source.lua - reads source files as text: files, lines, functions.
--
-- Functions are recognized by the layout: in C the braces are at the left margin, in Lua the `end`
-- has the indentation of its `function`.
local lfs = require "lfs"

local source = {}

--- Returns the sorted paths of all files in `root/folder`, without the root.
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

--- Returns C without comments and contents of strings, with the same lines.
function source.bare_c(text)
  text = text:gsub("/%*.-%*/", function(comment) return comment:gsub("[^\n]", "") end)
  text = text:gsub("//[^\n]*", "")
  return text:gsub('"[^"\n]*"', '""')
end

--- Returns Lua without lines that contain only a comment.
local function bare_lua(text)
  text = ("\n" .. text):gsub("\n%s*%-%-%[%[.-%]%]", function(comment)
    return comment:gsub("[^\n]", "")
  end)
  return text:gsub("\n%s*%-%-[^\n]*", "\n"):sub(2)
end

--- Returns the lines of the code without comments.
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

-- Functions of more than one line.
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

--- Returns the functions of a file: name, line, and number of code lines in the body.
function source.functions(path, text)
  local lines = source.code_of(path, text)
  return (source.is_c(path) and c_functions or lua_functions)(lines)
end

return source
