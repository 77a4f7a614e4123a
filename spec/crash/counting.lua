-- counting.lua - the handler of the consumers that are killed.
local counting = {}

--- Counts the changes of each item. Raises an error if one is not the next of its item.
function counting.handle(records, tx)
  local totals = tx:table "totals"
  for _, record in ipairs(records) do
    local id, n = record.keys.id, record.new_image.n
    local total = totals:get { id = id } or { id = id, n = 0 }
    if n ~= total.n + 1 then
      error(("item %s: change %d after %d"):format(id, n, total.n))
    end
    total.n = n
    totals:put(total)
    totals:update({ id = "all" }, "ADD n ?", { 1 })
  end
end

return counting
