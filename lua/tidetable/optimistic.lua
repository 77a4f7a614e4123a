-- optimistic.lua - transactions without the lock: on a snapshot, verified when they end.
--
-- While the function runs, its reads come from one snapshot and are remembered
-- with their versions; its writes are kept here, and its own reads see them.
-- At the end one short locked transaction reads again: if everything is as it
-- was, the writes are applied, so that all of it might have happened then. If
-- not, the function runs again.

local core = require "tidetable.core"
local item_operations = require "tidetable.item_operations"
local options = require "tidetable.options"
local wait = require "tidetable.wait"

local or_raise = item_operations.or_raise
local compare, decode = core.compare_bytes, core.values.decode

local optimistic = {}

-- What a transaction has written in a table --------------------------------------

--- The last write of each key in `last`; a write knows the one `before` it. The
--- keys in order stand in `sorted`, but for those that came since it was last
--- asked for, in `fresh`; `sortings` tells when it has changed.
local Writes = {}
Writes.__index = Writes

local function new_writes()
  return setmetatable({ last = {}, sorted = {}, fresh = {}, sortings = 0 }, Writes)
end

function Writes:keep(key, write)
  local before = self.last[key]
  if not before then
    self.fresh[#self.fresh + 1] = key
  end
  write.before = before
  self.last[key] = write
end

--- The write of a key that was the last one when there were so many.
function Writes:as_of(key, count)
  local write = self.last[key]
  while write and write.number > count do
    write = write.before
  end
  return write
end

--- The index of the first key that is not before something.
local function first_from(keys, is_before)
  local low, high = 1, #keys + 1
  while low < high do
    local middle = (low + high) // 2
    if is_before(keys[middle]) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local function is_less(a, b)
  return compare(a, b) < 0
end

--- A few are put in their places; for many everything is sorted.
local FEW = 16

function Writes:sort()
  local sorted, fresh = self.sorted, self.fresh
  if #fresh == 0 then
    return
  elseif #fresh > FEW then
    table.move(fresh, 1, #fresh, #sorted + 1, sorted)
    table.sort(sorted, is_less)
  else
    for _, key in ipairs(fresh) do
      table.insert(sorted, first_from(sorted, function(other)
        return compare(other, key) < 0
      end), key)
    end
  end
  self.fresh, self.sortings = {}, self.sortings + 1
end

-- Reading many ---------------------------------------------------------------

--- The rows of a query: those of the snapshot, and the transaction's own in
--- front of them where both have a key. What the snapshot gave is remembered:
--- the versions, in order, and whether they were all. Of its own it gives those
--- from before it began, whatever is written while it runs.
local Rows = {}
Rows.__index = Rows

--- Where its own go on: behind the last that was met, or where the range begins.
local function find_own(rows)
  local met, query, ascending = rows.own_key, rows.query, rows.step > 0
  local or_equal = ascending == (met ~= nil)
  local at = first_from(rows.writes.sorted, function(key)
    local order = met and compare(key, met) or core.place(query, key)
    return order < 0 or or_equal and order == 0
  end)
  rows.at = ascending and at or at - 1
  rows.sortings = rows.writes.sortings
end

--- The next of its own; nil behind the last.
local function pull_own(rows)
  local writes = rows.writes
  if rows.sortings ~= writes.sortings then
    find_own(rows)
  end
  rows.own = nil
  while not rows.own do
    local key = writes.sorted[rows.at]
    if not key or core.place(rows.query, key) * rows.step > 0 then
      return
    end
    rows.at, rows.own_key = rows.at + rows.step, key
    rows.own = writes:as_of(key, rows.began)
  end
end

--- `page`: how many rows of the snapshot are read at once.
local function open_rows(self, partition, given, limit, page)
  local transaction = self.transaction
  local by = given.sort or { "all" }
  local query = or_raise(core.query(self.core, partition, by[1], by[2], by[3],
    given.descending or false, given.start_key, page, transaction.snapshot))
  local rows = setmetatable({
    transaction = transaction, query = query, left = limit or math.huge,
    versions = {}, count = 0, ended = false,
    writes = self.writes, began = #transaction.log, step = given.descending and -1 or 1,
  }, Rows)
  if next(self.writes.last) then
    self.writes:sort()
    pull_own(rows)
  end
  rows.merges = rows.own ~= nil
  local queries = transaction.queries
  queries[#queries + 1] = rows
  return rows
end

--- The snapshot's next row.
local function pull(rows)
  local version, item, size, key = core.next_versioned(rows.query, rows.merges)
  if not version then
    rows.ended = true
    core.rewind(rows.query)
    return
  end
  rows.count = rows.count + 1
  rows.versions[rows.count] = version
  rows.item, rows.size, rows.key = item, size, key
end

--- The next item and how many bytes it is; nil at the end.
local function merge(rows)
  while true do
    if not rows.item and not rows.ended then
      pull(rows)
    end
    local own = rows.own
    local order = not own and -1 or not rows.item and 1 or
      compare(rows.key, rows.own_key) * rows.step
    if order < 0 then
      local item = rows.item
      rows.item = nil
      return item, rows.size
    elseif order == 0 then
      rows.item = nil
    end
    pull_own(rows)
    if not own.deletes then
      return decode(own.bytes), #own.bytes
    end
  end
end

local function next_row(rows)
  rows.transaction:check()
  if rows.left == 0 then
    return nil
  end
  rows.left = rows.left - 1
  return (merge(rows))
end

function Rows:__close()
  self.left, self.item = 0, nil
  core.rewind(self.query)
end

--- Whether the query, run again, gives what it gave; or nil, err.
local function rows_are_current(rows)
  if rows.count == 0 and not rows.ended then
    return true
  end
  return core.follows(rows.query, rows.versions, rows.count, rows.ended)
end

-- A table ----------------------------------------------------------------------

--- A table inside an optimistic transaction; failures raise.
---@class tidetable.OptimisticTable : tidetable.TransactionTable
local Table = {}
Table.__index = Table
Table.__name = "tidetable.transaction_table"

function Table:__tostring()
  return ("%s: %s"):format(Table.__name, self.name)
end

--- The item that the transaction sees under this key; what it didn't write
--- itself is remembered as read.
local function see(self, key, bytes)
  local own = self.writes.last[key]
  if own then
    return not own.deletes and decode(own.bytes) or nil
  end
  local version, item = or_raise(core.get_at(self.transaction.snapshot, self.core, bytes))
  self.asked[key] = bytes
  self.versions[key] = version
  return item
end

function Table:get(key, given)
  self.transaction:check()
  item_operations.check_table(key, "get", "a key")
  options.check(given, item_operations.get_options, "get")
  return (see(self, or_raise(core.key_at(self.transaction.snapshot, self.core, key, true))))
end

--- Should memory run out in the middle, the transaction can't end well any more.
local function keep(self, key, bytes, deletes)
  local transaction = self.transaction
  local log = transaction.log
  local write = { table = self.core, bytes = bytes, deletes = deletes, number = #log + 1 }
  transaction.is_broken = true
  self.writes:keep(key, write)
  log[#log + 1] = write
  transaction.is_broken = false
end

local function change(self, item, wants, deletes)
  local key, bytes = or_raise(core.key_at(self.transaction.snapshot, self.core, item, deletes))
  local old = wants and see(self, key, bytes)
  keep(self, key, bytes, deletes)
  if old then
    return true, old
  end
  return true
end

function Table:put(item, given)
  self.transaction:check()
  item_operations.check_table(item, "put", "an item")
  return change(self, item, item_operations.wants_old(given, "put"), false)
end

function Table:delete(key, given)
  self.transaction:check()
  item_operations.check_table(key, "delete", "a key")
  return change(self, key, item_operations.wants_old(given, "delete"), true)
end

-- What is loaded waits until there are as many as a batch has: of one that is refused,
-- nothing is kept.

local function take(into, item)
  local self, n = into.table, into.count + 1
  local key, bytes, code = core.key_at(self.transaction.snapshot, self.core, item, false)
  if not key then
    return nil, bytes, code
  end
  into.keys[n], into.bytes[n], into.count = key, bytes, n
  return false
end

local function store(into, count)
  into.table.transaction:check()
  for i = 1, count do
    keep(into.table, into.keys[i], into.bytes[i], false)
  end
  into.count = 0
  return count
end

function Table:load(items, given)
  self.transaction:check()
  local size = options.check(given, item_operations.load_options, "load").batch or 1000
  return or_raise(item_operations.load_items({
    into = { table = self, keys = {}, bytes = {}, count = 0 },
    size = size, take = take, store = store,
  }, items))
end

--- Its snapshot is the transaction's, and so is the limit.
local function check_many(given, known, what)
  given = item_operations.check_many(given, known, what)
  if given.snapshot_limit then
    options.misuse(what .. ': option "snapshot_limit" is not for an optimistic transaction:'
      .. " its time_limit holds for all of its reads")
  end
  return given
end

local function iterate(self, partition, given)
  local rows = open_rows(self, partition, given, given.limit, given.limit)
  return function()
    return next_row(rows)
  end, nil, nil, rows
end

function Table:query(partition, given)
  self.transaction:check()
  item_operations.check_partition(partition, "query")
  return iterate(self, partition, check_many(given, item_operations.query_options, "query"))
end

function Table:scan(given)
  self.transaction:check()
  return iterate(self, nil, check_many(given, item_operations.scan_options, "scan"))
end

--- A page's bounds, as the core has them.
local PAGE_ITEMS, PAGE_BYTES = 1000, 1024 * 1024

--- Items up to the bounds, and whether there is one behind them.
local function take_page(rows, most)
  local items, bytes = {}, 0
  while #items < most and bytes < PAGE_BYTES do
    local item, size = merge(rows)
    if not item then
      return items, false
    end
    items[#items + 1], bytes = item, bytes + size
  end
  return items, merge(rows) ~= nil
end

local function read_page(self, partition, given)
  local most = math.min(given.limit or PAGE_ITEMS, PAGE_ITEMS)
  local rows <close> = open_rows(self, partition, given, nil, most + 1)
  local items, more = take_page(rows, most)
  if not more then
    return items
  end
  local key = {}
  for _, name in ipairs(self.keys) do
    key[name] = items[#items][name]
  end
  return items, key
end

function Table:query_page(partition, given)
  self.transaction:check()
  item_operations.check_partition(partition, "query_page")
  given = options.check(given, item_operations.page_options, "query_page")
  return read_page(self, partition, given)
end

function Table:scan_page(given)
  self.transaction:check()
  return read_page(self, nil, options.check(given, item_operations.scan_page_options, "scan_page"))
end

options.methods(Table, "table")

--- Whether it is the same table, and what was read by key is as it was; or nil, err.
local function table_is_current(self)
  local description, err, code = core.describe_table(self.core)
  if not description and code ~= "NOT_FOUND" then
    return nil, err
  elseif (description and description.id or 0) ~= self.id then
    return false
  end
  for key, version in pairs(self.versions) do
    local now
    now, err = core.version_of(self.core, self.asked[key])
    if not now then
      return nil, err
    elseif now ~= version then
      return false
    end
  end
  return true
end

-- The transaction ----------------------------------------------------------------

--- What the function of an optimistic transaction gets.
---@class tidetable.OptimisticTransaction : tidetable.Transaction
local Transaction = {}
Transaction.__index = Transaction
Transaction.__name = "tidetable.transaction"

local function begin(database, limit)
  local snapshot, commit, code = wait.write(database, core.snapshot, database.core, limit)
  if not snapshot then
    return nil, commit, code
  end
  return setmetatable({
    database = database, snapshot = snapshot, commit = commit,
    tables = {}, queries = {}, log = {}, is_broken = false,
  }, Transaction)
end

function Transaction:check()
  if self.ended then
    core.raise_ended()
  end
  core.hold(self.snapshot)
end

function Transaction:__close()
  self.ended = true
  core.finish(self.snapshot)
end

local function open_table(transaction, name)
  local handle = or_raise(core.table(transaction.database.core, name))
  local id, partition_key, sort_key = core.table_at(transaction.snapshot, handle)
  if not id and sort_key ~= "NOT_FOUND" then
    error(partition_key, 0)
  end
  return setmetatable({
    core = handle, name = name, transaction = transaction, id = id or 0,
    keys = { partition_key, sort_key }, missing = not id and partition_key,
    versions = {}, asked = {}, writes = new_writes(),
  }, Table)
end

--- A table, as the transaction sees it. Raises NOT_FOUND.
---@param name string
---@return tidetable.OptimisticTable
function Transaction:table(name)
  self:check()
  item_operations.check_name(name, "table")
  local handle = self.tables[name]
  if not handle then
    handle = open_table(self, name)
    self.tables[name] = handle
  end
  if handle.missing then
    error(handle.missing, 0)
  end
  return handle
end

options.methods(Transaction, "tx")

--- Whether everything that was read is as it was; or nil, err.
local function is_current(transaction)
  if core.last_commit(transaction.database.core) == transaction.commit then
    return true
  end
  for _, handle in pairs(transaction.tables) do
    local current, err = table_is_current(handle)
    if not current then
      return current, err
    end
  end
  for _, rows in ipairs(transaction.queries) do
    local current, err = rows_are_current(rows)
    if not current then
      return current, err
    end
  end
  return true
end

local function apply(log)
  for _, write in ipairs(log) do
    local ok, err = core.apply(write.table, write.bytes, write.deletes)
    if not ok then
      return nil, err
    end
  end
  return true
end

--- Runs under the lock: true and what the function returned, when the writes were
--- applied; false when something has changed. A failure is raised, so that
--- nothing of them stays.
local function verify_and_apply(transaction)
  local done, err = is_current(transaction)
  if done then
    done, err = apply(transaction.log)
  end
  if done == nil then
    transaction.failure = err
    error(err, 0)
  elseif not done then
    return false
  end
  return true, table.unpack(transaction.results, 1, transaction.results.n)
end

--- Sorts out what came of the commit. It may have been made, so no memory is
--- asked for on the way.
local function outcome(transaction, ok, done, value, ...)
  if not ok and done ~= nil and done == transaction.failure then
    return nil, done, done.code
  elseif not ok then
    error(done, 0)
  elseif not done then
    return nil, value, ...
  end
  return value, ...
end

local function commit(transaction, limit)
  local database = transaction.database
  return outcome(transaction, pcall(wait.try, database, core.transact, database.core,
    limit, verify_and_apply, transaction))
end

--- true and what the function returned; false: something has changed; or nil,
--- err, code. The snapshot goes before the lock is asked for: waiting must not
--- hold it.
local function attempt(database, fn, limit)
  local transaction <close>, err, code = begin(database, limit)
  if not transaction then
    return nil, err, code
  end
  local results = table.pack(fn(transaction))
  core.hold(transaction.snapshot)
  if transaction.is_broken then
    error("not enough memory", 0)
  end
  transaction:__close()
  if #transaction.log == 0 then
    return true, table.unpack(results, 1, results.n)
  end
  transaction.results = results
  return commit(transaction, limit)
end

local function attempts(database, fn, limit, left, done, ...)
  if done ~= false then
    return done, ...
  elseif left == 0 then
    return core.conflict()
  end
  return attempts(database, fn, limit, left - 1, attempt(database, fn, limit))
end

--- Runs fn(tx) until nothing that it read has changed meanwhile.
---@param database tidetable.Database
---@param fn fun(tx: tidetable.OptimisticTransaction): ...
---@param most integer  attempts
---@param limit number  seconds
---@return true|nil ok, any ...  what fn returns; or err, code
function optimistic.transact(database, fn, most, limit)
  return attempts(database, fn, limit, most, false)
end

return optimistic
