-- memory.lua - the anonymous memory of this process.

local memory = {}

--- Returns RssAnon in KB: private memory of this process, without mapped file pages.
---@return integer
function memory.anonymous_kb()
  for line in io.lines "/proc/self/status" do
    local kb = line:match("^RssAnon:%s*(%d+)")
    if kb then
      return tonumber(kb)
    end
  end
  return 0
end

return memory
