-- outbox.lua - an outbox: an order and its mails are one transaction, and a consumer sends the
-- mails. What can't be sent is parked, with the later mails of the same customer, and sent again
-- later.
--
--   lua5.4 examples/outbox.lua shop.tide
local tidetable = require "tidetable"

local db <close> = assert(tidetable.open(arg[1] or ":memory:"))
assert(db:ensure_table { name = "orders", partition_key = "id" })
assert(db:ensure_table { name = "outbox", partition_key = "customer", sort_key = { "order", "N" },
  stream = true })
assert(db:ensure_table { name = "sent", partition_key = "customer" })

local function place_order(number, customer, address)
  assert(db:transact(function(tx)
    tx:table "orders":put { id = tostring(number), customer = customer }
    tx:table "outbox":put { customer = customer, order = number, to = address }
  end))
end

local first = db:last_change() + 1
place_order(first, "ann", "ann@example.org")
place_order(first + 1, "bob", "bob at home")
place_order(first + 2, "bob", "bob@example.org")
place_order(first + 3, "ann", "ann@example.org")

-- Stands for a mail server. A real one gets the record's sequence number with the mail, so that it
-- can recognise one that is sent again after a kill.
local addresses = {}
local function send(mail)
  local to = addresses[mail.to] or mail.to
  if not to:find("@", 1, true) then
    error("no address: " .. to, 0)
  end
  print(("to %s, attempt %d"):format(to, mail.attempt))
end

-- A batch that fails runs again, so with one mail in each no other one is sent again.
local mails <close> = assert(db:consumer("mails", { source = "outbox", batch_size = 1,
  on_failure = "park", max_attempts = 2, backoff = 0.01 }))

local function send_all(records, tx)
  for _, record in ipairs(records) do
    local mail = record.new_image
    send { to = mail.to, attempt = record.attempt }
    tx:table "sent":update({ customer = mail.customer }, "ADD mails ?", { 1 })
  end
end

-- Handles what there is. `run` would wait for more.
local function work()
  repeat
    local count, _, code = mails:step(send_all)
    assert(count or code == "BATCH_FAILED")
  until count == 0
end

work()
for each in mails:parked() do
  local mail = each.record.new_image
  print(("parked: %s, %s"):format(mail.to, each.error or "after another one"))
end

-- Somebody corrects the address, and the mails are delivered in their order.
addresses["bob at home"] = "bob@home.example.org"
print(("%d are sent again"):format(assert(mails:replay { key = { customer = "bob" } })))
work()

for item in db:table "sent":scan() do
  print(item.customer, item.mails)
end

-- It prints
--
--   to ann@example.org, attempt 1
--   to ann@example.org, attempt 1
--   parked: bob at home, no address: bob at home
--   parked: bob@example.org, after another one
--   2 are sent again
--   to bob@home.example.org, attempt 3
--   to bob@example.org, attempt 1
--   ann  2
--   bob  2
