-- importer_spec.lua - records become items, with a position.
--
-- The command is tested in import_spec.lua; this file tests what happens between records.
local console = require "tidetable.cli.console"
local table_definition = require "tidetable.cli.table_definition"
local helper = require "spec.tidetable.helper"
local importer = require "tidetable.cli.importer"
local line_reader = require "tidetable.cli.line_reader"
local json_text = require "tidetable.dynamodb.json_text"
local record_source = require "tidetable.cli.record_source"

helper.setup(before_each, after_each)

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local TABLE = json_text.encode { Table = table_definition.tree { name = "items",
  partition_key = { "id", "N" } } }

local function item(id)
  return ('{"Item":{"id":{"N":"%d"}}}'):format(id)
end

--- Returns a source of a text that is read in pieces of random sizes, at most `most`.
local function source_of(text, most)
  local at = 1
  return record_source.new({ read = function()
    local piece = text:sub(at, at + math.random(most or 1000) - 1)
    at = at + #piece
    return piece ~= "" and piece or nil
  end }, json_text.decode, true)
end

--- An import into a database in memory. `take` is given the lines, each of which is a record.
local function new(given, db)
  db = db or helper.memory()
  local noted, number = {}, 0
  local options = { form = "dynamodb", create = true, max_errors = 0, from_record = 1, name = "in",
    note = function(message) noted[#noted + 1] = message end }
  for name, value in pairs(given or {}) do options[name] = value end
  local run = importer.new(db, options)
  if options.checkpoint then run:find_checkpoint() end
  local function take(...)
    for _, line in ipairs { ... } do
      local record = source_of(line):next()
      number = number + 1
      record.number, record.line = number, number
      if record.fault then record.fault.line = number end
      run:take(record)
    end
  end
  return run, take, db, noted
end

local function fails(message, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.is_true(console.is_failure(err), tostring(err))
  assert.equal(message, err.message)
end

local function count(db)
  return #helper.collect(assert(db:table "items"):scan())
end

it("stores a batch when it is full, and the rest at the end", function()
  local run, take, db = new()
  take(TABLE)
  for i = 1, 999 do take(item(i)) end
  assert.equal(0, count(db))
  take(item(1000), item(1001))
  assert.equal(1000, count(db))
  assert.same({ 1000, 1001 }, { run.stored, run.record })
  take '{"End":{"Items":1001,"Tables":1}}'
  run:finish(1003)
  assert.same({ 1001, 1003 }, { run.stored, run.record })
  assert.equal(1001, count(db))
end)

it("stores large items in smaller batches", function()
  local run, take, db = new()
  take(TABLE)
  local function big(i, letter)
    return ('{"Item":{"id":{"N":"%d"},"t":{"S":"%s"}}}'):format(i, letter:rep(300000))
  end
  for i = 1, 14 do take(big(i, "x")) end
  assert.equal(14, run.stored)
  assert.equal(14, count(db))
end)

-- A transaction holds 32 MiB of items and images. The replaced items are much larger.
it("halves a batch that is too large for one transaction", function()
  local run, take, db = new()
  local t = assert(db:create_table { name = "items", partition_key = { "id", "N" },
    stream = true })
  for i = 1, 100 do assert(t:put { id = i, text = ("x"):rep(400000) }) end
  take(TABLE)
  for i = 1, 100 do take(item(i)) end
  run:flush(101)
  assert.same({ 100, 101 }, { run.stored, run.record })
  assert.equal("M", require("tidetable").type(t:get { id = 100 }))
  assert.is_nil(t:get { id = 1 }.text)
  assert.is_nil(t:get { id = 100 }.text)
end)

it("commits a checkpoint with the items, and continues after it", function()
  local run, take, db = new { checkpoint = "night" }
  take(TABLE)
  for i = 1, 1500 do take(item(i)) end
  assert.equal(1000, run.stored)
  local checkpoints = assert(db:table(importer.CHECKPOINTS))
  assert.equal(1001, checkpoints:get { name = "night" }.record)
  run, take = new({ checkpoint = "night" }, db)
  take(TABLE)
  for i = 1, 1500 do take(item(i)) end
  take '{"End":{"Items":1500,"Tables":1}}'
  run:finish(1502)
  assert.equal(500, run.stored)
  assert.equal(1500, count(db))
  assert.is_nil(checkpoints:get { name = "night" })
end)

it("does not continue in another file", function()
  local _, take, db = new { checkpoint = "night" }
  take(TABLE)
  for i = 1, 1000 do take(item(i)) end
  _, take = new({ checkpoint = "night" }, db)
  take(TABLE)
  for i = 1, 999 do take(item(i + 1)) end
  fails("in:1001: not the record of checkpoint night", take, item(1001))
  local run
  run, take = new({ checkpoint = "night" }, db)
  take(TABLE)
  fails("in: 1 record, but the import starts after record 1001", function()
    run.definition = nil
    run:finish(1)
  end)
end)

-- A checkpoint contains the beginning and the length of a record.
it("does not continue at a record with the same beginning", function()
  local _, take, db = new { checkpoint = "night" }
  local function long(id, size)
    return ('{"Item":{"id":{"N":"%d"},"text":{"S":"%s"}}}'):format(id, ("x"):rep(size))
  end
  take(TABLE)
  for i = 1, 1000 do take(long(i, 2000)) end
  _, take = new({ checkpoint = "night" }, db)
  take(TABLE)
  for i = 1, 999 do take(long(i, 2000)) end
  fails("in:1001: not the record of checkpoint night", take, long(1000, 2001))
end)

local LONG = 2000

local BAD = { "{", "5", '{"Item":', '{"Item":{"id":{"N":"1"}}', '{"a":[',
  '{"Item":{"id":{"N":"1"}}}}', '{"Item":{"id":{"S":"x"}}}', '{"Item":{"id":{"N":"x"}}}',
  '{"Item":{}}',
  '{"Item":{"id":{"N":"1"},"id":{"N":"2"}}}', "\xff", '{"Item":{"no":{"N":"1"}}}',
  '{"Item":{"id":{"N":"1"},"t":{"S":"' .. ("x"):rep(LONG) .. '"}}}' }

--- Returns random lines: valid, invalid and blank ones; and for each line true if it is valid,
--- false if it is invalid, nil if it is blank.
local function random_lines()
  local all, is_good, rate = { item(0) }, { true }, math.random()
  for i = 2, math.random(1, 1500) do
    if math.random(20) == 1 then
      all[i] = math.random(2) == 1 and "" or " \t"
    else
      is_good[i] = math.random() ^ 4 <= rate
      all[i] = is_good[i] and item(i) or BAD[math.random(#BAD)]
    end
  end
  return all, is_good
end

--- Returns the numbers of the invalid lines, and the number of valid lines before line `stop`.
local function expected(all, is_good, stop)
  local bad, good = {}, 0
  for i = 1, #all do
    bad[#bad + 1] = is_good[i] == false and i or nil
    good = good + (is_good[i] and i < (stop or math.huge) and 1 or 0)
  end
  return bad, good
end

--- Returns the line numbers in the messages.
local function numbers_of(noted)
  local numbers = {}
  for i, message in ipairs(noted) do numbers[i] = tonumber(message:match "^in:(%d+):") end
  return numbers
end

--- Imports the lines as one text. Returns false and the error if the import ends early.
local function import(run, all, ...)
  local source = source_of(table.concat(all, "\n") .. "\n", 3000)
  return pcall(function(...)
    for record in function() return source:next() end do run:take(record) end
    for _, last in ipairs { ... } do
      run:take { number = source.number + 1, line = #all + 1, byte = 1, text = last,
        tree = json_text.decode(last) }
    end
    run:finish(source.number)
  end, ...)
end

--- Returns the number of lines that are not blank.
local function filled(all)
  local lines = 0
  for _, line in ipairs(all) do lines = lines + (line:find "%S" and 1 or 0) end
  return lines
end

local function short_records()
  local max = line_reader.MAX
  line_reader.MAX = LONG
  finally(function() line_reader.MAX = max end)
end

-- Random files with valid and invalid lines: exactly the valid ones are stored, and the others are
-- reported in order, no matter where the pieces and the batches end and which check refuses them.
it("stores all valid lines and no others", function()
  math.randomseed(SEED)
  short_records()
  for _ = 1, 20 do
    local run, _, db, noted = new { max_errors = math.huge, table = "items" }
    assert(db:create_table { name = "items", partition_key = { "id", "N" } })
    local all, is_good = random_lines()
    local bad, good = expected(all, is_good)
    assert(import(run, all, ('{"End":{"Items":%d,"Tables":1}}'):format(good + #bad)),
      "SEED=" .. SEED)
    assert.same(bad, numbers_of(noted), "SEED=" .. SEED)
    assert.same({ good, #bad, filled(all) }, { run.stored, run.bad, run.record }, "SEED=" .. SEED)
    assert.equal(good, count(db), "SEED=" .. SEED)
  end
end)

-- A line that the table refuses is detected after a later line that is not JSON, but counted first.
it("ends at the first invalid line beyond the maximum", function()
  math.randomseed(SEED)
  short_records()
  for _ = 1, 20 do
    local most = math.random(0, 30)
    local run, _, db, noted = new { max_errors = most, table = "items" }
    assert(db:create_table { name = "items", partition_key = { "id", "N" } })
    local all, is_good = random_lines()
    local bad = expected(all, is_good)
    local stop = bad[most + 1]
    local _, good = expected(all, is_good, stop)
    local ok, err = import(run, all)
    assert.equal(stop == nil, ok, "SEED=" .. SEED)
    assert.same(table.move(bad, 1, math.min(most, #bad), 1, {}), numbers_of(noted), "SEED=" .. SEED)
    assert.same({ good, good }, { run.stored, count(db) }, "SEED=" .. SEED)
    if stop then assert.equal(stop, numbers_of({ err.message })[1], "SEED=" .. SEED) end
  end
end)

it("stores no checkpoint at a record that was too long", function()
  short_records()
  local run, take, db = new { max_errors = 1, checkpoint = "c", table = "items" }
  assert(db:create_table { name = "items", partition_key = { "id", "N" } })
  take(item(1), item(2), BAD[#BAD])
  run:flush(3)
  assert.equal(2, assert(db:table(importer.CHECKPOINTS)):get { name = "c" }.record)
  assert.same({ 2, 3, 1 }, { run.stored, run.record, run.bad })
end)

it("stops after the last line before an invalid one", function()
  local run, take, db = new { max_errors = 1 }
  take(TABLE, item(1), '{"Item":5}', item(2), item(3))
  local ok, err = pcall(take, '{"Item":{')
  assert.is_false(ok)
  assert.is_truthy(err.message:find("in:6:10: ", 1, true), err.message)
  assert.equal("1 invalid record skipped before", err.hint)
  assert.same({ 3, 5 }, { run.stored, run.record })
  assert.equal(3, count(db))
end)

-- The line could be a definition; the following items would be stored in the wrong table.
it("skips no record that may be the definition of another table", function()
  for _, bad in ipairs { '{"Table":{"TableName":"other"', '{"Tabel":{}}', "{", "5", "\xff" } do
    local run, take, db = new { max_errors = math.huge }
    take(TABLE, item(1))
    local ok, err = pcall(take, bad)
    assert.is_false(ok)
    assert.is_truthy(err.message:find("^in:3:"), err.message)
    assert.equal("it may be the definition of another table, so it cannot be skipped", err.hint)
    assert.same({ 1, 2 }, { run.stored, run.record })
    assert.equal(1, count(db))
  end
end)

it("stores the items before an invalid definition", function()
  local run, take, db = new()
  take(TABLE, item(1))
  fails("in:3: Table: missing TableName", take,
    '{"Table":{"KeySchema":[],"AttributeDefinitions":[]}}')
  assert.same({ 1, 2 }, { run.stored, run.record })
  assert.equal(1, count(db))
  fails("in:4: an unknown number of items exported, 1 read", take, '{"End":5}')
end)
