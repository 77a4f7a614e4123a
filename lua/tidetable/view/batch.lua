-- batch.lua - applies a batch of the source's records to a view, in one transaction.

local core = require "tidetable.core"
local groups = require "tidetable.view.group"
local state = require "tidetable.view.state"
local windows = require "tidetable.view.window"

local batches = {}

--- Begins work on the view in a transaction.
---@param view tidetable.View
---@param tx tidetable.Transaction
---@param header tidetable.ViewHeader
---@param rows tidetable.TransactionTable
---@return tidetable.ViewWork
function batches.begin(view, tx, header, rows)
  return {
    view = view.definition, names = view.names,
    header = header, rows = rows, into = tx:table(view.definition.into), groups = {}, places = {},
  }
end

--- Raises an error if the source's stream lacks an image.
local function check_images(view, record)
  if record.event_name ~= "INSERT" and not record.old_image
      or record.event_name ~= "REMOVE" and not record.new_image then
    error(("the records of %s lack an image: its stream needs the view type"
      .. " NEW_AND_OLD_IMAGES"):format(view.from), 0)
  end
end

local function apply_select(work, record)
  local view, names, keys = work.view, work.names, record.keys
  local old = record.old_image and groups.selected(view, names, keys, record.old_image) or {}
  local new = record.new_image and groups.selected(view, names, keys, record.new_image) or {}
  local is_live = work.header.phase == "live"
  for place, row in pairs(old) do
    if is_live then
      groups.change_selected(work, place, keys)
    else
      groups.remove(work, place, keys, row)
    end
  end
  for place, row in pairs(new) do
    if is_live then
      groups.change_selected(work, place, keys, row)
    else
      groups.add(work, place, keys, row)
    end
  end
end

--- Moves the watermark after a record with this time. While the view is copying, the time counts
--- at the end of the snapshot.
local function note_stamp(work, stamp)
  local header = work.header
  if stamp > work.clock then
    header.ahead = header.ahead + 1
  elseif header.phase == "copying" then
    header.seen = math.max(header.seen or stamp, stamp)
  else
    header.watermark = math.max(header.watermark or stamp, stamp)
  end
end

--- Returns true if the item's window is final, so that the change is not applied.
local function is_late(work, start)
  return start ~= nil and work.header.phase ~= "copying"
    and windows.is_final(work.view, work.header.watermark, start)
end

local function apply_reduce(work, record)
  local view, names, keys = work.view, work.names, record.keys
  local late, stamp = false, nil
  if record.old_image then
    local place, start = groups.place_of(view, names, keys, record.old_image)
    if place and is_late(work, start) then
      late = true
    elseif place then
      groups.remove(work, place, keys, record.old_image)
    end
  end
  if record.new_image then
    local place, start
    place, start, stamp = groups.place_of(view, names, keys, record.new_image)
    if place and is_late(work, start) then
      late = true
    elseif place then
      groups.add(work, place, keys, record.new_image)
    end
  end
  if late then
    work.header.late = work.header.late + 1
  end
  if stamp then
    note_stamp(work, stamp)
  end
end

--- Returns the fields of the header that a batch can change, as text.
local function progress_of(header)
  return ("%s %s %d %d"):format(header.seen, header.watermark, header.late, header.ahead)
end

--- Raises an error if the state belongs to another version of the view.
---@param view tidetable.View
---@param header tidetable.ViewHeader|nil
local function check_version(view, header)
  local version = view.definition.version
  if not header then
    error(("the state of the view %s was removed"):format(view.definition.name), 0)
  elseif header.version ~= version or header.wanted > version then
    error(("the view %s has version %d; this program declares %d"):format(view.definition.name,
      math.max(header.wanted, header.version), version), 0)
  end
end

--- Applies the records of a batch.
---@param view tidetable.View
---@param records tidetable.Record[]
---@param tx tidetable.Transaction
function batches.apply(view, records, tx)
  local definition = view.definition
  local rows = tx:table(definition.state)
  local header = rows:get(state.HEADER)
  check_version(view, header)
  local work = batches.begin(view, tx, header, rows)
  if definition.window then
    work.clock = windows.clock(view.database)
  end
  local before = progress_of(header)
  for _, record in ipairs(records) do
    check_images(definition, record)
    if definition.select then
      apply_select(work, record)
    else
      apply_reduce(work, record)
    end
  end
  if definition.select and header.phase == "live" then
    groups.store_selected(work)
  else
    groups.store(work)
  end
  if progress_of(header) ~= before then
    rows:put(header)
  end
end

-- The first and the last commit of a snapshot --------------------------------

--- Returns the id of the view's table; nil if it does not exist.
---@param view tidetable.View
---@return integer|nil
function batches.into_id(view)
  local description, err, code = core.describe_table(view.into.core)
  if not description and code ~= "NOT_FOUND" then
    error(err, 0)
  end
  return description and description.id
end

--- Begins a new generation of the state. If the view of this version is complete, windows that are
--- final keep their rows, because the source may no longer have their items.
local function begin_snapshot(view, header)
  local id = batches.into_id(view)
  if header.version ~= view.definition.version then
    header.watermark, header.closed_until, header.late, header.ahead = nil, nil, 0, 0
  end
  if header.version ~= view.definition.version or header.into_id ~= id then
    header.complete = nil
  end
  header.frozen_until = header.complete and header.watermark or nil
  header.generation, header.version = header.generation + 1, view.definition.version
  header.shape, header.into_id, header.phase = view.definition.shape, id, "copying"
  header.seen, header.close_cursor, header.cleanup = nil, nil, true
  header.merge_pass, header.merge_cursor = nil, nil
end

local function end_snapshot(view, header)
  header.phase, header.merge_pass = "merging", 1
  if view.definition.window and header.seen then
    header.watermark = math.max(header.watermark or header.seen, header.seen)
    header.closed_until = math.max(header.closed_until or header.watermark, header.watermark)
  end
  header.seen = nil
end

--- Handles the first and the last commit of a snapshot.
---@param view tidetable.View
---@param event "begin"|"end"
---@param tx tidetable.Transaction
function batches.on_snapshot(view, event, tx)
  local rows = tx:table(view.definition.state)
  local header = rows:get(state.HEADER)
  view.was_marked = true
  if header and event == "begin" and header.wanted == view.definition.version then
    begin_snapshot(view, header)
  else
    check_version(view, header)
    if event == "begin" then
      error(("the view %s begins in another version"):format(view.definition.name), 0)
    end
    end_snapshot(view, header)
  end
  rows:put(header)
end

return batches
