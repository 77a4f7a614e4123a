-- messages_spec.lua - texts of errors: DynamoDB's text if it has one, with the name of the subject.
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local db, one, two

before_each(function()
  db = helper.memory { clock = tidetable.manual_clock(1e9) }
  one = assert(db:create_table { name = "one", partition_key = "id", stream = true })
  two = assert(db:create_table { name = "two", partition_key = "id", sort_key = { "at", "N" } })
  assert(two:load { { id = "a", at = 1 }, { id = "a", at = 2 } })
end)

local function create(spec)
  return function() return db:create_table(spec) end
end

local function page(options, partition)
  return function() return two:query_page(partition or "a", options) end
end

local NAMES = "TableName must be at least 3 characters long and at most 255 characters long, "
  .. "of a-z, A-Z, 0-9, '_', '-' and '.'"

-- Code, message, call.
local returned = {
  { "VALIDATION", NAMES, create { name = "a", partition_key = "id" } },
  { "VALIDATION", NAMES, function() return db:table "a b" end },
  { "VALIDATION", "Both the Hash Key and the Range Key element in the KeySchema have the same name",
    create { name = "new", partition_key = "id", sort_key = "id" } },
  { "VALIDATION", "new: the name of the sort key must be UTF-8",
    create { name = "new", partition_key = "id", sort_key = "\xff" } },
  { "VALIDATION", "new: the name of the partition key must have 1 to 255 bytes",
    create { name = "new", partition_key = "" } },
  { "IN_USE", "Table already exists: one", create { name = "one", partition_key = "id" } },
  { "NOT_FOUND", "Requested resource not found: Table: none not found",
    function() return db:table "none" end },
  { "NOT_FOUND", "Requested resource not found: Table: none not found",
    function() return db:delete_table "none" end },
  { "NOT_FOUND", "Requested resource not found: Table: two has no stream",
    function() return two:stream() end },
  { "NOT_FOUND", "Requested resource not found: Stream: 2001 of table one not found",
    function() return one:stream { label = "2001" } end },
  { "VALIDATION", "Table already has an enabled stream: Table: one",
    function() return one:enable_stream() end },
  { "VALIDATION", "Table has no enabled stream: Table: two",
    function() return two:disable_stream() end },
  { "VALIDATION", "One or more parameter values were invalid: Missing the key at in the item",
    function() return two:put { id = "a" } end },
  { "VALIDATION", "One or more parameter values were invalid: Type mismatch for key at expected: N "
    .. "actual: S", function() return two:put { id = "a", at = "1" } end },
  { "VALIDATION", "One or more parameter values are not valid. The AttributeValue for a key "
    .. "attribute cannot contain an empty string value. Key: id",
    function() return one:put { id = "" } end },
  { "VALIDATION", "table one has no sort key",
    function() return one:query_page("a", { sort = { "=", 1 } }) end },
  { "VALIDATION", "begins_with requires a sort key of type S or B; at has type N",
    page { sort = { "begins_with", 1 } } },
  { "VALIDATION", "The BETWEEN operator requires upper bound to be greater than or equal to lower "
    .. "bound: key at", page { sort = { "between", 2, 1 } } },
  { "VALIDATION", "Condition parameter type does not match schema type: key "
    .. "at expected: N actual: S", page { sort = { ">", "x" } } },
  { "VALIDATION", "Condition parameter type does not match schema type: key "
    .. "id expected: S actual: N", page({}, 1) },
  { "VALIDATION", "The provided starting key is invalid: ", page { start_key = { id = "a" } } },
  { "VALIDATION", "The provided starting key is outside query boundaries based on provided "
    .. "conditions", page { start_key = { id = "b", at = 1 } } },
  { "VALIDATION", "The provided starting key does not match the range key predicate",
    page { sort = { ">", 1 }, start_key = { id = "a", at = 1 } } },
  { "NO_FILE", "is in a directory that can't be resolved: No such file or directory",
    function() return tidetable.open(helper.path "no/such.tide") end },
  { "VALIDATION", "is a file of the database itself", function()
    return helper.open():backup(helper.path())
  end },
}

local raised = {
  { "TIMEOUT", "the transaction took longer than its time limit", function()
    db:transact(function() while true do end end, { time_limit = 0.01 })
  end },
  { "TIMEOUT", "the transaction held its snapshot for longer than its time limit", function()
    local clock = helper.clock()
    db:transact(function() clock:advance(11) end, { mode = "optimistic", time_limit = 10 })
  end },
  { "TIMEOUT", "the snapshot was held longer than snapshot_limit", function()
    for i = 1, 1100 do assert(two:put { id = "b", at = i }) end -- more than a page
    local clock = helper.clock()
    for _ in two:scan { snapshot = true, snapshot_limit = 10 } do clock:advance(11) end
  end },
  { "CLOSED", "the transaction has ended", function()
    local kept
    db:transact(function(tx) kept = tx:table "two" end)
    kept:get { id = "a", at = 1 }
  end },
  { "CLOSED", "the transaction has ended", function()
    local iterate, state
    db:transact(function(tx) iterate, state = tx:table "two":scan() end)
    iterate(state)
  end },
  { "NOT_FOUND", "table two was deleted while it was being read", function()
    assert(two:load((function()
      local items = {}
      for i = 1, 1001 do items[i] = { id = "b", at = i } end
      return items
    end)()))
    for _ in two:scan() do
      if db:delete_table "two" then
        assert(db:create_table { name = "two", partition_key = "id" })
      end
    end
  end },
  { "AHEAD", "sequence number 100, but the last change has 4", function()
    one:stream():records { after = 100 }
  end },
}

for _, case in ipairs(returned) do
  it(("is returned: %s"):format(case[2]), function()
    local err = helper.refused(case[1], case[3]())
    assert.is_truthy(err.message:find(case[2], 1, true), err.message)
  end)
end

for _, case in ipairs(raised) do
  it(("is raised: %s"):format(case[2]), function()
    local err = helper.raises(case[1], case[3])
    assert.is_truthy(err.message:find(case[2], 1, true), err.message)
  end)
end
