-- scan_spec.lua - `tidetable scan`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local shop = require "spec.tidetable.cli.shop"

helper.setup(before_each, after_each)

local function keys(text)
  local found = {}
  for customer, placed_at in text:gmatch '"customer":"(%l+)","placed_at":(%d+)' do
    found[#found + 1] = customer .. placed_at
  end
  return table.concat(found, " ")
end

describe("scan", function()
  local on_terminal = command.on_terminal(it, pending)

  it("shows all items in key order, or in reverse", function()
    local path = shop.make()
    assert.equal("ann1 ann2 ann3 ann4 ann5 bob1", keys(command.must { "scan", path, "orders" }))
    assert.equal("bob1 ann5 ann4 ann3 ann2 ann1",
      keys(command.must { "scan", path, "orders", "--reverse" }))
  end)

  it("stops at --limit and shows how to continue, until the end", function()
    local path = shop.make()
    local seen, start, pages = {}, "", 0
    repeat
      local ran = command.shell(("$TIDETABLE scan %s orders --limit 2 %s"):format(path, start))
      assert.equal(0, ran.status)
      seen[#seen + 1], pages = keys(ran.out), pages + 1
      start = ran.err:match "^more items: continue with (%-%-start .*)\n$"
    until not start
    assert.equal("ann1 ann2 ann3 ann4 ann5 bob1", table.concat(seen, " "))
    assert.equal(3, pages)
  end)

  it("filters and projects", function()
    local path = shop.make()
    assert.equal("ann4 ann5", keys(command.must { "scan", path, "orders", "--filter",
      "placed_at > :p", "--values", '{":p":3}' }))
    assert.equal('{"placed_at":1,"note":"a \\u001b[31m b"}\n', command.must { "scan", path,
      "orders", "--filter", "attribute_exists(note)", "--projection", "note, placed_at" })
    local ran = command.run { "scan", path, "orders", "--projection", "placed_at", "--limit", "1" }
    assert.same({ status = 0, out = '{"placed_at":1}\n', err = "more items: for the --start "
      .. "option, add the key attributes to --projection\n" }, ran)
    command.refuses(1, "Invalid FilterExpression: Syntax error", { "scan", path, "orders",
      "--filter", "note >" })
  end)

  it("shows the items of a segment", function()
    local path, all = shop.make(), {}
    for segment = 0, 2 do
      local found = keys(command.must { "scan", path, "orders", "--segment", tostring(segment),
        "--total-segments", "3" })
      all[#all + 1] = found ~= "" and found or nil
    end
    table.sort(all)
    assert.equal("ann1 ann2 ann3 ann4 ann5 bob1", table.concat(all, " "))
    command.refuses(2, "--segment and --total-segments: each requires the other",
      { "scan", path, "orders", "--segment", "0" })
    command.refuses(2, "--segment: 3 is not less than --total-segments 3",
      { "scan", path, "orders", "--segment", "3", "--total-segments", "3" })
    command.refuses(2, "'1000001': expected an integer from 1 to 1000000",
      { "scan", path, "orders", "--segment", "0", "--total-segments", "1000001" })
  end)

  on_terminal("shows columns on a terminal, cut at its edge", function()
    local screen = command.plain(command.terminal({ "scan", shop.make(), "orders" },
      { columns = 60 }))
    assert.equal([[
customer  placed_at  status  total
ann               1  open      1.5
ann               2  open        3
ann               3  open      4.5
ann               4  open        6
ann               5  open      7.5
bob               1  paid           note: "a \e[31m b", tag…
]], screen)
  end)

  it("ends without a message if its reader is gone", function()
    local db = helper.open()
    local many = assert(db:create_table { name = "many", partition_key = { "id", "N" } })
    assert(many:load((function()
      local i = 0
      return function()
        i = i + 1
        return i <= 5000 and { id = i, text = ("x"):rep(50) } or nil
      end
    end)()))
    db:close()
    local ran = command.shell(("{ $TIDETABLE scan %s many; echo $? >&2; } | head -1")
      :format(helper.path()))
    assert.equal("141\n", ran.err)
    assert.equal('{"id":1,"text":"' .. ("x"):rep(50) .. '"}\n', ran.out)
  end)

  it("refuses invalid arguments", function()
    local path = shop.make()
    for _, limit in ipairs { "0", "-1", "x", "1.5" } do
      command.refuses(2, "expected an integer of at least 1",
        { "scan", path, "orders", "--limit=" .. limit })
    end
    command.refuses(2, "key: missing attribute placed_at",
      { "scan", path, "orders", "--start", '{"customer":"a"}' })
    command.refuses(2, "line 1, column 2: ", { "scan", path, "orders", "--start", "{x" })
    command.refuses(1, "no table nowhere", { "scan", path, "nowhere" })
  end)
end)
