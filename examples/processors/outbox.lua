-- outbox.lua - sends a mail for each new order. A mail that can't be sent does not hold up others.
--
--   lua5.4 examples/processors/outbox.lua shop.tide
--
-- A mail goes out at least once: after a crash between the sending and the commit it is sent again,
-- with the same id, which the receiver uses to detect duplicates. After five attempts the record is
-- parked, and later records of the same order with it:
--
--   tidetable consumers shop.tide mail parked
--   tidetable consumers shop.tide mail replay
local db <close> = assert(require "tidetable".open(arg[1]))

local function send(address, id)
  if address:find "^eve@" then error("mailbox full: " .. address, 0) end
  print("to " .. address .. ", message id " .. #id .. " characters")
end

assert(assert(db:consumer("mail", { source = "orders", on_failure = "park", max_attempts = 5,
  backoff = 0.01 })):run(function(records)
  for _, record in ipairs(records) do
    if record.event_name == "INSERT" then
      send(record.new_image.email, record.id)
    end
  end
end))
