-- record_filter_spec.lua - compares filters of records with a plain evaluation in Lua.
--
--   make spec SPEC=spec/model/record_filter_spec.lua RECORDS=1000000 SEED=n
--
-- A round fills random tables by random transactions, and evaluates random conditions on all
-- records: once by the filter of streams and histories, and once in Lua (expressions.lua), on the
-- records as they are without a filter.
local attributes = require "spec.model.attributes"
local checks = require "spec.model.expression_checks"
local database = require "spec.model.item_database"
local expressions = require "spec.model.expressions"
local helper = require "spec.tidetable.helper"
local new_printer = require "spec.model.expression_texts"
local tidetable = require "tidetable"
local trees = require "spec.model.expression_trees"

local function number_of(name) return math.tointeger(tonumber(os.getenv(name))) end

local RECORDS = number_of "RECORDS" or number_of "STEPS" or 2000
local SEED = number_of "SEED" or os.time()
local RECORDS_OF_ROUND, FILTERS_OF_ROUND = 400, 8

helper.setup(before_each, after_each)

local random = math.random
local text_of = attributes.text

local function pick(list) return list[random(#list)] end
local function chance(percent) return random(100) <= percent end

-- Tables and records -------------------------------------------------------------------------

local views = { "NEW_AND_OLD_IMAGES", "NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY" }
local has_image = {
  NEW_AND_OLD_IMAGES = { old_image = true, new_image = true }, NEW_IMAGE = { new_image = true },
  OLD_IMAGE = { old_image = true }, KEYS_ONLY = {},
}

--- Values of key attributes by type.
local key_values = {
  S = { "a", "b", "größe" }, N = { 0, 1.5, -2 },
  B = { tidetable.binary "x", tidetable.binary "\0" },
}

local function random_key(definition)
  local key = {}
  for _, attribute in pairs { definition.partition_key, definition.sort_key } do
    local is_text = type(attribute) == "string"
    key[is_text and attribute or attribute[1]] = pick(key_values[is_text and "S" or attribute[2]])
  end
  return key
end

local function random_item(definition, now)
  local item = random_key(definition)
  for _ = 1, random(0, 4) do
    item[pick(attributes.names)] = attributes.to_lua(attributes.random())
  end
  if chance(4) then item.long = ("xy"):rep(random(3000)) end
  if chance(10) then item.expires = math.floor(now) + random(20) end
  return item
end

local function write(tables, definition, now)
  if chance(25) then
    assert(tables:table(definition.name):delete(random_key(definition)))
  else
    assert(tables:table(definition.name):put(random_item(definition, now)))
  end
end

local function random_annotation()
  if chance(60) then return nil end
  local context = chance(70) and attributes.to_lua(attributes.random("M", 2)) or nil
  return { context = context, origin = pick { "a", "importer" } }
end

--- Creates a database with random records. Returns it, its tables and its clock.
local function random_database()
  local clock = tidetable.manual_clock(1e9 + random(1000) / 1000)
  local db = helper.memory { clock = clock }
  local tables = {}
  for i, definition in ipairs(database.definitions) do
    local handle = assert(db:create_table { name = definition.name,
      partition_key = definition.partition_key, sort_key = definition.sort_key,
      ttl = "expires", stream = { view_type = pick(views) } })
    tables[i] = { definition = definition, handle = handle,
      stream = assert(handle:stream()), view = assert(handle:describe()).stream.view_type }
  end
  while (db:info().sequence_number or 0) < RECORDS_OF_ROUND do
    clock:advance(random(4000) / 1000)
    local annotation, now = random_annotation(), clock:now()
    assert(db:transact(function(tx)
      for _ = 1, random(6) do write(tx, pick(tables).definition, now) end
      return true
    end, annotation))
    if chance(10) then assert(db:sweep()) end
  end
  return db, tables
end

--- Fields of a record that a condition can read, except created_at.
local field_names = { "keys", "old_image", "new_image", "event_name", "sequence_number",
  "table_name", "stream_label", "view_type", "transaction_id", "transaction_position",
  "transaction_count", "size_bytes", "partition_hash", "user_identity", "context", "origin",
  "depth" }

--- Returns all records as items of the model.
local function all_records(db)
  local records = {}
  for record in assert(db:stream()):records() do
    local fields = {}
    for _, name in ipairs(field_names) do fields[name] = attributes.from_lua(record[name]) end
    fields.created_at = attributes.number(("%.3f"):format(record.created_at))
    records[#records + 1] = { item = { "M", fields }, sequence = record.sequence_number,
      table_name = record.table_name, keys = text_of(fields.keys), key = record.keys }
  end
  return records
end

-- Conditions ---------------------------------------------------------------------------------

--- Returns a random call of `changed` or `became`, the two functions that compare the images.
local function random_comparison(record)
  local image = pick { record[2].old_image or false, record[2].new_image or false }
    or { "M", {} }
  local path = trees.path(image, {})
  local tree = { kind = "call", name = "changed", { kind = "path", path = path } }
  if chance(50) then
    local value = chance(70) and expressions.resolve(image, path) or attributes.random()
    tree.name = "became"
    tree[2] = chance(80) and { kind = "value", value = value }
      or { kind = "path", path = trees.path(record, {}) }
  end
  return tree
end

--- Returns a condition that is often valid and sometimes true. record: one whose values it uses.
local function random_condition(record, depth)
  if depth == 0 or chance(50) then
    return chance(25) and random_comparison(record) or trees.condition(record, {}, 0)
  end
  local kind = pick { "and", "or", "not" }
  local tree = { kind = kind }
  for i = 1, kind == "not" and 1 or random(2, 3) do
    tree[i] = random_condition(record, depth - 1)
  end
  return tree
end

--- Calls `visit` with each test of a condition. Returns the first true result.
local function find_test(tree, visit)
  if tree.kind ~= "and" and tree.kind ~= "or" and tree.kind ~= "not" then return visit(tree) end
  for _, each in ipairs(tree) do
    local found = find_test(each, visit)
    if found then return found end
  end
end

local function compares_images(tree)
  return tree.kind == "call" and (tree.name == "changed" or tree.name == "became")
end

local function is_invalid(tree)
  return find_test(tree, function(test)
    return not compares_images(test) and checks.condition(test) or nil
  end) ~= nil
end

local function operand_of(tree, record)
  return tree.kind == "value" and tree.value or expressions.resolve(record, tree.path)
end

--- Returns the result of `changed` or `became`.
local function holds_comparison(tree, record)
  local fields, path = record[2], tree[1].path
  local old = expressions.resolve(fields.old_image, path)
  local new = expressions.resolve(fields.new_image, path)
  if tree.name == "changed" then return text_of(old) ~= text_of(new) end
  local wanted = operand_of(tree[2], record)
  return attributes.equal(new, wanted) and not attributes.equal(old, wanted)
end

local logic = {
  ["and"] = function(tree, holds)
    for _, each in ipairs(tree) do
      if not holds(each) then return false end
    end
    return true
  end,
  ["or"] = function(tree, holds)
    for _, each in ipairs(tree) do
      if holds(each) then return true end
    end
    return false
  end,
  ["not"] = function(tree, holds) return not holds(tree[1]) end,
}

--- Returns true if the record, an item of the model, satisfies the condition.
local function holds(tree, record)
  if logic[tree.kind] then
    return logic[tree.kind](tree, function(each) return holds(each, record) end)
  end
  return (compares_images(tree) and holds_comparison or expressions.holds)(tree, record)
end

--- Returns true if a test reads this field.
local function reads(tree, name)
  if compares_images(tree) and (name == "old_image" or name == "new_image") then return true end
  if tree.kind == "path" then return tree.path[1] == name end
  for _, each in ipairs(tree) do
    if reads(each, name) then return true end
  end
  return tree.of ~= nil and reads(tree.of, name)
end

local function reads_missing_image(tree, view)
  return find_test(tree, function(test)
    for _, name in ipairs { "old_image", "new_image" } do
      if not has_image[view][name] and reads(test, name) then return true end
    end
  end) == true
end

--- Returns the options for a condition, and its text.
local function options_of(tree)
  local printer = new_printer(true)
  local text = printer:condition(tree)
  local opts = { filter = text, n = #printer.positions, names = printer.names, values = {} }
  for i, value in ipairs(printer.positions) do opts[i] = attributes.to_lua(value) end
  for name, value in pairs(printer.values) do opts.values[name] = attributes.to_lua(value) end
  for _, name in ipairs { "names", "values" } do
    if not next(opts[name]) then opts[name] = nil end
  end
  return opts, text
end

-- Comparing ----------------------------------------------------------------------------------

local function numbers_of(...)
  return table.concat(helper.field("sequence_number", ...), " ")
end

local function same(wanted, found, where)
  local text = table.concat(wanted, " ")
  if text ~= found then
    error(("%s\nexpected %s\n     got %s"):format(where, text, found), 0)
  end
end

--- Returns the sequence numbers of the records that satisfy the condition.
local function selected(records, tree, is_chosen)
  local list = {}
  for _, record in ipairs(records) do
    if is_chosen(record) and holds(tree, record.item) then
      list[#list + 1] = record.sequence
    end
  end
  return list
end

local function reversed(list)
  local other = {}
  for i = #list, 1, -1 do other[#other + 1] = list[i] end
  return other
end

local function with(opts, more)
  local both = {}
  for name, value in pairs(opts) do both[name] = value end
  for name, value in pairs(more) do both[name] = value end
  return both
end

--- Compares the stream of one table, and the history of one of its items in both directions.
local function compare_table(each, records, tree, opts, where)
  where = where .. " of " .. each.definition.name .. ", " .. each.view
  if reads_missing_image(tree, each.view) then
    local ok, err = pcall(each.stream.records, each.stream, opts)
    assert(not ok and tostring(err):find("does not contain", 1, true), where)
    return
  end
  same(selected(records, tree, function(record)
    return record.table_name == each.definition.name
  end), numbers_of(each.stream:records(opts)), where)
  local chosen = pick(records)
  if chosen.table_name ~= each.definition.name then return end
  local wanted = selected(records, tree, function(record)
    return record.table_name == chosen.table_name and record.keys == chosen.keys
  end)
  same(wanted, numbers_of(each.handle:history(chosen.key, opts)), where)
  same(reversed(wanted), numbers_of(each.handle:history(chosen.key,
    with(opts, { descending = true }))), where .. ", newest first")
end

--- Compares one random condition. Returns "invalid", "none" or "all" (of the records satisfy it),
--- or "some".
local function compare(db, tables, records, where)
  local tree = random_condition(pick(records).item, 3)
  local opts, text = options_of(tree)
  local all = assert(db:stream())
  where = ("%s, filter %s"):format(where, text)
  if is_invalid(tree) then
    local ok, err = pcall(all.records, all, opts)
    assert(not ok and err.code == "VALIDATION", where .. " should be invalid")
    return "invalid"
  end
  local wanted = selected(records, tree, function() return true end)
  same(wanted, numbers_of(all:records(opts)), where)
  compare_table(pick(tables), records, tree, opts, where)
  return #wanted == 0 and "none" or #wanted == #records and "all" or "some"
end

describe("filters of records", function()
  it("agree with a plain evaluation in Lua", function()
    io.write(("record filters: SEED=%d RECORDS=%d\n"):format(SEED, RECORDS))
    local count, round, results = 0, 0, { invalid = 0, none = 0, some = 0, all = 0 }
    while count < RECORDS do
      round = round + 1
      math.randomseed(SEED, round)
      local db, tables = random_database()
      local records = all_records(db)
      for _ = 1, FILTERS_OF_ROUND do
        local result = compare(db, tables, records, ("SEED=%d, round %d"):format(SEED, round))
        results[result] = results[result] + 1
      end
      count = count + #records
      db:close()
    end
    assert.is_true(results.some > 0)
    io.write(("record filters: %d records; conditions: %d invalid, %d for no record, %d for some,"
      .. " %d for all\n"):format(count, results.invalid, results.none, results.some, results.all))
  end)
end)
