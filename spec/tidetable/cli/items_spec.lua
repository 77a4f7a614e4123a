-- items_spec.lua - items in columns and as JSON: doc/modules/cli/items.md.
local items = require "tidetable.cli.items"
local tidetable = require "tidetable"

local description = { name = "orders", partition_key = { "customer", "S" },
  sort_key = { "placed_at", "N" } }

--- A console that keeps what it gets.
local function new_console(is_terminal)
  local written = {}
  return {
    is_terminal = is_terminal, written = written,
    write = function(_, ...) written[#written + 1] = table.concat { ... } end,
    lines = function(_, lines) written[#written + 1] = table.concat(lines, "\n") .. "\n" end,
    paint = function(_, _, shown) return shown end,
    ellipsis = function() return "…" end,
  }
end

local function shown(list, format, is_terminal)
  local out = new_console(is_terminal)
  local writer = items.writer(out, format, description)
  for _, item in ipairs(list) do writer:add(item) end
  writer:flush()
  return table.concat(out.written)
end

local one = { customer = "ann", placed_at = 2, b = tidetable.binary "x", note = "hi" }

it("is JSON in a pipe, the key first, and columns on a terminal, unless it is said", function()
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

it("has a column for what half of the items have; the rest stands behind", function()
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

it("takes quotes from words alone, and cuts what is long", function()
  local text = shown({
    { customer = "ann", placed_at = 1, v = "two words" },
    { customer = "12", placed_at = 2, v = "null" },
    { customer = "x\27[2J", placed_at = 3, v = "" },
    { customer = ("a"):rep(60), placed_at = 4, v = "  " },
  }, "text")
  assert.equal(([[
customer%sv
ann%s1  two words
"12"%s2  "null"
"x\e[2J"%s3  ""
%s…          4  "  "
]]):format((" "):rep(34) .. "placed_at  ", (" "):rep(47), (" "):rep(46), (" "):rep(42),
    ("a"):rep(39)), text)
end)

it("shows a single item an attribute a line", function()
  local out = new_console(true)
  items.writer(out, nil, description):only(one)
  assert.equal('customer   "ann"\nplaced_at  2\nb          <78>\nnote       "hi"\n',
    table.concat(out.written))
end)

it("goes on with columns of its own after 500 items", function()
  local list = {}
  for i = 1, 501 do
    list[i] = { customer = "c", placed_at = i, [i > 500 and "late" or "early"] = 1 }
  end
  local text = shown(list, "text")
  assert.equal(2, select(2, text:gsub("customer  placed_at", "")))
  assert.is_truthy(text:find "customer  placed_at  late\nc               501     1\n$")
end)

it("says which form of JSON is meant", function()
  assert.equal("plain", items.form(nil))
  assert.equal("plain", items.form "json")
  assert.equal("plain", items.form "text")
  assert.equal("dynamodb", items.form "dynamodb")
end)
