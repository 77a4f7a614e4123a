-- generate_docs.lua - rewrites the generated parts of the pages about the command.
--
-- To be run from the top directory: make docs.
local command_pages = require "spec.command_pages"

for _, path in ipairs(command_pages.files) do
  local file = assert(io.open(path, "rb"))
  local before = file:read "a"
  file:close()
  local after = command_pages.generate(path, before)
  if after ~= before then
    file = assert(io.open(path, "wb"))
    assert(file:write(after))
    assert(file:close())
    print("rewritten: " .. path)
  end
end
