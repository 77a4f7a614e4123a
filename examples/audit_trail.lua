-- audit_trail.lua - who changed what, attribute by attribute, from the stream alone.
--
--   lua5.4 examples/audit_trail.lua
--
-- The program that changes the items keeps no log. The table has a stream, so every change, by any
-- program, is recorded in the transaction that makes it.
local tidetable = require "tidetable"

-- A manual clock makes the output the same every time.
local clock = tidetable.manual_clock(1700000000)
local db <close> = assert(tidetable.open(":memory:", { clock = clock }))

local both = { view_type = "NEW_AND_OLD_IMAGES", retention = "90d" }
local accounts = assert(db:create_table { name = "accounts", partition_key = "id", stream = both })
assert(db:create_table { name = "transfers", partition_key = "id", stream = both })

--------------------------------------------------------------------------------
-- The program
--------------------------------------------------------------------------------

assert(accounts:put { id = "ann", balance = 100, tags = tidetable.set { "new" } })
assert(accounts:put { id = "bob", balance = 0 })

-- Moves money, or raises an error and moves none. The transfer itself is an item too, stored in the
-- same transaction, and names the clerk.
local function transfer(id, clerk, from, to, amount)
  return db:transact(function(tx)
    local mine = tx:table("accounts")
    local payer, payee = mine:get { id = from }, mine:get { id = to }
    payer.balance, payee.balance = payer.balance - amount, payee.balance + amount
    mine:put(payer)
    mine:put(payee)
    tx:table("transfers"):put { id = id, clerk = clerk, amount = amount }
    if payer.balance < 0 then error(from .. " has not got " .. amount, 0) end
    return true
  end)
end

clock:advance(60)
assert(transfer("t1", "Cai", "ann", "bob", 30))
clock:advance(60)
print(pcall(transfer, "t2", "Cai", "bob", "ann", 500))
clock:advance(60)
local ann = accounts:get { id = "ann" }
ann.tags, ann.email = nil, "ann@example.org"
assert(accounts:put(ann))
assert(accounts:put(ann)) -- the same item again: no change, so no record
assert(accounts:delete { id = "bob" })

--------------------------------------------------------------------------------
-- The audit
--------------------------------------------------------------------------------

print()
for transaction in db:stream():transactions() do
  print(os.date("!%H:%M:%S", math.floor(transaction.created_at)))
  for _, record in ipairs(transaction) do
    print("", record.event_name, record.table_name .. "/" .. record.keys.id)
    for _, change in ipairs(record:changes()) do
      print("", "", change.path, tostring(change.old) .. " -> " .. tostring(change.new))
    end
  end
end

-- The last changes of one item, newest first.
print()
for record in accounts:history({ id = "ann" }, { descending = true, limit = 2 }) do
  print(os.date("!%H:%M:%S", math.floor(record.created_at)), record.new_image.balance)
end

-- The second transfer raised an error: nothing of it is in the tables or in the stream. The stream
-- of the database contains all tables, so the clerk is in the same transaction as the money.
--
--   false   bob has not got 500
--
--   22:13:20
--           INSERT  accounts/ann
--                   balance nil -> 100
--                   id      nil -> ann
--                   tags    nil -> set{"new"}
--   22:13:20
--           INSERT  accounts/bob
--                   balance nil -> 0
--                   id      nil -> bob
--   22:14:20
--           MODIFY  accounts/ann
--                   balance 100 -> 70
--           MODIFY  accounts/bob
--                   balance 0 -> 30
--           INSERT  transfers/t1
--                   amount  nil -> 30
--                   clerk   nil -> Cai
--                   id      nil -> t1
--   22:16:20
--           MODIFY  accounts/ann
--                   email   nil -> ann@example.org
--                   tags    set{"new"} -> nil
--   22:16:20
--           REMOVE  accounts/bob
--                   balance 30 -> nil
--                   id      bob -> nil
--
--   22:16:20        70
--   22:14:20        70
