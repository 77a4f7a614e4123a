-- group.lua - the groups of a view: the changes of a batch, and the rows of the view.
--
-- The changes of a batch are collected by group, so that each row is written once. How a group is
-- changed depends on the strategy of the view (definition.lua).

local calls = require "tidetable.view.call"
local core = require "tidetable.core"
local state = require "tidetable.view.state"
local types = require "tidetable.types"
local windows = require "tidetable.view.window"

local groups = {}

local binary = types.binary

--- Context of the functions of this module in a transaction.
---@class tidetable.ViewWork
---@field view tidetable.CompleteView
---@field names string[]          key attributes of the view's table
---@field header tidetable.ViewHeader
---@field rows tidetable.TransactionTable  the state
---@field into tidetable.TransactionTable  the view
---@field groups table<string, tidetable.ViewGroup>  changed groups, by place
---@field places string[]         their places, in the order of the first change

--- A group that a batch has changed.
---@class tidetable.ViewGroup
---@field place string
---@field members integer|nil     number of items; nil: unknown (select)
---@field group table|nil         attributes
---@field present boolean|nil     select: the view contains the row
---@field removed integer|nil     select: number of items that no longer have this row
---@field added table<string, table>|nil  select: rows by the encoded key of their items

-- Places ---------------------------------------------------------------------

--- Returns the defect of the key that a function has returned; nil: none.
local function wrong_key(view, names, key)
  if type(key) ~= "table" then
    return "expected the key attributes of the group, got " .. type(key)
  end
  for name in next, key do
    local is_known = false
    for _, each in ipairs(names) do
      is_known = is_known or each == name
    end
    if not is_known or view.window and name == view.window.attribute then
      return ("unknown key attribute %s; the view's key: %s"):format(tostring(name),
        table.concat(names, ", "))
    end
  end
  for _, name in ipairs(names) do
    if key[name] == nil and not (view.window and name == view.window.attribute) then
      return ("the key attribute %s is missing"):format(name)
    end
  end
end

--- Returns the place of an item's group, the start of its window and the time of the item; nil if
--- the item is in none.
---@param view tidetable.CompleteView
---@param names string[]  key attributes of the view's table
---@param keys table      key of the item
---@param item table
---@return string|nil place, integer|nil start, number|nil stamp
function groups.place_of(view, names, keys, item)
  local key = calls.call("key", keys, view.key, item)
  if key == nil then
    return nil
  end
  local text = wrong_key(view, names, key)
  if text then
    calls.refuse("key", keys, text)
  end
  local start, stamp
  if view.window then
    stamp, start = windows.of(view, keys, item)
    if not stamp then
      return nil
    end
    local with_start = { [view.window.attribute] = start }
    for name, value in next, key do
      with_start[name] = value
    end
    key = with_start
  end
  local ok, bytes = pcall(state.encode_key, names, key)
  if not ok then
    calls.refuse("key", keys, tostring(bytes))
  end
  return state.place(keys, bytes, start), start, stamp
end

--- Returns the rows that `select` returns for an item, by place.
---@param view tidetable.CompleteView
---@param names string[]
---@param keys table
---@param item table
---@return table<string, table>
function groups.selected(view, names, keys, item)
  local result = calls.call("select", keys, view.select, item)
  if result == nil then
    return {}
  elseif type(result) ~= "table" then
    calls.refuse("select", keys, "expected an item, a list of items or nil, got " .. type(result))
  elseif next(result) ~= nil and result[1] == nil then
    result = { result }
  end
  local rows = {}
  for _, row in ipairs(result) do
    if type(row) ~= "table" then
      calls.refuse("select", keys, "expected an item, got " .. type(row))
    end
    local key = {}
    for _, name in ipairs(names) do
      key[name] = row[name]
      if row[name] == nil then
        calls.refuse("select", keys, ("the key attribute %s is missing"):format(name))
      end
    end
    local ok, bytes = pcall(state.encode_key, names, key)
    if not ok then
      calls.refuse("select", keys, tostring(bytes))
    end
    local place = state.place(keys, bytes)
    if rows[place] then
      calls.refuse("select", keys, "two of the items have the key " .. calls.text_of(key))
    end
    rows[place] = row
  end
  return rows
end

-- Rows of the view -----------------------------------------------------------

--- Returns the row of a group.
---@param work tidetable.ViewWork
---@param place string
---@param group table  attributes
---@return table
function groups.row(work, place, group)
  local view, row = work.view, {}
  local key = state.decode_place(view, place)
  for name, value in next, group do
    row[name] = value
  end
  for name, value in next, key do
    if row[name] ~= nil and not types.equal(row[name], value) then
      error(("the group %s has an attribute %s, which is a key attribute of the view"):format(
        calls.text_of(key), name), 0)
    end
    row[name] = value
  end
  if view.window then
    if row.closed ~= nil then
      error(("the group %s has an attribute closed, which a view with a window sets itself")
        :format(calls.text_of(key)), 0)
    end
    row.closed = windows.is_closed(view, work.header, place) or nil
  end
  return row
end

--- Raises an error: two items of the source have the same row.
---@param place string
function groups.refuse_collision(view, place)
  error(("select gives the key %s for more than one item of %s, or the view has another row with"
    .. " it"):format(calls.text_of(state.decode_place(view, place)), view.from), 0)
end

--- Returns the attributes of a group, computed from its items; nil if it has none.
---@param work tidetable.ViewWork
---@param place string
---@return table|nil
function groups.fold(work, place)
  local view, group = work.view, nil
  for item, keys in state.members(work.rows, work.header, place) do
    if view.select then
      if group then
        groups.refuse_collision(view, place)
      end
      group = item
    else
      group = calls.change(view, "add", keys, group or calls.initial(view, keys), calls.exact(item))
    end
  end
  return group
end

-- Changes of a batch ---------------------------------------------------------

local function group_key(work, place)
  return { p = state.partition(work.header, "G"), s = binary(place) }
end

--- Returns the group of a place as the batch has left it.
local function open(work, place)
  local each = work.groups[place]
  if each then
    return each
  end
  local row = work.rows:get(group_key(work, place))
  each = { place = place, members = row and row.members or 0,
    group = row and row.group and calls.exact(row.group) }
  work.groups[place], work.places[#work.places + 1] = each, place
  return each
end

--- Raises an error: the group does not contain an item that is removed from it.
local function refuse_removal(work, keys, place)
  error(("the view does not contain the item %s in %s: the result of %s must depend on the item"
    .. " alone, and a changed function needs another version"):format(calls.text_of(keys),
    calls.text_of(state.decode_place(work.view, place)), work.view.select and "select" or "key"), 0)
end

--- Adds an item to its group.
---@param work tidetable.ViewWork
---@param place string
---@param keys table
---@param item table
function groups.add(work, place, keys, item)
  local each = open(work, place)
  if work.view.strategy == "sum" then
    local group = each.group or calls.initial(work.view, keys)
    each.group = calls.change(work.view, "add", keys, group, calls.exact(item))
  else
    state.put_member(work.rows, work.header, place, keys, item)
  end
  each.members = each.members + 1
end

--- Removes an item from its group.
---@param work tidetable.ViewWork
---@param place string
---@param keys table
---@param item table
function groups.remove(work, place, keys, item)
  local each = open(work, place)
  if each.members == 0 then
    refuse_removal(work, keys, place)
  end
  each.members = each.members - 1
  if work.view.strategy ~= "sum" then
    if not state.delete_member(work.rows, work.header, place, keys) then
      refuse_removal(work, keys, place)
    end
  elseif each.members == 0 then
    each.group = nil
  else
    each.group = calls.change(work.view, "remove", keys, each.group, calls.exact(item))
  end
end

--- Stores the state of a changed group.
local function store_state(work, each)
  local row = group_key(work, each.place)
  if each.members == 0 then
    work.rows:delete(row)
    return
  end
  row.members, row.group = each.members, each.group
  work.rows:put(row)
  if work.view.window then
    work.rows:put { p = state.partition(work.header, "W"), s = binary(each.place:sub(1, 8)) }
  end
end

--- Stores the row of a group, or removes it if the group has no items.
---@param work tidetable.ViewWork
---@param place string
---@param group table|nil  attributes; nil: no items
function groups.store_row(work, place, group)
  if group then
    work.into:put(groups.row(work, place, group))
  else
    work.into:delete(state.decode_place(work.view, place))
  end
end

--- Stores the changed groups and, unless the view is copying, their rows.
---@param work tidetable.ViewWork
function groups.store(work)
  for _, place in ipairs(work.places) do
    local each = work.groups[place]
    store_state(work, each)
    if work.header.phase ~= "copying" then
      local group = each.group
      if work.view.strategy ~= "sum" then
        group = each.members > 0 and groups.fold(work, place) or nil
      end
      groups.store_row(work, place, group)
    end
  end
end

-- Select without state -------------------------------------------------------

--- Returns the row of a place as the batch has left it.
local function open_selected(work, place)
  local each = work.groups[place]
  if each then
    return each
  end
  each = { place = place, removed = 0, added = {},
    present = work.into:get(state.decode_place(work.view, place)) ~= nil }
  work.groups[place], work.places[#work.places + 1] = each, place
  return each
end

--- Removes the row of an item, or adds one, in a view with `select` that is built.
---@param work tidetable.ViewWork
---@param place string
---@param keys table
---@param row table|nil  nil: removes
function groups.change_selected(work, place, keys, row)
  local each, bytes = open_selected(work, place), assert(core.values.encode(keys))
  if row then
    each.added[bytes] = row
  elseif each.added[bytes] then
    each.added[bytes] = nil
  elseif each.present and each.removed == 0 then
    each.removed = 1
  else
    refuse_removal(work, keys, place)
  end
end

--- Stores the changed rows.
---@param work tidetable.ViewWork
function groups.store_selected(work)
  for _, place in ipairs(work.places) do
    local each = work.groups[place]
    local bytes, row = next(each.added)
    local stays = each.present and each.removed == 0
    if row and (stays or next(each.added, bytes)) then
      groups.refuse_collision(work.view, place)
    elseif row then
      work.into:put(row)
    elseif not stays then
      work.into:delete(state.decode_place(work.view, place))
    end
  end
end

return groups
