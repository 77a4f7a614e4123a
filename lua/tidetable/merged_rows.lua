-- merged_rows.lua - the rows of a query in an optimistic transaction, merged with its writes.

local core = require "tidetable.core"
local item_operations = require "tidetable.item_operations"
local request = require "tidetable.request"
local sorted_keys = require "tidetable.sorted_keys"

local or_raise = item_operations.or_raise
local compare, decode = core.compare_bytes, core.values.decode

local merged_rows = {}

-- Writes of a transaction to a table ------------------------------------------

--- One write that is not applied yet.
---@class tidetable.PendingWrite
---@field table userdata     core's handle of the table
---@field bytes string       the encoded item, or the encoded key of a deletion
---@field deletes true|nil   a deletion
---@field absent true|nil    the item does not exist after it, or is expired
---@field number integer     position in the transaction's log, from 1
---@field older tidetable.PendingWrite[]|nil  earlier writes of the same key, in order
---@field key string|nil     the encoded key: an update that can be evaluated again. It has the
---                          parameters of options, too
---@field expression string|nil  its update expression
---@field version integer|nil    of the item in the snapshot, on which `bytes` depends

--- The writes of a transaction to one table.
---@class tidetable.Writes
---@field last table<string, tidetable.PendingWrite>  last write of each encoded key
---@field listed table<string, true>  keys with a write that is not absent, without those in `fresh`
---@field sorted tidetable.SortedKeys  these keys
---@field fresh string[]    keys with such a write since the last call of sort; some are also listed
---@field skips table<integer, table<string, tidetable.Skip>>  by the step of a query and a key
local Writes = {}
Writes.__index = Writes

--- Returns the writes of a transaction that has not written to the table.
---@return tidetable.Writes
function merged_rows.new_writes()
  return setmetatable({
    last = {}, listed = {}, sorted = sorted_keys.new(), fresh = {}, skips = { [1] = {}, [-1] = {} },
  }, Writes)
end

--- Adds a write.
function Writes:add(key, write)
  local before = self.last[key]
  if before then
    write.older, before.older = before.older or {}, nil
    write.older[#write.older + 1] = before
  end
  self.last[key] = write
  if not write.absent and (not before or before.absent) then
    self.fresh[#self.fresh + 1] = key
  end
end

--- Returns the last write of a key among the first `count` writes of the transaction.
function Writes:as_of(key, count)
  local write = self.last[key]
  local older = write.number > count and write.older
  if not older then
    return write.number <= count and write or nil
  end
  local low, high = 0, #older       -- older[low] is among them, those after older[high] are not
  while low < high do
    local middle = (low + high + 1) // 2
    if older[middle].number <= count then
      low = middle
    else
      high = middle - 1
    end
  end
  return older[low]
end

--- Moves the keys of `fresh` to `sorted`. A transaction that only writes sorts nothing.
function Writes:sort()
  local fresh = self.fresh
  self.fresh = {}
  for _, key in ipairs(fresh) do
    if not self.listed[key] then
      self.listed[key] = true
      self.sorted:add(key)
    end
  end
end

-- Reading many ---------------------------------------------------------------

--- The rows of a query: a merge of the snapshot's rows and the transaction's writes; a write
--- replaces the row with its key. Deletions are not merged, but looked up for each row. Writes made
--- after the query began are not included. The versions of the snapshot's rows are recorded for the
--- validation.
---@class tidetable.Rows
---@field transaction tidetable.OptimisticTransaction
---@field table tidetable.OptimisticTable
---@field query userdata       the core's query of the snapshot
---@field left number          number of items that may still be returned
---@field versions any[]       versions of the snapshot's rows read so far
---@field count integer        number of versions
---@field ended boolean        all rows of the snapshot were read
---@field covered boolean      the rest of the range was read by earlier queries (Skip)
---@field run string|nil       key of the row after which all rows were written by the transaction
---@field run_count integer    number of these rows
---@field item any             the snapshot's next item
---@field size integer         its size in bytes
---@field key string           its encoded key
---@field merges boolean       the transaction has written to the table
---@field has_segment boolean  only the items of one segment
---@field writes tidetable.Writes
---@field began integer        number of writes when the query began
---@field step integer         1: ascending, -1: descending
---@field onward any           field of a node that has the next one: 1, or "previous"
---@field own tidetable.PendingWrite|nil  the next write
---@field own_key string|nil   its encoded key
---@field node tidetable.SortedKey|nil  the node of the key after it
local Rows = {}
Rows.__index = Rows

-- Queries repeat when a transaction deletes items and queries again, and each would read all rows
-- that the transaction has deleted before. Once a query has read rows that the transaction has
-- written, a later one skips them: their items are those of the writes, and the validation of the
-- earlier query proves that the rows are the same and that no other row lies between them.

--- From a row to a later one, in the order of a query; the transaction has written all rows from
--- the first to the last.
---@class tidetable.Skip
---@field to string       key of the last row
---@field began integer   number of writes of which the rows are

--- Number of rows of a skip. Fewer are read, because to skip begins another query of the snapshot.
local SKIPPED = 8

--- Returns the key of the last row that the rows can skip to from a row; nil if there is none. The
--- skips on the way are joined, so a chain of n takes log n steps in the long run.
local function skip_from(rows, key)
  local skips, first = rows.writes.skips[rows.step], nil
  local skip, began = skips[key], 0
  while skip and skip.began <= rows.began do
    first, began = first or skip, math.max(began, skip.began)
    local following = skips[skip.to]
    if not following or following.began > rows.began then
      break
    end
    skip = following
  end
  if first and first ~= skip and skip.began <= rows.began then
    first.to, first.began = skip.to, began
  end
  return first and first.to
end

--- Ends the query of the snapshot before its range ends: what it has read is validated, and the
--- rest is read by another one.
local function divide(rows)
  core.rewind(rows.query)
  local queries = rows.transaction.queries
  queries[#queries + 1] = {
    query = rows.query, versions = rows.versions, count = rows.count, ended = false,
  }
  rows.versions, rows.count = {}, 0
end

--- Continues after a row that the transaction has written.
local function continue_after(rows, key)
  local last, start = decode(rows.writes.last[key].bytes), {}
  for _, name in ipairs(rows.names) do
    start[name] = last[name]
  end
  rows.covered = core.place(rows.query, key) * rows.step > 0
  divide(rows)
  if not rows.covered then
    rows.query = rows.open(start)
  end
end

--- Notes that the snapshot's next row is one that the transaction has written, and skips those that
--- follow if an earlier query has read them.
local function pass_written(rows)
  local key = rows.key
  rows.item = nil
  if rows.has_segment then
    return
  end
  if not rows.run then
    rows.run, rows.run_count = key, 0
  elseif rows.run_count == SKIPPED then
    rows.writes.skips[rows.step][rows.run] = { to = key, began = rows.began }
    rows.run, rows.run_count = key, 0
  end
  rows.run_count = rows.run_count + 1
  local to = skip_from(rows, key)
  if to then
    rows.run, rows.run_count = to, 1
    continue_after(rows, to)
  end
end

--- Sets the node of the first write in the range.
local function find_own(rows)
  local query, is_ascending = rows.query, rows.step > 0
  local node = rows.writes.sorted:last_before(function(key)
    local place = core.place(query, key)
    return place < 0 or place == 0 and not is_ascending
  end)
  if is_ascending then
    node = node[1]
  end
  rows.node, rows.onward = node, is_ascending and 1 or "previous"
end

--- Sets the next write; nil after the last one in the range.
local function pull_own(rows)
  rows.own = nil
  while not rows.own do
    local node = rows.node
    local key = node and node.key
    if not key or core.place(rows.query, key) * rows.step > 0 then
      return
    end
    rows.node, rows.own_key = node[rows.onward], key
    rows.own = rows.writes:as_of(key, rows.began)
    if rows.own and rows.has_segment and not core.in_segment(rows.query, rows.own.bytes) then
      rows.own = nil
    end
  end
end

--- Begins a query or a scan, and records it for the validation.
---@param self tidetable.OptimisticTable
---@param partition any        nil: scan
---@param opts tidetable.QueryOptions|tidetable.ScanOptions
---@param limit integer|nil    maximum number of items
---@param page integer|nil     page size: rows per read of the snapshot
---@param subject string         name of the called function, for messages
---@return tidetable.Rows
function merged_rows.open(self, partition, opts, limit, page, subject)
  local transaction = self.transaction
  local sort = opts.sort or { "all" }
  local function open(start_key)
    return or_raise(request.results(subject, core.query(self.core, partition, sort[1], sort[2],
      sort[3], opts.descending or false, start_key, page, transaction.snapshot, false,
      request.reads(opts), opts.segment, opts.total_segments)))
  end
  local rows = setmetatable({
    transaction = transaction, table = self, query = open(opts.start_key), open = open,
    names = self.keys,
    left = limit or math.huge, versions = {}, count = 0, ended = false, covered = false,
    run_count = 0, scanned = 0,
    selects = (opts.filter or opts.projection) ~= nil, has_segment = opts.segment ~= nil,
    writes = self.writes, began = #transaction.log, step = opts.descending and -1 or 1,
  }, Rows)
  if next(self.writes.last) then
    transaction.unfinished = transaction.unfinished + 1
    self.writes:sort()
    transaction.unfinished = transaction.unfinished - 1
    find_own(rows)
    pull_own(rows)
  end
  rows.merges = next(self.writes.last) ~= nil
  local queries = transaction.queries
  queries[#queries + 1] = rows
  return rows
end

--- Reads the snapshot's next row and records its version.
local function pull(rows)
  local version, item, size, key = core.next_versioned(rows.query, rows.merges, rows.selects)
  if not version then
    rows.ended = true
    core.rewind(rows.query)
    return
  end
  rows.count = rows.count + 1
  rows.versions[rows.count] = version
  rows.item, rows.size, rows.key = item, size, key
end

--- Returns true if the transaction has deleted the snapshot's next row.
local function is_deleted(rows)
  local write = rows.writes.last[rows.key]
  write = write and rows.writes:as_of(rows.key, rows.began)
  return write and write.absent
end

--- Reads the snapshot's next row that the transaction has not deleted.
local function pull_left(rows)
  repeat
    pull(rows)
    local is_gone = rows.merges and not rows.ended and is_deleted(rows)
    if is_gone then
      pass_written(rows)
    end
  until not is_gone or rows.covered
end

--- Returns the next item, encoded if the query selects, and its size in bytes; nil at the end.
function Rows.merge(rows)
  while true do
    if not rows.item and not rows.ended and not rows.covered then
      pull_left(rows)
    end
    local own = rows.own
    local order = not own and -1 or not rows.item and 1 or
      compare(rows.key, rows.own_key) * rows.step
    if order < 0 then
      local item = rows.item
      rows.item, rows.run = nil, nil
      return item, rows.size
    elseif order == 0 then
      pass_written(rows)
    end
    pull_own(rows)
    if not own.absent then
      return rows.selects and own.bytes or decode(own.bytes), #own.bytes
    end
  end
end

--- Evaluates the next item. Returns its size in bytes, and what the filter and the projection give
--- of it (nil: nothing); nil at the end.
function Rows.take(rows)
  local item, size = rows:merge()
  if not item then
    return nil
  end
  rows.scanned, rows.last = rows.scanned + 1, item
  if rows.selects then
    item = core.select(rows.query, item)
  end
  return size, item
end

--- Returns the next item of an iteration; nil at the end or after `limit` items.
function Rows.next(rows)
  rows.transaction:check()
  if rows.left == 0 then
    return nil
  end
  local size, item
  repeat
    size, item = rows:take()
  until item or not size
  rows.left = rows.left - 1
  return item
end

function Rows:__close()
  self.left, self.item = 0, nil
  core.rewind(self.query)
end

--- Returns true if the query, run again, returns the same versions; nil, err on failure.
function merged_rows.are_current(rows)
  if rows.count == 0 and not rows.ended then
    return true
  end
  return core.follows(rows.query, rows.versions, rows.count, rows.ended)
end

return merged_rows
