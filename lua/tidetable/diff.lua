-- diff.lua - the differences between two databases, or between two tables.
--
-- Each database is read from one snapshot. The core compares the items of a table in key order, by
-- their canonical bytes (csrc/api/comparison.c). Expired items count as stored.

local comparing = require "tidetable.replica.comparing"
local core = require "tidetable.core"
local definitions = require "tidetable.definition"
local options = require "tidetable.options"

local diffs = {}

local encode = core.values.encode

--- Maximum number of attempts to read the definitions and a snapshot without a table being created,
--- changed or deleted between them.
local ATTEMPTS = 100

--- Number of items after which the core returns, to allow for Ctrl-C and other coroutines.
local STEP = 10000

--- Parts of a definition, in the order in which they are compared.
local PARTS = { "partition_key", "sort_key", "ttl", "stream" }

-- Reading --------------------------------------------------------------------

local function table_of(db, name)
  local handle, err, code = db:table(name)
  if not handle then
    return nil, err, code
  end
  local definition
  definition, err, code = definitions.of(handle)
  if not definition then
    return nil, err, code
  end
  return { core = handle.core, name = name, definition = definition }
end

--- Returns the tables with these names that exist, by name; nil: all tables.
local function tables_of(db, names)
  local err, code
  if not names then
    names, err, code = db:list_tables()
    if not names then
      return nil, err, code
    end
  end
  local found = {}
  for _, name in ipairs(names) do
    found[name], err, code = table_of(db, name)
    if not found[name] and code ~= "NOT_FOUND" then
      return nil, err, code
    end
  end
  return found
end

--- A snapshot and the tables as they are in it.
---@class tidetable.diff.Side
---@field snapshot userdata
---@field tables table<string, table>

---@return tidetable.diff.Side|nil, tidetable.error|nil err, tidetable.code|nil code
local function side_of(db, names, seconds)
  for _ = 1, ATTEMPTS do
    local snapshot, before, version = core.snapshot(db.core, seconds)
    if not snapshot then
      return nil, before, version
    end
    local tables, err, code = tables_of(db, names)
    if not tables then
      core.finish(snapshot)
      return nil, err, code
    end
    local later, after, last = core.snapshot(db.core, seconds)
    if later then
      core.finish(later)
    end
    if later and last == version then
      return { snapshot = snapshot, tables = tables }
    end
    core.finish(snapshot)
    if not later then
      return nil, after, last
    end
  end
  return core.invalid(("%s: tables are created or deleted too often for a snapshot"):format(
    db.path))
end

-- Definitions ----------------------------------------------------------------

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then
    return a == b
  end
  for name, value in pairs(a) do
    if not same(value, b[name]) then
      return false
    end
  end
  for name in pairs(b) do
    if a[name] == nil then
      return false
    end
  end
  return true
end

--- Returns the names of the parts in which two definitions differ.
---@param first table   of definition.of
---@param second table
---@return string[]
function diffs.different_parts(first, second)
  local parts = {}
  for _, name in ipairs(PARTS) do
    if not same(first[name], second[name]) then
      parts[#parts + 1] = name
    end
  end
  return parts
end

-- The iterator ---------------------------------------------------------------

---@class tidetable.DiffCounts
---@field first integer   items that only the first table has
---@field second integer  items that only the second table has
---@field both integer    items that differ
---@field equal integer   equal items

---@class tidetable.Difference
---@field kind "first"|"second"|"both"|"definition"  first, second: only this side has the item, or
---                                    the table if `key` is nil; both: the items differ;
---                                    definition: the definitions differ
---@field table string                 name of the table, of the first database
---@field other_table string           name in the second database
---@field key table<string, any>|nil   key attributes of the item
---@field first table<string, any>|nil   the item, or the definition of the table
---@field second table<string, any>|nil
---@field parts string[]|nil           definition: names of the fields that differ

--- The comparison of two databases.
---@class tidetable.Diff
---@field sides tidetable.diff.Side[]
---@field pairs string[][]   names of the tables to compare
---@field at integer         number of the pair that is being compared
---@field keys string[]      names of its key attributes
---@field comparison userdata|nil  of its items
---@field counts table<string, tidetable.DiffCounts>  by name of the first table
---@field later tidetable.replica.Later|nil  if one side is a replica of the other: changes of the
---                            source after the position
---@field source integer|nil  number of the source's side
---@field settled integer     differences of the present pair that only the later changes show
local Diff = {}
Diff.__index = Diff

local function key_names(definition)
  return { definition.partition_key[1], definition.sort_key and definition.sort_key[1] }
end

--- Begins with the items of a pair. Returns a difference of the definitions; nil if there is none.
function Diff:begin(names)
  local first, second = self.sides[1].tables[names[1]], self.sides[2].tables[names[2]]
  local found = { table = names[1], other_table = names[2],
    first = first and first.definition, second = second and second.definition }
  self.settled = 0
  self.counts[names[1]] = { first = 0, second = 0, both = 0, equal = 0 }
  if not first or not second then
    found.kind = first and "first" or "second"
    return found
  end
  local parts = diffs.different_parts(first.definition, second.definition)
  local has_other_keys = parts[1] == "partition_key" or parts[1] == "sort_key"
  if not has_other_keys or names[1] ~= names[2] then   -- two tables must be comparable
    self.keys = key_names(first.definition)
    local comparison, err, code = core.comparison(self.sides[1].snapshot, first.core,
      self.sides[2].snapshot, second.core)
    if not comparison then
      return nil, err, code
    end
    self.comparison = comparison
  end
  if #parts > 0 then
    found.kind, found.parts = "definition", parts
    return found
  end
end

--- Returns two items as they were at the position of the replica, and how they differ; nil: they
--- are equal.
function Diff:at_position(names, key, first, second)
  if self.source == 1 then
    first = self.later:at_position(names[1], key, first)
  else
    second = self.later:at_position(names[2], key, second)
  end
  if first and second then
    return first, second, encode(first) ~= encode(second) and "both" or nil
  end
  return first, second, first and "first" or second and "second" or nil
end

--- Returns the next item that differs; false if the core has read STEP equal items; nil at the end
--- of the tables.
function Diff:next_item()
  local kind, first, second = core.next_difference(self.comparison, STEP)
  local names = self.pairs[self.at]
  local counts = self.counts[names[1]]
  counts.equal = core.equal_items(self.comparison) + self.settled
  if not kind then
    return kind, first, second
  end
  local key = {}
  for _, name in ipairs(self.keys) do
    key[name] = (first or second)[name]
  end
  if self.later then
    first, second, kind = self:at_position(names, key, first, second)
    if not kind then
      counts.equal, self.settled = counts.equal + 1, self.settled + 1
      return false
    end
  end
  counts[kind] = counts[kind] + 1
  return { kind = kind, table = names[1], other_table = names[2], key = key, first = first,
    second = second }
end

--- Returns the next difference; nil at the end; nil, err, code on failure.
---@return tidetable.Difference|nil, tidetable.error|nil err, tidetable.code|nil code
function Diff:next()
  while true do
    local found, err, code
    if self.comparison then
      found, err, code = self:next_item()
      if found == nil and not err then
        self.comparison = nil
      end
    elseif self.at == #self.pairs then
      return nil
    else
      self.at = self.at + 1
      found, err, code = self:begin(self.pairs[self.at])
    end
    if found or err then
      return found or nil, err, code
    end
  end
end

--- Releases the snapshots.
function Diff:close()
  for _, side in ipairs(self.sides) do
    core.finish(side.snapshot)
  end
end

Diff.__close = Diff.close

--- Returns the names of the tables to compare, in pairs and in byte order.
local function pairs_of(sides, opts)
  if opts.other_table then
    return { { opts.tables[1], opts.other_table } }
  end
  local names, known = {}, {}
  for _, side in ipairs(sides) do
    for name in pairs(side.tables) do
      if not known[name] then
        known[name] = true
        names[#names + 1] = name
      end
    end
  end
  table.sort(names, function(a, b) return core.compare_bytes(a, b) < 0 end)
  for i, name in ipairs(names) do
    names[i] = { name, name }
  end
  return names
end

--- Returns NOT_FOUND if a table that was named is in neither database.
local function check_found(sides, opts)
  for _, name in ipairs(opts.tables or {}) do
    if opts.other_table then
      for i, each in ipairs { name, opts.other_table } do
        if not sides[i].tables[each] then
          return core.consumer_failure("NOT_FOUND", ("no table %s in the %s database"):format(each,
            i == 1 and "first" or "second"))
        end
      end
    elseif not sides[1].tables[name] and not sides[2].tables[name] then
      return core.consumer_failure("NOT_FOUND", ("no table %s in either database"):format(name))
    end
  end
  return true
end

--- Takes the sides of two databases. If one is a replica of the other, returns them at its
--- position, with the later changes of the source and the number of the source's side.
local function take_sides(first, second, take)
  for source, pair in ipairs { { first, second }, { second, first } } do
    local replica, err, code = comparing.replica_of(pair[1], pair[2])
    if not replica and err then
      return nil, err, code
    elseif replica then
      local target_side, source_side, later = comparing.take(pair[1], pair[2], take)
      if not target_side then
        return nil, source_side, later
      end
      return source == 1 and { source_side, target_side } or { target_side, source_side }, later,
        source
    end
  end
  local one, err, code = take(first)
  if not one then
    return nil, err, code
  end
  local other
  other, err, code = take(second)
  if not other then
    core.finish(one.snapshot)
    return nil, err, code
  end
  return { one, other }
end

--- Compares two databases.
---@param first tidetable.Database
---@param second tidetable.Database  may be the first
---@param opts tidetable.DiffOptions  checked
---@return tidetable.Diff|nil diff, tidetable.error|nil err, tidetable.code|nil code
function diffs.open(first, second, opts)
  local seconds = opts.snapshot_limit or 3600
  local names = opts.tables and { table.unpack(opts.tables) }
  if names then
    names[#names + 1] = opts.other_table
  end
  local function take(db)
    return side_of(db, names, seconds)
  end
  local sides, later, source
  if first == second then
    local side, err, code = take(first)
    if not side then
      return nil, err, code
    end
    sides = { side, side }
  else
    sides, later, source = take_sides(first, second, take)
    if not sides then
      return nil, later, source
    end
  end
  local diff = setmetatable({ sides = sides, pairs = pairs_of(sides, opts), at = 0, counts = {},
    later = later, source = source, settled = 0 }, Diff)
  local ok, err, code = check_found(sides, opts)
  if not ok then
    diff:close()
    return nil, err, code
  end
  return diff
end

-- db:diff --------------------------------------------------------------------

local function check_names(value)
  if type(value) ~= "table" or #value == 0 or not options.is_tuple(value, #value) then
    return "a list of names"
  end
  for _, name in ipairs(value) do
    if type(name) ~= "string" then
      return "a list of names"
    end
  end
end

local diff_options = {
  tables = check_names, other_table = "string", snapshot_limit = options.seconds,
}

---@class tidetable.DiffOptions
---@field tables string[]|nil      names of the tables to compare; default all
---@field other_table string|nil   compare the only table of `tables` with this one of the other
---                                database
---@field snapshot_limit number|nil  seconds for which the snapshots may be held; default 3600

--- Returns an iterator over the differences between two databases. It raises its errors.
---@param first tidetable.Database
---@param second tidetable.Database
---@param opts tidetable.DiffOptions|nil
---@return fun(): tidetable.Difference|nil
function diffs.iterator(first, second, opts)
  opts = options.check(opts, diff_options, "diff")
  if getmetatable(second) ~= getmetatable(first) then
    options.misuse("diff: expected a database, got " .. type(second))
  elseif opts.other_table and #(opts.tables or {}) ~= 1 then
    options.misuse 'diff: option "other_table" requires one table in option "tables"'
  elseif first == second and not opts.other_table then
    options.misuse 'diff: the database is the same one: option "other_table" is required'
  end
  local diff, err = diffs.open(first, second, opts)
  if not diff then
    error(err, 0)
  end
  return function()
    local found, failure = diff:next()
    if failure then
      error(failure, 0)
    end
    return found
  end, nil, nil, diff
end

return diffs
