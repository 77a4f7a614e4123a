-- child.lua - what all child programs of the crash tests share.
local child = {}

local stat = assert(io.open("/proc/self/stat"))
print(stat:read("n"))
io.stdout:flush()
stat:close()

--- Opens a log file that survives this process: what is written is in the kernel immediately.
function child.log(path)
  local file = assert(io.open(path, "a"))
  file:setvbuf("no")
  return file
end

return child
