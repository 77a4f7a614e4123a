-- failing_changes.lua - handlers that fail for some changes. "parks" parks them, "buries" stores
-- them as dead letters, "bundles" parks whole transactions.
local changes = {}

--- Number of failed attempts after which a change is given up. Killing a worker while its handler
--- has a single record counts as a failed attempt. For "buries" the number is too large to be
--- reached by kills alone; "parks" may park other changes.
changes.attempts = { parks = 3, buries = 15, bundles = 3 }

--- Returns true if change n fails until it is given up.
function changes.fails(n)
  return n % 9 == 4
end

--- Stores that change n of an item was handled. Raises an error if it or a later one already was.
--- Returns the number of the previous change.
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

--- Checks that each change is the next one of its item, because parked changes are handled first.
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

--- Checks that only failing changes are missing.
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

--- Returns the records of a batch by transaction, in order. Raises an error if one is incomplete.
local function bundles_of(records)
  local bundles = {}
  for _, record in ipairs(records) do
    local last = bundles[#bundles]
    if not last or last[1].transaction_id ~= record.transaction_id then
      last = {}
      bundles[#bundles + 1] = last
    end
    last[#last + 1] = record
  end
  for _, bundle in ipairs(bundles) do
    if #bundle ~= bundle[1].new_image.of then
      error(("transaction %d: %d records of %d"):format(bundle[1].transaction_id, #bundle,
        bundle[1].new_image.of))
    end
  end
  return bundles
end

--- Checks that each transaction is whole, and that its changes are the next ones of their items.
function changes.bundles(records, tx)
  local parked = {}
  for _, bundle in ipairs(bundles_of(records)) do
    local first = bundle[1]
    local number, waits = first.new_image.transaction, false
    for _, record in ipairs(bundle) do waits = waits or parked[record.keys.id] end
    if not waits and changes.fails(number) and number % 2 == 0 and first.attempt == 1 then
      tx:park(bundle[#bundle])
      waits = true
    elseif changes.fails(number) and number % 2 == 1
        and first.attempt <= changes.attempts.bundles then
      error("transaction " .. number)
    end
    for _, record in ipairs(bundle) do
      local id, n = record.keys.id, record.new_image.n
      if waits then
        parked[id] = true
      elseif count(tx, "bundles", id, n) ~= n - 1 then
        error(("item %s: change %d is too early"):format(id, n))
      end
    end
  end
end

return changes
