-- stats_spec.lua - `tidetable stats`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local console = require "tidetable.cli.console"
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"
local main = require "tidetable.cli.main"

helper.setup(before_each, after_each)

local must, plain = command.must, command.plain
local on_terminal = command.on_terminal(it, pending)

local function make()
  local db = helper.open()
  local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
  assert(db:create_table { name = "plain", partition_key = "id" })
  assert(db:create_table { name = "gone", partition_key = "id", stream = true })
  db:table("gone"):put { id = "x" }
  db:delete_table "gone"
  for i = 1, 3 do orders:put { id = "n" .. i } end
  return db, orders
end

describe("stats", function()
  it("refuses --interval without --watch", function() -- it was accepted and had no effect
    command.refuses(2, "--interval requires --watch", { "stats", "x.tide", "--interval", "2" })
  end)

  it("refuses an interval of 0", function() -- it repeated without a pause
    command.refuses(2, "'0': expected a number of seconds greater than 0",
      { "stats", "x.tide", "--watch", "--interval", "0" })
  end)

  it("have the file, its readers and every stream", function()
    local db, orders = make()
    assert.equal(3, orders:count_items())
    orders:disable_stream()
    local step, scan = orders:scan { snapshot = true }
    step(scan)
    orders:put { id = "later" }
    db:sync()
    local said = must { "stats", helper.path() }
    local pid = io.open("/proc/self/stat"):read("n")
    for _, line in ipairs {
      "^[^\n]+/test.tide\n\n"
        .. "file     [%d.]+ KiB of 64 GiB; [%d.]+ K?i?B free %(%d+ of %d+ pages%)\n",
      "\nreaders  %d of 1,024 slots; the oldest snapshot is 1 commit behind, held by process "
        .. pid .. "\n",
      "\nchanges  last sequence number 5\n\n",
      "\nTABLE   ITEMS  STREAM         RECORDS   SIZE  OLDEST  RETENTION\n",
      "\ngone        %-  table deleted        1 +%d+ B +%w+  1d\n",
      "\norders      3  disabled             3 +%d+ B +%w+  1d\n",
      "\nplain       %-  none\n$",
    } do
      assert.truthy(said:find(line), line .. " in\n" .. said)
    end
  end)

  it("are a JSON object with --json", function()
    make():close()
    local tree = dkjson.decode(must { "stats", helper.path(), "--json" })
    assert.equal(4, tree.info.sequence_number)
    assert.are.same({ "orders", "plain" }, tree.tables)
    assert.equal(2, #tree.streams)
    assert.equal("orders", tree.streams[2].table_name)
    assert.equal(3, tree.streams[2].count)
    assert.equal("number", type(tree.streams[2].oldest_created_at))
  end)

  it("count the items of all tables with --count, and remember them", function()
    make():close()
    local function items(...)
      return dkjson.decode(must { "stats", helper.path(), "--json", ... }).items
    end
    assert.is_nil(items())
    assert.same({ orders = 3, plain = 0 }, items "--count")
    assert.same({ orders = 3, plain = 0 }, items())
  end)

  it("of an empty database have no tables", function()
    helper.open():close()
    assert.truthy(must({ "stats", helper.path() }):find("\nno tables\n$"))
    local json = must { "stats", helper.path(), "--json" }
    assert.truthy(json:find('"tables":[],"streams":[]', 1, true), json)
  end)

  -- The statistics of the removed file were shown forever.
  it("end with status 4 with --watch if the file is removed", function()
    make():close()
    local pipe = assert(io.popen(("unset LD_PRELOAD; exec %s stats --watch --json %s 2>&1"):format(
      command.line, command.quote(helper.path()))))
    assert.is_truthy(pipe:read("l"):find '"info"')
    assert(os.remove(helper.path()))
    local said = pipe:read("a")
    assert.is_truthy(said:find("was removed or renamed", 1, true), said)
    assert.are.same({ nil, "exit", 4 }, { pipe:close() })
  end)

  it("are repeated with --watch, in a pipe one after the other", function()
    make():close()
    local ran = command.shell("$TIDETABLE stats --watch --interval 0.01 --json "
      .. command.quote(helper.path()) .. " | head -3")
    assert.equal(3, select(2, ran.out:gsub("\n", "")))
    assert.equal(4, dkjson.decode(ran.out:match("[^\n]+")).info.sequence_number)
    ran = command.shell("$TIDETABLE stats -w --interval 0.01 " .. command.quote(helper.path())
      .. " | head -30")
    assert.is_nil(ran.out:find("\27", 1, true))
    assert.truthy(ran.out:find("\nrate     [%d,]+/s  ▁"), ran.out)
  end)

  -- Ten seconds and 50 changes between two updates.
  it("have the changes per second, every --interval seconds", function()
    local core, now, pauses = require "tidetable.core", 0, {}
    local db, orders = make()
    local real = core.elapsed
    finally(function() core.elapsed = real end)
    function core.elapsed() return now end
    local said = {}
    local parser, commands = main.parser()
    local args = parser:parse { "stats", "-w", "--interval", "2.5", helper.path() }
    local ok, err = pcall(commands.stats.run, args, setmetatable({
      line = function(_, line) said[#said + 1] = line end,
      lines = function(_, lines) table.move(lines, 1, #lines, #said + 1, said) end,
      pause = function(seconds)
        pauses[#pauses + 1] = seconds
        if #pauses == 60 then error("enough", 0) end
        for i = 1, 50 do orders:put { id = "x", n = #pauses * 100 + i } end
        now = now + 10
      end,
    }, { __index = console.new("never") }))
    assert.same({ false, "enough" }, { ok, err })
    assert.equal(2.5, pauses[1])
    local rates = {}
    for _, line in ipairs(said) do
      if line:find "^rate " then rates[#rates + 1] = plain(line) end
    end
    assert.equal(60, #rates)
    assert.truthy(rates[1]:find("%.%.%.$"), rates[1])
    for i = 2, 60 do
      assert.truthy(rates[i]:find(" 5/s ", 1, true), rates[i])
      assert.equal(math.min(i - 1, 40), select(2, rates[i]:gsub("█", "")))
    end
    db:close()
  end)

  on_terminal("overwrite each other on a terminal, within the window", function()
    make():close()
    local screen, status = command.terminal(
      { "stats", helper.path(), "--watch", "--interval", "0.05" },
      { columns = 50, rows = 8, enough = "\27%[J.*\27%[J.*\27%[J" })
    assert.equal(130, status)
    local pictures = {}
    for picture in screen:gmatch("\27%[H(.-)\27%[J") do pictures[#pictures + 1] = picture end
    assert.is_true(#pictures > 1)
    assert.equal(1, select(2, screen:gsub("\27%[2J", "")))
    for _, picture in ipairs(pictures) do
      assert.equal(7, select(2, picture:gsub("\27%[K\n", "")))
      for line in plain((picture:gsub("\27%[K", ""))):gmatch("[^\n]+") do
        assert.is_true(utf8.len(line) <= 50, line)
      end
    end
  end)

  on_terminal("do not overwrite each other if the cursor cannot be moved", function()
    make():close()
    local screen = command.terminal({ "stats", helper.path(), "-w", "--interval", "0.05" },
      { enough = "plain .*plain " }, { TERM = "dumb" })
    assert.is_nil(screen:find("\27", 1, true))
    assert.truthy(screen:find("\nplain ", 1, true))
  end)
end)
