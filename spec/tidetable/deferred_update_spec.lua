-- deferred_update_spec.lua - updates of optimistic transactions that are no reads.
local helper = require "spec.tidetable.helper"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

describe("an update in an optimistic transaction", function()
  helper.setup(before_each, after_each)

  local db, items

  before_each(function()
    db = helper.open()
    items = assert(db:create_table { name = "items", partition_key = "id", stream = true })
  end)

  -- Runs f(tx table), and `meanwhile` once, before the commit. Returns the number of runs.
  local function transact(f, meanwhile, attempts)
    local runs = 0
    local ok, err = db:transact(function(tx)
      runs = runs + 1
      f(tx:table "items")
      if runs == 1 then meanwhile() end
    end, { mode = "optimistic", attempts = attempts })
    return runs, ok, err
  end

  local function add_elsewhere()
    assert(items:update({ id = "a" }, "ADD n ?", { 10 }))
  end

  it("does not conflict, and is evaluated on the item at the commit", function()
    local function add(t) t:update({ id = "a" }, "ADD n ?", { 1 }) end
    assert.equal(1, transact(add, add_elsewhere))       -- the item is created meanwhile
    assert.equal(11, items:get({ id = "a" }).n)
    assert.equal(1, transact(add, add_elsewhere))
    assert.equal(22, items:get({ id = "a" }).n)
    assert.equal(1, transact(add, function() assert(items:delete { id = "a" }) end))
    assert.equal(1, items:get({ id = "a" }).n)
  end)

  it("is evaluated again with each later one of the same item", function()
    assert.equal(1, transact(function(t)
      for i = 1, 3 do t:update({ id = "a" }, "ADD n :n SET #l = :l", {
        names = { ["#l"] = "last" }, values = { [":n"] = i, [":l"] = i } }) end
    end, add_elsewhere))
    assert.same({ id = "a", n = 16, last = 3 }, items:get { id = "a" })
  end)

  it("does not use values that the program changes after the call", function()
    local given, key = { 1, n = 1 }, { id = "a" }
    assert.equal(1, transact(function(t)
      given[1], key.id = 1, "a"
      t:update(key, "ADD n ?", given)
      given[1], key.id = 1000, "b"
    end, add_elsewhere))
    assert.equal(11, items:get({ id = "a" }).n)
    assert.is_nil(items:get { id = "b" })
  end)

  it("is a read if the transaction reads the item, before or after", function()
    local function put_elsewhere() assert(items:put { id = "a", n = math.random(1000) }) end
    for name, f in pairs {
      before = function(t)
        t:get { id = "a" }
        t:update({ id = "a" }, "ADD n ?", { 1 })
      end,
      after = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1 })
        t:get { id = "a" }
      end,
      query = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1 })
        helper.collect(t:query "a")
      end,
      page = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1 })
        t:scan_page()
      end,
      condition = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1 })
        t:update({ id = "a" }, "ADD n ?", { 1, condition = "attribute_exists(id)" })
      end,
      returned = function(t)
        t:update({ id = "a" }, "ADD n ?", { 1, return_values = "ALL_NEW" })
      end,
      table_value = function(t)
        t:update({ id = "a" }, "SET l = ?", { { "a list" } })
      end,
    } do
      put_elsewhere()
      assert.equal(2, transact(f, put_elsewhere), name)
    end
  end)

  it("that changed nothing conflicts if the item appears", function()
    assert.equal(2, transact(function(t)
      t:update({ id = "a" }, "REMOVE x")
      t:put { id = "b" }
    end, function()
      assert(items:put { id = "a", x = 1 })
    end))
    assert.same({ id = "a" }, items:get { id = "a" })
  end)

  it("raises if it can't be applied to the item at the commit, and stores nothing", function()
    local err = helper.raises("VALIDATION", function()
      transact(function(t)
        t:put { id = "b" }
        t:update({ id = "a" }, "ADD n ?", { 1 })
      end, function() assert(items:put { id = "a", n = "text" }) end)
    end)
    assert.is_truthy(err.message:find "ADD" or err.message:find "type", err.message)
    assert.is_nil(items:get { id = "b" })
    assert.equal("text", items:get({ id = "a" }).n)
  end)

  it("is made after a put of the same transaction", function()
    assert.equal(1, transact(function(t)
      t:put { id = "a", n = 100 }
      t:update({ id = "a" }, "ADD n ?", { 1 })
    end, add_elsewhere))
    assert.equal(101, items:get({ id = "a" }).n)
    assert.equal(1, transact(function(t)
      t:update({ id = "a" }, "ADD n ?", { 1 })
      t:put { id = "a", n = 7 }
      t:update({ id = "a" }, "ADD n ?", { 1 })
      t:delete { id = "a" }
      t:update({ id = "a" }, "ADD n ?", { 5 })
    end, add_elsewhere))
    assert.equal(5, items:get({ id = "a" }).n)
  end)

  it("adds up with those of others, whatever the order", function()
    math.randomseed(SEED)
    local sum = {}
    local function add(t, opts)
      for _ = 1, math.random(5) do
        local id, n = tostring(math.random(3)), math.random(100)
        sum[id] = (sum[id] or 0) + n
        if opts then assert(t:update({ id = id }, "ADD n ?", { n }))
        else t:update({ id = id }, "ADD n ?", { n }) end
      end
    end
    for _ = 1, 300 do
      assert.equal(1, transact(add, function() add(items, true) end), "SEED=" .. SEED)
    end
    for id, n in pairs(sum) do
      assert.equal(n, items:get({ id = id }).n, "SEED=" .. SEED)
    end
    assert.same({}, assert(db:check()).problems)
  end)
end)
