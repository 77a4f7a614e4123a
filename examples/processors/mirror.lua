-- mirror.lua - keeps a directory with one file for each order: all orders first, then each change.
--
--   lua5.4 examples/processors/mirror.lua shop.tide /tmp/orders
--
-- If the program was away for so long that records have expired, the mirror is built anew. The
-- function on_snapshot is called when a snapshot begins and when it has ended.
local db <close> = assert(require "tidetable".open(arg[1]))
local json = require "tidetable.json"

local mirror = assert(db:consumer("mirror", { source = "orders", from = "SNAPSHOT",
  on_trimmed = "snapshot", on_snapshot = function(event)
    if event == "begin" then os.execute(("rm -f '%s'/*"):format(arg[2])) end
  end }))

assert(mirror:run(function(records)
  for _, record in ipairs(records) do
    local path = ("%s/%s"):format(arg[2], record.keys.id)
    if record.new_image then
      local file <close> = assert(io.open(path, "w"))
      file:write(json.encode(record.new_image), "\n")
    else
      os.remove(path)
    end
  end
end))
