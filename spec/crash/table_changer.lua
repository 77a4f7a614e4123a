-- table_changer.lua - creates, alters, truncates and deletes tables, and puts items into them.
--
--   table_changer.lua LOG DATABASE SEED
--
-- Writes a line into the log before each change and one after it.
local child = require "spec.crash.child"
local tidetable = require "tidetable"

local log = child.log(arg[1])
local db = assert(tidetable.open(arg[2], { durability = "none" }))
local NAMES = { "one", "two", "three" }
local random = math.random
math.randomseed(math.tointeger(arg[3]))

local function settings()
  return random(3) > 1 and { view_type = random(2) == 1 and "NEW_IMAGE" or "KEYS_ONLY",
    retention = random(3600, 86400) } or nil
end

local changes = {}

function changes.ALTER_TABLE(t)
  if t:describe().stream then
    return t:disable_stream()
  end
  return t:enable_stream(settings())
end

function changes.TRUNCATE_TABLE(t)
  for i = 1, random(30) do assert(t:put { id = i, n = random(1000) }) end
  return t:truncate()
end

function changes.DELETE_TABLE(t) return db:delete_table(t.name) end

local function attempt(event, name, change, ...)
  log:write("begin ", event, " ", name, "\n")
  assert(change(...))
  log:write("end\n")
end

log:write("open\n")
while true do
  local name = NAMES[random(#NAMES)]
  local t = db:table(name)
  if not t then
    attempt("CREATE_TABLE", name, db.create_table, db, { name = name,
      partition_key = { "id", "N" }, stream = settings() })
  else
    local event = ({ "ALTER_TABLE", "TRUNCATE_TABLE", "DELETE_TABLE" })[random(3)]
    attempt(event, name, changes[event], t)
  end
end
