-- state.lua - the table with the state of a view: data needed besides the rows of the view.
--
--     partition key p                    sort key s          attributes
--     ff ff ff ff                        "header"            see tidetable.ViewHeader
--     generation, "G"                    place               members, group
--     generation, "M", place             key of an item      item, rest
--     generation, "W"                    start               none
--
-- The place of a group consists of the start of its window (8 bytes; nothing without windows) and
-- its encoded key. G contains the groups, with the number of their items and, if they have a
-- `remove`, their attributes. M contains the items of the groups of a view without `remove`, and,
-- until the view is built, those of a view with `select`. W contains the windows that are not
-- final. Each snapshot begins a new generation, 4 bytes big-endian; the rows of earlier ones are
-- removed in steps.

local calls = require "tidetable.view.call"
local core = require "tidetable.core"
local types = require "tidetable.types"
local windows = require "tidetable.view.window"

local state = {}

local binary = types.binary

--- Longest sort key.
local KEY_MAX = 1024

--- Longest encoded item in one attribute. The rest is in another one of a second row.
local ITEM_MAX = 350000

--- The header row of the state.
---@class tidetable.ViewHeader
---@field from string
---@field into string
---@field shape string          of the version (definition.lua)
---@field version integer       that the state is of; 0: none
---@field wanted integer        greatest version that a program has run
---@field generation integer    of the rows; 0: no snapshot has begun
---@field phase "copying"|"merging"|"live"
---@field into_id integer|nil   id of the view's table
---@field merge_pass integer|nil  1: the groups are stored; 2: other rows are removed
---@field merge_cursor userdata|nil  place of the group, or key of the row, that was merged last
---@field cleanup userdata|boolean|nil  rows of earlier generations may exist after this key; false:
---                             after none
---@field complete boolean|nil  all rows of the view were of this version
---@field watermark number|nil
---@field seen number|nil       watermark after the snapshot
---@field closed_until number|nil  windows with an end up to this time are closed
---@field close_cursor userdata|nil  place of the last group that was closed, in the next window
---@field frozen_until number|nil  a snapshot does not change windows final at this watermark
---@field late integer          changes of final windows
---@field ahead integer         changes with a time after the file's clock

state.HEADER = { p = binary "\xff\xff\xff\xff", s = binary "header" }

--- Returns the header of a view that has not begun.
---@param view tidetable.CompleteView
---@return tidetable.ViewHeader
function state.new_header(view)
  return {
    p = state.HEADER.p, s = state.HEADER.s, from = view.from, into = view.into, shape = view.shape,
    version = 0, wanted = view.version, generation = 0, phase = "copying", late = 0, ahead = 0,
  }
end

--- Returns a partition key of the rows of a generation.
---@param header tidetable.ViewHeader
---@param kind "G"|"M"|"W"
---@param place string|nil
---@return userdata
function state.partition(header, kind, place)
  return binary(string.pack(">I4", header.generation) .. kind .. (place or ""))
end

--- Returns the encoded key of an item of a table.
---@param names string[]  key attributes
---@param item table
---@return string
function state.encode_key(names, item)
  local key = {}
  for _, name in ipairs(names) do
    key[name] = item[name]
  end
  local bytes, err = core.values.encode(key)
  if not bytes then
    error(err, 0)
  end
  return bytes
end

--- Returns the key of a group as attributes.
---@param view tidetable.CompleteView
---@param place string
---@return table
function state.decode_place(view, place)
  return core.values.decode(view.window and place:sub(9) or place)
end

--- Returns the place of a group. Raises an error if it is too long.
---@param keys table    key of the item, for messages
---@param bytes string  encoded key of the group
---@param start integer|nil  of the window
---@return string
function state.place(keys, bytes, start)
  local place = start and windows.pack(start) .. bytes or bytes
  if #place > KEY_MAX then
    calls.refuse("key", keys, ("the encoded key of the group has %d bytes, at most %d"):format(
      #place, KEY_MAX))
  end
  return place
end

-- Items of groups ------------------------------------------------------------

local function member_key(header, place, bytes, part)
  return { p = state.partition(header, "M", place), s = binary(part .. bytes) }
end

--- Stores an item of a group that does not contain it.
---@param rows tidetable.TransactionTable
---@param header tidetable.ViewHeader
---@param place string
---@param keys table  key of the item in the source
---@param item table  the stored copy
function state.put_member(rows, header, place, keys, item)
  local bytes = assert(core.values.encode(keys))
  if #bytes >= KEY_MAX then
    calls.refuse("key", keys, ("the encoded key of the item has %d bytes, at most %d without"
      .. " `remove`"):format(#bytes, KEY_MAX - 1))
  end
  local encoded, err = core.values.encode(item)
  if not encoded then
    error(err, 0)
  end
  local row = member_key(header, place, bytes, "1")
  row.item, row.rest = binary(encoded:sub(1, ITEM_MAX)), #encoded > ITEM_MAX or nil
  rows:put(row)
  if #encoded > ITEM_MAX then
    local rest = member_key(header, place, bytes, "2")
    rest.item = binary(encoded:sub(ITEM_MAX + 1))
    rows:put(rest)
  end
end

--- Removes an item of a group. Returns false if the group does not contain it.
---@param rows tidetable.TransactionTable
---@param header tidetable.ViewHeader
---@param place string
---@param keys table
---@return boolean
function state.delete_member(rows, header, place, keys)
  local bytes = assert(core.values.encode(keys))
  local key = member_key(header, place, bytes, "1")
  local row = #bytes < KEY_MAX and rows:get(key)
  if not row then
    return false
  end
  rows:delete(key)
  if row.rest then
    rows:delete(member_key(header, place, bytes, "2"))
  end
  return true
end

--- Returns an iterator over the items of a group, in the order of their encoded keys.
---@param rows tidetable.TransactionTable
---@param header tidetable.ViewHeader
---@param place string
---@return fun(): table|nil  item, and the key of it in the source
function state.members(rows, header, place)
  local partition = state.partition(header, "M", place)
  local next_row, a, b, closing = rows:query(partition, { sort = { "begins_with", binary "1" } })
  return function()
    local row = next_row(a, b)
    if not row then
      return nil
    end
    local bytes = tostring(row.item)
    if row.rest then
      local rest = rows:get({ p = partition, s = binary("2" .. tostring(row.s):sub(2)) })
      bytes = bytes .. tostring(rest.item)
    end
    return core.values.decode(bytes), core.values.decode(tostring(row.s):sub(2))
  end, nil, nil, closing
end

return state
