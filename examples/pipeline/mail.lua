-- mail.lua - writes a mail for each invoice: the program of the processor `mail` in pipeline.lua.
--
--   lua5.4 mail.lua DIRECTORY
--
-- Each line of standard input is a batch in the form of AWS Lambda's events. It is answered by a
-- line with the records that have failed. A batch can be delivered twice: the file of a mail has
-- the id of its event as name, so the second file replaces the first. A mail server would get the
-- id as Message-ID.
local json = require "tidetable.json"

--- Writes a file that is complete as soon as it has its name.
local function send(id, address, text)
  local path = ("%s/%s"):format(arg[1], id)
  local file <close> = assert(io.open(path .. ".new", "w"))
  assert(file:write("To: ", address, "\n\n", text, "\n"))
  assert(file:close())
  assert(os.rename(path .. ".new", path))
end

for line in io.lines() do
  local failures = {}
  for _, record in ipairs(assert(json.decode(line)).Records) do
    local invoice = record.dynamodb.NewImage
    local address = invoice and invoice.email.S
    if address and address:find "^[^@%s]+@[^@%s]+$" then
      send(record.eventID, address, ("Invoice %s for order %s: %.2f"):format(invoice.number.N,
        invoice.order.S, invoice.amount.N / 100))
    elseif address then
      failures[#failures + 1] = ('{"itemIdentifier":"%s"}'):format(record.dynamodb.SequenceNumber)
    end
  end
  io.write('{"batchItemFailures":[', table.concat(failures, ","), "]}\n")
  io.flush()
end
