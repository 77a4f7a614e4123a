-- step.lua - the steps of a view's worker between batches, each in a separate transaction: merging
-- the rows of a new version, closing windows, and removing state that is no longer needed.
--
-- Each step verifies in its transaction that the worker still owns the consumer, and that the
-- header is the one on which it was decided.

local annotations = require "tidetable.annotation"
local attempts = require "tidetable.consumer.attempt"
local batches = require "tidetable.view.batch"
local core = require "tidetable.core"
local groups = require "tidetable.view.group"
local optimistic = require "tidetable.optimistic"
local positions = require "tidetable.stream.position"
local state = require "tidetable.view.state"
local types = require "tidetable.types"
local wait = require "tidetable.wait"
local windows = require "tidetable.view.window"

local steps = {}

local binary = types.binary

--- Maximum number of rows of a step, and size at which it ends.
local ROWS_MAX = 500
local BYTES_MAX = 4 * 1024 * 1024

-- Running a step -------------------------------------------------------------

--- Metatable of the library's errors.
local error_type = getmetatable(select(2, core.consumer_failure("BATCH_FAILED", "")))

--- Turns what a step has raised into a failure. Errors that are not about the view are raised.
local function failure(view, what, raised)
  if optimistic.is_interrupt(raised) or core.is_closed(view.database.core) then
    error(raised, 0)
  elseif type(raised) == "table" and getmetatable(raised) == error_type
      and (attempts.temporary[raised.code] or attempts.final[raised.code]) then
    return nil, raised, raised.code
  end
  return core.consumer_failure("BATCH_FAILED", ("consumer %s: %s: %s"):format(view.definition.name,
    what, tostring(raised)))
end

--- Runs a step: fn(work) returns the number of rows, and may change the header, which is stored if
--- it returns true as a second result.
local function run(view, worker, seen, what, fn)
  local database, count = view.database, 0
  local origin = view.definition.name:sub(1, annotations.ORIGIN_MAX)
  local annotation, err, code = annotations.encode(database, { origin = origin }, 0)
  if not annotation then
    return nil, err, code
  end
  local ok, result
  ok, result, err, code = pcall(attempts.transact, worker, function(tx)
    local owns, lost, why = core.parked_verify(database.core, worker.id, worker.epoch, worker.first,
      worker.parked_version)
    if not owns then
      return nil, lost, why
    end
    local rows = tx:table(view.definition.state)
    local header = rows:get(state.HEADER)
    if not header or not types.equal(header, seen) then
      return true                -- decides again
    end
    local stores
    count, stores = fn(batches.begin(view, tx, header, rows))
    if stores then
      rows:put(header)
    end
    return true
  end, annotation)
  if not ok then
    return failure(view, what, result)
  elseif not result then
    return nil, err, code
  end
  worker:note_commit()
  return count
end

-- Merging --------------------------------------------------------------------

--- Returns true if a snapshot must not change the group, because its window was final before.
local function is_frozen(work, place)
  return work.view.window ~= nil
    and windows.is_final(work.view, work.header.frozen_until, windows.unpack(place))
end

--- Returns the next groups of the state after a place, in the order of their places.
local function next_groups(work, after, prefix)
  local partition = state.partition(work.header, "G")
  return work.rows:query_page(partition, {
    limit = ROWS_MAX, sort = prefix and { "begins_with", binary(prefix) } or nil,
    start_key = after and { p = partition, s = after } or nil,
  })
end

--- Stores the rows of groups until the step is full. Returns the number of groups, the place of the
--- last one, and true if there are no more.
local function store_groups(work, after, prefix)
  local page, more = next_groups(work, after, prefix)
  local bytes, last = 0, nil
  for i, row in ipairs(page) do
    local place = tostring(row.s)
    if not is_frozen(work, place) then
      local group = row.group or groups.fold(work, place)
      bytes = bytes + #assert(core.values.encode(group))
      groups.store_row(work, place, group)
    end
    last = row.s
    if bytes > BYTES_MAX and (i < #page or more) then
      return i, last, false
    end
  end
  return #page, last, not more
end

--- Removes rows of the view that are in no group. Returns as store_groups; instead of the place,
--- the encoded key.
local function remove_others(work, after)
  local page, more = work.into:scan_page { limit = ROWS_MAX,
    start_key = after and core.values.decode(tostring(after)) or nil }
  local last
  for _, row in ipairs(page) do
    local bytes = state.encode_key(work.names, row)
    local start = work.view.window and row[work.view.window.attribute]
    local place = start and windows.pack(start) .. bytes or bytes
    if not is_frozen(work, place) and not work.rows:get { p = state.partition(work.header, "G"),
        s = binary(place) } then
      work.into:delete(state.decode_place(work.view, place))
    end
    last = binary(bytes)
  end
  return #page, last, not more
end

--- Ends a merge. A view with `select` no longer needs the state, so a new generation begins.
local function end_merge(header, view)
  header.phase, header.merge_pass, header.merge_cursor = "live", nil, nil
  header.complete, header.frozen_until = true, nil
  if view.select then
    header.generation, header.cleanup = header.generation + 1, true
  end
end

local function merge(work)
  local header = work.header
  local step = header.merge_pass == 1 and store_groups or remove_others
  local count, last, is_done = step(work, header.merge_cursor)
  header.merge_cursor = last or header.merge_cursor
  if is_done and header.merge_pass == 1 then
    header.merge_pass, header.merge_cursor = 2, nil
  elseif is_done then
    end_merge(header, work.view)
  end
  return count + 1, true
end

-- Removing state -------------------------------------------------------------

--- Removes rows of earlier generations. Short partition keys are sorted by generation, so the rows
--- of this one are skipped; long ones follow the header in no order.
local function clean_up(work)
  local header, current = work.header, string.pack(">I4", work.header.generation)
  local after = header.cleanup ~= true and core.values.decode(tostring(header.cleanup)) or nil
  local page, more = work.rows:scan_page { limit = ROWS_MAX, start_key = after }
  local is_skipped
  for _, row in ipairs(page) do
    local generation = tostring(row.p):sub(1, 4)
    after = { p = row.p, s = row.s }
    if core.compare_bytes(generation, current) < 0 then
      work.rows:delete(after)
    elseif generation == current and #tostring(row.p) <= 64 then
      after, is_skipped = state.HEADER, true
      break
    end
  end
  if more or is_skipped then
    header.cleanup = binary(assert(core.values.encode(after)))
  else
    header.cleanup = false
  end
  return #page + 1, true
end

--- Returns the earliest window that has state, after a start; nil if there is none.
local function first_window(rows, header, after)
  local page = rows:query_page(state.partition(header, "W"), { limit = 1,
    sort = after and { ">", binary(windows.pack(after)) } or nil })
  return page[1] and windows.unpack(tostring(page[1].s))
end

local function remove_members(work, place)
  local partition = state.partition(work.header, "M", place)
  local page, more = work.rows:query_page(partition, { limit = ROWS_MAX })
  for _, row in ipairs(page) do
    work.rows:delete { p = row.p, s = row.s }
  end
  return #page, more ~= nil
end

--- Removes state of a final window. Returns the number of rows.
local function purge_window(work, start)
  local page, more = next_groups(work, nil, windows.pack(start))
  local count = 0
  for _, row in ipairs(page) do
    local has_more = false
    if work.view.strategy == "members" then
      local removed
      removed, has_more = remove_members(work, tostring(row.s))
      count = count + removed
    end
    if has_more or count >= ROWS_MAX then
      return count + 1
    end
    work.rows:delete { p = row.p, s = row.s }
    count = count + 1
  end
  if not more then
    work.rows:delete { p = state.partition(work.header, "W"), s = binary(windows.pack(start)) }
  end
  return count + 1
end

-- Closing windows ------------------------------------------------------------

--- Returns the start of the earliest window that has state and is not closed; nil if there is none.
---@param rows tidetable.Table|tidetable.TransactionTable
---@param header tidetable.ViewHeader
---@param view tidetable.CompleteView
---@return integer|nil
function steps.first_open(rows, header, view)
  return first_window(rows, header, header.closed_until
    and math.floor(header.closed_until) - view.window.size)
end

--- Stores rows of a window that is closing. Returns their number, and true if all are stored.
local function close_window(work, start)
  local header, size = work.header, work.view.window.size
  local before, stored = header.closed_until, header.close_cursor
  header.closed_until, header.close_cursor = start + size, nil     -- for groups.row
  local count, last, is_done = store_groups(work, stored, windows.pack(start))
  if not is_done then
    header.closed_until, header.close_cursor = before, last
  end
  return count, is_done
end

--- Closes windows that the watermark has passed, and removes the state of final ones, until the
--- step is full.
local function close_windows(work, watermark)
  local header, view, count = work.header, work.view, 0
  if watermark and watermark > (header.watermark or -math.huge) then
    header.watermark = watermark
  end
  while count < ROWS_MAX do
    local start = steps.first_open(work.rows, header, view)
    if not start or start + view.window.size > (header.watermark or -math.huge) then
      break
    end
    local more = close_window(work, start)
    count = count + more + 1
  end
  while count < ROWS_MAX do
    local start = first_window(work.rows, header)
    if not start or not windows.is_final(view, header.watermark, start)
        or start + view.window.size > (header.closed_until or -math.huge) then
      break
    end
    count = count + purge_window(work, start)
  end
  return count, true
end

--- Returns true if a window must be closed, or the state of one removed, at the watermark.
local function is_due(view, header)
  local start = header.watermark and steps.first_open(view.rows, header, view.definition)
  if start and start + view.definition.window.size <= header.watermark then
    return true
  end
  start = header.watermark and first_window(view.rows, header)
  return start and windows.is_final(view.definition, header.watermark, start)
    and start + view.definition.window.size <= (header.closed_until or -math.huge)
end

--- Returns the watermark that the file's clock gives without records: the clock minus the grace.
local function idle_watermark(view)
  return windows.clock(view.database) - view.definition.window.grace
end

--- Returns the seconds until a window closes without records; math.huge if none is open.
---@param view tidetable.View
---@param header tidetable.ViewHeader
---@return number
function steps.seconds_to_close(view, header)
  local window = view.definition.window
  local start = window and header.phase == "live"
    and steps.first_open(view.rows, header, view.definition)
  if not start then
    return math.huge
  end
  return math.max(start + window.size - idle_watermark(view), 0)
end

--- Closes windows by the file's clock, if no records wait. Returns the number of rows.
---@param view tidetable.View
---@param worker tidetable.Worker
---@param header tidetable.ViewHeader
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function steps.close_idle(view, worker, header)
  if steps.seconds_to_close(view, header) > 0 then
    return 0
  end
  local watermark = idle_watermark(view)
  return run(view, worker, header, "closing a window", function(work)
    local lag = core.consumer_lag(view.database.core, view.definition.name)
    if not lag or lag.records > 0 then
      return 0
    end
    return close_windows(work, watermark)
  end)
end

-- Choosing a step ------------------------------------------------------------

--- Starts a snapshot for another version, or because the view's table is another one.
local function restart(view, worker)
  local kind, value = positions.of({ from = "SNAPSHOT" }, "view")
  local ok, err, code = wait.try(view.database, core.consumer_move, view.database.core,
    view.definition.name, kind, value, false)
  if ok == nil then
    return nil, err, code
  end
  worker:lose()
  return 1
end

--- Does the next step that is due. Returns the number of rows; 0: none was due.
---@param view tidetable.View
---@param worker tidetable.Worker  owns the consumer
---@param header tidetable.ViewHeader
---@return integer|nil count, tidetable.error|nil err, tidetable.code|nil code
function steps.next(view, worker, header)
  local will_begin = worker.copy and not worker.copy.has_begun
  if not will_begin and (header.version ~= view.definition.version
      or header.into_id ~= batches.into_id(view)) then
    return restart(view, worker)
  elseif will_begin or header.phase == "copying" then
    return 0
  elseif header.phase == "merging" then
    return run(view, worker, header, "merging", merge)
  elseif header.cleanup then
    return run(view, worker, header, "removing old state", clean_up)
  elseif view.definition.window and is_due(view, header) then
    return run(view, worker, header, "closing a window", close_windows)
  end
  return 0
end

return steps
