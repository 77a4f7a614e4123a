-- child.lua - functions that all child programs of the crash tests use.
local child = {}

local stat = assert(io.open("/proc/self/stat"))
print(stat:read("n"))
io.stdout:flush()
stat:close()

--- Opens a log file without a buffer, so that what was written is not lost if this process is
--- killed.
function child.log(path)
  local file = assert(io.open(path, "a"))
  file:setvbuf("no")
  return file
end

return child
