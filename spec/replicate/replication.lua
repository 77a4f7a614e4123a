-- replication.lua - helpers of the specs of replication: a source, a target, and their comparison.
local assert = require "luassert"
local helper = require "spec.tidetable.helper"

local replication = {}

--- Returns a source and a target.
function replication.pair(options)
  return helper.open(options, helper.path "source.tide"),
    helper.open(options, helper.path "target.tide")
end

--- Creates a table that can be followed.
function replication.table(db, name, more)
  local spec = { name = name or "orders", partition_key = "id", sort_key = { "n", "N" },
    stream = true }
  for field, value in pairs(more or {}) do spec[field] = value end
  return assert(db:create_table(spec))
end

--- Puts items first to last into a table.
function replication.fill(items, first, last, value)
  for i = first, last do
    assert(items:put { id = "k" .. i % 7, n = i, v = value or i })
  end
end

--- Returns a replication that has caught up.
function replication.start(target, source, options)
  local replica = assert(target:replicate(source, options))
  assert(replica:catch_up())
  return replica
end

--- Returns the differences as short texts.
function replication.differences(source, target, options)
  local all = {}
  for found in source:diff(target, options) do
    all[#all + 1] = ("%s %s %s"):format(found.kind, found.table,
      found.key and found.key.id .. "/" .. tostring(found.key.n)
      or found.parts and table.concat(found.parts, ",") or "")
  end
  return all
end

--- Checks that the databases are equal, and that both files are sound.
function replication.check_equal(source, target, options)
  assert.same({}, replication.differences(source, target, options))
  for _, db in ipairs { source, target } do
    local report = assert(db:check())
    assert.is_true(report.ok, tostring(report))
  end
end

--- Returns the records of a table's stream.
function replication.records(db, name)
  return helper.collect(assert(db:table(name)):stream():records { from = "TRIM_HORIZON" })
end

--- Returns the only replica of a database.
function replication.described(db)
  local all = assert(db:replicas())
  assert.equal(1, #all)
  return all[1]
end

return replication
