-- tail_spec.lua - `tidetable tail`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local console = require "tidetable.cli.console"
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"
local main = require "tidetable.cli.main"
local display = require "tidetable.cli.display"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local must, refuses, plain = command.must, command.refuses, command.plain
local on_terminal = command.on_terminal(it, pending)

-- Returns the sequence numbers of JSON lines.
local function numbers(out)
  local found = {}
  for line in out:gmatch("[^\n]+") do
    found[#found + 1] = assert(dkjson.decode(line)).sequence_number
  end
  return found
end

local function open(options)
  return helper.open(options)
end

local function table_of(db, name, stream)
  return assert(db:create_table { name = name, partition_key = "id",
    stream = stream == nil and true or stream })
end

-- Makes a database with 15 items. Returns its path.
local function fifteen()
  local db = open()
  local items = table_of(db, "items")
  for i = 1, 15 do assert(items:put { id = ("%02d"):format(i), n = i }) end
  db:close()
  return helper.path()
end

describe("tail", function()
  it("writes the last ten records into a pipe as JSON objects", function()
    local path = fifteen()
    assert.are.same({ 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 }, numbers(must { "tail", path }))
    local record = dkjson.decode(must { "tail", path, "items", "-n", "1" })
    assert.equal("INSERT", record.event_name)
    assert.are.same({ id = "15" }, record.keys)
    assert.are.same({ id = "15", n = 15 }, record.new_image)
    record = dkjson.decode(must { "tail", path, "-n1", "--format", "dynamodb" })
    assert.are.same({ N = "15" }, record.dynamodb.NewImage.n)
  end)

  it("starts at the given position", function()
    local path = fifteen()
    local function of(...) return numbers(must { "tail", path, ... }) end
    assert.equal(15, #of("--from", "TRIM_HORIZON"))
    assert.are.same({ 15, 16 }, of("--after", "14"))
    assert.are.same({ 14, 15, 16 }, of("items", "--at", "14"))
    assert.are.same({}, of("-n", "0"))
    for _, many in ipairs { "1000", "4611686018427387904", "9223372036854775807" } do
      assert.equal(15, #of("-n", many))
    end
    assert.equal(15, #of("--time", "1h"))
    assert.are.same({}, of("--time", "2100-01-01"))
    assert.are.same({}, of("--from", "LATEST", "--no-follow"))
    assert.are.same({ 2, 3 }, of("--from=TRIM_HORIZON", "--limit", "2"))
  end)

  -- Streams with random gaps, some of them trimmed.
  it("finds the last n records of any stream", function()
    local seed = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
    math.randomseed(seed)
    for round = 1, 2 do
      local path = helper.path(("round%d.tide"):format(round))
      local clock = tidetable.manual_clock(1000000)
      local db = helper.open({ clock = clock }, path)
      local tables = {}
      for i, retention in ipairs { "24h", { count = math.random(1, 30) }, "1m" } do
        tables[i] = table_of(db, "table" .. i, { retention = retention })
      end
      local rare = math.random(1, 20)
      for i = 1, math.random(1, 150) do
        local which = math.random(rare) == 1 and 1 or math.random(2, 3)
        assert(tables[which]:put { id = "x", n = i })
        clock:advance(math.random())
      end
      db:sweep()
      local all = {}
      for _, name in ipairs { false, "table1", "table2", "table3" } do
        local stream = assert(db:stream { table = name or nil })
        all[name] = helper.field("sequence_number", stream:records())
      end
      db:close()
      -- The command uses the system clock; the records must not have expired at its time.
      local function lines(name, n)
        local script = ("%s %s %s"):format(command.lua, command.quote(helper.path("last.lua")),
          command.quote(path))
        return numbers(command.shell(("%s %s -n %d"):format(script, name or "", n)).out)
      end
      local file = assert(io.open(helper.path("last.lua"), "w"))
      file:write(("package.path, package.cpath = %q, %q\n"):format(package.path, package.cpath),
        ([[local tidetable = require "tidetable"
        local open = tidetable.open
        function tidetable.open(path, options)
          options.clock = tidetable.manual_clock(%f)
          return open(path, options)
        end
        os.exit(require("tidetable.cli.main").run { "tail", table.unpack(arg) }, true)
        ]]):format(clock:now()))
      file:close()
      for name, expected in pairs(all) do
        for _, n in ipairs { math.random(3), math.random(40) } do
          local wanted = table.move(expected, math.max(#expected - n + 1, 1), #expected, 1, {})
          assert.are.same(wanted, lines(name, n),
            ("SEED=%d, round %d, %s, -n %d"):format(seed, round, tostring(name), n))
        end
      end
    end
  end)

  it("groups by transaction", function()
    local db = open()
    local items, others = table_of(db, "items"), table_of(db, "others")
    items:put { id = "a" }
    db:transact(function(tx)
      tx:table "items":put { id = "b" }
      tx:table "others":put { id = "c" }
    end)
    others:put { id = "d" }
    db:close()
    local groups = {}
    for line in must({ "tail", helper.path(), "-t" }):gmatch("[^\n]+") do
      groups[#groups + 1] = dkjson.decode(line)
    end
    assert.equal(3, #groups)
    assert.equal(4, groups[2].transaction_id)
    assert.equal(5, groups[2].last_sequence_number)
    assert.equal(groups[2].records[1].created_at, groups[2].created_at)
    assert.equal("others", groups[2].records[2].table_name)
    assert.equal(1, #groups[3].records)
    assert.equal(2, select(2, must({ "tail", helper.path(), "-t", "--from", "TRIM_HORIZON",
      "--limit", "2" }):gsub("\n", "")))
  end)

  -- If only its last records were shown, a transaction would look smaller than it is.
  it("starts at the beginning of a transaction with -t", function()
    local db = open()
    local items, others = table_of(db, "items"), table_of(db, "others")
    for i = 1, 3 do items:put { id = "x" .. i } end
    db:transact(function(tx)
      tx:table "others":put { id = "o" }
      for i = 1, 4 do tx:table "items":put { id = "y" .. i } end
    end)
    others:put { id = "p" }
    local function shown(...)
      local found = {}
      for line in must({ "tail", helper.path(), "-t", ... }):gmatch "[^\n]+" do
        local group = dkjson.decode(line)
        found[#found + 1] = ("%d:%d"):format(group.transaction_id, #group.records)
      end
      return table.concat(found, " ")
    end
    assert.equal("11:1", shown("-n", "1"))
    assert.equal("6:5 11:1", shown("-n", "2"))
    assert.equal("6:5 11:1", shown("-n", "5"))
    assert.equal("5:1 6:5 11:1", shown("-n", "7"))
    assert.equal("6:4", shown("-n", "1", "items"))
    assert.equal("6:1 11:1", shown("-n", "9", "others"))
    assert.equal("", shown("-n", "0"))
    -- A given position is not moved.
    assert.equal("6:2 11:1", shown("--at", "9"))
    assert(items:stream():set_retention { count = 5 })
    assert.equal("6:4", shown("-n", "4", "items"))
  end)

  it("shows the origin and the context of a record", function()
    local db = open()
    local items = table_of(db, "items")
    assert(items:put({ id = "a", n = 1 }, { origin = "back office", context = { by = "ann" } }))
    assert(items:put({ id = "b" }, { context = { by = { name = "bob" } } }))
    assert(items:put({ id = "c" }, { origin = "import" }))
    assert(items:put { id = "d" })
    db:close()
    local path = helper.path()
    local text = must { "tail", path, "items", "--format", "text" }
    assert.matches('a +n: 1  %(origin "back office", context {by: "ann"}%)\n', text)
    assert.matches('b  +%(context {by: {name: "bob"}}%)\n', text)
    assert.matches('c  +%(origin "import"%)\n', text)
    assert.matches("  d\n$", text)
    text = must { "tail", path, "items", "-x", "--format", "text" }
    assert.matches('a\n  origin "back office"\n  context {by: "ann"}\n  %+ id', text)
    assert.matches('b\n  context {by: {name: "bob"}}\n  %+ id', text)
    assert.matches("d\n  %+ id", text)
    local records = {}
    for line in must({ "tail", path, "items" }):gmatch "[^\n]+" do
      records[#records + 1] = dkjson.decode(line)
    end
    assert.equal("back office", records[1].origin)
    assert.are.same({ by = "ann" }, records[1].context)
    assert.equal(0, records[1].depth)
    assert.is_nil(records[4].origin)
    assert.is_nil(records[4].context)
  end)

  it("reads older streams and those of deleted tables by label", function()
    local db = open()
    local items = table_of(db, "items")
    items:put { id = "a" }
    local label = items:describe().newest_stream_label
    items:disable_stream()
    items:enable_stream {}
    items:put { id = "b" }
    db:delete_table "items"
    db:close()
    assert.are.same({ 2 }, numbers(must { "tail", helper.path(), "items", "--label", label }))
    refuses(1, "no table items", { "tail", helper.path(), "items" })
    refuses(2, "--label: requires a table", { "tail", helper.path(), "--label", label })
  end)

  it("shows which records are lost, and how to continue", function()
    local db = open()
    local items = table_of(db, "items", { retention = { count = 3 } })
    for i = 1, 9 do items:put { id = "x", n = i } end
    db:sweep()
    db:close()
    local path = helper.path()
    local ran = refuses(1, path .. ": records 4 to 7 of items have been trimmed and are "
      .. "lost\n  to continue after them: tidetable tail " .. path .. " items --after 7\n",
      { "tail", path, "items", "--after", "3" })
    assert.equal("", ran.out)
    assert.are.same({ 8, 9, 10 }, numbers(must { "tail", path, "items", "--after", "7" }))
    assert.are.same({ 8, 9, 10 }, numbers(must { "tail", path }))
    refuses(1, "--from LATEST starts after the last record", { "tail", path, "--after", "1001" })
  end)

  it("starts after any record up to the last one of the file, and not after a later one", function()
    local path = fifteen()
    local function after(n, ...)
      return command.run { "tail", path, "--after", n, ... }
    end
    assert.are.same({ 16 }, numbers(after("15").out))
    assert.are.same({ status = 0, out = "", err = "" }, after "16")
    for _, words in ipairs { { "17" }, { "17", "-f" }, { ("0"):rep(19) .. "17" },
      { "9223372036854775807" } } do
      local ran = after(table.unpack(words))
      assert.are.same({ 1, "" }, { ran.status, ran.out }, words[1])
      assert.is_truthy(ran.err:find("--from LATEST starts after the last record", 1, true), ran.err)
    end
  end)

  it("shows how to continue in an older stream, with its label", function()
    local db = open()
    local items = table_of(db, "items", { retention = { count = 3 } })
    for i = 1, 9 do items:put { id = "x", n = i } end
    local label = items:describe().newest_stream_label
    items:disable_stream()
    items:enable_stream()
    db:close()
    refuses(1, ("to continue after them: tidetable tail %s items --label %s --after 7\n"):format(
      helper.path(), label), { "tail", helper.path(), "items", "--label", label, "--after", "3" })
  end)

  -- Other processes write while it runs.
  it("ends at the record that was last when it started, unless it follows", function()
    local path, real = fifteen(), tidetable.open
    finally(function() tidetable.open = real end)
    function tidetable.open(...)
      local db = real(...)
      function db:info()
        local info = getmetatable(db).__index.info(self)
        helper.child(("for i = 1, 3 do db:table 'items':put { id = %d .. i } end")
          :format(info.sequence_number)):close()
        return info
      end
      return db
    end
    local parser, commands = main.parser()
    for _, words in ipairs { { "--at", "15" }, { "--at", "15", "-t" } } do
      local out, last = {}, nil
      local args = parser:parse { "tail", path, table.unpack(words) }
      commands.tail.run(args, setmetatable({ write = function(_, ...)
        for _, part in ipairs { ... } do out[#out + 1] = part end
      end }, { __index = console.new("never") }))
      for n in table.concat(out):gmatch '"sequence_number":(%d+)' do last = tonumber(n) end
      assert.equal(words[3] and 19 or 16, last)
    end
  end)

  local function shop()
    local db = open()
    local items = assert(db:create_table { name = "items", partition_key = "id",
      sort_key = { "n", "N" }, stream = true })
    for n = 1, 15 do
      assert(items:put { id = "a", n = n, total = n })
      assert(items:put { id = "b", n = n, total = n })
    end
    assert(items:delete { id = "a", n = 3 })
    return db, items
  end

  it("shows the records of one item", function()
    shop():close()
    local path = helper.path()
    assert.are.same({ 6, 32 }, numbers(must { "tail", path, "items", "id=a", "n=3" }))
    assert.are.same({ 6, 32 }, numbers(must { "tail", path, "items", '{"n":3,"id":"a"}' }))
    assert.are.same({ 32 }, numbers(must { "tail", path, "items", "id=a", "n=3", "-n", "1" }))
    assert.are.same({ 32 }, numbers(must { "tail", path, "items", "id=a", "n=3", "--filter",
      "event_name = :e", "--values", '{":e":"REMOVE"}' }))
    refuses(2, "key: missing attribute n\n  a whole key is id=... n=...\n",
      { "tail", path, "items", "id=a" })
  end)

  it("shows the records that satisfy a condition", function()
    shop():close()
    local path = helper.path()
    local function of(...)
      return numbers(must { "tail", path, "--filter", "keys.id = :i AND new_image.total > :t",
        "--values", '{":i":"b",":t":3}', ... })
    end
    assert.are.same({ 13, 15, 17, 19, 21, 23, 25, 27, 29, 31 }, of())
    assert.are.same({ 29, 31 }, of("-n", "2"))
    assert.are.same({}, of("-n", "0"))
    assert.equal(12, #of("-n", "100"))
    assert.are.same({ 9, 11 }, of("--from", "TRIM_HORIZON", "--limit", "2"))
    assert.are.same({ 29, 31 }, of("--after", "28"))
    assert.equal(2, select(2, must({ "tail", path, "-t", "-n", "2", "--filter", "#k.id = :i",
      "--names", '{"#k":"keys"}', "--values", '{":i":"b"}' }):gsub("\n", "")))
  end)

  -- Steps of last_selected, in the middle and at a trimmed beginning.
  it("finds the last records that satisfy a condition in a long stream", function()
    local db = open()
    local items = table_of(db, "items")
    local load = {}
    for i = 1, 9000 do load[i] = { id = "x" .. i, n = i % 100, rare = i == 2500 or nil } end
    assert(items:load(load))
    local function of(n, ...)
      return numbers(must { "tail", helper.path(), "-n", n, "--filter", ... })
    end
    local function check(rare)
      assert.are.same({ 8908 }, of("1", "new_image.n = :n", "--values", '{":n":7}'))
      assert.are.same({ 8708, 8808, 8908 }, of("3", "new_image.n = :n", "--values", '{":n":7}'))
      assert.equal(20, #of("20", "new_image.n = :n", "--values", '{":n":7}'))
      assert.are.same(rare, of("1", "attribute_exists(new_image.rare)"))
      assert.are.same(rare, of("2", "attribute_exists(new_image.rare)"))
    end
    check { 2501 }
    assert(assert(items:stream()):set_retention { count = 7000 })
    check { 2501 }
    assert(assert(items:stream()):set_retention { count = 6000 })
    check {}
  end)

  it("shows only the attributes that a projection names", function()
    local db, items = shop()
    assert(items:put { id = "b", n = 9, total = 9, ["odd name"] = { 1, 2 } })
    db:close()
    local path = helper.path()
    local names = '{"#t":"total","#o":"odd name"}'
    local function of(...)
      return must { "tail", path, "-n1", "--projection", "#t, #o[1]", "--names", names, ... }
    end
    local record = dkjson.decode(of())
    assert.same({ { total = 9 }, { total = 9, ["odd name"] = { 2 } }, { id = "b", n = 9 } },
      { record.old_image, record.new_image, record.keys })
    record = dkjson.decode(of("--filter", "keys.n = :n", "--values", '{":n":8}'))
    assert.same({ total = 8 }, record.new_image)
    record = dkjson.decode(of("--format", "dynamodb", "items", "id=a", "n=3"))
    assert.same({ total = { N = "3" } }, record.dynamodb.OldImage)
    assert.is_nil(record.dynamodb.NewImage)
    assert.is_truthy(of("-t"):find('"old_image":{"total":9}', 1, true))
    local text = of("-x")
    assert.is_truthy(text:find("odd name", 1, true), text)
    assert.is_nil(text:find("total", 1, true), text)
    refuses(2, "--projection: '?' has no value", { "tail", path, "--projection", "?" })
    refuses(1, "Invalid ProjectionExpression: Syntax error",
      { "tail", path, "--projection", "a," })
    refuses(1, "reserved keyword: name", { "tail", path, "--projection", "name" })
    refuses(1, "ExpressionAttributeValues can only be specified",
      { "tail", path, "--projection", "a", "--values", '{":a":1}' })
  end)

  it("refuses a filter that cannot be evaluated", function()
    local db, items = shop()
    assert(items:disable_stream())
    assert(items:enable_stream { view_type = "KEYS_ONLY" })
    db:close()
    local path = helper.path()
    refuses(2, "--filter: reads new_image, which a stream with view type KEYS_ONLY does not",
      { "tail", path, "items", "--filter", "attribute_exists(new_image.a)" })
    refuses(2, "--filter: '?' has no value", { "tail", path, "--filter", "a = ?" })
    refuses(1, "Invalid FilterExpression: Syntax error", { "tail", path, "--filter", "a =" })
    refuses(1, "ExpressionAttributeValues can only be specified",
      { "tail", path, "--values", '{":a":1}' })
    refuses(2, "--values: ", { "tail", path, "--filter", "a = :a", "--values", "{" })
    refuses(1, "no table other", { "tail", path, "other", "id=a", "n=1" })
  end)

  it("shows how to continue after lost records with the same selection", function()
    local db = open()
    local items = table_of(db, "items", { retention = { count = 3 } })
    for i = 1, 9 do items:put { id = "x", n = i } end
    db:sweep()
    db:close()
    refuses(1, "to continue after them: tidetable tail " .. helper.path() .. " items 'id=x'"
      .. " --filter 'new_image.n > :n' --projection 'n, m' --values '{\":n\":1}' --after 7\n",
      { "tail", helper.path(), "items", "id=x", "--filter", "new_image.n > :n", "--projection",
        "n, m", "--values", '{":n":1}', "--after", "3" })
  end)

  it("refuses invalid arguments", function()
    local path = fifteen()
    refuses(1, path .. ": no table item\n  did you mean items?", { "tail", path, "item" })
    refuses(2, "can not be used together", { "tail", path, "-n", "1", "--after", "3" })
    refuses(2, "'x': expected an integer of at least 0", { "tail", path, "-n", "x" })
    refuses(2, "--expanded: cannot be combined with --format json",
      { "tail", path, "-x", "--format", "json" })
    refuses(2, "'x': invalid time", { "tail", path, "--time", "x" })
    local db = open()
    table_of(db, "plain", false)
    db:close()
    refuses(1, "table plain: no stream\n  table:enable_stream { ... } creates one",
      { "tail", path, "plain" })
  end)
end)

-- Makes a database with changes of tables among changes of items. Returns its path.
local function changed_tables()
  local db = open()
  local items = table_of(db, "items")
  items:put { id = "a" }
  items:alter { ttl = "expires" }
  table_of(db, "plain", false)
  items:truncate()
  db:delete_table "plain"
  db:close()
  return helper.path()
end

describe("--tables", function()
  it("shows the changes of tables among those of items", function()
    local path, events = changed_tables(), {}
    for line in must({ "tail", path, "--tables" }):gmatch("[^\n]+") do
      local record = assert(dkjson.decode(line))
      events[#events + 1] = ("%d %s %s"):format(record.sequence_number, record.event_name,
        record.table_name)
      assert.equal(record.table_name, (record.definition or { name = "items" }).name)
      assert.equal(record.event_name == "ALTER_TABLE", record.old_definition ~= nil)
    end
    assert.are.same({ "1 CREATE_TABLE items", "2 INSERT items", "3 ALTER_TABLE items",
      "4 CREATE_TABLE plain", "5 TRUNCATE_TABLE items", "6 REMOVE items",
      "7 DELETE_TABLE plain" }, events)
    assert.are.same({ 2, 6 }, numbers(must { "tail", path }))
  end)

  it("counts them, and starts at any of them", function()
    local path = changed_tables()
    local function of(...) return numbers(must { "tail", path, "--tables", ... }) end
    for n = 0, 8 do
      assert.equal(math.min(n, 7), #of("-n", tostring(n)))
    end
    assert.are.same({ 4, 5, 6, 7 }, of("--after", "3"))
    assert.are.same({ 3, 4 }, of("--at", "3", "--limit", "2"))
    assert.are.same({ 1, 3, 4, 5, 6, 7 }, of("--filter", "event_name = :e", "--values",
      '{":e":"REMOVE"}'))
    assert.are.same({ 4, 5, 6, 7 }, of("-n", "4", "--filter", "event_name = :e", "--values",
      '{":e":"REMOVE"}'))
    local groups = must { "tail", path, "--tables", "-t" }
    assert.equal(7, select(2, groups:gsub("\n", "")))
  end)

  it("shows how to continue after lost records", function()
    local db = open()
    local items = table_of(db, "items", { retention = { count = 1 } })
    for i = 1, 3 do items:put { id = "x", n = i } end
    db:sweep()
    db:close()
    refuses(1, "to continue after them: tidetable tail " .. helper.path()
      .. " --tables --after 3\n", { "tail", helper.path(), "--tables", "--after", "0" })
  end)

  it("refuses a table, and the form of DynamoDB, which has no such records", function()
    local path = changed_tables()
    refuses(2, "--tables: cannot be combined with a table", { "tail", path, "items", "--tables" })
    refuses(2, "--tables: cannot be combined with --format dynamodb",
      { "tail", path, "--tables", "--format", "dynamodb" })
  end)

  on_terminal("shows a definition, and what was altered, in a line", function()
    local screen = command.terminal({ "tail", changed_tables(), "--tables", "--no-follow" },
      { columns = 150 }):gsub("\27%[%d*m", "")
    for _, pattern in ipairs {
      '  1  %d%d:%d%d:%d%d  CREATE_TABLE +items +partition_key: %["id", "S"%], stream: ',
      '  3  %d%d:%d%d:%d%d  ALTER_TABLE +items +%+ttl: "expires"\r?\n',
      '  7  %d%d:%d%d:%d%d  DELETE_TABLE +plain +partition_key: %["id", "S"%]\r?\n',
    } do
      assert.truthy(screen:find(pattern), screen)
    end
  end)
end)

describe("following", function()
  -- Starts a tail. Returns a pipe with its output, and its process id.
  local function follow(words)
    local pipe = assert(io.popen(("unset LD_PRELOAD; echo $$; exec %s %s 2>&1"):format(
      command.line, words)))
    return pipe, pipe:read("l")
  end

  it("shows new records of any process, and ends at its limit", function()
    local path = fifteen()
    local pipe = follow(("tail -f %s items -n 1 --limit 3"):format(command.quote(path)))
    assert.are.same({ 16 }, numbers(pipe:read("l")))
    local db = open()
    local items = db:table "items"
    items:put { id = "later" }
    assert.are.same({ 17 }, numbers(pipe:read("l")))
    items:put { id = "later still" }
    assert.are.same({ 18 }, numbers(pipe:read("l")))
    assert.is_nil(pipe:read("l"))
    assert.is_true(pipe:close())
  end)

  it("shows new records that satisfy a condition", function()
    local path = fifteen()
    local pipe = follow(("tail -f %s --filter %s --values %s --limit 2"):format(
      command.quote(path), command.quote "new_image.n > :n", command.quote '{":n":14}'))
    assert.are.same({ 16 }, numbers(pipe:read("l")))
    local items = open():table "items"
    for n = 1, 20 do items:put { id = "later", n = n } end
    assert.are.same({ 31 }, numbers(pipe:read("l")))
    assert.is_nil(pipe:read("l"))
    assert.is_true(pipe:close())
  end)

  it("is implied by LATEST", function()
    local path = fifteen()
    local pipe = follow(("tail %s --from LATEST --limit 1"):format(command.quote(path)))
    local db = open()
    local items = db:table "items"
    -- It is unknown when the tail starts to follow, so changes are made until one is shown.
    local child = helper.child [[
      local items = db:table "items"
      for i = 1, 600 do items:put { id = "x", i = i } os.execute "sleep 0.05" end
    ]]
    local seen = numbers(pipe:read("a"))
    child:kill()
    assert.equal(1, #seen)
    assert.is_true(seen[1] > 16)
    assert.is_truthy(items)
    pipe:close()
  end)

  it("ends without a message if its reader is gone, even without new records", function()
    local path = command.quote(fifteen())
    local ran = command.shell(("{ timeout 20 $TIDETABLE tail -f %s; echo $? >&2; } | head -1")
      :format(path))
    assert.equal("141\n", ran.err)
    assert.equal(1, #numbers(ran.out))
  end)

  it("ends with status 130 and without a message at Ctrl-C", function()
    local pipe, pid = follow(("tail -f %s -n 2"):format(command.quote(fifteen())))
    assert.are.same({ 15, 16 }, numbers(pipe:read("L") .. pipe:read("L")))
    command.shell("kill -INT " .. pid)
    assert.equal("", pipe:read("a"))
    assert.are.same({ nil, "exit", 130 }, { pipe:close() })
  end)

  -- Returns the rest of the output of a tail, and its status.
  local function rest_of(pipe)
    local said = pipe:read("a")
    local _, _, status = pipe:close()
    return said, status
  end

  -- It used to wait until the records had expired.
  it("ends with status 3 at the end of the stream, with the reason", function()
    local path = fifteen()
    local pipe = follow(("tail -f %s items -n 1"):format(command.quote(path)))
    assert.are.same({ 16 }, numbers(pipe:read("l")))
    local db = open()
    local items = db:table "items"
    db:transact(function(tx) tx:table "items":put { id = "the last" } end)
    items:disable_stream()
    local said, status = rest_of(pipe)
    assert.equal(3, status)
    assert.are.same({ 17 }, numbers(said:match "^[^\n]*\n"))
    assert.is_truthy(said:find(": the stream has ended: it was disabled", 1, true), said)
  end)

  it("ends with status 3 for an older stream, and with 0 without -f", function()
    local path = fifteen()
    local db = open()
    local items = db:table "items"
    local label = items:stream().label
    items:disable_stream()
    items:enable_stream()
    local words = { "tail", path, "items", "--label", label, "-n", "2", "-f" }
    refuses(3, ("the stream has ended: it was disabled, and the table's stream is now %s\n"
      .. "  to follow the new stream: tidetable tail -f %s items --from TRIM_HORIZON\n")
      :format(items:stream().label, path), words)
    db:delete_table "items"
    db:close()
    local ran = refuses(3, "the stream has ended: its table was deleted\n", words)
    assert.are.same({ 15, 16 }, numbers(ran.out))
    table.remove(words)
    assert.are.same({ 15, 16 }, numbers(must(words)))
    local _, groups = must { "tail", path, "items", "--label", label, "-n", "2", "-t" }
      :gsub("\n", "")
    assert.equal(2, groups)
    refuses(3, "the stream has ended", { "tail", path, "items", "--label", label, "-tf" })
    assert.equal("", must { "tail", path, "items", "--label", label, "--from", "LATEST",
      "--no-follow" })
  end)

  local changes = {
    ["was replaced by another file while it was open\n  start the command again"] = function(path)
      local aside = helper.path "aside.tide"
      local db = open()
      assert(db:backup(aside))
      os.rename(aside, path)
    end,
    ["was removed or renamed while it was open"] = os.remove,
  }

  -- It used to wait forever.
  for words, change in pairs(changes) do
    it("ends with status 4 if the file loses its name: " .. words, function()
      local path = fifteen()
      local pipe = follow(("tail -f %s -n 1"):format(command.quote(path)))
      assert.are.same({ 16 }, numbers(pipe:read("l")))
      change(path)
      local said, status = rest_of(pipe)
      assert.equal(4, status)
      assert.is_truthy(said:find(words, 1, true), said)
    end)
  end

  it("reports trimmed records when it is too slow", function()
    local db = open()
    local items = table_of(db, "items", { retention = { count = 2 } })
    items:put { id = "x", n = 0 }
    local pipe, pid = follow(("tail -f %s"):format(command.quote(helper.path())))
    assert.are.same({ 2 }, numbers(pipe:read("l")))
    command.shell("kill -STOP " .. pid)
    for n = 1, 50 do items:put { id = "x", n = n } end
    db:sweep()
    command.shell("kill -CONT " .. pid)
    local rest = pipe:read("a")
    local _, _, status = pipe:close()
    assert.equal(1, status)
    assert.truthy(rest:find("records 3 to 50 of all tables have been trimmed", 1, true), rest)
  end)
end)

describe("on a terminal", function()
  local function odd()
    local db = open()
    local items = assert(db:create_table { name = "items", partition_key = "customer",
      sort_key = { "at", "N" }, stream = true })
    items:put { customer = "ann", at = 1, status = "open", total = 30, deep = { a = 1, b = 2 } }
    items:put { customer = "ann", at = 1, status = "paid", note = "n", deep = { a = 1, b = 3 } }
    items:delete { customer = "ann", at = 1 }
    items:put { customer = "\27[2J\u{202e}\n", at = 2, name = "\27]0;title\7" }
    items:put { customer = ("漢"):rep(100), at = 3, bytes = tidetable.binary "\0\1" }
    db:close()
    return helper.path()
  end

  local function lines(screen)
    local list = {}
    for line in plain(screen):gmatch("[^\n]+") do list[#list + 1] = line end
    return list
  end

  on_terminal("a record is a line with its changes", function()
    local list = lines((command.terminal({ "tail", odd(), "items" }, { columns = 120 })))
    assert.equal(6, #list)
    assert.truthy(list[1]:find("^── %a+, %d%d%d%d%-%d%d%-%d%d$"))
    assert.truthy(list[2]:find('^    2  %d%d:%d%d:%d%d  INSERT  ann 1 +'
      .. 'deep: {a: 1, b: 2}, status: "open", total: 30$'), list[2])
    assert.truthy(list[3]:find('^    3  %d%d:%d%d:%d%d  MODIFY  ann 1 +'
      .. 'deep.b: 2 → 3, %+note: "n", status: "open" → "paid", %-total$'), list[3])
    assert.truthy(list[4]:find("REMOVE  ann 1 ", 1, true))
  end)

  on_terminal("records that are shown together are aligned", function()
    local db = open()
    local items = table_of(db, "items")
    for _, id in ipairs { "a", "much longer", "b" } do items:put { id = id, n = 1 } end
    db:close()
    for _, more in ipairs { "--no-follow", "-t" } do
      local list = lines((command.terminal { "tail", helper.path(), "items", more }))
      local at = assert(list[3]:find("n: 1", 1, true), list[3])
      assert.equal(at, list[2]:find("n: 1", 1, true))
      assert.equal(at, list[4]:find("n: 1", 1, true))
    end
  end)

  on_terminal("no line is wider than the window or has control characters", function()
    local path = odd()
    for _, more in ipairs { "-t", "--no-follow" } do
      for _, columns in ipairs { 40, 80, 132 } do
        local screen = command.terminal({ "tail", path, more }, { columns = columns })
        for _, line in ipairs(lines(screen)) do
          assert.is_true(display.columns(line) <= columns, line)
          assert.is_nil(line:find("%c"), line)
        end
        assert.is_nil(screen:find("\u{202e}", 1, true))
      end
    end
  end)

  on_terminal("the expanded view is not cut, and is escaped", function()
    local path = odd()
    local wide = command.terminal({ "tail", path, "-x" }, { columns = 400 })
    assert.equal(wide, (command.terminal({ "tail", path, "-x" }, { columns = 40 })))
    for _, line in ipairs(lines(wide)) do assert.is_nil(line:find("%c"), line) end
    assert.is_nil(wide:find("\u{202e}", 1, true))
  end)

  it("the expanded view is text in a pipe too", function() -- it was JSON
    assert.truthy(must({ "tail", odd(), "--at", "3", "--limit", "1", "-x" })
      :find('MODIFY  items  ann 1\n  ~ deep.b  2 → 3\n', 1, true))
  end)

  on_terminal("the expanded view has one attribute per line", function()
    local list = lines((command.terminal({ "tail", odd(), "--at", "3", "--limit", "1", "-x" })))
    assert.truthy(list[1]:find("^3  %d+%-%d+%-%d+ %d+:%d+:%d+%.%d%d%d  MODIFY  items  ann 1$"),
      list[1])
    assert.are.same({
      "  ~ deep.b  2 → 3", '  + note    "n"', '  ~ status  "open" → "paid"', "  - total   30",
    }, table.move(list, 2, #list, 1, {}))
  end)

  on_terminal("a transaction is shown with a bracket", function()
    local db = open()
    local items = table_of(db, "items")
    items:put { id = "alone" }
    db:transact(function(tx)
      for i = 1, 3 do tx:table "items":put { id = "n" .. i } end
    end)
    db:close()
    local list = lines((command.terminal { "tail", helper.path(), "-t" }))
    for i, mark in ipairs { "  ", "┌ ", "│ ", "└ " } do
      assert.equal(mark, list[i + 1]:sub(1, #mark))
    end
  end)

  on_terminal("only ASCII is written unless the locale is UTF-8", function()
    local path = odd()
    for _, more in ipairs { "-t", "-x" } do
      local screen = command.terminal({ "tail", path, more }, nil, { LANG = "C" })
      assert.is_nil(screen:find("[\128-\255]"), screen)
      assert.truthy(screen:find("\\u{6F22}", 1, true))
    end
  end)

  on_terminal("changes that the images do not contain are not shown", function()
    local db = open()
    for _, view in ipairs { "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE" } do
      local items = table_of(db, view, { view_type = view })
      items:put { id = "a", n = 1 }
      items:put { id = "a", n = 2 }
    end
    db:close()
    local function last(view, ...)
      local list = lines((command.terminal { "tail", helper.path(), view, "-n", "1", ... }))
      return list[#list]
    end
    assert.truthy(last("KEYS_ONLY"):find("MODIFY  a$"))
    assert.truthy(last("NEW_IMAGE"):find("MODIFY  a       n: 2$"))
    assert.truthy(last("OLD_IMAGE"):find("MODIFY  a       n: 1$"))
    assert.equal("    n   2", last("NEW_IMAGE", "-x"))
  end)
end)
