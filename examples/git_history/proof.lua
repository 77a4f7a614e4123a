-- proof.lua - three proofs that exactly the right changes were captured.
--
-- Each function compares the tables with git or with the records, and returns true if they agree,
-- and a sentence.
local thousands = require "git_history.progress".thousands

local proof = {}

-- Describes the first difference between two items or two plain tables; nil if they are equal.
local function difference(a, b)
  for name, value in pairs(a) do
    if b[name] ~= value then
      return ("%s is %s, not %s"):format(name, tostring(b[name]), tostring(value))
    end
  end
  for name, value in pairs(b) do
    if a[name] == nil then return ("%s is %s, not there"):format(name, tostring(value)) end
  end
end

-- Compares a table with `expected`, which has an item for each key. `view` selects the attributes
-- to compare.
local function compare(items, expected, key_of, view)
  local count, missing = 0, 0
  for _ in pairs(expected) do missing = missing + 1 end
  for item in items:scan() do
    local key = key_of(item)
    local should = expected[key]
    if not should then
      return nil, ("%s: has %q, which should not be there"):format(items.name, key)
    end
    local different = difference(should, view and view(item) or item)
    if different then return nil, ("%s: of %q %s"):format(items.name, key, different) end
    count, missing = count + 1, missing - 1
  end
  if missing > 0 then return nil, ("%s: lacks %d items"):format(items.name, missing) end
  return count
end

local function by_path(item) return item.path end

--- Verifies that the table equals git's tree: path, mode and content of every file.
---@return boolean holds
---@return string sentence
function proof.tree(db, repo)
  local count, problem = compare(assert(db:table "files"), repo:tree(), by_path, function(item)
    return { mode = item.mode, blob = item.blob }
  end)
  if not count then return false, problem end
  return true, ("the table is git's tree: %s files"):format(thousands(count))
end

--- Verifies that replaying the records gives the same table, that their old images are right, and
--- that there are as many of each event as in the log.
---@param expected git_history.tally
---@return boolean holds
---@return string sentence
function proof.records(db, expected)
  local files = assert(db:table "files")
  local rebuilt, counts, last = {}, { INSERT = 0, MODIFY = 0, REMOVE = 0 }, 0
  for record in files:stream():records { from = "TRIM_HORIZON" } do
    local path = record.keys.path
    local different = difference(rebuilt[path] or {}, record.old_image or {})
      or record.sequence_number <= last and "out of order"
    if different then
      return false, ("record %d, %q: %s"):format(record.sequence_number, path, different)
    end
    rebuilt[path] = record.new_image
    counts[record.event_name] = counts[record.event_name] + 1
    last = record.sequence_number
  end
  local count, problem = compare(files, rebuilt, by_path)
  local different = difference(expected.events, counts)
  if not count or different then return false, problem or "of the records " .. different end
  return true, ("its records alone give the same table: %s INSERT, %s MODIFY, %s REMOVE"):format(
    thousands(counts.INSERT), thousands(counts.MODIFY), thousands(counts.REMOVE))
end

---@class git_history.tally      the expected contents of the follower's tables, from git's log
---@field files table<string, git_history.change>  existing files
---@field churn table<string, table>
---@field authors table<string, table>
---@field removed table<string, table>
---@field events table<string, integer>
local tally = {}
tally.__index = tally

---@return git_history.tally
function proof.tally()
  return setmetatable({
    files = {}, churn = {}, authors = {}, removed = {},
    events = { INSERT = 0, MODIFY = 0, REMOVE = 0 },
  }, tally)
end

---@param step git_history.step
function tally:add(step)
  for _, change in ipairs(step.changes) do
    local path, author = change.path, step.author
    local before, after = self.files[path], not change.removed and change or nil
    local event = not after and "REMOVE" or before and "MODIFY" or "INSERT"
    self.events[event] = self.events[event] + 1
    self.files[path] = after

    local directory = path:find("/", 1, true) and path:gsub("[^/]*$", "") or "/"
    local churn = self.churn[directory]
      or { directory = directory, changes = 0, bytes_added = 0, bytes_removed = 0 }
    self.churn[directory] = churn
    local grown = (after and after.size or 0) - (before and before.size or 0)
    local way = grown > 0 and "bytes_added" or "bytes_removed"
    churn.changes, churn[way] = churn.changes + 1, churn[way] + math.abs(grown)

    local who = path .. "\0" .. author
    self.authors[who] = self.authors[who] or { path = path, author = author, changes = 0 }
    self.authors[who].changes = self.authors[who].changes + 1

    self.removed[path] = not after and {
      path = path, size = before and before.size, author = author, commit = step.commit,
      time = step.time,
    } or nil
  end
end

--- Verifies that the follower's tables agree with the log.
---@param expected git_history.tally
---@return boolean holds
---@return string sentence
function proof.derived(db, expected)
  local keys = {
    churn = function(item) return item.directory end,
    authors = function(item) return item.path .. "\0" .. item.author end,
    removed = by_path,
  }
  local counts = {}
  for _, name in ipairs { "churn", "authors", "removed" } do
    local count, problem = compare(assert(db:table(name)), expected[name], keys[name])
    if not count then return false, problem end
    counts[name] = thousands(count)
  end
  return true, ("the follower's tables are what the log says: %s directories, "
    .. "%s authors of files, %s files removed"):format(counts.churn, counts.authors,
    counts.removed)
end

return proof
