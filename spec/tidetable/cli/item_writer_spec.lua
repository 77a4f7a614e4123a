-- item_writer_spec.lua - items in columns and as JSON.
local core = require "tidetable.core"
local item_writer = require "tidetable.cli.item_writer"
local tidetable = require "tidetable"

local description = { name = "orders", partition_key = { "customer", "S" },
  sort_key = { "placed_at", "N" } }

--- A console that stores the output.
local function new_console(is_terminal)
  local written = {}
  return {
    is_terminal = is_terminal, written = written,
    write = function(_, ...) written[#written + 1] = table.concat { ... } end,
    lines = function(_, lines) written[#written + 1] = table.concat(lines, "\n") .. "\n" end,
    paint = function(_, _, shown) return shown end,
    ellipsis = function() return "…" end,
    size = function() return is_terminal and 80 or math.maxinteger, 24 end,
  }
end

local function shown(list, format, is_terminal)
  local out = new_console(is_terminal)
  local writer = item_writer.new(out, format, description)
  for _, item in ipairs(list) do writer:add(item) end
  writer:flush()
  return table.concat(out.written)
end

local one = { customer = "ann", placed_at = 2, b = tidetable.binary "x", note = "hi" }

it("writes JSON in a pipe, the key first, and columns on a terminal, by default", function()
  assert.equal('{"customer":"ann","placed_at":2,"b":{"$B":"eA=="},"note":"hi"}\n',
    shown({ one }, nil, false))
  assert.equal(shown({ one }, nil, false), shown({ one }, "json", true))
  assert.equal(
    '{"customer":{"S":"ann"},"placed_at":{"N":"2"},"b":{"B":"eA=="},"note":{"S":"hi"}}\n',
    shown({ one }, "dynamodb", true))
  assert.equal("customer  placed_at  b     note\nann               2  <78>  hi\n",
    shown({ one }, nil, true))
  assert.equal(shown({ one }, nil, true), shown({ one }, "text", false))
end)

it("has a column for attributes of half of the items, followed by the others", function()
  local text = shown({
    { customer = "ann", placed_at = 1, total = 5, rare = "r" },
    { customer = "bob", placed_at = 10, total = 12.5 },
    { customer = "cyd", placed_at = 2, odd = tidetable.list {} },
  }, "text")
  assert.equal([[
customer  placed_at  total
ann               1      5  rare: "r"
bob              10   12.5
cyd               2         odd: []
]], text)
end)

it("omits quotes around simple words, and cuts long values", function()
  local text = shown({
    { customer = "ann", placed_at = 1, v = "two words" },
    { customer = "12", placed_at = 2, v = "null" },
    { customer = "x\27[2J", placed_at = 3, v = "" },
    { customer = ("a"):rep(60), placed_at = 4, v = "  " },
    { customer = "a  b", placed_at = 5, v = "end " },
  }, "text")
  assert.equal(([[
customer%sv
ann%s1  two words
"12"%s2  "null"
"x\e[2J"%s3  ""
%s…          4  "  "
"a  b"%s5  "end "
]]):format((" "):rep(34) .. "placed_at  ", (" "):rep(47), (" "):rep(46), (" "):rep(42),
    ("a"):rep(39), (" "):rep(44)), text)
end)

it("cuts long names too, and rare attributes only on a terminal", function()
  local name, rare = ("n"):rep(60), ("é"):rep(50)
  local list = { { customer = "ann", placed_at = 1, [name] = 1 },
    { customer = "ann", placed_at = 2, [name] = 1 },
    { customer = "bob", placed_at = 3, rare = rare, rarer = rare, rarest = rare } }
  local line = ("bob               3%srare: %q, rarer: %q"):format((" "):rep(44), rare, rare)
  local text = shown(list, "text")
  assert.is_truthy(text:find(("n"):rep(39) .. "…\n", 1, true), text)
  assert.is_truthy(text:find(line .. (", rarest: %q\n"):format(rare), 1, true), text)
  assert.is_truthy(shown(list, "text", true):find(line .. "\n", 1, true))
end)

-- Regression: every character of the whole text was examined, so that a screen took minutes.
it("formats only the visible part of a long text", function()
  local list, looks, look = {}, 0, core.terminal_char_columns
  for i = 1, 20 do
    list[i] = { customer = "c", placed_at = i, ["only" .. i] = ("é"):rep(100000),
      ["also" .. i] = ("é"):rep(100000), both = ("é"):rep(100000) }
  end
  finally(function() core.terminal_char_columns = look end)
  core.terminal_char_columns = function(...)
    looks = looks + 1
    return look(...)
  end
  shown(list, nil, true)
  assert.is_true(looks < 20 * 10000, looks)
end)

-- The search for trailing blanks was quadratic, and took minutes.
it("removes trailing blanks in linear time", function()
  local out, before = new_console(true), os.clock()
  local item = { customer = "ann", placed_at = 1, blank = (" "):rep(390000) .. "x" }
  item_writer.new(out, nil, description):only(item)
  shown({ item, { customer = "ann", placed_at = 2, [(" "):rep(60000)] = 1 } }, "text")
  assert.is_true(os.clock() - before < 10, os.clock() - before)
end)

it("shows a single item with one attribute per line", function()
  local out = new_console(true)
  item_writer.new(out, nil, description):only(one)
  assert.equal('customer   "ann"\nplaced_at  2\nb          <78>\nnote       "hi"\n',
    table.concat(out.written))
end)

it("does not cut a single item, and aligns its values", function()
  local out, name = new_console(true), ("n"):rep(100)
  local item = { customer = ("a"):rep(200), placed_at = 2, [name] = ("b"):rep(200) }
  item_writer.new(out, nil, description):only(item)
  assert.equal(("%-40s  %q\n%-40s  2\n%s  %q\n"):format("customer", item.customer, "placed_at",
    name, item[name]), table.concat(out.written))
end)

it("shows only the key attributes that a projection has left", function()
  assert.equal("placed_at  note\n        2  hi\n",
    shown({ { placed_at = 2, note = "hi" } }, "text"))
  local out = new_console(true)
  item_writer.new(out, nil, description):only { note = "hi" }
  assert.equal('note  "hi"\n', table.concat(out.written))
end)

it("lays the columns out again after 500 items", function()
  local list = {}
  for i = 1, 501 do
    list[i] = { customer = "c", placed_at = i, [i > 500 and "late" or "early"] = 1 }
  end
  local text = shown(list, "text")
  assert.equal(2, select(2, text:gsub("customer  placed_at", "")))
  assert.is_truthy(text:find "customer  placed_at  late\nc               501     1\n$")
end)

it("lays the columns out again after 16 MiB of text, which it keeps", function()
  local list, long = {}, ("x"):rep(390000)
  for i = 1, 60 do
    list[i] = { customer = "c", placed_at = i, deep = { { [long] = 1 } } }
  end
  local text = shown(list, "text")
  assert.equal(2, select(2, text:gsub("customer  placed_at", "")))
end)

it("selects the form of JSON", function()
  assert.equal("plain", item_writer.form(nil))
  assert.equal("plain", item_writer.form "json")
  assert.equal("plain", item_writer.form "text")
  assert.equal("dynamodb", item_writer.form "dynamodb")
end)
