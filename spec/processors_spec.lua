-- processors_spec.lua - runs each program of examples/processors and a writer, until the program
-- has processed the changes of the writer.
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

  --- Starts a program in its own process.
  local function start(name, ...)
    children[#children + 1] = testing.child("arg = { ... }\n" .. read(name), { path, ... })
    return children[#children]
  end

  local function sell()
    assert.equal(0, start("shop"):wait().status)
  end

  --- Waits until the consumer has processed the last change. Returns what f returns.
  local function after_all(name, f)
    local db <close> = assert(tidetable.open(path))
    local last = db:info().sequence_number
    local consumer = testing.eventually(function() return db:consumer(name) end, 60)
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

  it("totals counts each change once, also with two workers", function()
    sell()
    start "totals"
    start "totals"
    sell()
    local sum = after_all("totals", function(db)
      local amount = 0
      for customer in db:table "spent":scan() do amount = amount + customer.amount end
      return amount
    end)
    assert.equal(2 * (450 - 10 - 20), sum)
  end)

  it("cache removes the entries of changed orders", function()
    sell()
    local cache = directory .. "/cache"
    assert(lfs.mkdir(cache))
    start("cache", cache)
    after_all("cache", function(db)
      for order in db:table "orders":scan() do
        assert(io.open(cache .. "/" .. order.id, "w")):close()
      end
      assert(db:table "orders":update({ id = "7" }, "SET refunded = ?", { true }))
    end)
    after_all("cache", function() end)
    assert.is_nil(lfs.attributes(cache .. "/7"))
    assert.is_truthy(lfs.attributes(cache .. "/8"))
  end)

  it("outbox sends a mail for each order, and parks the orders whose mail fails", function()
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
      assert(db:table "orders":delete { id = "7" })
    end)
    after_all("mirror", function() end)
    local count = 0
    for name in lfs.dir(mirror) do count = count + (name:sub(1, 1) ~= "." and 1 or 0) end
    assert.equal(8, count)
    local file <close> = assert(io.open(mirror .. "/4"))
    assert.matches('"refunded":true', file:read "a")
  end)
end)
