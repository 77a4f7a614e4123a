-- address_space_spec.lua - databases in a process whose address space is limited (ulimit -v).
local command = require "spec.tidetable.cli.command"
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"

helper.setup(before_each, after_each)

local ENOUGH, TOO_LITTLE = "ulimit -v 1000000", "ulimit -v 200000"

local function limited(limit, ...)
  local words = {}
  for i, word in ipairs { ... } do words[i] = command.quote(word) end
  return command.shell(limit .. "; $TIDETABLE " .. table.concat(words, " "))
end

describe("with a small address space", function()
  if command.shell("ulimit -v 100000; " .. command.lua .. " -e ''").status ~= 0 then
    it("databases open", function()
      pending "this Lua needs more address space than the test allows (sanitizers)"
    end)
    return
  end

  local path

  before_each(function()
    local db <close> = helper.open()
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    assert(orders:put { id = "a" })
    path = helper.path()
  end)

  it("every command works", function()
    for _, words in ipairs {
      { "tables", path }, { "describe", path, "orders" }, { "stats", path },
      { "put", path, "orders", "id=b" }, { "get", path, "orders", "id=b" },
      { "scan", path, "orders" }, { "query", path, "orders", "id=a" },
      { "delete", path, "orders", "id=b" }, { "tail", path }, { "sweep", path },
      { "check", path }, { "export", path }, { "backup", path, path .. ".copy" },
      { "backup", "--compact", path, path .. ".small" }, { "compact", path },
      { "import", path .. ".new", "--create", "/dev/null" },
    } do
      local ran = limited(ENOUGH, table.unpack(words))
      assert.equal(0, ran.status, table.concat(words, " ") .. ": " .. ran.err)
    end
  end)

  it("stats reports that max_size exceeds the address space", function()
    local said = limited(ENOUGH, "stats", path).out
    assert.match("%d MiB; .*limited by the address space, max_size is 64 GiB\n", said)
    local info = dkjson.decode(limited(ENOUGH, "stats", "--json", path).out).info
    assert.equal(64 << 30, info.max_size)
    assert.is_true(info.max_bytes > 100 << 20 and info.max_bytes < 1000 << 20)
    said = limited(ENOUGH, "stats", "--max-size", "32 MiB", path).out
    assert.match("of 32 MiB; ", said)
    assert.is_nil(said:find "address space")
  end)

  it("the library opens read-only and for writing, and reports max_bytes", function()
    local child = helper.child([[
      db:close()
      for _, read_only in ipairs { true, false } do
        local db = assert(tidetable.open(path, { read_only = read_only }))
        local info = db:info()
        print(read_only, info.max_bytes < info.max_size, db:table "orders":get { id = "a" }.id)
        db:close()
      end
    ]], ENOUGH)
    assert.equal("true\ttrue\ta", child:line())
    assert.equal("false\ttrue\ta", child:line())
  end)

  it("a file that does not fit is refused with a message that names the remedy", function()
    local db <close> = helper.open()
    local orders = db:table "orders"
    local text = ("x"):rep(300000)
    for i = 1, 900 do assert(orders:put { id = "n" .. i, text = text }) end
    local ran = limited(TOO_LITTLE, "tables", path)
    assert.equal(1, ran.status)
    assert.match("needs a mapping of %d+ MiB, which does not fit in the address space", ran.err)
    assert.match("raise the limit with ulimit %-v", ran.err)
  end)
end)
