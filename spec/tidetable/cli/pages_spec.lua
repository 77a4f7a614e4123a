-- pages_spec.lua - doc/tools.md and the manual page, checked against the command.
local command = require "spec.tidetable.cli.command"
local command_pages = require "spec.command_pages"
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"
local item_argument = require "tidetable.cli.item_argument"
local main = require "tidetable.cli.main"
local shop = require "spec.tidetable.cli.shop"
local tidetable = require "tidetable"
local time_argument = require "tidetable.cli.time_argument"
local transcripts = require "spec.tidetable.cli.transcripts"

helper.setup(before_each, after_each)

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local tools, manual = read "doc/tools.md", read "doc/tidetable.1"

local directory, has_program = transcripts.directory, transcripts.has_program
local run = transcripts.run

-- Replaces what differs from run to run.
local function masked(text)
  return (text:gsub("%d%d%d%d%-%d%d%-%d%d[T ]%d%d:%d%d:%d%d%.?%d*", "DATE")
    :gsub("%a+day, %d%d%d%d%-%d%d%-%d%d", "DAY"):gsub("%d%d:%d%d:%d%d", "TIME")
    :gsub("%d+s ago", "AGO"):gsub("(%s)%d+s( +%d+d\n)", "%1AGE%2"))
end

-- Returns true if a program that the line needs is not installed.
local function lacks(line)
  return line:find("| jq ", 1, true) and not has_program "jq"
    or line:find "^aws " and not has_program "aws"
end

describe("the generated parts", function()
  for _, path in ipairs(command_pages.files) do
    it("of " .. path .. " are up to date (make docs)", function()
      local text = read(path)
      local generated, names = command_pages.generate(path, text)
      assert.equal(generated, text)
      assert.same(command_pages.parts(path), names)
    end)
  end
end)

describe("doc/tools.md", function()
  it("shows the output of each command", function()
    local path = directory()
    shop.file("pages/make.lua", assert(tools:match "```lua\n(.-)```"))
    local _, status = run(path, command.lua .. " make.lua")
    assert.equal(0, status)
    local count = 0
    for _, each in ipairs(transcripts.of(tools)) do
      if not lacks(each.line) then
        assert.equal(masked("$ " .. each.line .. "\n" .. each.output),
          masked("$ " .. each.line .. "\n" .. run(path, each.line)))
        count = count + 1
      end
    end
    assert.is_true(count > 25)
  end)

  it("says which commands write JSON into a pipe", function()
    local path = shop.make()
    for _, words in ipairs { "get %s orders customer=ann placed_at=1",
        "query %s orders customer=ann",
        "scan %s orders", "put --old %s orders customer=ann placed_at=1 status=open",
        "update --return-values ALL_OLD %s orders customer=ann placed_at=2 'REMOVE a'",
        "delete --old %s orders customer=ann placed_at=1", "tail %s", "export %s",
        "tables --json %s", "describe --json %s orders", "stats --json %s", "check --json %s",
        "backup --json %s copy1.tide", "compact --json %s" } do
      local line = words:format(command.quote(path)):gsub("copy1", helper.path "copy1")
      local ran = command.shell("$TIDETABLE " .. line)
      assert.equal("", ran.err, words)
      local count = 0
      for each in ran.out:gmatch "[^\n]+" do
        assert.equal("table", type((dkjson.decode(each))), each)
        count = count + 1
      end
      assert.is_true(count > 0, words)
    end
  end)

  it("says which commands write text into a pipe", function()
    local path = shop.make()
    assert.equal("files\norders\n", command.must { "tables", path })
    assert.equal("0\t0\n", command.must { "sweep", path })
    for _, words in ipairs { { "describe", path, "orders" }, { "stats", path }, { "check", path },
        { "backup", path, helper.path "copy.tide" }, { "compact", path } } do
      local out = command.must(words)
      assert.is_nil((dkjson.decode(out)), words[1])
      assert.is_nil(out:find "\27")
    end
    command.must { "export", path, "orders" }
    assert.same({ status = 0, out = "", err = "0 items stored\n" },
      command.run { "import", path, shop.file("none.jsonl", "") })
  end)

  it("has valid forms of times", function()
    local count = 0
    for row in tools:match("| time | meaning |\n(.-)\n\n"):gmatch "[^\n]+" do
      for form in row:match("^|(.-)|"):gmatch "`'?([^`']+)'?`" do
        assert(time_argument.parse(form))
        count = count + 1
      end
    end
    assert.equal(13, count)
  end)

  it("has valid forms of items", function()
    local description = { name = "orders", partition_key = { "customer", "S" },
      sort_key = { "placed_at", "N" } }
    local function item(form) return item_argument.attributes({ form }, description, "plain") end
    local rows = assert(tools:match "| argument | meaning |\n(.-)\n\n")
    local shown = {}
    for row in rows:gmatch "[^\n]+" do
      for form in row:match("^|(.-)|"):gmatch "`([^`]+)`" do
        shown[#shown + 1] = item((form:gsub("'", "")))
      end
    end
    assert.same({ { status = "open" }, { placed_at = 1 }, { total = 12.5 },
      { tags = tidetable.list { "a" } }, { customer = "ann", placed_at = 1 } }, shown)
  end)
end)

-- Makes a directory with a database that has the items and records of the examples.
local function examples_directory()
  local path = directory()
  local db <close> = assert(tidetable.open(path .. "/shop.tide"))
  local orders = assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "placed_at", "N" }, stream = true })
  assert(db:transact(function(tx)
    for i = 1, 1300 do
      tx:table("orders"):put { customer = "ann", placed_at = 1, status = "open", total = i }
    end
  end))
  assert(orders:put { customer = "ann", placed_at = 2, status = "open", total = 7 })
  assert(db:consumer("mail", { source = "orders" }))
  shop.file("pages/processors.lua", [[return {
    { name = "totals", source = "orders", handler = function() end },
    { kind = "view", name = "spent", from = "orders", table = { partition_key = "customer" },
      key = function(item) return { customer = item.customer } end,
      reduce = {
        add = function(group, item) group.total = (group.total or 0) + (item.total or 0) end,
        remove = function(group, item) group.total = group.total - (item.total or 0) end } },
  }]])
  shop.file("pages/mail.py", "#!/bin/sh\nwhile read -r batch; do echo '{}'; done\n")
  assert(os.execute("chmod +x '" .. path .. "/mail.py'"))
  shop.file("pages/orders.csv", "customer,placed_at,total\neve,1,2.50\n")
  -- The other commands create tables without a stream, which can't be replicated.
  local out, status = run(path, "mkdir source && tidetable backup shop.tide source/shop.tide")
  assert.equal(0, status, out)
  return path
end

-- Runs an example of `diff`, for which shop.tide is compared with a copy of it.
local function run_diff(path, line)
  local out, status = run(path, "rm -f replica.tide; tidetable backup shop.tide replica.tide "
    .. ">/dev/null; tidetable create shop.tide old_orders customer placed_at:N "
    .. "2>/dev/null; " .. line)
  assert.truthy(status == 0 or status == 1, line .. "\n" .. out)
  assert.is_nil(out:find("tidetable[%a ]*: "), out)
end

-- Runs an example. A command that follows a stream is interrupted after a second.
local function run_example(path, line)
  if lacks(line) then return end
  if line:find("^tidetable diff") then return run_diff(path, line) end
  local follows = line:find "tail .*%f[%S]%-f%f[%s]" or line:find("--watch", 1, true)
    or line:find "^tidetable replicate .* %-f$"
    or line:find "^tidetable run" and not (line:find "%-%-once" or line:find "%-%-check")
  local from = line:find "^tidetable replicate" and "cd source; " or ""
  local out, status = run(path, from .. (follows and "timeout -s INT 1 " or "") .. line)
  assert.equal(follows and 124 or 0, status, line .. "\n" .. out)
  assert.is_nil(out:find("tidetable[%a ]*: "), out)
end

describe("an example", function()
  it("in a help text succeeds", function()
    local path = examples_directory()
    local _, commands = main.parser()
    local function run_all(each)
      assert.is_true(#each.examples > 0, each.name)
      for _, example in ipairs(each.examples) do run_example(path, example[1]) end
    end
    run_all(commands.export) -- writes the files that others import
    local last = { "delete", "truncate", "drop" } -- remove what the others show
    local apart = { export = true, delete = true, truncate = true, drop = true }
    for name, each in pairs(commands) do
      if not apart[name] then run_all(each) end
    end
    for _, name in ipairs(last) do run_all(commands[name]) end
    run_example(path, "tidetable check shop.tide && tidetable check new.tide")
  end)

  it("in the last section of the manual page succeeds", function()
    local path, count = examples_directory(), 0
    for line in manual:match("\n%.Sh EXAMPLES\n(.*)$"):gmatch "%.Dl %$ ([^\n]+)" do
      run_example(path, line)
      count = count + 1
    end
    assert.equal(3, count)
  end)
end)

describe("the manual page", function()
  it("is formatted without warnings", function()
    if not has_program "groff" then return pending "groff is not installed here" end
    local ran = command.shell "groff -ww -mandoc -Tutf8 doc/tidetable.1 >/dev/null"
    assert.same({ status = 0, out = "", err = "" }, ran)
  end)

  it("describes every command with every option", function()
    local ran = command.shell "groff -mandoc -Tascii -P-cbou doc/tidetable.1"
    if not has_program "groff" then return pending "groff is not installed here" end
    local _, commands = main.parser()
    for name, each in pairs(commands) do
      assert.truthy(ran.out:find("\n   " .. name .. "\n", 1, true), name)
      for _, option in ipairs(each.options) do
        for option_name in option[1]:gmatch "%S+" do
          assert.truthy(ran.out:find(option_name, 1, true), option_name)
        end
      end
    end
  end)
end)
