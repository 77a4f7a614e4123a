-- running.lua - helper for busted: writes the running spec to a file, which make prints at a
-- timeout.
local busted = require "busted"

local path = os.getenv "RUNNING" or (os.getenv "TIDETABLE_BUILD" or "build") .. "/running"

local function name_of(element)
  local names = {}
  while element and element.name do
    table.insert(names, 1, element.name)
    element = busted.parent(element)
  end
  return table.concat(names, ", ")
end

busted.subscribe({ "test", "start" }, function(element)
  local file <close> = io.open(path, "w")
  if file then file:write(name_of(element), "\n") end
  return nil, true
end)
