-- csv_source_spec.lua - CSV becomes items, the same as from JSON.
--
-- The messages that users see are tested in import_spec.lua.
local console = require "tidetable.cli.console"
local csv_source = require "tidetable.cli.csv_source"
local helper = require "spec.tidetable.helper"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local line_reader = require "tidetable.cli.line_reader"
local shop = require "spec.tidetable.cli.shop"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

--- Calls f(source) with a source of a text, whose file is read in pieces of random sizes.
local function with_source(text, given, f)
  local size = line_reader.PIECE
  line_reader.PIECE = math.random(2) == 1 and math.random(20) or size
  local input <close> = line_reader.open(shop.file("in.csv", text))
  local ok, err = pcall(f, csv_source.new(input, { delimiter = given.delimiter,
    keys = given.keys or { id = "N" }, types = given.types or {}, has_nulls = given.has_nulls }))
  line_reader.PIECE = size
  if not ok then error(err, 0) end
end

local LETTERS = { "a", ",", ";", '"', "\n", "\r\n", " ", "ü", "0", "\0", "{", "\r", "\t" }

local function text_of()
  local letters = {}
  for i = 1, math.random(0, 6) do letters[i] = LETTERS[math.random(#LETTERS)] end
  return table.concat(letters)
end

local NUMBERS = { "0", "-0", "1", "-17", "1.50", "1e3", "12345678901234567890.5", "1E-130",
  "99999999999999999999999999999999999999" }

--- Returns a field of CSV for a text. It is quoted where it has to be, and sometimes elsewhere.
local function field(text, delimiter)
  if text ~= "" and not text:find('[\r\n"' .. delimiter .. "]") and math.random(2) == 1 then
    return text
  end
  return '"' .. text:gsub('"', '""') .. '"'
end

-- Random items of the types S and N, as CSV and as DynamoDB's JSON: the items are equal.
it("returns the items that JSON has, with random quotes, delimiters and line ends", function()
  math.randomseed(SEED)
  for _ = 1, 200 do
    local delimiter = ({ ",", ";", "\t", "|" })[math.random(4)]
    local ending = math.random(2) == 1 and "\n" or "\r\n"
    local rows, items = { (math.random(2) == 1 and line_reader.MARK or "")
      .. table.concat({ field("id", delimiter), "s", field("n", delimiter) }, delimiter) }, {}
    for i = 1, math.random(0, 10) do
      local text = math.random(4) > 1 and text_of() or nil
      local number = math.random(4) > 1 and NUMBERS[math.random(#NUMBERS)] or nil
      items[i] = assert(json.item({ id = { N = tostring(i) }, s = text and { S = text },
        n = number and { N = number } }, "dynamodb"))
      rows[i + 1] = table.concat({ field(tostring(i), delimiter),
        text and field(text, delimiter) or "",
        number and field(number, delimiter) or "" }, delimiter)
    end
    local whole = table.concat(rows, ending) .. (math.random(2) == 1 and ending or "")
    with_source(whole, { delimiter = delimiter, types = { n = "N" } }, function(source)
      local count = 0
      for record in function() return source:next() end do
        count = count + 1
        assert.is_nil(record.fault, "SEED=" .. SEED)
        assert.is_true(tidetable.equal(items[count], record.item), "SEED=" .. SEED)
        assert.equal(count, record.number)
        local before = whole:sub(1, record.byte - 1)
        assert.equal(1 + select(2, before:gsub("\n", "")), record.line, "SEED=" .. SEED)
      end
      assert.equal(#items, count, "SEED=" .. SEED)
      assert.equal(#whole, source:offset())
    end)
  end
end)

--- Describes the records of a text in one line each; or the message that ends the command.
local function outcome(text, given)
  local found = {}
  local ok, err = pcall(with_source, text, given, function(source)
    for record in function() return source:next() end do
      local fault = record.fault
      found[#found + 1] = ("%d %d %s"):format(record.line, record.byte, fault
        and ("%s %d %s"):format(fault.reason, fault.line, fault.column)
        or json_text.encode(assert(json.item_tree(record.item))))
      if record.is_end then return end
    end
  end)
  if not ok then
    assert.is_true(console.is_failure(err), tostring(err))
    found[#found + 1] = err.message
  end
  return table.concat(found, "\n")
end

-- Random bytes: an item, a fault or a message, and the same for all sizes of the pieces.
it("reads any bytes without an error, and the same in all pieces", function()
  math.randomseed(SEED)
  for _ = 1, 500 do
    local letters = { "id,s\n" }
    for i = 2, math.random(40) do
      letters[i] = math.random(8) == 1 and string.char(math.random(0, 255))
        or LETTERS[math.random(#LETTERS)]
    end
    local text = table.concat(letters, "", math.random(5) == 1 and 2 or 1)
    local given = { has_nulls = math.random(2) == 1 }
    assert.equal(outcome(text, given), outcome(text, given), "SEED=" .. SEED)
  end
end)

it("keeps the parts of a long field with many lines in bounded memory", function()
  local max = line_reader.MAX
  line_reader.MAX = 200000
  finally(function() line_reader.MAX = max end)
  local lines = ("\n"):rep(199990)
  with_source('id,s\n1,"' .. lines .. '"\n', {}, function(source)
    assert.equal(lines, source:next().item.s)
    assert.is_nil(source:next())
  end)
  with_source('id,s\n1,"' .. lines .. lines .. '"\n', {}, function(source)
    -- The memory in use at every 10,000th line, without garbage: the process of all specs has a
    -- heap that takes long to collect.
    local next_line, count, peak = source.input.next, 0, 0
    function source.input:next()
      count = count + 1
      if count % 10000 == 0 then
        collectgarbage()
        peak = math.max(peak, collectgarbage "count")
      end
      return next_line(self)
    end
    collectgarbage()
    local before = collectgarbage "count"
    local record = source:next()
    assert.same({ "quoted field of more than 64 MiB", 2, 3, 8 },
      { record.fault.reason, record.fault.line, record.fault.column, record.fault.byte })
    assert.is_true(record.is_end)
    assert.is_true(peak > 0)
    assert.is_true(peak - before < 8000, peak - before .. " KB")
  end)
end)

it("refuses a line that is too long, and continues after it", function()
  local max = line_reader.MAX
  line_reader.MAX = 1000
  finally(function() line_reader.MAX = max end)
  with_source("id,s\n1," .. ("x"):rep(2000) .. "\n2,a\n", {}, function(source)
    local record = source:next()
    assert.same({ "line of more than 64 MiB", 2, 6 },
      { record.fault.reason, record.fault.line, record.fault.byte })
    assert.is_nil(record.text)
    assert.same({ id = 2, s = "a" }, source:next().item)
  end)
end)

it("reads binaries in base64, and NULL for an empty field if asked to", function()
  with_source("id,b,s\n1,AAE=,\n2,*,\n", { types = { b = "B" }, has_nulls = true }, function(source)
    assert.same({ id = 1, b = tidetable.binary "\0\1", s = tidetable.null }, source:next().item)
    assert.equal("b: expected a binary in base64", source:next().fault.reason)
  end)
end)
