-- valgrind.lua - helper for busted under valgrind: gives databases a small default size.
--
-- valgrind has no address space for the usual default of 64 GiB.
local tidetable = require "tidetable"

-- Invalid arguments are passed on; the function itself reports them.
local function sized(f)
  return function(path, given)
    if given == nil or (type(given) == "table" and given.max_size == nil) then
      local options = { max_size = "768 MiB" }
      for name, value in pairs(given or {}) do options[name] = value end
      given = options
    end
    return f(path, given)
  end
end

tidetable.open = sized(tidetable.open)
tidetable.compact = sized(tidetable.compact)

return true
