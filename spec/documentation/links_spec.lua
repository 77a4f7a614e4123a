-- links_spec.lua - links between pages, and names of files in pages and sources, refer to files and
-- headings that exist.
local lfs = require "lfs"
local pages = require "spec.documentation.pages"
local source = require "spec.source"

local function exists(path) return lfs.attributes(path) ~= nil end

--- Converts a path relative to a page to a path from the root.
local function resolve(page, path)
  local words = {}
  for word in ((page:match("^(.*)/[^/]*$") or "") .. "/" .. path):gmatch("[^/]+") do
    if word == ".." then
      words[#words] = nil
    elseif word ~= "." then
      words[#words + 1] = word
    end
  end
  return table.concat(words, "/")
end

--- Returns the fault of a link, nil if its target exists.
local function problem(page, target)
  local path, anchor = target:match("^([^#]*)#?(.*)$")
  local file = path == "" and page or resolve(page, path)
  if not exists(file) then return "no file " .. file end
  if anchor ~= "" and not pages.anchors(file)[anchor] then
    return ("no heading #%s in %s"):format(anchor, file)
  end
end

--- Returns true if a word is the whole path of a file or folder of the repository. Returns false
--- for patterns, for names with a part in capitals, which are placeholders, and for files that the
--- build creates.
local function is_path(word)
  local folder = word:match("^(%l+)/")
  return folder and folder ~= "build" and exists(folder) and not word:find("[*{<]")
    and not word:find("%u%u") and not word:find("%.%.%.") and not word:find("^lua/[^/]*%.[ch]$")
end

describe("the documentation", function()
  it("has no link that leads nowhere", function()
    local wrong, count = {}, 0
    for _, page in ipairs(pages.all()) do
      for _, link in ipairs(pages.links(page)) do
        local text = problem(page, link.target)
        count = count + 1
        if text then wrong[#wrong + 1] = ("%s:%d: %s"):format(page, link.line, text) end
      end
    end
    assert.are.same({}, wrong)
    assert.is_true(count > 50)
  end)

  it("notices a link that leads nowhere", function()
    assert.is_nil(problem("doc/loops.md", "modules/stream.md#positions"))
    assert.is_nil(problem("doc/modules/stream.md", "#a-record"))
    assert.are.equal("no file doc/nowhere.md", problem("doc/loops.md", "nowhere.md"))
    assert.are.equal("no heading #nothing in doc/loops.md", problem("doc/loops.md", "#nothing"))
  end)

  it("names only files that exist", function()
    local wrong = {}
    for _, page in ipairs(pages.all()) do
      for number, line in ipairs(source.lines_of(pages.prose(page))) do
        for word in line:gmatch("`([^`%s]+)`") do
          if is_path(word) and not exists(word) then
            wrong[#wrong + 1] = ("%s:%d: %s"):format(page, number, word)
          end
        end
      end
    end
    assert.are.same({}, wrong)
  end)
end)

it("sources name only pages that exist", function()
  local wrong = {}
  for _, folder in ipairs { "csrc", "lua", "spec", "bench", "examples" } do
    for _, path in ipairs(source.walk(".", folder)) do
      if source.is_c(path) or source.is_lua(path) then
        for page in source.read(".", path):gmatch("%f[%w/]doc/[%w_/]+%.md") do
          if not exists(page) and not path:find("^spec/documentation/")
            and path ~= "spec/tidy_spec.lua" then
            wrong[#wrong + 1] = path .. ": " .. page
          end
        end
      end
    end
  end
  assert.are.same({}, wrong)
end)
