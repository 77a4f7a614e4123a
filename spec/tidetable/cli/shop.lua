-- shop.lua - a small database for the specs of the commands that read and write items.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

local shop = {}

--- Creates the database: the table orders (S, N) with five items of ann and one of bob, and the
--- table files (B). Returns its path.
---@return string
function shop.make()
  local db = helper.open()
  local orders = assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "placed_at", "N" }, stream = { view_type = "KEYS_ONLY", retention = "7d" } })
  for i = 1, 5 do
    assert(orders:put { customer = "ann", placed_at = i, status = "open", total = i * 1.5 })
  end
  assert(orders:put { customer = "bob", placed_at = 1, status = "paid", note = "a \27[31m b",
    tags = tidetable.set { "x", "y" } })
  local files = assert(db:create_table { name = "files", partition_key = { "hash", "B" } })
  assert(files:put { hash = tidetable.binary "\0\1",
    size = tidetable.number "12345678901234567890.5" })
  db:close()
  return helper.path()
end

--- Returns f(table) for a table of the database, which is opened and closed.
function shop.look(name, f)
  local db <close> = assert(tidetable.open(helper.path(), { read_only = true }))
  return f(assert(db:table(name)))
end

--- Writes a file in the directory of the test. Returns its path.
function shop.file(name, text)
  local path = helper.path(name)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
  return path
end

--- Returns the content of a file in the directory of the test.
function shop.read(name)
  local file <close> = assert(io.open(helper.path(name), "rb"))
  return file:read "a"
end

return shop
