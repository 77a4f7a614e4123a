-- mirroring.lua - the handler of a consumer that copies a table and applies its changes.
local mirroring = {}

--- Writes records to the mirror. Raises an error if a record is not newer than the last one of its
--- item, or if a snapshot record follows another record of its item.
function mirroring.handle(records, tx)
  local mirror = tx:table "mirror"
  for _, record in ipairs(records) do
    local id = record.keys.id
    local row = mirror:get { id = id }
    local last = row and row.sequence or 0
    if record.sequence_number <= last or row and record.is_snapshot then
      error(("item %s: record %d after %d"):format(id, record.sequence_number, last))
    end
    mirror:put { id = id, sequence = record.sequence_number,
      n = record.new_image and record.new_image.n }
  end
end

--- Empties the mirror when a snapshot begins, and counts the events.
function mirroring.on_snapshot(event, tx)
  if event == "begin" then
    for row in tx:table "mirror":scan() do tx:table "mirror":delete { id = row.id } end
  end
  tx:table "snapshots":update({ id = event }, "ADD n ?", { 1 })
end

return mirroring
