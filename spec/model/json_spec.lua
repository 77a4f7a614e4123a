-- json_spec.lua - compares the core's JSON with the converter in Lua, which shares no code with it.
--
-- The model is dynamodb/json_text (text to tree) and dynamodb/json (tree to item). STEPS random
-- items are written and read by both, in both forms, and as many texts with random changes are read
-- by both: the bytes of the item must be equal, or the message, position, path and exception of the
-- error. If a text has several misfits, the model reports any of them, because it walks trees in
-- random order; then the core's must be one that the model reports in another order.
local core = require "tidetable.core"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local tidetable = require "tidetable"
local values = require "spec.model.values"

local STEPS = math.tointeger(tonumber(os.getenv("STEPS"))) or 3000
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local ORDERS = 40

local random = math.random
local forms = { "plain", "dynamodb" }

local special = { "$B", "$SS", "$$NS", "$BS", "$", "S", "N", "M", "a", "b", "\\", '"', "\u{2028}",
  "\u{80}x", "\u{feff}", "id" }

local function name_of()
  return random(3) == 1 and special[random(#special)] or values.text(random(1, 3))
end

--- Puts values into maps that look like sets or binaries.
local function disguised(value)
  for _ = 1, random(3) == 1 and random(3) or 0 do
    local attributes = { [name_of()] = value }
    if random(4) == 1 then attributes[name_of()] = values.any() end
    value = values.map(attributes)
  end
  return value
end

local function random_item()
  local attributes = {}
  for _ = 1, random(0, 4) do
    attributes[name_of()] = disguised(values.any())
  end
  return values.map(attributes)
end

local function random_order()
  local names, seen = {}, {}
  for _ = 1, random(0, 3) do
    local name = name_of()
    names[#names + 1], seen[name] = not seen[name] and name or nil, true
  end
  return names
end

-- Reading ---------------------------------------------------------------------------------

local function model(text, form)
  local tree, err, code = json_text.decode(text)
  if code then return nil, err end
  return json.item(tree, form)
end

--- Calls f with a `next` that walks each table in an order of its own.
local function in_another_order(f)
  local real, orders = next, setmetatable({}, { __mode = "k" })
  local function order_of(map)
    local names, after = {}, {}
    for name in real, map do table.insert(names, random(#names + 1), name) end
    for i, name in ipairs(names) do after[name] = names[i + 1] end
    orders[map] = { first = names[1], after = after }
    return orders[map]
  end
  _G.next = function(map, name)
    if getmetatable(map) == nil and type(map) == "table" then
      local order = orders[map] or order_of(map)
      if name == nil then name = order.first else name = order.after[name] end
      if name == nil then return nil end
      return name, map[name]
    end
    return real(map, name)
  end
  local result = table.pack(pcall(f))
  _G.next = real
  return table.unpack(result, 1, result.n)
end

local fields = { "code", "exception", "message", "reason", "path", "line", "column" }

local function shown(err)
  local parts = {}
  for i, field in ipairs(fields) do parts[i] = field .. "=" .. tostring(err[field]) end
  return table.concat(parts, "\n  ")
end

--- Reasons that only the core has.
local is_limit = {}
for _, item in ipairs { { [""] = 1 }, { [("n"):rep(65536)] = 1 }, { a = ("x"):rep(409600) } } do
  local _, err = core.values.encode(item)
  is_limit[err.message:gsub("^.*: ", "")] = true
end
is_limit["Nesting Levels have exceeded supported limits"] = true

local counts = { items = 0, same = 0, refused = 0, reordered = 0, limits = 0 }

--- Compares an error of the core with the model's result.
local function compare_errors(text, form, item, expected, err)
  assert(err.position >= 1 and err.position <= #text + 1)
  if item then -- a limit, which the model leaves to the core
    local _, limit = core.values.encode(item)
    counts.limits = counts.limits + 1
    return limit and limit.message:find(err.reason, 1, true)
  elseif expected.path and is_limit[err.reason] then
    counts.limits = counts.limits + 1
    return true
  elseif shown(expected) == shown(err) then
    counts.refused = counts.refused + 1
    return true
  elseif expected.path and err.path then
    for _ = 1, ORDERS do
      local _, _, other = in_another_order(function() return model(text, form) end)
      if other and shown(other) == shown(err) then
        counts.reordered = counts.reordered + 1
        return true
      end
    end
  end
  return false
end

local function compare(text, form)
  local item, expected = model(text, form)
  local found, err = core.json_decode(text, form)
  local same
  if found then
    counts.same = counts.same + 1
    same = item and core.values.encode(found) == core.values.encode(item)
  else
    same = compare_errors(text, form, item, expected, err)
  end
  if not same then
    error(("SEED=%d: %s: %q\nmodel: %s\ncore:  %s"):format(SEED, form, text,
      item and "an item" or shown(expected), found and "an item" or shown(err)), 0)
  end
end

-- Texts -----------------------------------------------------------------------------------

local tokens = { "{", "}", "[", "]", ",", ":", '"', "\\", "\\u", "\\ud83c\\udf0a", "\\ud800",
  "\\u0024", "0", "-", "1e5", ".", "e", "1e126", "1E-131", "null", "true", "false", " ", "\t", "\n",
  "\r", "\0", "\127", "\xff", "\xc3", "é", "漢", "{}", "[]", '""', '"S"', '"N"', '"a":', '"$SS"',
  '{"S":"x"}', '{"N":"1"},', '{"$B":"AA=="}', '{"$NS":[1,1]}', '{"M":{}}', '{"L":[]}', '"NULL":',
  '{"BOOL":true}', '{"SS":["a","a"]}', ("9"):rep(39), ("["):rep(99), ('{"a":'):rep(40) }

local function changed(text)
  for _ = 1, random(3) == 1 and random(4) or 1 do
    local at = random(#text + 1)
    local last = at - 1 + (random(2) == 1 and random(0, 3) or random(0, math.min(20, #text)))
    local new = ""
    local kind = random(5)
    if kind == 1 then
      new = string.char(random(0, 255))
    elseif kind == 2 then
      local from = random(#text + 1)
      new = text:sub(from, from + random(0, 20))
    elseif kind ~= 3 then
      new = tokens[random(#tokens)]
    end
    if kind == 5 then last = at - 1 end
    text = text:sub(1, at - 1) .. new .. text:sub(last + 1)
  end
  return text
end

--- Writes a text in another way: escapes, blanks.
local function respelled(text)
  text = text:gsub("[%w%$]", function(c)
    return random(30) == 1 and text:find '"' and ("\\u%04X"):format(c:byte()) or nil
  end)
  return (text:gsub("[{}%[%],:]", function(c)
    return random(6) == 1 and c .. (" "):rep(random(3)) or nil
  end))
end

describe("JSON of the core", function()
  it("is that of the converter in Lua", function()
    math.randomseed(SEED)
    for _ = 1, STEPS do
      local made, order = random_item(), random_order()
      local item = core.values.decode(core.values.encode(made.lua)) -- sets in stored order
      for _, form in ipairs(forms) do
        local text = json_text.encode(json.item_tree(item, form), json_text.order(order))
        local written, err = core.json_encode(item, form, order)
        if not written then error(("SEED=%d: %s: %s"):format(SEED, text, err), 0) end
        assert.equal(text, written, "SEED=" .. SEED)
        local read, stop = core.json_decode(text, form)
        assert(core.values.encode(read) == core.values.encode(item), "SEED=" .. SEED)
        assert.equal(#text + 1, stop)
        if random(10) == 1 then assert.equal(made.text, values.freeze(read), "SEED=" .. SEED) end
        counts.items = counts.items + 1
        compare(respelled(text), form)
        compare(changed(text), form)
        if random(20) == 1 then compare(text, form == "plain" and "dynamodb" or "plain") end
      end
    end
    if os.getenv("COUNTS") then
      for name, count in pairs(counts) do print(name, count) end
    end
    assert.is_true(counts.refused > STEPS // 4)
  end)

  it("reports the first duplicate name of any text", function()
    math.randomseed(SEED)
    for _ = 1, STEPS // 30 do
      local pieces, names = {}, random(2, 40)
      for i = 1, names do
        local name = tostring(random(names * names // 2))
        if random(2) == 1 then name = name:gsub("%d", "\\u003%0") end
        pieces[i] = ('"%s":%s'):format(name, random(5) == 1 and '{"a":1,"b":2,"a":3}' or "1")
      end
      if random(3) == 1 then pieces[#pieces + 1] = "x" end
      compare("{" .. table.concat(pieces, ",") .. "}", "plain")
    end
  end)

  it("reads values one after the other", function()
    local text = ' {"a":1}\n{"b":2}{"c":3} '
    local at, found = 1, {}
    repeat
      local item
      item, at = core.json_decode(text, "plain", at)
      found[#found + 1] = next(item)
    until at > #text
    assert.same({ "a", "b", "c" }, found)
  end)

  it("finds the end of a value that may not have arrived", function()
    math.randomseed(SEED)
    for _ = 1, STEPS // 30 do
      local text = assert(core.json_encode(random_item().lua, forms[random(2)]))
      assert.equal(#text + 1, core.json_end(text .. "{", 1))
      assert.is_nil(core.json_end(text:sub(1, random(#text - 1)), 1))
    end
    assert.equal(5, core.json_end("null,", 1))
    assert.is_nil(core.json_end('"a\\"', 1))
  end)

  it("keeps every type", function()
    assert.equal("N", tidetable.type((core.json_decode('{"a":1e125}', "plain")).a))
  end)
end)
