-- running.lua - helper for busted: writes the running spec to a file, which make prints at a
-- timeout.
local busted = require "busted"

-- busted unloads the modules that a file has loaded. luv closes its loop when its module is
-- collected, and crashes when it is loaded again, so it is loaded here, once for all files.
pcall(require, "luv")

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
