-- library_error_spec.lua - how a command shows an error of the library.
local console = require "tidetable.cli.console"
local helper = require "spec.tidetable.helper"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"

helper.setup(before_each, after_each)

local function failure(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.is_true(console.is_failure(err), tostring(err))
  return err
end

describe("an error of the library", function()
  it("ends the command, with the path and a hint", function()
    local db = helper.open()
    assert(db:create_table { name = "orders", partition_key = "id" })
    local holder = helper.child [[
      db:transact(function() print "locked" os.execute "sleep 60" end, { time_limit = 60 })
    ]]
    assert.equal("locked", holder:line())
    local writer <close> = open.database({ database = helper.path() },
      { busy_timeout = 0, durability = "none" })
    local err = failure(library_error.check, "shop.tide", writer:sweep())
    assert.truthy(err.message:find("^shop.tide: another writer holds the database"), err.message)
    assert.truthy(err.hint:find("^process " .. holder.pid .. " is writing: try again"), err.hint)
    assert.are.same({ 7, nil, 8 }, { library_error.check("x", 7, nil, 8) })
    assert.is_nil(library_error.check("x", nil))
  end)
end)

describe("a transaction", function()
  it("returns its result and errors of the library, and raises all others", function()
    local db = helper.memory()
    local orders = assert(db:create_table { name = "orders", partition_key = "id" })
    assert.equal(7, (library_error.transact(db, function() return 7 end)))
    local result, err = library_error.transact(db, function(tx)
      tx:table("orders"):put { id = "a" }
      tx:table("orders"):put { no = "key" }
    end)
    assert.is_nil(result)
    assert.equal("VALIDATION", err.code)
    assert.is_nil(orders:get { id = "a" })
    assert.error_matches(function()
      library_error.transact(db, function() error "a bug" end)
    end, "a bug")
  end)
end)

describe("an error PERMISSION", function()
  local function hint(message)
    return failure(library_error.fail, "x", { code = "PERMISSION", message = message }).hint
  end

  it("has a hint about the owner, the directory or the link", function()
    for _, said in ipairs { "x is owned by another user", "/x can't be opened: denied" } do
      assert.match("^a database belongs to one user: run the command as its owner", hint(said))
    end
    assert.match("copy the database, while it is not open, to a directory of your own",
      hint "/ro/x-wake can't be created: Read-only file system")
    assert.match("directory is not writable", hint "/ro/x-part01234567 can't be created: ...")
    for _, kind in ipairs { "symbolic", "hard" } do
      local path = helper.path()
      helper.open():close()
      local made = ("ln %s %s %s2"):format(kind == "hard" and "" or "-s", path, path)
      assert.is_true(os.execute(made))
      local err = failure(open.database, { database = path .. "2" })
      assert.match(kind .. " link", err.message)
      assert.equal("give the path of the file itself", err.hint)
      os.remove(path .. "2")
    end
  end)
end)

-- Most messages contain an e, so a database named e was not added to them.
describe("the path in a message", function()
  local function message(path, said)
    return failure(library_error.fail, path, { code = "STORE", message = said }).message
  end

  it("is added unless the message contains it", function()
    for path, said in pairs {
      e = "the lock is held: try again",
      ["shop.tide"] = "the table shop.tides is gone",
      ["a/b-c"] = "b-cd is another",
      ["/tmp/"] = "/tmp/x is not a database",
    } do
      assert.equal(path .. ": " .. said, message(path, said))
    end
  end)

  it("is not repeated, relative or absolute", function()
    for said, path in pairs {
      ["e is empty"] = "e",
      ["/tmp/x/e: the disk is full"] = "e",
      ["the database /tmp/x/e does not exist"] = "e",
      ["the last commit to /tmp/x/b-c%"] = "../b-c%",
      ["/tmp/x/shop.tide is not a regular file"] = "x/shop.tide",
      ["/tmp/x/shop.tide-wake can't be created"] = "shop.tide",
    } do
      assert.equal(said, message(path, said))
    end
  end)
end)

describe("a hint", function()
  it("says what the user can do", function()
    for code, hint in pairs {
      BUSY = "try again, or wait longer with --busy-timeout",
      NOT_DATABASE = "a database is a file that tidetable.open created",
      NEWER_FORMAT = "use a newer tidetable",
      OLDER_FORMAT = "export it with the tidetable",
      FOREIGN_FORMAT = "a machine of the architecture that wrote it",
      PERMISSION = "run the command as its owner",
      CORRUPT = "'tidetable check' lists the damage",
      FULL = "'tidetable stats' shows how full it is",
      NAMESPACE = "must share their PID namespace",
      READERS_FULL = "'tidetable check' clears the slots of dead processes",
    } do
      local err = failure(library_error.fail, "shop.tide",
        { code = code, message = "it failed" })
      assert.equal("shop.tide: it failed", err.message)
      assert.is_truthy(err.hint:find(hint, 1, true), err.hint)
      assert.equal("mine",
        failure(library_error.fail, "x", { code = code, message = "m" }, "mine").hint)
    end
    assert.is_nil(failure(library_error.fail, "x", { code = "STORE", message = "m" }).hint)
    for code, status in pairs { STREAM_ENDED = 3, FILE_GONE = 4, FILE_REPLACED = 4 } do
      assert.equal(status, failure(library_error.fail, "x", { code = code, message = "m" }).status)
    end
    assert.is_nil(failure(library_error.fail, "x", { code = "STORE", message = "m" }).status)
  end)
end)
