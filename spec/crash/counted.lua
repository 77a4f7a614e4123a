-- counted.lua - reads the item that counter.lua increments.
local counted = {}

--- Returns a text such as "7 12 7": n of the item, and the sequence number and n of the stream's
--- last record.
function counted.state(db)
  local counters = assert(db:table "counters")
  local n = assert(counters:get { id = "c" }).n
  local stream = assert(counters:stream())
  local last = assert(stream:describe()).last_sequence_number
  local of_record
  for record in stream:records { at = last } do
    of_record = record.new_image.n
  end
  return ("%d %d %s"):format(n, last, of_record)
end

return counted
