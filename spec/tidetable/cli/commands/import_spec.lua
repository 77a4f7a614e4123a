-- import_spec.lua - `tidetable import`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local display = require "tidetable.cli.display"
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local shop = require "spec.tidetable.cli.shop"

helper.setup(before_each, after_each)

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local TABLE = '{"Table":{"TableName":"items","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],'
  .. '"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"N"}]}}\n'

local function item(id, text)
  return ('{"Item":{"id":{"N":"%d"},"text":{"S":"%s"}}}\n'):format(id, text or "t")
end

local function ending(count)
  return ('{"End":{"Items":%d,"Tables":1}}\n'):format(count)
end

--- Returns an export of `count` items. `change` may replace lines.
local function export(count, change, text)
  local all = { TABLE }
  for i = 1, count do all[i + 1] = change and change[i] or item(i, text) end
  return table.concat(all) .. ending(count)
end

--- Returns the text with one occurrence replaced.
local function replaced(text, from, to)
  local first, last = text:find(from, 1, true)
  return text:sub(1, first - 1) .. to .. text:sub(last + 1)
end

--- A database with an empty table of items.
local function make()
  local db = helper.open()
  assert(db:create_table { name = "items", partition_key = { "id", "N" } })
  db:close()
  return helper.path()
end

local function ids()
  return shop.look("items", function(items)
    local all = helper.collect(items:scan())
    return #all, all[#all] and all[#all].id
  end)
end

local function import(text, ...)
  return command.run { "import", helper.path(), shop.file("in.jsonl", text), ... }
end

--- Returns the result of an import that stores `count` items without a problem.
local function stored(count, name)
  return { status = 0, out = "", err = ("%s item%s stored%s\n"):format(
    tostring(count):reverse():gsub("(%d%d%d)(%d)", "%1,%2"):reverse(), count == 1 and "" or "s",
    count > 0 and " in " .. (name or "items") or "") }
end

local function fails(message, text, ...)
  local ran = import(text, ...)
  assert.equal(1, ran.status, ran.err)
  assert.is_truthy(ran.err:find(message, 1, true), ran.err)
  return ran.err
end

--- Returns a program that ends when the table has this many items.
local function watcher(wanted)
  return ("LUA_PATH=%s LUA_CPATH=%s %s %s"):format(command.quote(package.path),
    command.quote(package.cpath), command.lua, shop.file("wait.lua", ([[
    local tidetable = require "tidetable"
    local db = assert(tidetable.open(%q, { read_only = true }))
    local found
    repeat
      found = 0
      for _ in db:table("items"):scan { limit = %d } do found = found + 1 end
    until found == %d
  ]]):format(helper.path(), wanted, wanted)))
end

describe("import", function()
  local on_terminal = command.on_terminal(it, pending)

  it("stores an export", function()
    make()
    assert.same(stored(2500), import(export(2500)))
    assert.same({ 2500, 2500 }, { ids() })
    assert.same(stored(3), import(export(3)))
    assert.same({ 2500, 2500 }, { ids() })
  end)

  it("creates tables and database with --create only", function()
    local path = helper.path()
    local ran = import(export(3))
    assert.equal(1, ran.status)
    assert.match("the database .* does not exist\n  %-%-create creates it\n", ran.err)
    assert.is_nil(lfs.attributes(path))
    assert.same(stored(3), import(export(3), "--create"))
    assert.same({ 3, 3 }, { ids() })
    local other = replaced(export(1), '"items"', '"other"')
    assert.is_truthy(fails("no table other", other):find("--create", 1, true))
    assert.same(stored(1, "other"), import(other, "--create"))
    fails("TableName must be at least 3", replaced(export(1), '"items"', '"x"'), "--create")
  end)

  it("stores items in the table of --table", function()
    make()
    assert.equal(0, import(item(1) .. item(2), "--table", "items").status)
    assert.equal(0, import('{"id":3,"l":[1]}\n', "--table", "items", "--format", "json").status)
    assert.same({ 3, 3 }, { ids() })
    local renamed = replaced(export(4), '"items"', '"other"')
    assert.equal(0, import(renamed, "--table", "items").status)
    assert.same({ 4, 4 }, { ids() })
    fails("in.jsonl:4: second table", TABLE .. item(1) .. item(2) .. TABLE .. ending(2),
      "--table", "items")
    fails("in.jsonl:1: unknown table", item(1))
    fails("no table nowhere", item(1), "--table", "nowhere")
  end)

  it("reads from a pipe, and several exports in one file", function()
    local path = make()
    local file = shop.file("in.jsonl", export(3) .. "\n \n" .. export(5))
    local ran = command.shell(("cat %s | $TIDETABLE import %s"):format(file, path))
    assert.same(stored(8), ran)
    assert.same({ 5, 5 }, { ids() })
    ran = command.shell(("cat %s | $TIDETABLE import %s -"):format(file, path))
    assert.same(stored(8), ran)
  end)

  -- An import that ends within the bar's first pause shows none, so the file grows until one does.
  on_terminal("shows its progress", function()
    make()
    local count, screen = 10000, ""
    while not screen:find("importing", 1, true) do
      count = count * 2
      assert.is_true(count <= 2560000, screen)
      local status
      screen, status = command.terminal({ "import", helper.path(),
        shop.file("in.jsonl", export(count)) }, { columns = 100 })
      assert.equal(0, status)
    end
    assert.is_truthy(screen:find "importing .*%%  [%d.]+ %a+ of [%d.]+ %a+  .*/s  .* left", screen)
    assert.equal(display.count(count) .. " items stored in items\n",
      command.plain(screen):match "[^\r\n]*\n$":gsub("^.*\27%[K", ""))
  end)

  it("refuses a table with another key", function()
    make()
    fails("in.jsonl:1: table items exists with another key",
      replaced(export(1), '"AttributeType":"N"', '"AttributeType":"S"'))
    fails("in.jsonl:1: Table: unknown name Tags",
      replaced(export(1), '{"TableName"', '{"Tags":[],"TableName"'))
  end)

  it("detects an incomplete export", function()
    make()
    fails("missing end: the export is incomplete", TABLE .. item(1))
    assert.same({ 1, 1 }, { ids() })
    fails("in.jsonl:3: 2 items exported, 1 read", TABLE .. item(1) .. ending(2))
    fails("in.jsonl:4: 1 items exported, 2 read", TABLE .. item(1) .. item(2)
      .. ending(1))
    fails("in.jsonl:2:10: unterminated string", TABLE .. '{"Item":{"id' .. "\n")
  end)

  it("names the place of an invalid record, and stores the items before it", function()
    make()
    local bad = {
      ["{"] = "in.jsonl:1502:2: expected a name in double quotes",
      ['{"Item":{"id":{"N":"1"},"id":{"N":"1"}}}'] = 'in.jsonl:1502:25: duplicate name "id"',
      ['{"Item":{"id":{"N":"x"}}}'] = "in.jsonl:1502: id: The parameter cannot be converted",
      ['{"Item":{"id":{"N":"1"},"l":{"L":[{"B":"*"}]}}}'] =
        "in.jsonl:1502: l[1]: invalid base64",
      ['{"Item":{"ID":{"N":"1"}}}'] = "in.jsonl:1502: One or more parameter values were invalid: "
        .. "Missing the key id",
      ['{"Item":{"id":{"S":"1"}}}'] = "in.jsonl:1502: ",
      ['{"Item":{"id":{"N":"1"},"s":{"S":"' .. ("x"):rep(409600) .. '"}}}'] =
        "in.jsonl:1502: Item size",
      ['{"id":{"N":"1"}}'] = 'in.jsonl:1502: expected {"Item":...}',
      ["5"] = 'in.jsonl:1502: expected {"Item":...}',
      ['{"Item":5}'] = "in.jsonl:1502: expected an object, got a number",
      ["\xff"] = "in.jsonl:1502:1: invalid UTF-8",
    }
    for line, message in pairs(bad) do
      local err = fails(message, export(2000, { [1501] = line .. "\n" }))
      assert.is_truthy(err:find("1,500 items stored, through record 1501: continue with "
        .. "--from-record 1502", 1, true), err)
      assert.is_truthy(err:find("--skip-bad", 1, true), err)
    end
    assert.same({ 1500, 1500 }, { ids() })
  end)

  it("skips invalid records with --skip-bad or --max-errors", function()
    make()
    local text = export(2000, { [5] = '{"Item"\n', [6] = '{"Item":{"ID":{"N":"1"}}}\n',
      [1700] = '{"Item":[]}\n',
      [1701] = '{"Item":{"id":{"B":"AA=="}}}\n' })
    local ran = import(text, "--skip-bad")
    assert.equal(1, ran.status)
    for _, message in ipairs { "in.jsonl:6:8: ", "in.jsonl:7: ", "in.jsonl:1701: ",
      "in.jsonl:1702: ", "4 invalid records skipped" } do
      assert.is_truthy(ran.err:find(message, 1, true), ran.err)
    end
    assert.same({ 1996, 2000 }, { ids() })
    assert.is_truthy(fails("in.jsonl:1702: ", text, "--max-errors", "3")
      :find("3 invalid records skipped before", 1, true))
    assert.equal(1, import(text, "--max-errors", "4").status)
  end)

  it("starts at --from-record, and reads earlier definitions", function()
    make()
    assert.same(stored(4), import(export(10), "--from-record", "8"))
    assert.same({ 4, 10 }, { ids() })
    fails("in.jsonl: 12 records, but the import starts after record 98", export(10),
      "--from-record", "99")
    command.refuses(2, "expected an integer of at least 1",
      { "import", helper.path(), "--from-record", "0" })
  end)

  it("refuses invalid arguments", function()
    local path = make()
    command.refuses(1, "no table itmes", { "import", path, "--table", "itmes" })
    command.refuses(1, "nowhere.jsonl: No such file", { "import", path, "nowhere.jsonl" })
    command.refuses(1, "Is a directory", { "import", path, "/" })
    command.refuses(2, "--checkpoint: cannot be combined with --from-record",
      { "import", path, "--checkpoint", "a", "--from-record", "2" })
    command.refuses(2, "--checkpoint: empty name", { "import", path, "--checkpoint", "" })
    command.refuses(2, "is the table of checkpoints",
      { "import", path, "--checkpoint", "a", "--table", "tidetable.imports" })
    command.refuses(2, "'big': invalid size", { "import", path, "--max-size", "big" })
  end)
end)

describe("an import from a pipe that stays open", function()
  it("stores the items it has before it waits", function()
    make()
    local ran = command.shell(("{ cat %s; %s; } | $TIDETABLE import %s --table items"):format(
      command.quote(shop.file("in.jsonl", item(1) .. item(2))), watcher(1), helper.path()))
    assert.same(stored(2), ran)
    assert.same({ 2, 2 }, { ids() })
  end)

  it("can be interrupted while it waits", function()
    make()
    local pipe = helper.path "pipe"
    assert(os.execute("mkfifo " .. command.quote(pipe)))
    local ran = command.shell(([[
      { cat %s; exec sleep 60; } >%s & feeder=$!
      { exec $TIDETABLE import %s --table items <%s; } & import=$!
      %s; sleep 0.1
      kill -INT $import; wait $import; echo $?; kill $feeder]]):format(
      command.quote(shop.file("in.jsonl", item(1) .. item(2))), pipe, helper.path(), pipe,
      watcher(1)))
    assert.equal("130\n", ran.out, ran.err)
    assert.equal("2 items stored, through record 2: continue with --from-record 3\n", ran.err)
  end)
end)

describe("an import that is stopped", function()
  --- Imports from a pipe that stays open. Sends the signal when all lines have been written into
  --- the pipe and some items are stored. Returns the output of the command, with its status at the
  --- end.
  local function interrupt(signal, words, text)
    local pipe = helper.path "pipe"
    assert(os.execute("mkfifo " .. command.quote(pipe)))
    return command.shell(([[
      { cat %s; exec sleep 60; } >%s & feeder=$!
      { exec $TIDETABLE import %s %s %s </dev/null; } & import=$!
      %s
      kill -%s $import; wait $import; echo $?; kill $feeder]]):format(
      command.quote(shop.file("in.jsonl", text)), pipe, helper.path(), pipe, words,
      watcher(1), signal))
  end

  local function full(text, ...)
    local ran = import(text, ...)
    assert.equal(1, ran.status, ran.err)
    local line = ran.err:match "items stored, through record (%d+)"
    assert.is_truthy(line, ran.err)
    return math.tointeger(tonumber(line)), ran.err
  end

  it("by a full database continues after the stored items", function()
    make()
    local text = export(6000, nil, ("x"):rep(1000))
    local line, err = full(text, "--max-size", "4 MiB")
    assert.is_truthy(err:find("has reached its maximum size", 1, true), err)
    local count, last = ids()
    assert.same({ line - 1, line - 1 }, { count, last })
    assert.is_true(count >= 1000 and count < 6000)
    -- The size is recorded, so that an import without --max-size does not exceed it.
    fails("maximum size of 4194304 bytes", text, "--from-record", tostring(line + 1))
    assert.same(stored(6001 - line), import(text, "--from-record", tostring(line + 1),
      "--max-size", "1 GiB"))
    assert.same({ 6000, 6000 }, { ids() })
  end)

  it("by the maximum size of the service whose file it is", function()
    local db = helper.open { max_size = "4 MiB" }
    assert(db:create_table { name = "items", partition_key = { "id", "N" } })
    local _, err = full(export(6000, nil, ("x"):rep(1000)))
    assert.is_truthy(err:find("its maximum size of 4194304 bytes (max_size)", 1, true), err)
    assert.is_truthy(err:find("a larger --max-size lets it grow", 1, true), err)
    assert.is_true(db:info().file_bytes <= 5 << 20)
    db:close()
  end)

  it("by a full disk continues when there is space", function()
    local folder = helper.path "disk"
    assert(lfs.mkdir(folder))
    if not os.execute("mount -t tmpfs -o size=3m none " .. folder .. " 2>/dev/null") then
      os.remove(folder)
      return pending "no tmpfs can be mounted here"
    end
    local _unmount <close> = setmetatable({}, { __close = function()
      os.execute("umount " .. folder)
    end })
    local file = shop.file("in.jsonl", export(6000, nil, ("x"):rep(1000)))
    local words = { "import", folder .. "/full.tide", file, "--create" }
    local ran = command.run(words)
    assert.equal(1, ran.status, ran.err)
    assert.is_truthy(ran.err:find("the disk is full", 1, true), ran.err)
    local line = ran.err:match "continue with %-%-from%-record (%d+)"
    assert(os.execute("mount -o remount,size=64m " .. folder))
    words[#words + 1], words[#words + 2] = "--from-record", line
    assert.same(stored(6002 - line), command.run(words))
    local exported = command.must { "export", folder .. "/full.tide" }
    assert.equal(6000, select(2, exported:gsub('{"Item"', "")))
  end)

  it("by a kill continues at the checkpoint", function()
    make()
    local text = export(6000)
    local words = "--checkpoint night"
    local ran = interrupt("KILL", words, text)
    assert.equal("137\n", ran.out, ran.err)
    local count = ids()
    assert.is_true(count >= 1000)
    local checkpoint = shop.look("tidetable.imports", function(imports)
      return imports:get { name = "night" }
    end)
    assert.equal(count + 1, checkpoint.record)
    fails("not the record of checkpoint night", replaced(text, '"id":{"N":"'
      .. count .. '"}', '"id":{"N":"7"}'), "--checkpoint", "night")
    fails("records, but the import starts after record " .. checkpoint.record, export(5),
      "--checkpoint", "night")
    -- An item that was stored before the kill and changed since is not stored again.
    local db = helper.open()
    assert(db:table("items"):put { id = 1, text = "changed" })
    db:close()
    assert.same(stored(6000 - count), import(text, "--checkpoint", "night"))
    assert.same({ 6000, 6000 }, { ids() })
    shop.look("items", function(items) assert.equal("changed", items:get { id = 1 }.text) end)
    shop.look("tidetable.imports", function(imports)
      assert.is_nil(imports:get { name = "night" })
    end)
  end)

  -- The import is killed repeatedly, each time after it has stored more items.
  it("by many kills stores each item once, with a checkpoint", function()
    math.randomseed(SEED)
    local db = helper.open()
    local items = assert(db:create_table { name = "items", partition_key = { "id", "N" },
      stream = { view_type = "KEYS_ONLY" } })
    local text, done = export(9000), 0
    local line = ("%s import %s %s --checkpoint kills"):format(command.line,
      command.quote(helper.path()), command.quote(shop.file("in.jsonl", text)))
    repeat
      command.shell(("{ exec %s; } & import=$!; %s; kill -9 $import; wait $import"):format(line,
        watcher(math.min(done + math.random(2000), 9000))))
      done = #helper.collect(items:scan())
      local checkpoint = db:table("tidetable.imports"):get { name = "kills" }
      assert.equal(checkpoint and done + 1 or nil, checkpoint and checkpoint.record,
        "SEED=" .. SEED)
    until done == 9000
    assert.equal(0, import(text, "--checkpoint", "kills").status)
    local inserts = 0
    for record in items:stream():records() do
      inserts = inserts + 1
      assert.same({ "INSERT", inserts }, { record.event_name, record.keys.id }, "SEED=" .. SEED)
    end
    assert.equal(9000, inserts)
  end)

  for signal, status in pairs { INT = 130, TERM = 143, HUP = 129 } do
    it("by SIG" .. signal .. " shows how to continue, with the exact count", function()
      make()
      local ran = interrupt(signal, "", export(100000))
      assert.equal(status .. "\n", ran.out, ran.err)
      local count, line = ran.err:match
        "^([%d,]+) items stored, through record (%d+): continue with %-%-from%-record %d+\n$"
      assert.is_truthy(line, ran.err)
      local total = ids()
      assert.equal(total, math.tointeger(tonumber((count:gsub(",", "")))))
      assert.equal(total + 1, math.tointeger(tonumber(line)))
    end)
  end

  it("by a limit on the size of files says so", function()
    local path, file = helper.path(), shop.file("in.jsonl", export(6000, nil, ("x"):rep(1000)))
    local ran = command.shell(("ulimit -f 8001; $TIDETABLE import %s %s --create"):format(path,
      file))
    assert.equal(1, ran.status, ran.err)
    assert.is_truthy(ran.err:find("file too large", 1, true), ran.err)
    assert.is_truthy(ran.err:find("continue with --from-record", 1, true), ran.err)
  end)
end)

local function plain(id)
  return ('{"id":%d,"text":"t"}'):format(id)
end

describe("import of JSON", function()
  --- Imports plain objects. Returns the ids that are stored.
  local function stored_ids(text, ...)
    os.remove(helper.path())
    make()
    local ran = import(text, "--table", "items", "--format", "json", ...)
    assert.equal(0, ran.status, ran.err)
    return shop.look("items", function(items)
      local found = {}
      for each in items:scan() do found[#found + 1] = each.id end
      return table.concat(found, " ")
    end)
  end

  it("reads objects on lines, one after another, on several lines, and in arrays", function()
    for _, text in ipairs { plain(1) .. "\n" .. plain(2) .. "\n", plain(1) .. plain(2),
      '{\n  "id": 1,\n  "list": [\n    {\n      "a": []\n    }\n  ]\n}\n{\n  "id":\n2}',
      "[" .. plain(1) .. "," .. plain(2) .. "]", "[\n" .. plain(1) .. ",\n" .. plain(2) .. "\n]\n",
      "\u{feff}[" .. plain(1) .. "]\n[]" .. plain(2), "\u{feff} [ " .. plain(1) .. " , " .. plain(2)
        .. " ]" } do
      assert.equal("1 2", stored_ids(text), text)
    end
    assert.equal("", stored_ids "[]")
    assert.equal("", stored_ids "")
  end)

  it("reads an array that is larger than the limit for an item in bounded memory", function()
    -- The sanitizers reserve more address space than this limit.
    local limit = (os.getenv("TIDETABLE_BUILD") or ""):find "asan" and "true" or "ulimit -v 300000"
    make()
    local line = command.lua .. [[ -e '
      io.write("[")
      for i = 1, 3000 do
        io.write(i > 1 and "," or "", "{\"id\":", i % 7, ",\"text\":\"", ("x"):rep(30000), "\"}")
      end
      io.write("]")'
    ]]
    local ran = command.shell(("%s | { %s; $TIDETABLE import %s --table items "
      .. "--format json --max-size 64MiB; }"):format((line:gsub("\n%s*", " ")), limit,
      helper.path()))
    assert.same(stored(3000), ran)
  end)

  it("names record, line and byte of a fault", function()
    make()
    local ran = import("[" .. plain(1) .. ",\n" .. plain(2) .. ", " .. '{"id":x}' .. "]", "--table",
      "items", "--format", "json")
    assert.equal("2 items stored, through record 2: continue with --from-record 3\n"
      .. "tidetable import: " .. helper.path "in.jsonl"
      .. ':2:28: expected a value, got "x" (record 3, byte 50)\n'
      .. "  --skip-bad skips invalid records\n", ran.err)
  end)

  it("ends where the input cannot be divided into records", function()
    make()
    for text, message in pairs {
      ["[" .. plain(1)] = ":1:21: missing end of the array that begins on line 1",
      ["[" .. plain(1) .. " " .. plain(2)] =
        ":1:22: expected ',' or ']', got '{' (record 2, byte 22)",
      ["[" .. plain(1) .. ",]"] = ":1:22: expected a value, got ']'",
    } do
      local ran = import(text, "--table", "items", "--format", "json", "--skip-bad")
      assert.equal(1, ran.status)
      assert.is_truthy(ran.err:find(message, 1, true), ran.err)
      assert.is_truthy(ran.err:find("1 item stored, through record 1", 1, true), ran.err)
    end
  end)

  it("reads answers of Scan, in the typed form", function()
    make()
    local function answer(first, last, rest)
      local found = {}
      for i = first, last do found[#found + 1] = item(i):match '{"Item":(.*)}\n' end
      return ('{\n  "Items": [%s],\n  "Count": %d%s\n}\n'):format(table.concat(found, ",\n"),
        last - first + 1, rest or ', "ScannedCount": 9, "ConsumedCapacity": null')
    end
    assert.same(stored(5), import(answer(1, 2) .. "[" .. answer(3, 5) .. "]", "--table", "items"))
    assert.same({ 5, 5 }, { ids() })
    fails("in.jsonl:1: the answer has Count 3, but 2 items", replaced(answer(1, 2), "2,", "3,"),
      "--table", "items")
    for _, more in ipairs { '"LastEvaluatedKey": {"id": {"N": "7"}}', '"NextToken": "e"' } do
      local err = fails(": the scan has more items", answer(6, 7, "," .. more), "--table", "items")
      assert.is_truthy(err:find("2 items stored", 1, true), err)
    end
    assert.same({ 7, 7 }, { ids() })
    fails('an answer without "Items"', '{"Count":1}', "--table", "items")
    assert.equal(1, import(answer(1, 2), "--table", "items", "--format", "json").status)
  end)

  it("recognizes what is not JSON, and names the remedy", function()
    make()
    for text, message in pairs {
      ["\x1f\x8b\8\0"] = "compressed with gzip\n  use gunzip -c FILE |",
      ["\x28\xb5\x2f\xfd\0"] = "compressed with zstd\n  use zstd -dc FILE |",
      ["\xfd7zXZ\0\0"] = "compressed with xz\n  use xz -dc FILE |",
      ["\xff\xfe{\0}\0"] = "encoded in UTF-16\n  use iconv -f UTF-16 -t UTF-8 FILE |",
      ["\xfe\xff\0{\0}"] = "encoded in UTF-16\n  use iconv -f UTF-16 -t UTF-8 FILE |",
      ["{\0}\0"] = "encoded in UTF-16\n  use iconv -f UTF-16LE -t UTF-8 FILE |",
      ["\0{\0}"] = "encoded in UTF-16\n  use iconv -f UTF-16BE -t UTF-8 FILE |",
      ["id,text\n1,t\n"] = "not JSON\n  if it is CSV, use --csv",
    } do
      fails(message, text, "--table", "items", "--skip-bad")
    end
  end)

  it("compares the number of items with --expect", function()
    make()
    assert.same(stored(2), import(item(1) .. item(2), "--table", "items", "--expect", "2"))
    fails("in.jsonl: expected 3 items, read 2", item(1) .. item(2), "--table", "items",
      "--expect", "3")
  end)

  it("creates the table of --key and --sort", function()
    local ran = import(item(1), "--create", "--table", "items", "--key", "id:N", "--sort", "text")
    assert.same(stored(1), ran)
    assert.equal("1", command.must({ "describe", "--json", helper.path(), "items" })
      :match '"sort_key":%["text","S"%]' and "1")
    assert.same(stored(1), import(item(1), "--create", "--table", "items", "--key", "id:N",
      "--sort", "text"))
    fails("table items exists with another key", item(1), "--create", "--table", "items", "--key",
      "id")
    for _, words in ipairs { { "--key", "id" }, { "--create", "--key", "id" },
      { "--sort", "id" }, { "--csv" }, { "--null" }, { "--type", "a:S" },
      { "--delimiter", ";" } } do
      assert.equal(2, import("", table.unpack(words)).status)
    end
  end)
end)

describe("import of CSV", function()
  local function csv(text, ...)
    return import(text, "--csv", "--table", "items", ...)
  end

  it("stores the rows, with the types of the key and of --type", function()
    make()
    assert.same(stored(3), csv('\u{feff}"id",text,zip,n\r\n1,"a ""b""\r\nc",007,1.50\r\n2,"",,\r\n'
      .. "\r\n3,x,1,2", "--type", "n:N"))
    shop.look("items", function(items)
      assert.same({ id = 1, text = 'a "b"\r\nc', zip = "007", n = 1.5 }, items:get { id = 1 })
      assert.same({ id = 2, text = "" }, items:get { id = 2 })
      assert.same({ id = 3, text = "x", zip = "1", n = 2 }, items:get { id = 3 })
    end)
    assert.same(stored(0), csv "id,text\n")
    assert.same(stored(1), csv("id\ttext\n4\t,\n", "--delimiter", "\\t", "--null"))
  end)

  it("refuses a header that is ambiguous", function()
    make()
    for text, message in pairs {
      [""] = "no header", ["text\n"] = "in.jsonl:1: missing column id, a key attribute",
      ["id,id\n"] = "in.jsonl:1: duplicate column id",
      ["id,\n"] = "in.jsonl:1: column 2 has no name",
      ["id;text\n1;2\n"] = "in.jsonl:1: one column, whose name contains ';'\n  use --delimiter ';'",
      ["id\ttext\n"] = "whose name contains a tab\n  use --delimiter '\\t'",
      ['id,"a\n'] = "in.jsonl:1:4: unterminated quote",
    } do
      fails(message, text, "--csv", "--table", "items")
    end
    assert.equal(2, csv("id\n", "--type", "x:N").status)
    assert.equal(2, csv("id\n", "--type", "id:S").status)
  end)

  it("names the line of an invalid row, and skips it with --skip-bad", function()
    make()
    local rows = { "1,a", "2", '3,"a"b', '4,a"b', ",a", "x,a", "5,\xff", "6,a,b", '7,"a\nb"',
      "8,a" }
    local ran = csv("id,text\n" .. table.concat(rows, "\n"), "--skip-bad")
    assert.equal(1, ran.status)
    local place = "tidetable import: " .. helper.path "in.jsonl" .. ":"
    for _, message in ipairs { "3: 1 fields, but the header has 2 (record 2, byte 13)",
      "4:6: text after the closing quote (record 3, byte 20)",
      "5:4: quote in a field without quotes (record 4, byte 25)",
      "6: id: a key attribute may not be empty (record 5", "7: id: ",
      "8: text: invalid UTF-8 (record 7", "9: 3 fields, but the header has 2 (record 8" } do
      assert.is_truthy(ran.err:find(place .. message, 1, true), ran.err)
    end
    assert.same({ 3, 8 }, { ids() })
  end)

  it("names the place of a quote without end", function()
    make()
    fails('in.jsonl:3:3: unterminated quote (record 2, byte 15)', 'id,text\n1,a\n2,"b\nc\nd\n',
      "--csv", "--table", "items", "--skip-bad")
    assert.same({ 1, 1 }, { ids() })
  end)
end)
