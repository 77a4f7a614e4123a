-- adoption_view.lua - shows how the tables of a target differ from those of its source while a
-- replication through a pipe takes them over.
--
-- The target can't read the source, so the differences are those that the copy has removed: they
-- are shown after each commit, in the form of `tidetable diff`, on standard error.

local definitions = require "tidetable.definition"
local diffs = require "tidetable.diff"
local diff_view = require "tidetable.cli.commands.diff".view
local library_error = require "tidetable.cli.library_error"

local adoption_view = {}

--- Writes to standard error, without colors.
local errors = {}

function errors.write(_, ...)
  io.stderr:write(...)
end

function errors.paint(_, _, text)
  return text
end

---@class tidetable.cli.AdoptionView
---@field target tidetable.Database
---@field name string         of the replica
---@field path string         of the target
---@field before table<string, table>  definitions of the tables that the target had, by name
---@field position integer    last sequence number of the target that was shown
---@field has_begun boolean   the definitions were shown
---@field has_ended boolean   the copy has ended
---@field view tidetable.cli.DiffView
local View = {}
View.__index = View

--- Begins before the first commit of the replication. Returns nil if the target has replicas: then
--- the replication takes over no tables.
---@param target tidetable.Database
---@param name string  of the replica
---@param path string  of the target
---@param out table|nil  where to write, with the methods write and paint; default: standard error
---@return tidetable.cli.AdoptionView|nil
function adoption_view.new(target, name, path, out)
  if #library_error.check(path, target:replicas()) > 0 then
    return nil
  end
  local before = {}
  for _, each in ipairs(library_error.check(path, target:list_tables())) do
    before[each] = library_error.check(path, definitions.of(target:table(each)))
  end
  return setmetatable({ target = target, name = name, path = path, before = before,
    position = library_error.check(path, target:info()).sequence_number, has_begun = false,
    has_ended = false, view = diff_view(out or errors) }, View)
end

--- Shows a difference of a table.
function View:text(found, definition)
  found.other_table = found.table
  self.view.diffing.keys = { definition.partition_key[1],
    definition.sort_key and definition.sort_key[1] }
  self.view:text(found)
end

--- Shows the tables whose definition was changed. Returns false if there are no tables yet.
function View:definitions()
  local replica = self.target:replicas()[1]
  for _, each in ipairs(replica and replica.tables or {}) do
    local first = self.before[each.name]
    local handle = first and self.target:table(each.name)
    local second = handle and definitions.of(handle)
    local parts = second and diffs.different_parts(first, second) or {}
    if #parts > 0 then
      self:text({ kind = "definition", table = each.name, parts = parts, first = first,
        second = second }, first)
    end
  end
  return replica and #replica.tables > 0
end

--- Shows what a record of the copy has changed. Without an old image the item is its key.
function View:record(record)
  local old = record.event_name ~= "INSERT" and (record.old_image or record.keys) or nil
  self:text({ kind = old and (record.new_image and "both" or "first") or "second",
    table = record.table_name, key = record.keys, first = old, second = record.new_image },
    self.before[record.table_name])
end

--- Shows what was changed since the last call. A change of the source itself has its number.
---@param is_copying boolean
function View:show(is_copying)
  if self.has_ended then
    return
  end
  self.has_begun = self.has_begun or self:definitions()
  local stream = library_error.check(self.path, self.target:stream { after = self.position })
  while true do
    local record = library_error.check(self.path, stream:next(0))
    if not record then
      break
    end
    self.position = record.sequence_number
    if self.before[record.table_name] and record.source and not record.source.sequence_number then
      self:record(record)
    end
  end
  self.has_ended = not is_copying
end

return adoption_view
