-- failing_changes.lua - the handlers of consumers that are killed and that give up records.
local changes = {}

--- Failed attempts after which a change is given up. A worker that is killed with one record in its
--- handler has made one. So many in a row of "buries" don't happen; "parks" may park other changes.
changes.attempts = { parks = 3, buries = 15 }

--- Returns true for a change that fails until it is given up.
function changes.fails(n)
  return n % 9 == 4
end

--- Stores that change n of an item was handled. Raises an error if it was before.
local function count(tx, name, id, n)
  local totals = tx:table(name)
  local total = totals:get { id = id } or { id = id, n = 0, count = 0 }
  if n <= total.n then
    error(("%s: item %s: change %d after %d"):format(name, id, n, total.n))
  end
  local last = total.n
  total.n, total.count = n, total.count + 1
  totals:put(total)
  return last
end

--- Each change is the next of its item: parked ones are handled first.
function changes.parks(records, tx)
  for _, record in ipairs(records) do
    local id, n = record.keys.id, record.new_image.n
    if changes.fails(n) and n % 2 == 0 and record.attempt == 1 then
      tx:park(record)
    elseif changes.fails(n) and n % 2 == 1 and record.attempt <= changes.attempts.parks then
      error("change " .. n)
    else
      local last = count(tx, "parks", id, n)
      if last ~= n - 1 then
        error(("item %s: change %d after %d"):format(id, n, last))
      end
    end
  end
end

--- The changes that are left out are those that fail.
function changes.buries(records, tx)
  for _, record in ipairs(records) do
    local id, n = record.keys.id, record.new_image.n
    if changes.fails(n) then
      error("change " .. n)
    end
    for missing = count(tx, "buries", id, n) + 1, n - 1 do
      if not changes.fails(missing) then
        error(("item %s: change %d is missing"):format(id, missing))
      end
    end
  end
end

return changes
