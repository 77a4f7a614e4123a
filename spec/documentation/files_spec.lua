-- files_spec.lua - the list of source files in doc/architecture.md.
local file_pages = require "spec.file_pages"
local source = require "spec.source"

it("the list of files is that of the sources: run make docs", function()
  for _, path in ipairs(file_pages.files) do
    local text = source.read(".", path)
    assert.is_true(text == file_pages.generate(path, text), path .. " is out of date")
  end
end)

it("the list of files has each file of csrc/ and lua/", function()
  local text = source.read(".", file_pages.files[1])
  local listed = {}
  for folder, rows in text:gmatch "### (%S+)/\n(.-)\n\n" do
    for name in rows:gmatch "\n| ([^ |]+) |" do
      listed[folder .. "/" .. name] = true
    end
  end
  local count = 0
  for _, top in ipairs { "csrc", "lua" } do
    for _, path in ipairs(source.walk(".", top)) do
      if source.is_c(path) or source.is_lua(path) then
        count = count + 1
        assert.is_true(listed[path:gsub("%.%l+$", "")], path)
      end
    end
  end
  assert.is_true(count > 300)
end)
