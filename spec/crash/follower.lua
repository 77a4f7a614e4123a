-- follower.lua - follows a stream and logs what it receives.
--
--   follower.lua LOG DATABASE TABLE|- AFTER
--
-- Log: "r 12", the sequence number of a record; "t 3 9" when records 3 to 9 were reported as
-- lost, after which it continues; "x MESSAGE" for an error.
local child = require "spec.crash.child"
local tidetable = require "tidetable"

local path, name, after = table.unpack(arg, 2)
local log = child.log(arg[1])
local db = assert(tidetable.open(path, { create = false, durability = "none" }))
local stream = assert(name == "-" and db:stream() or assert(db:table(name)):stream())
after = math.tointeger(tonumber(after))

while true do
  local ok, err = pcall(function()
    for record in stream:records { after = after, follow = true } do
      log:write("r ", record.sequence_number, "\n")
    end
  end)
  if not ok and type(err) == "table" and err.code == "TRIMMED" then
    log:write("t ", err.first, " ", err.last, "\n")
    after = err.last
  else
    log:write("x ", tostring(err), "\n")
    return
  end
end
