-- record_source_spec.lua - JSON text of several forms becomes the same records.
--
-- The forms and messages that users see are tested in import_spec.lua.
local json_text = require "tidetable.dynamodb.json_text"
local line_reader = require "tidetable.cli.line_reader"
local record_source = require "tidetable.cli.record_source"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

--- Returns a source of a text that is read in pieces of at most `most` bytes.
local function source_of(text, most, has_answers)
  local at = 1
  return record_source.new({ read = function()
    local piece = text:sub(at, at + math.random(most or 1000) - 1)
    at = at + #piece
    return piece ~= "" and piece or nil
  end }, json_text.decode, has_answers or false)
end

local LETTERS = { "a", "{", "}", "[", "]", ",", ":", '"', "\\", "\n", "ü", " ", "Items" }

local function text_of()
  local letters = {}
  for i = 1, math.random(0, 8) do letters[i] = LETTERS[math.random(#LETTERS)] end
  return table.concat(letters)
end

--- Returns a random value.
local function value(depth)
  local kind = math.random(depth > 0 and 6 or 4)
  if kind == 1 then return text_of() end
  if kind == 2 then return math.random(-1000, 1000) end
  if kind == 3 then return math.random(2) == 1 end
  if kind == 4 then return json_text.decode "null" end
  local made = {}
  for i = 1, math.random(0, 3) do
    made[kind == 5 and i or text_of()] = value(depth - 1)
  end
  if next(made) == nil then return json_text.decode(kind == 5 and "[]" or "{}") end
  return made
end

--- Returns a value as JSON with random blanks between its tokens.
local function pretty(tree, indent)
  local compact = json_text.encode(tree)
  local parts, at = {}, 1
  while at <= #compact do
    local stop = select(2, compact:find('^"[^"\\]*"', at)) or at
    if compact:sub(at, at) == '"' and stop == at then
      stop = at + 1
      while compact:sub(stop, stop) ~= '"' do
        stop = stop + (compact:sub(stop, stop) == "\\" and 2 or 1)
      end
    end
    parts[#parts + 1] = compact:sub(at, stop)
    at = stop + 1
    if parts[#parts]:find "^[,:{}%[%]\"]" and at <= #compact and math.random(3) == 1 then
      parts[#parts + 1] = indent
    end
  end
  return table.concat(parts)
end

local BLANKS = { "", "\n", " ", "\r\n", "\n\n  " }

local function blank() return BLANKS[math.random(#BLANKS)] end

--- Returns the texts of the items as one input: one after another, in arrays, or both.
local function joined(texts, has_answers)
  local parts, at = {}, 1
  while at <= #texts do
    local count = math.random(0, math.min(5, #texts - at + 1))
    local list = table.concat(texts, "," .. blank(), at, at + count - 1)
    local form = math.random(has_answers and 3 or 2)
    if form == 1 then
      list = table.concat(texts, blank(), at, at + count - 1)
    elseif form == 2 then
      list = "[" .. blank() .. list .. blank() .. "]"
    else
      list = ('{%s"Items":[%s%s],"Count":%d}'):format(blank(), blank(), list, count)
    end
    parts[#parts + 1] = list
    at = at + count
  end
  return table.concat(parts, "\n")
end

-- Items in random forms and blanks, read in pieces of random sizes: the records are the items, and
-- line and byte are where they begin.
it("returns the same records for each form and each size of the pieces", function()
  math.randomseed(SEED)
  for round = 1, 300 do
    local texts, trees = {}, {}
    for i = 1, math.random(0, 12) do
      local object = { n = i, v = value(3) }
      texts[i], trees[i] = pretty(object, ({ " ", "\n  " })[math.random(2)]), object
    end
    local has_answers = round % 2 == 0
    local text = joined(texts, has_answers)
    local source, found = source_of(text, math.random(2) == 1 and 5 or 5000, has_answers), 0
    for record in function() return source:next() end do
      if not record.answer then
        found = found + 1
        assert.is_nil(record.fault, "SEED=" .. SEED)
        assert.equal(json_text.encode(trees[found]), json_text.encode(record.tree), "SEED=" .. SEED)
        assert.same({ found, texts[found] }, { record.number, record.text }, "SEED=" .. SEED)
        assert.equal(texts[found], text:sub(record.byte, record.byte + #record.text - 1))
        local before = text:sub(1, record.byte - 1)
        assert.equal(1 + select(2, before:gsub("\n", "")), record.line)
        assert.equal(#before:match "[^\n]*$" + 1, record.column)
      else
        assert.equal(record.answer.Count, record.count, "SEED=" .. SEED)
      end
    end
    assert.equal(#texts, found, "SEED=" .. SEED)
    assert.equal(#text, source:offset())
  end
end)

-- Skipped records are divided without being decoded, so the same number must follow.
it("divides the text in the same way when it skips", function()
  math.randomseed(SEED)
  for _ = 1, 200 do
    local letters = {}
    for i = 1, math.random(0, 40) do letters[i] = LETTERS[math.random(#LETTERS)] end
    local text = '{"a":1}\n' .. table.concat(letters)
    local one, other = source_of(text), source_of(text, 3)
    repeat
      local record, skipped = one:next(), other:next(true)
      assert.equal(record == nil, skipped == nil, "SEED=" .. SEED)
      if record then
        assert.same({ record.number, record.line, record.byte, record.text, record.is_end },
          { skipped.number, skipped.line, skipped.byte, skipped.text, skipped.is_end },
          "SEED=" .. SEED)
      end
    until not record or record.is_end
  end
end)

it("cuts a record without end before the next one", function()
  local source = source_of '{"a":1}\n{"b":\n{"c":3}\n  \n{"d":"x\n{"e":5} x\n{"f":6}'
  local found = {}
  for record in function() return source:next() end do
    found[#found + 1] = ("%d %s %s"):format(record.line, record.text,
      record.fault and "bad" or "good")
  end
  assert.same({ '1 {"a":1} good', '2 {"b": bad', '3 {"c":3} good', '5 {"d":"x bad',
    '6 {"e":5} x bad',
    '7 {"f":6} good' }, found)
end)

it("keeps nothing of a record that is too long, and continues after it", function()
  local max = line_reader.MAX
  line_reader.MAX = 1000
  finally(function() line_reader.MAX = max end)
  local source = source_of('[{"a":"' .. ("x"):rep(100000) .. '"},{"b":2}]')
  local record = source:next()
  assert.same({ 1, 2, "record of more than 64 MiB" },
    { record.number, record.byte, record.fault.reason })
  assert.is_nil(record.text)
  assert.equal('{"b":2}', source:next().text)
  assert.is_nil(source:next())
end)

it("recognizes an answer by its first name only", function()
  assert.equal('{"Items":[]}', source_of('{"Items":[]}', 2, false):next().text)
  local source = source_of('{ "Count" : 0, "Items" : [ ] }{"Item":{}}', 2, true)
  assert.same({ Count = 0, Items = true }, source:next().answer)
  assert.equal('{"Item":{}}', source:next().text)
  assert.equal("duplicate name \"Count\"",
    source_of('{"Count":0,"Count":0}', 2, true):next().fault.reason)
end)
