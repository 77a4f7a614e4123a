-- exceptions.lua - lists of code lines that a tool does not report: coverage.txt, mutants.txt.
--
-- An entry names the function and the text of a line, so it stays valid when the line moves to
-- another place or file. The format is described in the first lines of the lists.
local source = require "spec.source"

local exceptions = {}

--- Text of a line without comments, its blanks reduced to one.
function exceptions.normalized(text)
  text = text:gsub("/%*.-%*/", ""):gsub("%s+", " ")
  return (text:gsub("^ ", ""):gsub(" $", ""))
end

--- Names of the functions of a source file, by line: names[line].
function exceptions.function_names(path, text)
  local names, heads = {}, {}
  for _, each in ipairs(source.functions(path, text)) do heads[each.line] = each.name end
  local name
  for number in ipairs(source.lines_of(text)) do
    name = heads[number] or name
    names[number] = name
  end
  return names
end

--- Reads the list at path. Returns entries[text] = number of lines with this text.
function exceptions.read(path)
  local entries = {}
  for line in io.lines(path) do
    local text = line:match("^  (%S.*)$")
    if text then entries[text] = (entries[text] or 0) + 1 end
  end
  return entries
end

--- Takes one line from an entry. Returns true if there was one.
function exceptions.take(entries, text)
  local left = entries[text] or 0
  if left == 0 then return false end
  entries[text] = left - 1
  return true
end

return exceptions
