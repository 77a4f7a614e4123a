-- file_pages.lua - generates the list of the source files in doc/architecture.md.
--
-- The list is a generated part (spec/command_pages.lua). A file's description is the first sentence
-- of its first comment, "NAME - DESCRIPTION". A header and its .c file are one entry.

local lfs = require "lfs"
local source = require "spec.source"

local file_pages = {}

local PAGE = "doc/architecture.md"

--- Files with generated parts.
file_pages.files = { PAGE }

--- Folders in the order of the page.
local FOLDERS = {
  "csrc", "csrc/base", "csrc/os", "csrc/lmdb_file", "csrc/lmdb", "csrc/codec", "csrc/expr",
  "csrc/stream", "csrc/table", "csrc/check", "csrc/api", "csrc/lua", "lua/tidetable",
  "lua/tidetable/stream", "lua/tidetable/consumer", "lua/tidetable/view",
  "lua/tidetable/replica", "lua/tidetable/testing", "lua/tidetable/dynamodb",
  "lua/tidetable/loop", "lua/tidetable/run", "lua/tidetable/cli", "lua/tidetable/cli/commands",
}

--- Returns the first sentence of a file's first comment, without the name of the file and the full
--- stop. Raises an error if the comment has another form.
---@param path string
---@return string
function file_pages.description(path)
  local text, lines = source.read(".", path), {}
  for line in text:gmatch "[^\n]*" do
    local comment = line:match "^/%* (.*)$" or line:match "^ %* ?(.*)$" or line:match "^%-%- (.*)$"
    if not comment and line ~= "---@meta" and line ~= "" then
      break
    end
    lines[#lines + 1] = comment
  end
  local name = path:match "[^/]+$"
  local paragraph = table.concat(lines, " "):gsub("%s*%*/.*$", "")
  local description = paragraph:sub(1, #name + 3) == name .. " - " and paragraph:sub(#name + 4)
  if not description then
    error(path .. ": the first line must be: " .. name .. " - description", 0)
  end
  local sentence = (description .. " "):match "^(.-)%.%s" or description
  return (sentence:gsub("%s+$", ""):gsub("|", "\\|"))
end

--- Returns the names of a folder's files without the suffix, sorted, and their paths.
local function entries_of(folder)
  local paths, names = {}, {}
  for file in lfs.dir(folder) do
    local name, suffix = file:match "^(.+)%.(%l+)$"
    if suffix == "c" or suffix == "h" or suffix == "lua" then
      local path = folder .. "/" .. file
      if not paths[name] then
        names[#names + 1] = name
      end
      if not paths[name] or suffix == "h" then
        paths[name] = path
      end
    end
  end
  table.sort(names)
  return names, paths
end

local function list()
  local lines = {}
  for _, folder in ipairs(FOLDERS) do
    local names, paths = entries_of(folder)
    lines[#lines + 1] = ("### %s/\n"):format(folder)
    lines[#lines + 1] = "| file | contents |\n|---|---|"
    for _, name in ipairs(names) do
      lines[#lines + 1] = ("| %s | %s |"):format(name, file_pages.description(paths[name]))
    end
    lines[#lines + 1] = ""
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Returns the text of a page with its generated parts made anew.
---@param path string  one of file_pages.files
---@param text string
---@return string
function file_pages.generate(path, text)
  local first, last = "<!-- generated: files -->\n", "<!-- end -->"
  local from = assert(text:find(first, 1, true), path .. ": no part 'files'") + #first
  local to = assert(text:find(last, from, true), path .. ": the part 'files' has no end")
  return text:sub(1, from - 1) .. list() .. text:sub(to)
end

return file_pages
