-- valgrind.lua - helper for busted under valgrind, which has no room for the default map of 64 GiB:
-- a database that asks for no size gets a small one.
local tidetable = require "tidetable"

-- What is wrong with the arguments is for the function itself to say.
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
