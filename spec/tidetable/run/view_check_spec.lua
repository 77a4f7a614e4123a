-- view_check_spec.lua - `tidetable run --check-views`, and `--once` with views.
local runtime = require "spec.tidetable.run.runtime"

local SCRIPT = [[return {
  { kind = "view", name = "by_parity", from = "orders", table = { partition_key = "parity" },
    key = function(item) return { parity = item.n %% 2 == 0 and "even" or "odd" } end,
    reduce = { add = function(group, item) group.total = (group.total or 0) + item.n %s end,
      remove = function(group, item) group.total = group.total - item.n end } },
  { name = "others", source = "orders", handler = function() end },
}]]

describe("run --check-views", function()
  runtime.setup(before_each, after_each)

  local db, orders

  before_each(function()
    db, orders = runtime.database()
  end)

  local function start(option, change)
    return runtime.start { runtime.write("p.lua", SCRIPT:format(change or "")), option }
  end

  it("compares the views of the script with their sources", function()
    start("--check-views"):ends(4, "view by_parity: ")
    runtime.put(orders, 1, 20)
    start "--once":ends(0)
    assert.equal(110, db:table "by_parity":get { parity = "even" }.total)
    start "--check-views":ends(0)
    assert(db:table "by_parity":put { parity = "even", total = 111 })
    start "--check-views":ends(1)
    assert(db:table "by_parity":put { parity = "even", total = 110 })
    start("--check-views", "+ 1"):ends(1)
    start "--check-views":ends(0)
  end)

  it("fails without a view, and with functions that fail or exit", function()
    runtime.start { runtime.write("h.lua", runtime.counting "c"), "--check-views" }
      :ends(2, "h.lua: the script defines no view")
    runtime.put(orders, 1, 4)
    start "--once":ends(0)
    start("--check-views", "os.exit(3)"):ends(2, "exited with status 3")
    start("--check-views", "error 'boom'"):ends(4, "boom")
  end)

  it("excludes the other modes", function()
    runtime.start { runtime.write("p.lua", SCRIPT:format ""), "--check-views", "--once" }
      :ends(2, "exclude each other")
  end)
end)
