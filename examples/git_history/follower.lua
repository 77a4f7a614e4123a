-- follower.lua - the second process of git_history: follows the changes of the loader's tables, and
-- updates three other tables from them.
--
--   lua5.4 follower.lua DATABASE COMMITS LOADER
--
-- It ends after the last of COMMITS, or when process LOADER has ended. The follower may be killed
-- at any time and started again. Each change is counted once, because the effects of a batch of
-- changes and the position after it are stored in one transaction.
local tidetable = require "tidetable"

local path, commits, loader = arg[1], math.tointeger(tonumber(arg[2])), arg[3]
local BATCH = 500 -- approximate number of records handled in one transaction

local db <close> = assert(tidetable.open(path, { create = false, durability = "none" }))

local function directory_of(file)
  return file:match("^(.*/)[^/]*$") or "/"
end

-- Returns the size of a file before or after a change; 0 if there is no file, or for a submodule.
local function size_of(image)
  return image and image.size or 0
end

-- Adds a change to the totals of its directory.
local function count_churn(tx, record)
  local churn = tx:table("churn")
  local directory = directory_of(record.keys.path)
  local sum = churn:get { directory = directory }
    or { directory = directory, changes = 0, bytes_added = 0, bytes_removed = 0 }
  local grown = size_of(record.new_image) - size_of(record.old_image)
  sum.changes = sum.changes + 1
  sum.bytes_added = sum.bytes_added + math.max(grown, 0)
  sum.bytes_removed = sum.bytes_removed + math.max(-grown, 0)
  churn:put(sum)
end

-- Counts the changes of a file by each author.
local function count_author(tx, record, head)
  local authors = tx:table("authors")
  local key = { path = record.keys.path, author = head.author }
  local sum = authors:get(key) or { path = key.path, author = key.author, changes = 0 }
  sum.changes = sum.changes + 1
  authors:put(sum)
end

-- Records deleted files and their last author.
local function note_removal(tx, record, head)
  local removed = tx:table("removed")
  local name = record.keys.path
  if record.event_name == "REMOVE" then
    removed:put {
      path = name, size = record.old_image.size,
      author = head.author, commit = head.commit, time = head.time,
    }
  elseif record.event_name == "INSERT" then
    removed:delete { path = name }
  end
end

-- The follower's position, and the stream from there on.
local place, stream

local function go_to(found)
  place = found or { name = "derived", number = 0, complete = true } -- no `after`: the oldest
  stream = assert(db:stream { after = place.after })
end

-- Returns the records of the next transaction; nil if none arrived within `seconds`.
local function next_transaction(seconds)
  local transaction, err = stream:next_transaction(seconds)
  if err then error(err, 0) end
  return transaction
end

-- Waits for a transaction, and returns it with those that already follow it.
local function next_batch()
  local transaction = next_transaction(1)
  while not transaction do
    if not os.execute("kill -0 " .. loader) then error("the loader is gone", 0) end
    transaction = next_transaction(1)
  end
  local batch, records = {}, 0
  while transaction do
    batch[#batch + 1] = transaction
    records = records + #transaction
    transaction = records < BATCH and next_transaction() or nil
  end
  return batch
end

-- Applies a transaction of the loader to the follower's tables. Its last record is that of `head`,
-- with author and time.
local function follow(tx, transaction)
  local head = transaction[#transaction].new_image
  for position = 1, #transaction - 1 do
    local record = transaction[position]
    count_churn(tx, record)
    count_author(tx, record, head)
    note_removal(tx, record, head)
  end
  place.after = transaction.last_sequence_number
  place.number, place.complete = head.number, head.complete
end

local transactions, batches = 0, 0
go_to(assert(db:table "followers"):get { name = "derived" })
while place.number < commits or not place.complete do
  local batch = next_batch()
  local overtaken_by -- position of a follower of an earlier run that was faster
  assert(db:transact(function(tx)
    local followers = tx:table("followers")
    local found = followers:get { name = "derived" }
    if found and found.after ~= place.after then
      overtaken_by = found
      return true
    end
    for _, transaction in ipairs(batch) do follow(tx, transaction) end
    followers:put(place)
    return true
  end))
  if overtaken_by then
    go_to(overtaken_by)
  else
    transactions, batches = transactions + #batch, batches + 1
  end
end

print(("%d transactions in %d of its own"):format(transactions, batches))
