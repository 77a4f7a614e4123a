-- two_processes.lua - one process writes, another follows.
--
--   lua5.4 examples/two_processes.lua
--
-- This program starts itself a second time, as a thermometer that stores measurements. Both
-- processes open the same file. Each commit of the thermometer wakes the reader in this process.
local tidetable = require "tidetable"

local path, role = arg[1], arg[2]

-- The other process: stores its readings, then an item that marks the end.
if role == "thermometer" then
  local db <close> = assert(tidetable.open(path, { create = false }))
  local readings = assert(db:table "readings")
  for second, degrees in ipairs { 20.5, 21, 21.5, 24, 23.5 } do
    os.execute("sleep 0.1")
    assert(readings:put { place = "attic", second = second, degrees = degrees })
  end
  assert(readings:put { place = "attic", second = 0, finished = true })
  return
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- `tmpname` creates an empty file, which reserves the name; the database's files have that name and
-- a suffix.
local reserved = os.tmpname()
path = reserved .. ".tide"
local _cleanup <close> = setmetatable({}, { __close = function()
  for _, name in ipairs { reserved, path, path .. "-lock", path .. "-wake" } do os.remove(name) end
end })

local db <close> = assert(tidetable.open(path))
local readings = assert(db:create_table {
  name = "readings", partition_key = "place", sort_key = { "second", "N" },
  stream = { view_type = "NEW_IMAGE" },
})

local first = 0
while arg[first - 1] do first = first - 1 end
local command = { quote(arg[first]), quote(arg[0]), quote(path), "thermometer" }
local _thermometer <close> = assert(io.popen(table.concat(command, " ")))

local warmest
for record in readings:stream():records { follow = true, timeout = 10 } do
  local reading = record.new_image
  if reading.finished then break end
  warmest = math.max(warmest or reading.degrees, reading.degrees)
  print(record.event_name, reading.place, reading.degrees)
end
print("warmest", warmest)

-- The lines appear one by one, a tenth of a second apart, each as soon as it is stored.
--
--   INSERT  attic   20.5
--   INSERT  attic   21
--   INSERT  attic   21.5
--   INSERT  attic   24
--   INSERT  attic   23.5
--   warmest 24
