-- optimistic.lua - transactions in optimistic mode: on a snapshot, validated at the commit.
--
-- Optimistic concurrency control with backward validation. While the function runs, it reads from
-- one snapshot, and the versions of what it has read are recorded. Its writes are kept in memory,
-- and its own reads see them. At the end a short transaction under the write lock reads again: if
-- no version has changed, the writes are applied, so the transaction is serializable. Otherwise the
-- function runs again.
--
-- A handler of a consumer may take long. Its snapshot is held for about a second; at the next read
-- after that, what it has read is verified in the same way on a newer snapshot, and it continues
-- there, or runs again.

local annotations = require "tidetable.annotation"
local core = require "tidetable.core"
local deliveries = require "tidetable.consumer.delivery"
local item_operations = require "tidetable.item_operations"
local members = require "tidetable.members"
local merged_rows = require "tidetable.merged_rows"
local options = require "tidetable.options"
local request = require "tidetable.request"
local wait = require "tidetable.wait"

local or_raise = item_operations.or_raise
local decode = core.values.decode

local optimistic = {}

-- A table ----------------------------------------------------------------------

--- Raises CLOSED if the transaction has ended. For functions that then call one of the core with
--- the snapshot, which tests the time limit.
local function check_not_ended(transaction)
  if transaction.ended then
    core.raise_ended()
  end
end

--- A table in an optimistic transaction. Its operations raise their errors.
---@class tidetable.OptimisticTable : tidetable.TransactionTable
---@field package core userdata              the core's handle
---@field package transaction tidetable.OptimisticTransaction
---@field package id integer                 id in the snapshot; 0: the table does not exist
---@field package has_ttl boolean            items of the table can expire
---@field package keys string[]              names of the key attributes
---@field package missing any                the NOT_FOUND error if it does not exist
---@field package versions table<string, any>  versions of the items read, by sortable key
---@field package key_bytes table<string, string>  the encoded keys of these items
---@field package writes tidetable.Writes
---@field package stale table<string, true>|false  sortable keys with an update that was evaluated
---                                  on an item which a newer snapshot has in another version
local Table = {}
Table.__index = Table
Table.stale = false
Table.__name = "tidetable.transaction_table"

function Table:__tostring()
  return ("%s: %s"):format(Table.__name, self.name)
end

--- Ends the attempt: what the transaction has read has changed.
local function raise_conflict(transaction)
  if not transaction.conflict then
    local _, err = core.conflict()
    transaction.conflict = err
  end
  error(transaction.conflict, 0)
end

--- Returns the encoded item with a key as the transaction sees it, nil if there is none. Records
--- its version in the snapshot for the validation, unless the transaction has written the item and
--- what it wrote does not depend on this version.
local function read_bytes(self, key, bytes)
  local own = self.writes.last[key]
  if own then
    if own.version then
      if self.stale and self.stale[key] then
        raise_conflict(self.transaction)
      end
      self.key_bytes[key] = bytes
      self.versions[key] = own.version
    end
    return not own.absent and own.bytes or nil
  end
  local version, item = or_raise(core.get_at(self.transaction.snapshot, self.core, bytes, true))
  self.key_bytes[key] = bytes
  self.versions[key] = version
  return item
end

--- Returns the item with a key as the transaction sees it.
local function read_item(self, key, bytes)
  local item = read_bytes(self, key, bytes)
  return item and decode(item)
end

--- Returns the item with this key, as the transaction sees it; nil if there is none.
---@param key table<string, any>  the key attributes and no others
---@param opts tidetable.GetOptions|nil
---@return table<string, any>|nil item
function Table:get(key, opts)
  check_not_ended(self.transaction)
  item_operations.check_table(key, "get", "a key")
  opts = opts ~= nil and options.check(opts, item_operations.get_options, "get")
  local sortable, bytes = or_raise(core.key_at(self.transaction.snapshot, self.core, key, true))
  if opts and next(opts) then
    return (or_raise(core.project(self.core, read_bytes(self, sortable, bytes), opts,
      self.transaction.snapshot)))
  end
  return read_item(self, sortable, bytes)
end

--- Adds a write to the transaction. If memory runs out in between, `unfinished` stays above 0 and
--- the transaction cannot commit any more.
local function add(transaction, writes, key, write)
  local log = transaction.log
  transaction.unfinished = transaction.unfinished + 1
  write.number = #log + 1
  writes:add(key, write)
  log[write.number] = write
  transaction.unfinished = transaction.unfinished - 1
end

--- Adds a put or a deletion.
local function add_write(self, key, bytes, deletes)
  local transaction, handle = self.transaction, self.core
  local write
  if deletes then
    write = { table = handle, bytes = bytes, number = 0, deletes = true, absent = true }
  else
    write = { table = handle, bytes = bytes, number = 0 }
    if self.has_ttl and or_raise(core.expired_at(transaction.snapshot, handle, bytes)) then
      write.absent = true
    end
  end
  add(transaction, self.writes, key, write)
end

--- Evaluates a write on the item that the transaction sees, and adds it. Returns true and what
--- return_values asks for.
local function evaluate(self, operation, item, expression, opts, subject)
  local transaction = self.transaction
  local key, bytes =
    or_raise(core.key_at(transaction.snapshot, self.core, item, operation ~= request.PUT))
  local old = read_bytes(self, key, bytes)
  local update, given, returns, wants_failed = request.arguments(expression, opts)
  local new, returned = or_raise(request.results(subject, core.evaluate(self.core, operation,
    bytes, update, given, returns, wants_failed, transaction.snapshot, old)))
  if operation == request.DELETE then
    add_write(self, key, bytes, true)
  elseif #new > 0 then
    add_write(self, key, new, false)
  end
  if returned then
    return true, returned
  end
  return true
end

--- Adds a put or a deletion. Returns true and, if wanted, the old item.
local function change(self, item, opts, deletes, subject)
  opts = opts ~= nil and request.check_tx_write(opts, subject)
  if opts and request.has_expressions(opts) then
    return evaluate(self, deletes and request.DELETE or request.PUT, item, nil, opts, subject)
  end
  local key, bytes = or_raise(core.key_at(self.transaction.snapshot, self.core, item, deletes))
  local old = opts and opts.return_values == "ALL_OLD" and read_item(self, key, bytes)
  add_write(self, key, bytes, deletes)
  if old then
    return true, old
  end
  return true
end

--- Stores an item when the transaction is committed.
---@param item table<string, any>
---@param opts tidetable.WriteOptions|nil
---@return true ok, table|nil old
function Table:put(item, opts)
  check_not_ended(self.transaction)
  item_operations.check_table(item, "put", "an item")
  return change(self, item, opts, false, "put")
end

local defer_update = core.defer_update

--- Changes attributes of the item with this key when the transaction is committed. An update that
--- can be deferred is evaluated now, and again when the transaction is applied, and is no read. All
--- others, and wrong arguments, take the general way.
---@param key table<string, any>  the key attributes and no others
---@param expression string|nil
---@param opts tidetable.UpdateOptions|nil
---@return true ok, table|nil item
function Table:update(key, expression, opts)
  if getmetatable(self) ~= Table then
    options.no_self("update", "table")
  end
  local transaction, writes = self.transaction, self.writes
  check_not_ended(transaction)
  local sortable, write = defer_update(transaction.snapshot, self.core, key, expression, opts,
    writes.last)
  if sortable then
    add(transaction, writes, sortable, write)
    return true
  elseif write then
    error(write, 0)
  end
  item_operations.check_table(key, "update", "a key")
  opts = request.check_tx_update(expression, opts)
  return evaluate(self, request.UPDATE, key, expression, opts, "update")
end

--- Deletes the item with this key when the transaction is committed.
---@param key table<string, any>  the key attributes and no others
---@param opts tidetable.WriteOptions|nil
---@return true ok, table|nil old
function Table:delete(key, opts)
  check_not_ended(self.transaction)
  item_operations.check_table(key, "delete", "a key")
  return change(self, key, opts, true, "delete")
end

-- Items that are loaded become writes of the transaction when a batch is complete. If one is
-- refused, the whole batch is dropped.

--- Adds an item to the batch (tidetable.Load).
local function take(into, item)
  local self, n = into.table, into.count + 1
  local key, bytes, code = core.key_at(self.transaction.snapshot, self.core, item, false)
  if not key then
    return nil, bytes, code
  end
  into.keys[n], into.bytes[n], into.count = key, bytes, n
  return false
end

--- Makes the batch's items writes of the transaction (tidetable.Load).
local function store(into, count)
  into.table.transaction:check()
  for i = 1, count do
    add_write(into.table, into.keys[i], into.bytes[i], false)
  end
  into.count = 0
  return count
end

--- Puts many items, all in this transaction.
---@param items table[]|fun(): table|nil  an array, or a function that returns nil at the end
---@param opts { batch: integer|nil }|nil  items that are added at once; default 1000
---@return integer count
function Table:load(items, opts)
  self.transaction:check()
  annotations.refuse(opts, "load")
  local size = options.check(opts, item_operations.load_options, "load").batch or 1000
  return or_raise(item_operations.load_items({
    into = { table = self, keys = {}, bytes = {}, count = 0 },
    size = size, take = take, store = store,
  }, items))
end

--- Refuses a time limit of the snapshot, which is the transaction's.
local function check_limit(opts, subject)
  if opts.snapshot_limit then
    options.misuse(subject .. ': option "snapshot_limit" is not available in optimistic mode:'
      .. " time_limit applies to all reads")
  end
  return opts
end

--- Raises CONFLICT if the range of a query has an item that the transaction would see as it was
--- evaluated on an older snapshot.
local function check_not_stale(self, query)
  for key in pairs(self.stale or {}) do
    if core.place(query, key) == 0 then
      raise_conflict(self.transaction)
    end
  end
end

--- Begins a query or a scan (merged_rows.open).
local function open_rows(self, ...)
  local rows = merged_rows.open(self, ...)
  check_not_stale(self, rows.query)
  return rows
end

--- Returns the four values of a generic for over the items of a query or a scan; with the option
--- count the number of items, and of those evaluated.
local function iterate(self, partition, opts, subject)
  local rows = open_rows(self, partition, opts, opts.limit,
    not opts.filter and opts.limit or nil, subject)
  if opts.count then
    local count = 0
    while rows:next() do
      count = count + 1
    end
    return count, rows.scanned
  end
  return function()
    return rows:next()
  end, nil, nil, rows
end

--- Returns an iterator over the items of one partition, in the order of the sort key.
---@param partition any  value of the partition key
---@param opts tidetable.QueryOptions|nil
---@return fun(): table<string, any>|nil
function Table:query(partition, opts)
  self.transaction:check()
  partition, opts = item_operations.partition_and_options(partition, opts,
    item_operations.query_options, "query")
  return iterate(self, partition, check_limit(opts, "query"), "query")
end

--- Returns an iterator over all items, in key order.
---@param opts tidetable.ScanOptions|nil
---@return fun(): table<string, any>|nil
function Table:scan(opts)
  self.transaction:check()
  opts = item_operations.check_many(opts, item_operations.scan_options, "scan")
  return iterate(self, nil, check_limit(opts, "scan"), "scan")
end

--- Limits of a page, the same as in the core.
local PAGE_ITEMS, PAGE_BYTES = 1000, 1024 * 1024

--- Returns the items of a page, and true if there are more after it.
local function take_page(rows, max_items)
  local items, bytes = {}, 0
  while rows.scanned < max_items and bytes < PAGE_BYTES do
    local size, item = rows:take()
    if not size then
      return items, false
    end
    items[#items + 1], bytes = item, bytes + size
  end
  return items, rows:merge() ~= nil
end

--- Returns a page: its items (with the option count their number), the last key if there are more,
--- and the number of items evaluated.
local function read_page(self, partition, opts, subject)
  local max_items = math.min(opts.limit or PAGE_ITEMS, PAGE_ITEMS)
  local rows <close> = open_rows(self, partition, opts, nil, max_items + 1, subject)
  local items, more = take_page(rows, max_items)
  local result = opts.count and #items or items
  if not more then
    return result, nil, rows.scanned
  end
  local last, key = rows.selects and decode(rows.last) or rows.last, {}
  for _, name in ipairs(self.keys) do
    key[name] = last[name]
  end
  return result, key, rows.scanned
end

--- Returns one page of a query: up to 1,000 items or 1 MB.
---@param partition any  value of the partition key
---@param opts tidetable.QueryPageOptions|nil
---@return table[]|integer items, table|nil last_key, integer scanned
function Table:query_page(partition, opts)
  self.transaction:check()
  partition, opts = item_operations.partition_and_options(partition, opts,
    item_operations.page_options, "query_page")
  return read_page(self, partition, opts, "query_page")
end

--- Returns one page of a scan: up to 1,000 items or 1 MB.
---@param opts tidetable.ScanPageOptions|nil
---@return table[]|integer items, table|nil last_key, integer scanned
function Table:scan_page(opts)
  self.transaction:check()
  opts = item_operations.check_many(opts, item_operations.scan_page_options, "scan_page")
  return read_page(self, nil, opts, "scan_page")
end

options.methods(Table, "table", { update = true })
members.guard(Table, "table")

--- Returns true if it is still the same table, and no item that was read by its key has changed;
--- nil, err on failure.
local function table_is_current(self)
  local description, err, code = core.describe_table(self.core)
  if not description and code ~= "NOT_FOUND" then
    return nil, err
  elseif (description and description.id or 0) ~= self.id then
    return false
  end
  for key, version in pairs(self.versions) do
    local current
    current, err = core.version_of(self.core, self.key_bytes[key])
    if not current then
      return nil, err
    elseif current ~= version then
      return false
    end
  end
  return true
end

-- The transaction ----------------------------------------------------------------

--- The argument of the function that db:transact runs in optimistic mode.
---@class tidetable.OptimisticTransaction : tidetable.Transaction
---@field package snapshot userdata
---@field package commit integer|false  number of the snapshot's commit; false: the reads are not
---                                  verified on it yet
---@field package conflict tidetable.error|false  what was read has changed: the attempt has failed
---@field package is_refreshed boolean  the snapshot is not the first one, and may differ from it
---@field package reads_time boolean  what it reads can change without a commit: items expire
---@field package queries tidetable.Rows[]  queries and scans, for the validation
---@field package log tidetable.PendingWrite[]  writes in their order
---@field package unfinished integer  changes of the writes that were begun and not finished,
---                                  because memory ran out
---@field package results table      packed results of the function, after true
---@field package failure any        error that validate_and_apply raised
---@field package complete (fun(): true|nil, tidetable.error|nil)|false  called in the transaction
---                                  that applies the writes, after them
---@field package annotation string  as annotations.encode returns it
local Transaction = {}
Transaction.__index = Transaction
Transaction.__name = "tidetable.transaction"
Transaction.ended, Transaction.cancelled, Transaction.delivery = false, false, false
-- The class contains each field that may be absent: members.guard searches for similar names when
-- another one is read.
Transaction.reads_time, Transaction.complete = false, false
Transaction.conflict, Transaction.is_refreshed = false, false

-- Newer snapshots ----------------------------------------------------------------

--- Seconds for which a handler holds a snapshot.
local HOLD = 1

--- Returns the keys of updates whose items have another version in the present snapshot than when
--- they were evaluated; false if there are none. Writes of a key after its first one depend on the
--- same version, or on none.
local function find_stale(self)
  local stale = false
  for key, write in pairs(self.writes.last) do
    local first = write.older and write.older[1] or write
    if first.version and or_raise(core.get_at(self.transaction.snapshot, self.core, first.key,
        true)) ~= first.version then
      stale = stale or {}
      stale[key] = true
    end
  end
  return stale
end

--- Raises CONFLICT if something that was read from the table by key has changed.
local function verify_table(transaction, self)
  local id, has_ttl, code = core.table_at(transaction.snapshot, self.core)
  if not id and code ~= "NOT_FOUND" then
    error(has_ttl, 0)
  elseif (id or 0) ~= self.id then
    raise_conflict(transaction)
  end
  if id then
    self.has_ttl = has_ttl
    transaction.reads_time = transaction.reads_time or has_ttl
  end
  for key, version in pairs(self.versions) do
    if or_raise(core.get_at(transaction.snapshot, self.core, self.key_bytes[key], true)) ~= version
    then
      raise_conflict(transaction)
    end
  end
  self.stale = find_stale(self)
end

--- Verifies what the transaction has read on its present snapshot, of this commit. Queries that
--- have not ended continue there. Raises CONFLICT.
local function verify(transaction, commit)
  if transaction.conflict then
    error(transaction.conflict, 0)
  elseif commit == transaction.commit and not transaction.reads_time then
    for _, rows in ipairs(transaction.queries) do
      core.move(rows.query)
    end
    return
  end
  transaction.commit, transaction.is_refreshed = false, true
  for _, handle in pairs(transaction.tables) do
    verify_table(transaction, handle)
  end
  for _, rows in ipairs(transaction.queries) do
    if not or_raise(core.continues(rows.query, rows.versions, rows.count, rows.ended)) then
      raise_conflict(transaction)
    elseif rows.left and rows.left > 0 then
      check_not_stale(rows.table, rows.query)
    end
  end
  transaction.commit = commit
end

-- Its beginning and its end --------------------------------------------------------

--- Takes the snapshot of a handler's transaction.
local function take_handlers_snapshot(database, limit, transaction)
  return core.snapshot(database, limit, HOLD, function(commit)
    verify(transaction, commit)
  end)
end

--- Begins a transaction on a new snapshot.
---@param database tidetable.Database
---@param limit number  seconds until TIMEOUT is raised
---@param is_handler boolean  newer snapshots may follow
local function begin(database, limit, is_handler)
  local transaction = { database = database, tables = {}, queries = {}, log = {}, unfinished = 0 }
  local snapshot, commit, code
  if is_handler then
    snapshot, commit, code = wait.read(database, take_handlers_snapshot, database.core, limit,
      transaction)
  else
    snapshot, commit, code = wait.read(database, core.snapshot, database.core, limit)
  end
  if not snapshot then
    return nil, commit, code
  end
  transaction.snapshot, transaction.commit = snapshot, commit
  return setmetatable(transaction, Transaction)
end

--- Raises CLOSED if the transaction has ended, TIMEOUT after its time limit.
function Transaction:check()
  if self.ended then
    core.raise_ended()
  end
  core.hold(self.snapshot)
end

--- Ends the transaction without a change: see Transaction:cancel in transaction.lua.
---@param reason any
function Transaction:cancel(reason)
  self:check()
  self.cancelled = core.cancel(self.database.core, reason)
  error(self.cancelled, 0)
end

--- Ends the transaction and releases its snapshot.
function Transaction:__close()
  self.ended = true
  core.finish(self.snapshot)
end

--- Opens a table in the snapshot. A table that does not exist is opened too: if it is created
--- before the commit, the transaction conflicts.
local function open_table(transaction, name)
  local handle = or_raise(core.table(transaction.database.core, name))
  local id, has_ttl, partition_key, sort_key = core.table_at(transaction.snapshot, handle)
  local missing = not id and has_ttl   -- the error
  if missing and partition_key ~= "NOT_FOUND" then
    error(missing, 0)
  end
  transaction.reads_time = transaction.reads_time or id and has_ttl
  return setmetatable({
    core = handle, name = name, transaction = transaction, id = id or 0,
    has_ttl = id and has_ttl, keys = { partition_key, sort_key }, missing = missing,
    versions = {}, key_bytes = {}, writes = merged_rows.new_writes(),
  }, Table)
end

--- Returns a table as the transaction sees it. Raises NOT_FOUND.
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

--- Parks a record of the batch, in the handler of a consumer: it is kept in the consumer, and the
--- later records of its key are parked, too. With by = "transaction" parks its whole transaction,
--- and the later ones that have one of its keys. Those after the record in the batch are removed
--- from the handler's array.
---@param record tidetable.Record
---@param reason any  stored as text
function Transaction:park(record, reason)
  self:check()
  deliveries.park(self, record, reason)
end

options.methods(Transaction, "tx")
members.guard(Transaction, "tx")

--- Returns true if nothing can have changed since the snapshot: no commit came between, and no item
--- can have expired.
local function is_unchanged(transaction)
  return not transaction.reads_time
    and core.last_commit(transaction.database.core) == transaction.commit
end

--- Returns true if nothing that the transaction has read has changed; nil, err on failure.
local function is_current(transaction)
  for _, handle in pairs(transaction.tables) do
    local current, err = table_is_current(handle)
    if not current then
      return current, err
    end
  end
  for _, rows in ipairs(transaction.queries) do
    local current, err = merged_rows.are_current(rows)
    if not current then
      return current, err
    end
  end
  return true
end

--- Names the item in the error of a deferred update that can't be applied, and raises the error.
local function raise_refused(transaction, refused, err)
  for name, handle in pairs(transaction.tables) do
    if handle.core == refused.table then
      err.table = name
    end
  end
  err.key = decode(refused.key)
  error(err, 0)
end

--- Applies the writes in their order. If anything may have changed since the first snapshot,
--- deferred updates are evaluated again, on the stored items.
local function apply(transaction, unchanged)
  for _, each in ipairs(transaction.log) do
    local ok, err, code
    if each.key and not unchanged then
      ok, err, code = core.apply_update(each.table, each)
      if code == "VALIDATION" then
        raise_refused(transaction, each, err)
      end
    else
      ok, err = core.apply(each.table, each.bytes, each.deletes)
    end
    if not ok then
      return nil, err
    end
  end
  return true
end

--- Runs under the write lock. Returns true and the function's results after applying the writes;
--- false if something has changed. Raises a failure, which undoes the writes. A transaction that
--- wrote nothing is not validated.
local function validate_and_apply(transaction)
  local applied, err = true, nil
  if #transaction.log > 0 then
    local unchanged = is_unchanged(transaction)
    if not unchanged then
      applied, err = is_current(transaction)
    end
    if applied then
      if transaction.annotation ~= "" then
        core.annotate(transaction.database.core, transaction.annotation)
      end
      applied, err = apply(transaction, unchanged and not transaction.is_refreshed)
    end
  end
  if applied and transaction.complete then
    applied, err = transaction.complete()
  end
  if applied == nil then
    transaction.failure = err
    error(err, 0)
  elseif not applied then
    return false
  end
  return table.unpack(transaction.results, 1, transaction.results.n)
end

--- Turns the results of pcall(wait.try, ...) into those of the transaction. Allocates no memory,
--- since the transaction may have been committed.
local function outcome(transaction, ok, result, value, ...)
  if not ok and result ~= nil and result == transaction.failure then
    return nil, result, result.code
  elseif not ok then
    error(result, 0)
  elseif not result then
    return nil, value, ...
  end
  return value, ...
end

local function commit(transaction, limit)
  local database = transaction.database
  return outcome(transaction, pcall(wait.try, database, core.transact, database.core,
    limit, validate_and_apply, transaction))
end

--- Returns true for the error by which the Lua command ends a program at Ctrl-C.
---@param failure any
---@return boolean
function optimistic.is_interrupt(failure)
  return type(failure) == "string" and failure:find("interrupted!$") ~= nil
end

--- Calls the function in protected mode. A handler's time limit is enforced by a hook.
local function call(transaction, fn, is_handler)
  if is_handler then
    return core.call_handler(transaction.snapshot, fn, transaction)
  end
  return pcall(fn, transaction)
end

--- Runs the function once. Returns true and its results; false if something has changed; nil, err,
--- code on failure. The snapshot is released before the wait for the write lock. Whatever the
--- function did after a conflict does not count, since it could not read any more.
local function attempt(database, fn, limit, complete, annotation)
  local transaction <close>, err, code = begin(database, limit, complete ~= nil)
  if not transaction then
    return nil, err, code
  end
  local results = table.pack(call(transaction, fn, complete ~= nil))
  local cancelled = transaction.cancelled
  if cancelled and (results[1] or rawequal(results[2], cancelled)) then
    return nil, cancelled, "CANCELLED"
  elseif transaction.conflict and not (optimistic.is_interrupt(results[2]) and not results[1]) then
    core.check_not_late(transaction.snapshot)
    return false
  elseif not results[1] then
    error(results[2], 0)
  elseif not results[2] and results[3] ~= nil then
    return table.unpack(results, 1, results.n)
  end
  core.check_not_late(transaction.snapshot)
  if transaction.unfinished > 0 then
    error("not enough memory", 0)
  end
  transaction:__close()
  if #transaction.log == 0 and not complete then
    return table.unpack(results, 1, results.n)
  end
  transaction.results, transaction.complete = results, complete
  transaction.annotation = annotation
  return commit(transaction, limit)
end

--- Runs the function until an attempt returns something other than false, at most `left` times.
local function attempts(database, fn, limit, complete, annotation, left, result, ...)
  if result ~= false then
    return result, ...
  elseif left == 0 then
    return core.conflict()
  end
  return attempts(database, fn, limit, complete, annotation, left - 1,
    attempt(database, fn, limit, complete, annotation))
end

--- Runs fn(tx) and commits its writes. Repeats it if something that it has read has changed before
--- the commit; returns CONFLICT after max_attempts.
---@param database tidetable.Database
---@param fn fun(tx: tidetable.OptimisticTransaction): ...
---@param max_attempts integer
---@param limit number  seconds for each attempt
---@param complete (fun(): true|nil, tidetable.error|nil)|nil  for a handler: called in the
---  transaction that applies the writes, also if there are none; an error of it undoes them
---@param annotation string|nil  as annotations.encode returns it
---@return true|nil ok, any ...  results of fn; or err, code
function optimistic.transact(database, fn, max_attempts, limit, complete, annotation)
  return attempts(database, fn, limit, complete, annotation or "", max_attempts, false)
end

return optimistic
