-- processors_spec.lua - runs the programs of examples/processors beside a writer, until they have
-- handled its changes.
local lfs = require "lfs"
local testing = require "tidetable.testing"
local tidetable = require "tidetable"

local root = lfs.currentdir()

describe("the stream processor", function()
  local directory, path, children

  before_each(function()
    directory, children = os.tmpname(), {}
    os.remove(directory)
    assert(lfs.mkdir(directory))
    path = directory .. "/shop.tide"
  end)

  after_each(function()
    for _, child in ipairs(children) do child:close() end
    os.execute("rm -rf " .. directory)
  end)

  local function read(name)
    local file <close> = assert(io.open(root .. "/examples/processors/" .. name .. ".lua"))
    return file:read "a"
  end

  --- Starts a program with arguments, in a process of its own.
  local function start(name, ...)
    children[#children + 1] = testing.child("arg = { ... }\n" .. read(name), { path, ... })
    return children[#children]
  end

  local function sell()
    assert.equal(0, start("shop"):wait().status)
  end

  --- Waits until the consumer has passed the last change, and returns what f returns.
  local function after_all(name, f)
    local db <close> = assert(tidetable.open(path))
    local last, consumer = db:info().sequence_number, nil
    while not consumer do
      consumer = db:consumer(name)
    end
    assert(consumer:wait_for(last, 60))
    return f(db, consumer)
  end

  it("audit stores who changed what", function()
    sell()
    start "audit"
    local counts = after_all("audit", function(db)
      local found = { web = 0, ann = 0 }
      for entry in db:table "audit":scan() do
        found[entry.by.user] = found[entry.by.user] + 1
        assert.equal(entry.by.user == "ann" and "ticket 12" or nil, entry.by.reason)
      end
      return found
    end)
    assert.same({ web = 9, ann = 2 }, counts)
  end)

  it("totals counts each change once, also if it is started twice", function()
    start("shop"):wait()
    start "totals"
    start "totals"
    start("shop"):wait()
    local sum = after_all("totals", function(db)
      local amount = 0
      for customer in db:table "spent":scan() do amount = amount + customer.amount end
      return amount
    end)
    assert.equal(2 * (450 - 10 - 20), sum)
  end)

  it("cache removes what has changed", function()
    sell()
    local cache = directory .. "/cache"
    assert(lfs.mkdir(cache))
    start("cache", cache)
    after_all("cache", function(db)
      for id in db:table "orders":scan() do
        assert(io.open(cache .. "/" .. id.id, "w")):close()
      end
      assert(db:table "orders":update({ id = "4" }, "SET refunded = ?", { true }))
    end)
    after_all("cache", function() end)
    assert.is_nil(io.open(cache .. "/4"))
    assert.is_truthy(io.open(cache .. "/5"))
  end)

  it("outbox sends a mail for each order, and parks what can't be sent", function()
    sell()
    local outbox = start "outbox"
    local parked = after_all("mail", function(_, consumer)
      local errors = {}
      for copy in consumer:parked() do errors[#errors + 1] = copy.error end
      return errors
    end)
    assert.same({ "mailbox full: eve@example.org", "mailbox full: eve@example.org",
      "mailbox full: eve@example.org" }, parked)
    assert.matches("^to %a+@example.org, message id %d+ characters$", outbox:line())
  end)

  it("mirror has a file for each order", function()
    sell()
    local mirror = directory .. "/mirror"
    assert(lfs.mkdir(mirror))
    start("mirror", mirror)
    after_all("mirror", function(db)
      assert(db:table "orders":delete { id = "4" })
    end)
    after_all("mirror", function() end)
    local count = 0
    for name in lfs.dir(mirror) do count = count + (name:sub(1, 1) ~= "." and 1 or 0) end
    assert.equal(8, count)
    local file <close> = assert(io.open(mirror .. "/1"))
    assert.matches('"refunded":true', file:read "a")
  end)
end)
