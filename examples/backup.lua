-- backup.lua - copies of a database in use, a loss, and how to restore it.
--
--   lua5.4 examples/backup.lua
--
-- A program that stores a position outside the file must also store the incarnation of the file.
local tidetable = require "tidetable"

local directory = os.tmpname()
os.remove(directory)
local function path(name) return directory .. "-" .. name end

local function remove(name)
  for _, suffix in ipairs { "", "-lock", "-wake" } do os.remove(path(name) .. suffix) end
end

local db = assert(tidetable.open(path("shop.tide")))
local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })

local function order(id, total) assert(orders:put { id = id, total = total }) end

-- A mirror outside the database, which stores its position and the incarnation of the database.
local mirror = { count = 0 }

function mirror.follow(of)
  local info = of:info()
  local text = "continues"
  if mirror.incarnation ~= info.incarnation then
    text = mirror.incarnation and "is of another incarnation: starts over" or "starts"
    mirror.incarnation, mirror.position, mirror.count = info.incarnation, 0, 0
  end
  for record in of:stream():records { after = mirror.position } do
    mirror.position = record.sequence_number
    mirror.count = mirror.count + 1
  end
  print(("mirror %s, %d changes"):format(text, mirror.count))
end

order("a", 10)
order("b", 20)
mirror.follow(db)

-- A nightly backup. The previous copy is replaced when the new one is complete and verified.
local function back_up()
  local facts = assert(db:backup(path("night.tide"), { compact = true, overwrite = true }))
  print(("backup: %d items, %d records, up to %d"):format(facts.items, facts.records,
    facts.sequence_number))
end

back_up()
order("c", 30)
back_up()
order("d", 40)
mirror.follow(db)

-- The loss.
assert(db:delete_table("orders"))
db:close()
remove("shop.tide")

-- The restore: the copy is renamed and opened. Changes made after the copy are lost, and new
-- changes get the same sequence numbers. The incarnation tells the mirror.
assert(os.rename(path("night.tide"), path("shop.tide")))
db = assert(tidetable.open(path("shop.tide")))
orders = assert(db:table("orders"))
order("e", 50)
mirror.follow(db)
order("f", 60)
mirror.follow(db)
db:close()
remove("shop.tide")
remove("night.tide")

-- It prints
--
--   mirror starts, 2 changes
--   backup: 2 items, 2 records, up to 3
--   backup: 3 items, 3 records, up to 4
--   mirror continues, 4 changes
--   mirror is of another incarnation: starts over, 4 changes
--   mirror continues, 5 changes
