-- generate_docs.lua - rewrites the generated parts of the pages.
--
-- To be run from the top directory: make docs.
local command_pages = require "spec.command_pages"
local file_pages = require "spec.file_pages"

for _, pages in ipairs { command_pages, file_pages } do
  for _, path in ipairs(pages.files) do
    local file = assert(io.open(path, "rb"))
    local before = file:read "a"
    file:close()
    local after = pages.generate(path, before)
    if after ~= before then
      file = assert(io.open(path, "wb"))
      assert(file:write(after))
      assert(file:close())
      print("rewritten: " .. path)
    end
  end
end
