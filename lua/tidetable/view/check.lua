-- check.lua - compares a view with a computation from its source, at the view's position.
--
-- One snapshot of the file contains the rows of the view and the items of the source. The source
-- may be ahead of the view: items that were changed after the view's position have, in the first
-- record after it, the image that they had there. So the comparison need not wait for the view.

local calls = require "tidetable.view.call"
local core = require "tidetable.core"
local groups = require "tidetable.view.group"
local optimistic = require "tidetable.optimistic"
local options = require "tidetable.options"
local state = require "tidetable.view.state"
local types = require "tidetable.types"
local windows = require "tidetable.view.window"

local checks = {}

--- Number of differences that a report lists by default.
local LISTED = 100
--- Maximum number of snapshots that are taken until the position is known.
local TRIES = 1000

---@class tidetable.ViewCheckOptions
---@field limit integer|nil   maximum number of differences that are listed; default 100

--- A row that differs.
---@class tidetable.ViewDifference
---@field key table
---@field row table|nil        row of the view; nil: it has none
---@field expected table|nil   row computed from the source; nil: none
---@field is_state boolean|nil true: the rows are equal, and the stored state of the group is not

---@class tidetable.ViewReport
---@field is_equal boolean
---@field differences tidetable.ViewDifference[]
---@field count integer        number of differences, also of those not listed
---@field rows integer         number of rows compared
---@field items integer        number of items of the source
---@field final integer        number of rows not compared, because their windows are final
---@field position integer     of the view

-- The source at the view's position ----------------------------------------------

--- Returns the images of items that were changed after a position, by encoded key: the item as it
--- was at the position, false if it did not exist.
local function read_overrides(database, definition, position)
  local from, err = database:table(definition.from)
  local stream
  if from then
    stream, err = from:stream()
  end
  if not stream then
    error(err, 0)
  end
  local images = {}
  for record in stream:records { after = position } do
    local bytes = core.values.encode(record.keys)
    if images[bytes] == nil then
      images[bytes] = record.old_image or false
    end
  end
  return images
end

--- Calls fn(bytes, keys, item) for each item of the source as of the view's position. Returns their
--- number.
local function each_item(tx, definition, source_names, images, fn)
  local count = 0
  local function take(bytes, item)
    local keys = core.values.decode(bytes)
    count = count + 1
    fn(bytes, keys, item)
  end
  for item in tx:table(definition.from):scan() do
    local bytes = state.encode_key(source_names, item)
    local image = images[bytes]
    images[bytes] = nil
    if image ~= false then
      take(bytes, image or item)
    end
  end
  for bytes, image in pairs(images) do
    if image then
      take(bytes, image)
    end
  end
  return count
end

--- Returns the keys of a table in byte order.
local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b) return core.compare_bytes(a, b) < 0 end)
  return keys
end

-- The expected rows ----------------------------------------------------------------

--- Adds an item to the expected groups.
local function expect_reduced(work, expected, bytes, keys, item)
  local view = work.view
  local place, start = groups.place_of(view, work.names, keys, item)
  if not place or start and windows.is_final(view, work.header.watermark, start) then
    return
  end
  local group = expected[place] or { members = 0, items = {} }
  expected[place], group.members = group, group.members + 1
  if view.strategy == "sum" then
    group.group = calls.change(view, "add", keys, group.group or calls.initial(view, keys),
      calls.exact(item))
  else
    group.items[bytes] = item
  end
end

local function expect_selected(work, expected, keys, item)
  for place, row in pairs(groups.selected(work.view, work.names, keys, item)) do
    if expected[place] then
      groups.refuse_collision(work.view, place)
    end
    expected[place] = { row = row }
  end
end

--- Computes the attributes of a group from its items, in the order in which the view does.
local function fold(view, group)
  local result
  for _, bytes in ipairs(sorted_keys(group.items)) do
    local keys = core.values.decode(bytes)
    result = calls.change(view, "add", keys, result or calls.initial(view, keys),
      calls.exact(group.items[bytes]))
  end
  return result
end

--- Returns the expected row of a group.
local function expected_row(work, place, group)
  if group.row then
    return group.row
  elseif work.view.strategy == "members" then
    group.group = fold(work.view, group)
  end
  return groups.row(work, place, group.group)
end

-- Comparing ------------------------------------------------------------------------

local function note(report, difference)
  report.count = report.count + 1
  if report.count <= report.limit then
    report.differences[report.count] = difference
  end
end

--- Returns true if the stored state of a group is the computed one.
local function has_same_state(work, place, group)
  if work.view.strategy == "select" then
    return true
  end
  local row = work.rows:get { p = state.partition(work.header, "G"), s = types.binary(place) }
  return row ~= nil and row.members == group.members
    and (work.view.strategy == "members" or types.equal(row.group, group.group))
end

local function compare_row(work, report, expected, row)
  local view = work.view
  local bytes = state.encode_key(work.names, row)
  local start = view.window and row[view.window.attribute]
  local place = start and windows.pack(start) .. bytes or bytes
  if start and windows.is_final(view, work.header.watermark, start) then
    report.final = report.final + 1
    return
  end
  local group = expected[place]
  local wanted = group and expected_row(work, place, group)
  local is_same = wanted and types.equal(row, wanted)
  if not is_same or not has_same_state(work, place, group) then
    note(report, { key = state.decode_place(view, place), row = row, expected = wanted,
      is_state = is_same or nil })
  end
  report.rows, expected[place] = report.rows + 1, nil
end

local function compare_rows(work, report, expected)
  for row in work.into:scan() do
    compare_row(work, report, expected, row)
  end
  for _, place in ipairs(sorted_keys(expected)) do
    note(report, { key = state.decode_place(work.view, place),
      expected = expected_row(work, place, expected[place]) })
  end
end

--- Returns a failure unless the view's state is that of the definition and complete.
local function check_header(definition, header)
  local function differs(code, text, ...)
    return core.consumer_failure(code, text:format(...))
  end
  if not header then
    return differs("NOT_FOUND", "there is no view %s", definition.name)
  elseif header.from ~= definition.from or header.into ~= definition.into then
    return differs("CONSUMER_DIFFERS", "view %s exists with another source or table: %s, %s",
      definition.name, header.from, header.into)
  elseif header.version ~= definition.version or header.wanted ~= definition.version then
    return differs("CONSUMER_DIFFERS", "view %s has version %d; this program declares %d",
      definition.name, math.max(header.version, header.wanted), definition.version)
  elseif header.shape ~= definition.shape then
    return differs("CONSUMER_DIFFERS", "view %s has version %d with another definition (%s; this"
      .. " program: %s)", definition.name, header.version, header.shape, definition.shape)
  elseif header.phase ~= "live" then
    return differs("BUSY", "view %s is being built (%s)", definition.name, header.phase)
  end
  return true
end

local function key_names(handle)
  local names = {}
  for _, name in ipairs(handle.keys) do
    names[#names + 1] = name
  end
  return names
end

--- Compares in a snapshot.
local function compare_in(database, definition, tx, report)
  core.show_expired(tx.snapshot)
  local rows = tx:table(definition.state)
  local header = rows:get(state.HEADER)
  local ok, err, code = check_header(definition, header)
  if not ok then
    return nil, err, code
  end
  local into, expected = tx:table(definition.into), {}
  local work = { view = definition, names = key_names(into), header = header, rows = rows,
    into = into }
  local images = read_overrides(database, definition, report.position)
  report.items = each_item(tx, definition, key_names(tx:table(definition.from)), images,
    function(bytes, keys, item)
      if definition.select then
        expect_selected(work, expected, keys, item)
      else
        expect_reduced(work, expected, bytes, keys, item)
      end
    end)
  compare_rows(work, report, expected)
  report.is_equal = report.count == 0
  return report
end

--- Returns the position of the view's consumer, and a text that differs after another snapshot,
--- another epoch or a batch.
local function read_position(database, name)
  local row, err, code = core.consumer_describe(database.core, name)
  if not row then
    return nil, err, code
  end
  return row.position, ("%d %d %d %s"):format(row.id, row.position, row.ranges[1].epoch,
    row.is_copying)
end

--- Takes a snapshot at a known position and compares in it. Returns false if the position has
--- moved.
local function try(database, definition, limit)
  local position, seen, code = read_position(database, definition.name)
  if not position then
    return nil, seen, code
  end
  return optimistic.transact(database, function(tx)
    local _, now = read_position(database, definition.name)
    if now ~= seen then
      return "moved"
    end
    return compare_in(database, definition, tx, { is_equal = false, differences = {}, count = 0,
      rows = 0, items = 0, final = 0, position = position, limit = limit })
  end, 1, math.huge)
end

--- Metatable of the library's errors.
local error_type = getmetatable(select(2, core.consumer_failure("BATCH_FAILED", "")))

--- Compares a view with a computation from its source. The memory that it needs grows with the
--- number of groups; without `remove`, with the number of items. Errors: NOT_FOUND,
--- CONSUMER_DIFFERS (another version or definition), BUSY (the view is being built), BATCH_FAILED
--- (an error in a function of the definition), TRIMMED.
---@param database tidetable.Database
---@param definition tidetable.CompleteView
---@param opts tidetable.ViewCheckOptions|nil
---@return tidetable.ViewReport|nil, tidetable.error|nil err, tidetable.code|nil code
function checks.compare(database, definition, opts)
  opts = options.check(opts, { limit = options.integer_from(0) }, "check")
  for _ = 1, TRIES do
    local results = table.pack(pcall(try, database, definition, opts.limit or LISTED))
    local raised = results[2]
    if not results[1] and type(raised) == "table" and getmetatable(raised) == error_type then
      return nil, raised, raised.code
    elseif not results[1] and optimistic.is_interrupt(raised) then
      error(raised, 0)
    elseif not results[1] then
      return core.consumer_failure("BATCH_FAILED", ("view %s: %s"):format(definition.name,
        tostring(raised)))
    elseif raised ~= true or results[3] == nil then
      return nil, table.unpack(results, raised and 4 or 3, results.n)
    elseif results[3] ~= "moved" then
      results[3].limit = nil
      return results[3]
    end
  end
  return core.consumer_failure("BUSY", ("view %s: its position moves too fast"):format(
    definition.name))
end

return checks
