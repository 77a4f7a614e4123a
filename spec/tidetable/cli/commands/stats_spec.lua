-- stats_spec.lua - `tidetable stats`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local console = require "tidetable.cli.console"
local dkjson = require "dkjson"
local exposition = require "spec.tidetable.cli.exposition"
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local main = require "tidetable.cli.main"
local shop = require "spec.tidetable.cli.shop"

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
      "\ntables   %d changes, [%d,]+ B\n",
      "\nchanges  last sequence number 10\n\n",
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
    assert.equal(8, tree.info.sequence_number)
    assert.are.same({ "orders", "plain" }, tree.tables)
    local db = helper.open()
    local changes = db:stream({ tables = true }):describe().table_changes
    assert.same({ count = changes.count, bytes = changes.bytes, trimmed_through = 0,
      first_sequence_number = 1, last_sequence_number = changes.last_sequence_number },
      tree.table_changes)
    assert.equal(4, changes.count)
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
    assert.equal(8, dkjson.decode(ran.out:match("[^\n]+")).info.sequence_number)
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

describe("stats --metrics", function()
  local value = exposition.value

  local function metrics(...)
    return exposition.parse(must { "stats", helper.path(), "--metrics", ... })
  end

  it("has the file, readers, tables, streams and consumers", function()
    local db, orders = make()
    local mail = assert(db:consumer("mail", { source = "orders", batch_size = 2,
      on_failure = "park", max_attempts = 1 }))
    assert.equal(2, mail:step(function(records, tx) tx:park(records[1], "no address") end))
    assert(db:consumer("audit", { source = "*", from = "LATEST" }):pause())
    orders:disable_stream()
    db:sync()
    local path = helper.path()
    local families = metrics()
    for _, family in pairs(families) do
      for _, each in ipairs(family.samples) do assert.equal(path, each.labels.database) end
    end
    assert.equal(db:info().incarnation,
      families.tidetable_database_info.samples[1].labels.incarnation)
    local readers = value(families, "tidetable_readers")
    assert.is_true(readers >= 2, readers) -- the spec and the command
    assert.equal(64 << 30, value(families, "tidetable_file_max_bytes"))
    assert.equal(9, value(families, "tidetable_changes_total"))
    assert.is_nil(families.tidetable_table_items)
    assert.equal(1, value(families, "tidetable_table_streams", { table = "orders" }))
    assert.equal(0, value(families, "tidetable_table_streams", { table = "plain" }))
    local names = {}
    for i, each in ipairs(families.tidetable_stream_records.samples) do
      names[i] = each.labels.table .. " " .. each.value
    end
    assert.same({ "gone 1", "orders 3" }, names)
    assert.equal(0, value(families, "tidetable_stream_enabled", { table = "orders" }))
    local age = value(families, "tidetable_stream_oldest_record_age_seconds", { table = "gone" })
    assert.is_true(age >= 0 and age < 60, age)
    for name, expected in pairs { position = 7, lag_records = 1, records_total = 1,
        batches_total = 1, parked_records = 1, paused = 0, running = 1, stopped = 0 } do
      assert.equal(expected, value(families, "tidetable_consumer_" .. name,
        { consumer = "mail" }), name)
    end
    assert.equal(1, value(families, "tidetable_consumer_paused", { consumer = "audit" }))
    assert.equal(0, value(families, "tidetable_consumer_running", { consumer = "audit" }))
  end)

  it("has the error that stopped a consumer, and the failed attempts of its batch", function()
    local db = make()
    local mail = assert(db:consumer("mail", { source = "orders", max_attempts = 2,
      backoff = 0.001 }))
    assert.is_nil(mail:run(function() error "no server" end))
    db:close()
    local families = metrics()
    assert.equal(2, value(families, "tidetable_consumer_failures_total"))
    assert.equal(2, value(families, "tidetable_consumer_failed_attempts"))
    assert.equal(1, value(families, "tidetable_consumer_stopped"))
    assert.equal(1, value(families, "tidetable_consumer_stopped_info", { code = "BATCH_FAILED" }))
  end)

  it("is the same in each call, except for ages", function()
    local db = make()
    for _, name in ipairs { "b", "a", "c" } do
      assert(db:consumer(name, { source = "orders" }))
    end
    db:close()
    local function text()
      return (must { "stats", helper.path(), "--metrics" }:gsub("(seconds{[^\n]*}) [^\n]*", "%1"))
    end
    local first = text()
    assert.equal(first, text())
    local order = {}
    for name in first:gmatch 'tidetable_consumer_position{[^\n]*consumer="(%a)"} ' do
      order[#order + 1] = name
    end
    assert.same({ "a", "b", "c" }, order)
  end)

  it("counts the items with --count", function()
    make():close()
    local families = metrics "--count"
    assert.equal(3, value(families, "tidetable_table_items", { table = "orders" }))
    assert.equal(0, value(families, "tidetable_table_items", { table = "plain" }))
    local counted = "tidetable_table_items_counted_timestamp_seconds"
    assert.is_true(math.abs(value(families, counted, { table = "plain" }) - os.time()) < 60)
    assert.equal(3, value(metrics(), "tidetable_table_items", { table = "orders" }))
  end)

  it("of an empty database has only the file and its readers", function()
    helper.open():close()
    local families, order = metrics()
    assert.equal(0, value(families, "tidetable_changes_total"))
    for _, name in ipairs(order) do
      assert.is_nil(name:find "_table_" or name:find "_stream_" or name:find "_consumer_", name)
    end
    assert.equal(11, #order)
  end)

  it("has names of tables and consumers with special characters", function()
    local db = helper.open()
    assert(db:create_table { name = "a-b.c_D", partition_key = "id", stream = true })
    assert(db:consumer("x.y-Z_0", { source = "a-b.c_D" }))
    db:close()
    local families = metrics()
    assert.equal(0, value(families, "tidetable_stream_records", { table = "a-b.c_D" }))
    assert.is_nil(families.tidetable_stream_oldest_record_age_seconds)
    assert.equal(1, value(families, "tidetable_consumer_position", { consumer = "x.y-Z_0" }))
  end)

  it("has a path with special characters, in any locale", function()
    local path = helper.path('gr\u{f6}\u{df}e "\\\n\27\xff.tide')
    helper.open(nil, path):close()
    for _, variables in ipairs { { LANG = "C" }, { LANG = "C.UTF-8" } } do
      local families = exposition.parse(must({ "stats", path, "--metrics" }, variables))
      assert.equal(path:gsub("\27", "\\u{1B}"):gsub("\xff", "\\xFF"),
        families.tidetable_readers.samples[1].labels.database)
    end
  end)

  it("of a file on a read-only file system is complete", function()
    local db = make()
    assert(db:consumer("mail", { source = "orders" }):step(function() end))
    local before = db:info().file_bytes
    db:close()
    assert(os.remove(helper.path "test.tide-lock"))
    assert(os.remove(helper.path "test.tide-wake"))
    local directory = command.quote(helper.path "")
    local ran = command.shell(("unshare -rm sh -c 'mount --bind %s %s && "
      .. "mount -o remount,bind,ro %s && ! touch %s/x 2>/dev/null && echo mounted && exec \"$@\"' "
      .. "sh $TIDETABLE stats %s --metrics"):format(directory, directory, directory, directory,
      command.quote(helper.path())))
    local text = ran.out:match "^mounted\n(.*)$"
    if not text then return pending "a read-only mount is not possible here" end
    assert.same({ 0, "" }, { ran.status, ran.err })
    local families = exposition.parse(text)
    assert.equal(before, value(families, "tidetable_file_bytes"))
    assert.equal(3, value(families, "tidetable_consumer_records_total"))
    assert.equal(0, value(families, "tidetable_consumer_running"))
    assert.is_nil(io.open(helper.path "test.tide-lock"))
  end)

  it("excludes --json and --watch", function()
    local refuses = command.refuses
    refuses(2, "option '--json' can not be used together with option '--metrics'",
      { "stats", "x.tide", "--metrics", "--json" })
    refuses(2, "option '--watch' can not be used together with option '--metrics'",
      { "stats", "x.tide", "--metrics", "--watch" })
    refuses(2, "--interval requires --watch",
      { "stats", "x.tide", "--metrics", "--interval", "2" })
  end)

  it("writes nothing to standard output if the database cannot be read", function()
    shop.file("test.tide", ("no database "):rep(1000))
    local ran = command.run { "stats", helper.path(), "--metrics" }
    assert.equal(1, ran.status)
    assert.equal("", ran.out)
    assert.equal(1, command.refuses(1, "does not exist",
      { "stats", helper.path "none.tide", "--metrics" }).status)
  end)

  on_terminal("is neither colored nor cut on a terminal", function()
    make():close()
    local screen, status = command.terminal({ "stats", helper.path(), "--metrics" },
      { columns = 20 })
    assert.equal(0, status)
    assert.is_nil(screen:find("\27", 1, true))
    assert.equal(2, #exposition.parse(screen).tidetable_table_streams.samples)
  end)

  -- The line of doc/tools.md.
  it("replaces a file in one step, and not if the command fails", function()
    local file = assert(io.open "doc/tools.md")
    local line = file:read("a"):match "\n    %$ (tidetable stats shop%.tide %-%-metrics > [^\n]+)\n"
    file:close()
    local db = helper.open(nil, helper.path "shop.tide")
    local function run()
      command.shell(("cd %s && %s"):format(command.quote(helper.path ""),
        (line:gsub("^tidetable", "$TIDETABLE"))))
      local names = {}
      for name in lfs.dir(helper.path "") do
        if name:find "prom" then names[#names + 1] = name end
      end
      return names
    end
    assert.same({ "shop.prom" }, run())
    local first = shop.read "shop.prom"
    assert.equal(0, value(exposition.parse(first), "tidetable_changes_total"))
    assert(db:create_table { name = "orders", partition_key = "id" }:put { id = "a" })
    db:close()
    local inode = lfs.attributes(helper.path "shop.prom").ino
    assert.same({ "shop.prom" }, run())
    local second = shop.read "shop.prom"
    assert.equal(2, value(exposition.parse(second), "tidetable_changes_total"))
    assert.are_not.equal(inode, lfs.attributes(helper.path "shop.prom").ino)
    assert(os.remove(helper.path "shop.tide"))
    assert.same({ "shop.prom" }, run())
    assert.equal(second, shop.read "shop.prom")
  end)
end)
