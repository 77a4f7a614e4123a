-- mirroring.lua - the handler of the consumer that copies a table and follows it.
local mirroring = {}

--- Writes records to the mirror. Raises an error if one is not newer than the last one of its item,
--- or if an item of the snapshot is delivered after it.
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

--- Empties the mirror at the beginning of a snapshot, and counts snapshots.
function mirroring.on_snapshot(event, tx)
  if event == "begin" then
    for row in tx:table "mirror":scan() do tx:table "mirror":delete { id = row.id } end
  end
  tx:table "snapshots":update({ id = event }, "ADD n ?", { 1 })
end

return mirroring
