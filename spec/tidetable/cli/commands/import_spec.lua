-- import_spec.lua - `tidetable import`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
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
    assert.same({ status = 0, out = "", err = "" }, import(export(2500)))
    assert.same({ 2500, 2500 }, { ids() })
    assert.same({ status = 0, out = "", err = "" }, import(export(3)))
    assert.same({ 2500, 2500 }, { ids() })
  end)

  it("creates tables and database with --create only", function()
    local path = helper.path()
    local ran = import(export(3))
    assert.equal(1, ran.status)
    assert.match("the database .* does not exist\n  %-%-create creates it\n", ran.err)
    assert.is_nil(lfs.attributes(path))
    assert.same({ status = 0, out = "", err = "" }, import(export(3), "--create"))
    assert.same({ 3, 3 }, { ids() })
    local other = replaced(export(1), '"items"', '"other"')
    assert.is_truthy(fails("no table other", other):find("--create", 1, true))
    assert.same({ status = 0, out = "", err = "" }, import(other, "--create"))
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
    assert.same({ status = 0, out = "", err = "" }, ran)
    assert.same({ 5, 5 }, { ids() })
    ran = command.shell(("cat %s | $TIDETABLE import %s -"):format(file, path))
    assert.same({ status = 0, out = "", err = "" }, ran)
  end)

  on_terminal("shows its progress", function()
    make()
    local screen, status = command.terminal({ "import", helper.path(),
      shop.file("in.jsonl", export(20000)) }, { columns = 100 })
    assert.equal(0, status)
    assert.is_truthy(screen:find "importing .*%%  [%d.]+ KiB of [%d.]+ KiB  .*/s  .* left", screen)
    assert.equal("", command.plain(screen):match "[^\r\n]*$":gsub("\27%[K", ""))
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

  it("names the place of an invalid line, and stores the items before it", function()
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
      ["[]"] = 'in.jsonl:1502: expected {"Item":...}',
      ['{"Item":5}'] = "in.jsonl:1502: expected an object, got a number",
      ["\xff"] = "in.jsonl:1502:1: invalid UTF-8",
      ["\x1f\x8b\8\0"] = "in.jsonl:1502:2: compressed file: use gunzip -c",
    }
    for line, message in pairs(bad) do
      local err = fails(message, export(2000, { [1501] = line .. "\n" }))
      assert.is_truthy(err:find("1,500 items stored, through line 1501: continue with "
        .. "--from-line 1502", 1, true), err)
      assert.is_truthy(err:find("--skip-bad", 1, true), err)
    end
    assert.same({ 1500, 1500 }, { ids() })
  end)

  it("skips invalid lines with --skip-bad or --max-errors", function()
    make()
    local text = export(2000, { [5] = '{"Item"\n', [6] = '{"Item":{"ID":{"N":"1"}}}\n',
      [1700] = '{"Item":[]}\n',
      [1701] = '{"Item":{"id":{"B":"AA=="}}}\n' })
    local ran = import(text, "--skip-bad")
    assert.equal(1, ran.status)
    for _, message in ipairs { "in.jsonl:6:8: ", "in.jsonl:7: ", "in.jsonl:1701: ",
      "in.jsonl:1702: ", "4 invalid lines skipped" } do
      assert.is_truthy(ran.err:find(message, 1, true), ran.err)
    end
    assert.same({ 1996, 2000 }, { ids() })
    assert.is_truthy(fails("in.jsonl:1702: ", text, "--max-errors", "3")
      :find("3 invalid lines skipped before", 1, true))
    assert.equal(1, import(text, "--max-errors", "4").status)
  end)

  it("starts at --from-line, and reads earlier definitions", function()
    make()
    assert.same({ status = 0, out = "", err = "" }, import(export(10), "--from-line", "8"))
    assert.same({ 4, 10 }, { ids() })
    fails("in.jsonl: 12 lines, but the import starts after line 98", export(10),
      "--from-line", "99")
    command.refuses(2, "expected an integer of at least 1",
      { "import", helper.path(), "--from-line", "0" })
  end)

  it("refuses invalid arguments", function()
    local path = make()
    command.refuses(1, "no table itmes", { "import", path, "--table", "itmes" })
    command.refuses(1, "nowhere.jsonl: No such file", { "import", path, "nowhere.jsonl" })
    command.refuses(1, "Is a directory", { "import", path, "/" })
    command.refuses(2, "--checkpoint: cannot be combined with --from-line",
      { "import", path, "--checkpoint", "a", "--from-line", "2" })
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
    assert.same({ status = 0, out = "", err = "" }, ran)
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
    assert.equal("2 items stored, through line 2: continue with --from-line 3\n", ran.err)
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
    local line = ran.err:match "items stored, through line (%d+)"
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
    assert.same({ status = 0, out = "", err = "" },
      import(text, "--from-line", tostring(line + 1)))
    assert.same({ 6000, 6000 }, { ids() })
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
    local line = ran.err:match "continue with %-%-from%-line (%d+)"
    assert(os.execute("mount -o remount,size=64m " .. folder))
    words[#words + 1], words[#words + 2] = "--from-line", line
    assert.same({ status = 0, out = "", err = "" }, command.run(words))
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
    assert.equal(count + 1, checkpoint.line)
    fails("not the line of checkpoint night", replaced(text, '"id":{"N":"'
      .. count .. '"}', '"id":{"N":"7"}'), "--checkpoint", "night")
    fails("lines, but the import starts after line " .. checkpoint.line, export(5),
      "--checkpoint", "night")
    -- An item that was stored before the kill and changed since is not stored again.
    local db = helper.open()
    assert(db:table("items"):put { id = 1, text = "changed" })
    db:close()
    assert.same({ status = 0, out = "", err = "" }, import(text, "--checkpoint", "night"))
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
    local text, stored = export(9000), 0
    local line = ("%s import %s %s --checkpoint kills"):format(command.line,
      command.quote(helper.path()), command.quote(shop.file("in.jsonl", text)))
    repeat
      command.shell(("{ exec %s; } & import=$!; %s; kill -9 $import; wait $import"):format(line,
        watcher(math.min(stored + math.random(2000), 9000))))
      stored = #helper.collect(items:scan())
      local checkpoint = db:table("tidetable.imports"):get { name = "kills" }
      assert.equal(checkpoint and stored + 1 or nil, checkpoint and checkpoint.line,
        "SEED=" .. SEED)
    until stored == 9000
    assert.equal(0, import(text, "--checkpoint", "kills").status)
    local inserts = 0
    for record in items:stream():records() do
      inserts = inserts + 1
      assert.same({ "INSERT", inserts }, { record.event_name, record.keys.id }, "SEED=" .. SEED)
    end
    assert.equal(9000, inserts)
  end)

  it("by Ctrl-C shows how to continue", function()
    make()
    local ran = interrupt("INT", "", export(100000))
    assert.equal("130\n", ran.out, ran.err)
    local line = math.tointeger(tonumber(
      ran.err:match "through line (%d+): continue with %-%-from%-line %d+"))
    assert.is_truthy(line, ran.err)
    assert.is_true(line - 1 <= ids())
  end)
end)
