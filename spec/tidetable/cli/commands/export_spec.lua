-- export_spec.lua - `tidetable export`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local console = require "tidetable.cli.console"
local helper = require "spec.tidetable.helper"
local main = require "tidetable.cli.main"
local shop = require "spec.tidetable.cli.shop"
local json_text = require "tidetable.dynamodb.json_text"
local tidetable = require "tidetable"
local values = require "spec.model.values"

helper.setup(before_each, after_each)

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local function trees(out)
  local found = {}
  for line in out:gmatch("[^\n]+") do found[#found + 1] = assert(json_text.decode(line)) end
  return found
end

--- Returns the output of an export in this process.
local function exported(db)
  local out, open = {}, tidetable.open
  finally(function() tidetable.open = open end)
  function tidetable.open() return db end
  local parser, commands = main.parser()
  commands.export.run(parser:parse { "export", helper.path() },
    setmetatable({ write = function(_, ...) out[#out + 1] = table.concat { ... } end },
      { __index = console.new("never") }))
  return trees(table.concat(out))
end

--- Returns the output of an export of items, which reports their number.
local function items_of(words)
  local ran = command.run(words)
  assert.equal(0, ran.status, ran.err)
  local count = select(2, ran.out:gsub("\n", ""))
  assert.equal(("%d item%s exported\n"):format(count, count == 1 and "" or "s"), ran.err)
  return ran.out
end

describe("export", function()
  it("writes definitions, items and an end", function()
    local found = trees(command.must { "export", shop.make() })
    assert.equal("files", found[1].Table.TableName)
    assert.same({ hash = { B = "AAE=" }, size = { N = "12345678901234567890.5" } }, found[2].Item)
    assert.equal("orders", found[3].Table.TableName)
    assert.same({ StreamEnabled = true, StreamViewType = "KEYS_ONLY",
      Retention = { age = 604800 }, Hold = { age = 604800, bytes = 1 << 30 } },
      found[3].Table.StreamSpecification)
    for i = 1, 6 do assert.is_not_nil(found[3 + i].Item) end
    assert.same({ Items = 7, Tables = 2 }, found[10].End)
    assert.is_nil(found[11])
  end)

  it("writes the items of a segment, without definition and end", function()
    local path, found = shop.make(), {}
    for segment = 0, 2 do
      for _, tree in ipairs(trees(items_of { "export", path, "orders", "--segment",
          tostring(segment), "--total-segments", "3" })) do
        local key = tree.Item.customer.S .. tree.Item.placed_at.N
        assert.is_nil(found[key])
        found[key] = true
        found[#found + 1] = key
      end
    end
    assert.equal(6, #found)
    command.refuses(2, "exactly one table required",
      { "export", path, "--segment", "0", "--total-segments", "3" })
    command.refuses(2, "each requires the other",
      { "export", path, "orders", "--total-segments", "3" })
  end)

  it("writes the named tables in their order", function()
    local path = shop.make()
    local found = trees(command.must { "export", path, "orders", "files" })
    assert.equal("orders", found[1].Table.TableName)
    assert.equal("files", found[8].Table.TableName)
    assert.equal(8, #trees(command.must { "export", path, "orders" }))
    command.refuses(1, "did you mean orders?", { "export", path, "order" })
  end)

  it("writes items only, in DynamoDB's or in plain JSON", function()
    local path = shop.make()
    assert.equal('{"Item":{"hash":{"B":"AAE="},"size":{"N":"12345678901234567890.5"}}}\n',
      items_of { "export", path, "files", "--items-only" })
    assert.equal('{"hash":{"$B":"AAE="},"size":12345678901234567890.5}\n',
      items_of { "export", path, "files", "--format", "json" })
    command.refuses(2, "exactly one table required", { "export", path, "--items-only" })
    command.refuses(2, "exactly one table required",
      { "export", path, "files", "orders", "--format", "json" })
  end)

  it("writes the items that satisfy a filter, and counts them", function()
    local path = shop.make()
    local found = trees(command.must { "export", path, "--filter", "placed_at > :p",
      "--values", '{":p":3}' })
    assert.same({ "files", "orders" }, { found[1].Table.TableName, found[2].Table.TableName })
    assert.same({ N = "4" }, found[3].Item.placed_at)
    assert.same({ N = "5" }, found[4].Item.placed_at)
    assert.same({ Items = 2, Tables = 2 }, found[5].End)
    assert.equal(5, #trees(command.must { "export", path, "--filter", "placed_at > :p",
      "--values", '{":p":{"N":"3"}}', "--format", "dynamodb" }))
    command.refuses(1, "Invalid FilterExpression", { "export", path, "--filter", "a >" })
  end)

  it("projects the items of one table", function()
    local path = shop.make()
    local words = { "export", path, "orders", "--filter", "attribute_exists(note)",
      "--projection", "placed_at,#s", "--names", '{"#s":"status"}' }
    assert.equal('{"Item":{"placed_at":{"N":"1"},"status":{"S":"paid"}}}\n', items_of(words))
    words[#words + 1], words[#words + 2] = "--format", "json"
    assert.equal('{"placed_at":1,"status":"paid"}\n', items_of(words))
    command.refuses(2, "exactly one table required", { "export", path, "--projection", "a" })
  end)

  it("writes an end for an empty database", function()
    helper.open():close()
    assert.equal('{"End":{"Items":0,"Tables":0}}\n', command.must { "export", helper.path() })
  end)

  -- A writer changes both tables in each transaction, so they are equal in every snapshot.
  it("is one snapshot of all tables while other processes write", function()
    local db = helper.open()
    for _, name in ipairs { "left", "right" } do
      local items = assert(db:create_table { name = name, partition_key = { "id", "N" } })
      local list = {}
      for i = 1, 3000 do list[i] = { id = i, text = ("x"):rep(100) } end
      assert(items:load(list))
    end
    local child = helper.child [[
      print "writing"
      for n = 1, 1e9 do
        db:transact(function(tx)
          for _, name in ipairs { "left", "right" } do
            tx:table(name):put { id = 0, n = n }
            tx:table(name):put { id = 4000, n = n }
          end
        end)
      end
    ]]
    child:line()
    local snapshots = 0
    repeat
      local seen = {}
      for n in command.must({ "export", helper.path() }):gmatch '"n":{"N":"(%d+)"}' do
        seen[#seen + 1] = n
      end
      if #seen > 0 then
        assert.same({ seen[1], seen[1], seen[1], seen[1] }, seen)
        snapshots = snapshots + 1
      end
    until snapshots == 3
    child:kill()
  end)

  it("has the tables of the snapshot while others are created and deleted", function()
    local core, db = require "tidetable.core", helper.open()
    assert(db:create_table { name = "old", partition_key = "id" })
    local taken, snapshot = 0, core.snapshot
    function core.snapshot(...)
      taken = taken + 1
      if taken == 2 then
        assert(assert(db:create_table { name = "new", partition_key = "id" }):put { id = "a" })
        assert(db:delete_table "old")
      end
      return snapshot(...)
    end
    finally(function() core.snapshot = snapshot end)
    local found = exported(db)
    assert.equal(4, taken)
    assert.equal("new", found[1].Table.TableName)
    assert.same({ Item = { id = { S = "a" } } }, found[2])
    assert.same({ Items = 1, Tables = 1 }, found[3].End)
    assert.is_nil(found[4])
  end)

  it("succeeds while another process writes all the time", function()
    local core, db = require "tidetable.core", helper.open()
    local items = assert(db:create_table { name = "items", partition_key = { "id", "N" } })
    local n, snapshot = 0, core.snapshot
    finally(function() core.snapshot = snapshot end)
    function core.snapshot(...)
      n = n + 1
      assert(items:put { id = n })
      return snapshot(...)
    end
    local out = exported(db)
    assert.same({ Item = { id = { N = "1" } } }, out[2])
    assert.same({ Items = 1, Tables = 1 }, out[3].End)
  end)

  it("is imported without loss, with values of all ten types", function()
    math.randomseed(SEED)
    local db = helper.open()
    local items = assert(db:create_table { name = "items", partition_key = { "id", "N" },
      sort_key = { "at", "B" }, stream = true })
    -- A random key may come twice; the second item replaces the first.
    local stored = 0
    for _ = 1, 300 do
      local attributes = { id = values.number(), at = values.binary(values.noise(3)) }
      for _ = 1, math.random(0, 4) do
        attributes[values.text(math.random(1, 3)) .. "."] = values.any()
      end
      local item = values.map(attributes).lua
      if not items:get { id = item.id, at = item.at } then stored = stored + 1 end
      assert(items:put(item))
    end
    db:close()
    local report = { status = 0, out = "", err = stored .. " items stored in items\n" }
    local first = command.must { "export", helper.path() }
    local copy = helper.path "copy.tide"
    local ran = command.shell(("$TIDETABLE import %s --create <%s"):format(copy,
      shop.file("all.jsonl", first)))
    assert.same(report, ran, "SEED=" .. SEED)
    assert.equal(first, command.must { "export", copy }, "SEED=" .. SEED)
    local plain = items_of { "export", helper.path(), "items", "--format", "json" }
    ran = command.shell(("$TIDETABLE import %s --table items --format json <%s"):format(copy,
      shop.file("plain.jsonl", plain)))
    assert.same(report, ran, "SEED=" .. SEED)
    assert.equal(first, command.must { "export", copy }, "SEED=" .. SEED)
  end)

  it("ends without a message if its reader is gone, and reports a full disk", function()
    local path = shop.make()
    local ran = command.shell(("{ $TIDETABLE export %s; echo $? >&2; } | true"):format(path))
    assert.is_truthy(ran.err == "141\n" or ran.err == "0\n", ran.err)
    ran = command.shell(("$TIDETABLE export %s >/dev/full"):format(path))
    assert.equal(1, ran.status)
    assert.is_truthy(ran.err:find("No space left on device", 1, true), ran.err)
  end)

  -- The output does not fit into the pipe, and the time limit passes before it is read.
  it("releases its snapshot after --time-limit", function()
    local db = helper.open()
    local items = assert(db:create_table { name = "items", partition_key = { "id", "N" } })
    local list = {}
    for i = 1, 3000 do list[i] = { id = i, text = ("x"):rep(100) } end
    assert(items:load(list))
    db:close()
    local ran = command.shell(("{ $TIDETABLE export %s --time-limit 0; echo $? >&2; } "
      .. "| { sleep 0.3; cat; }"):format(helper.path()))
    assert.is_truthy(ran.err:find("time limit", 1, true), ran.err)
    assert.is_truthy(ran.err:find "\n1\n$", ran.err)
    assert.is_nil(ran.out:find('"End"', 1, true))
  end)

  it("writes the file of -o when it is complete", function()
    local path, file = shop.make(), helper.path "out.jsonl"
    assert.equal("", command.must { "export", path, "-o", file })
    local whole = shop.read "out.jsonl"
    assert.equal(10, #trees(whole))
    command.must { "put", path, "orders", "customer=x", "placed_at=1", "t=" .. ("x"):rep(5000) }
    local ran = command.shell(("ulimit -f 2; $TIDETABLE export %s -o %s"):format(path, file))
    assert.equal(1, ran.status)
    assert.is_truthy(ran.err:find("File too large", 1, true), ran.err)
    assert.equal(whole, shop.read "out.jsonl")
    command.refuses(1, "did you mean orders?", { "export", path, "order", "-o", file })
    assert.equal(whole, shop.read "out.jsonl")
    for name in require "lfs".dir(path:match "^(.*)/") do
      assert.is_nil(name:find("-part", 1, true), name)
    end
    command.must { "export", path, "-o", "/dev/null" }
    assert.equal("char device", require "lfs".attributes("/dev/null", "mode"))
    command.refuses(1, "No space left on device", { "export", path, "-o", "/dev/full" })
    command.refuses(1, "nowhere", { "export", path, "-o", helper.path "nowhere/out.jsonl" })
    local items = command.run { "export", path, "orders", "--format", "json", "-o", file }
    assert.same({ status = 0, out = "", err = "7 items exported\n" }, items)
  end)

  it("leaves the older file when it is killed", function()
    local db = helper.open()
    local items = assert(db:create_table { name = "items", partition_key = { "id", "N" } })
    local list = {}
    for i = 1, 3000 do list[i] = { id = i, text = ("x"):rep(1000) } end
    assert(items:load(list))
    db:close()
    local file = shop.file("out.jsonl", "old")
    for _, signal in ipairs { "KILL", "TERM" } do
      local ran = command.shell(([[{ exec $TIDETABLE export %s -o %s; } & export=$!
        until ls %s-part* >/dev/null 2>&1 || ! kill -0 $export; do :; done
        kill -%s $export; wait $export; echo $?]]):format(helper.path(), file, file, signal))
      assert.is_truthy(ran.out:find "^1[34][37]\n$", ran.out)
      assert.equal("old", shop.read "out.jsonl")
    end
  end)
end)
