-- pages.lua - the documentation as data: pages, headings, tables, code blocks and links.
local source = require "spec.source"

local pages = {}

--- Returns the paths of all pages, sorted.
---@return string[]
function pages.all()
  local paths = { "CHANGELOG.md", "README.md" }
  for _, path in ipairs(source.walk(".", "doc")) do
    if path:find("%.md$") then paths[#paths + 1] = path end
  end
  return paths
end

function pages.read(path)
  return source.read(".", path)
end

---@class documentation.Block
---@field page string
---@field line integer      of its first line of code
---@field text string
---@field is_fragment boolean  after the comment `<!-- fragment -->`: it can't run by itself

--- Returns the Lua blocks of a page, without the indentation of the block.
---@param path string
---@return documentation.Block[]
function pages.blocks(path)
  local blocks, block, indent, before = {}, nil, nil, ""
  for number, line in ipairs(source.lines_of(pages.read(path))) do
    if not block then
      indent = line:match("^(%s*)```lua$")
      if indent then
        block = {
          page = path, line = number + 1, text = "",
          is_fragment = before:find("<!-- fragment -->", 1, true) ~= nil,
        }
      elseif line ~= "" then
        before = line
      end
    elseif line == indent .. "```" then
      blocks[#blocks + 1] = block
      block, before = nil, ""
    else
      block.text = block.text .. line:sub(#indent + 1) .. "\n"
    end
  end
  assert(not block, path .. ": a block without an end")
  return blocks
end

--- Returns a page without its code blocks. Lines keep their numbers.
function pages.prose(path)
  local text = "\n" .. pages.read(path) .. "\n"
  text = text:gsub("\n%s*```.-\n%s*```%f[\n]", function(block)
    return (block:gsub("[^\n]", ""))
  end)
  return text:sub(2)
end

--- Returns the anchor that GitHub creates for a heading.
local function anchor_of(heading)
  return (heading:lower():gsub("[^%w%s_-]", ""):gsub(" ", "-"))
end

--- Returns the anchors of a page's headings as a set.
function pages.anchors(path)
  local anchors = {}
  for heading in pages.prose(path):gmatch("%f[^\n\0]#+ ([^\n]+)") do
    anchors[anchor_of(heading)] = true
  end
  return anchors
end

--- Returns the links of a page to files of the repository, as { line, target }.
function pages.links(path)
  local links = {}
  for number, line in ipairs(source.lines_of(pages.prose(path))) do
    for target in line:gsub("`[^`]*`", ""):gmatch("%]%(([^)%s]+)%)") do
      if not target:find("^%a+:") then links[#links + 1] = { line = number, target = target } end
    end
  end
  return links
end

--- Returns the text below a heading, up to the next heading. `heading` is the whole heading, or its
--- beginning up to a parenthesis: "db:stream".
---@param path string
---@param heading string
---@return string
function pages.section(path, heading)
  local body
  for _, line in ipairs(source.lines_of(pages.prose(path))) do
    local title = line:match("^#+ (.+)$")
    if title and body then break end
    if title == heading or title and title:match("^[^(]+") == heading then
      body = {}
    elseif body then
      body[#body + 1] = line
    end
  end
  assert(body, path .. ": no heading " .. heading)
  return table.concat(body, "\n")
end

--- Returns the words in backquotes in the first column of the tables of a section, as a set. With
--- `head`, only of tables whose first column has this title.
---@param section string
---@param head string|nil
---@return table<string, true>
function pages.first_column(section, head)
  local words, title, is_wanted = {}, nil, false
  for line in (section .. "\n"):gmatch("([^\n]*)\n") do
    local cell = line:match("^|%s*(.-)%s*|")
    if not cell then
      title = nil
    elseif not title then
      title, is_wanted = cell, not head or cell == head
    elseif is_wanted then
      for word in cell:gmatch("`([^`]+)`") do words[word] = true end
    end
  end
  return words
end

--- Returns a set as a sorted text, to compare and to print.
---@param set table<string, any>
---@return string
function pages.sorted(set)
  local words = {}
  for word in pairs(set) do words[#words + 1] = word end
  table.sort(words)
  return table.concat(words, " ")
end

return pages
