-- diff_spec.lua - `tidetable diff`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local shop = require "spec.tidetable.cli.shop"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

--- Returns the paths of a shop and of a copy of it.
local function shops()
  local path, copy = shop.make(), helper.path "copy.tide"
  local db <close> = assert(tidetable.open(path))
  assert(db:backup(copy))
  return path, copy
end

local function change(path, f)
  local db <close> = assert(tidetable.open(path))
  f(db)
end

describe("diff", function()
  it("shows nothing and ends with status 0 for equal databases", function()
    local path, copy = shops()
    assert.equal("", command.must { "diff", path, copy })
    assert.equal("files: 1 equal\norders: 6 equal\n",
      command.must { "diff", path, copy, "--summary" })
  end)

  it("shows items that only one has, and both forms of those that differ, with status 1",
    function()
      local path, copy = shops()
      change(copy, function(db)
        local orders = db:table "orders"
        assert(orders:delete { customer = "ann", placed_at = 1 })
        assert(orders:update({ customer = "ann", placed_at = 2 }, "SET #t = ?",
          { 5, names = { ["#t"] = "total" } }))
        assert(orders:put { customer = "zoe", placed_at = 1 })
      end)
      local ran = command.run { "diff", path, copy }
      assert.equal(1, ran.status)
      assert.equal(table.concat({
        "@@ orders @@",
        '-{"customer":"ann","placed_at":1,"status":"open","total":1.5}',
        '-{"customer":"ann","placed_at":2,"status":"open","total":3}',
        '+{"customer":"ann","placed_at":2,"status":"open","total":5}',
        '+{"customer":"zoe","placed_at":1}', "" }, "\n"), ran.out)
      ran = command.run { "diff", path, copy, "--summary" }
      assert.equal(1, ran.status)
      assert.equal("files: 1 equal\n"
        .. "orders: 1 only in the first, 1 only in the second, 1 different, 4 equal\n", ran.out)
      ran = command.run { "diff", path, copy, "orders", "--json", "--format", "dynamodb" }
      assert.equal(1, ran.status)
      assert.equal('{"table":"orders","difference":"ONLY_FIRST",'
        .. '"key":{"customer":{"S":"ann"},"placed_at":{"N":"1"}},'
        .. '"first":{"customer":{"S":"ann"},"placed_at":{"N":"1"},"status":{"S":"open"},'
        .. '"total":{"N":"1.5"}}}', ran.out:match "^[^\n]*")
      ran = command.run { "diff", path, copy, "--quiet" }
      assert.equal(1, ran.status)
      assert.equal("", ran.out)
      ran = command.run { "diff", path, copy, "--limit", "1" }
      assert.equal(1, ran.status)
      assert.equal(2, select(2, ran.out:gsub("\n", "")))
      assert.equal("stopped after 1 difference\n", ran.err)
      assert.equal("", command.must { "diff", path, copy, "files" })
    end)

  it("shows tables and definitions that differ", function()
    local path, copy = shops()
    change(copy, function(db)
      assert(db:delete_table "files")
      assert(db:table("orders"):alter { ttl = "expires", stream = false })
    end)
    local ran = command.run { "diff", path, copy }
    assert.equal(1, ran.status)
    assert.equal(table.concat({
      "@@ files @@", "-table files", "@@ orders @@", "-ttl: none", "+ttl: expires",
      "-stream: KEYS_ONLY, retention 7d, holds 7d, 1 GiB", "+stream: none", "" }, "\n"), ran.out)
    ran = command.run { "diff", path, copy, "--summary" }
    assert.equal("files: the table is only in the first\n"
      .. "orders: the definitions differ, 6 equal\n", ran.out)
    ran = command.run { "diff", copy, path, "--json" }
    assert.equal('{"table":"files","difference":"ONLY_SECOND"}\n'
      .. '{"table":"orders","difference":"DEFINITION","parts":["ttl","stream"]}\n', ran.out)
  end)

  it("compares two tables", function()
    local path = shops()
    change(path, function(db)
      local copy = assert(db:create_table { name = "orders2", partition_key = "customer",
        sort_key = { "placed_at", "N" }, stream = { view_type = "KEYS_ONLY", retention = "7d" } })
      for item in db:table("orders"):scan() do assert(copy:put(item)) end
    end)
    assert.equal("", command.must { "diff", path, path, "orders", "--other-table", "orders2" })
    command.refuses(2, "have other key attributes",
      { "diff", path, path, "orders", "--other-table", "files" })
  end)

  it("ends with status 2 if it can't compare", function()
    local path, copy = shops()
    command.refuses(2, "does not exist", { "diff", path, copy .. "x" })
    command.refuses(2, "does not exist", { "diff", path .. "x", copy })
    command.refuses(2, "no table order in either database", { "diff", path, copy, "order" })
    command.refuses(2, "name the same database", { "diff", path, path })
    command.refuses(2, "is not a tidetable database",
      { "diff", path, shop.file("text", ("x"):rep(9000)) })
    command.refuses(2, "exactly one table", { "diff", path, copy, "--other-table", "orders" })
  end)
end)
