-- report_spec.lua - checks and their reports, as documented in doc/modules/report.md.
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local refused = helper.refused

local function make(path)
  local db = helper.open(nil, path)
  local orders = assert(db:create_table { name = "orders", partition_key = "customer",
    sort_key = { "placed_at", "N" }, stream = true })
  for i = 1, 20 do
    assert(orders:put { customer = "ann", placed_at = i, text = "needle" .. i .. "." })
  end
  db:close()
  return path or helper.path()
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local function write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  file:write(bytes)
end

local function count_files()
  local count = 0
  for _ in lfs.dir(helper.path(".")) do count = count + 1 end
  return count
end

describe("tidetable.check", function()
  it("finds nothing in a valid file, and creates no other file", function()
    local path = make()
    os.remove(path .. "-lock")
    os.remove(path .. "-wake")
    local files = count_files()
    for _, options in ipairs { {}, { isolate = true }, { isolate = true, stall_timeout = 5 } } do
      local report = assert(tidetable.check(path, options))
      assert.is_true(report.ok)
      assert.are.same({}, report.problems)
      assert.are.same({}, report.findings)
      assert.equal(20, report.items)
      assert.equal(20, report.records)
      assert.equal(0, report.pages_leaked)
      assert.is_true(report.pages > 5 and report.commit > 20)
    end
    assert.equal(files, count_files())
  end)

  it("runs in a child process and waits as the options say", function()
    local core, path, asked = require "tidetable.core", make(), {}
    local check_file = core.check_file
    finally(function() core.check_file = check_file end)
    function core.check_file(...)
      asked[#asked + 1] = { select(2, ...) }
      return check_file(...)
    end
    for _, options in ipairs { {}, { isolate = true }, { isolate = true, stall_timeout = 5 } } do
      assert(tidetable.check(path, options))
    end
    assert.are.same({ {}, { 60 }, { 5 } }, asked)
  end)

  it("names every damaged row: tree, table, key and page", function()
    local path = make()
    local damaged = read(path):gsub("needle7%.", "needlE7."):gsub("needle13%.", "needlE13.")
    write(path, damaged)
    local report = assert(tidetable.check(path))
    assert.is_false(report.ok)
    local named = {}
    for i, finding in ipairs(report.findings) do
      if finding.tree == "items" then named[finding.key] = finding end
      assert.equal("orders", finding.table)
      assert.equal(1, finding.invariant)
      assert.is_true(finding.page > 1)
      assert.equal("1: " .. finding.message, report.problems[i])
    end
    assert.equal(4, #report.findings)
    assert.is_truthy(named['customer = "ann", placed_at = 7'])
    assert.is_truthy(named['customer = "ann", placed_at = 13'])
    assert.are.same(report.problems, assert(tidetable.check(path, { isolate = true })).problems)
  end)

  it("reads files that cannot be opened", function()
    local path = make()
    local whole = read(path)
    write(path, ("\0"):rep(4096) .. whole:sub(4097))
    local report = assert(tidetable.check(path))
    assert.is_false(report.ok)
    assert.is_truthy(report.problems[1]:find("damaged meta page 0", 1, true))
    write(path, whole:sub(1, 4096 * 5))
    report = assert(tidetable.check(path))
    assert.is_true(report.problem_count > 0)
    write(path, whole:sub(1, 4096) .. ("\0"):rep(#whole - 4096))
    report = assert(tidetable.check(path))
    assert.is_false(report.ok)
  end)

  it("returns an error if both meta pages are damaged", function()
    local path = make()
    local whole = read(path)
    for _, at in ipairs { 80, 4096 + 80 } do
      whole = whole:sub(1, at) .. ("\xfe"):rep(8) .. whole:sub(at + 9)
    end
    write(path, whole)
    for _, options in ipairs { {}, { isolate = true } } do
      local err = refused("CORRUPT", tidetable.check(path, options))
      assert.is_truthy(err.message:find("^both meta pages of .* are damaged"), err.message)
    end
  end)

  it("refuses a file that is not a database", function()
    for _, isolate in ipairs { false, true } do
      local err = refused("NO_FILE", tidetable.check(helper.path("none"),
        { isolate = isolate, stall_timeout = isolate and math.huge or nil }))
      assert.equal(("the database %s does not exist"):format(helper.path("none")), err.message)
    end
    write(helper.path("text"), ("a text, and no database\n"):rep(1000))
    refused("NOT_DATABASE", tidetable.check(helper.path("text")))
    assert.has_error(function() tidetable.check() end)
    assert.has_error(function() tidetable.check("x", { isolatee = true }) end)
    assert.has_error(function() tidetable.check("") end)
    for _, given in ipairs { { stall_timeout = 5 }, { stall_timeout = 5, isolate = false } } do
      helper.misuse('check: option "stall_timeout" requires option "isolate"', tidetable.check, "x",
        given)
    end
  end)

  it("finds nothing while others write", function()
    local path = make()
    helper.open():table("orders"):stream():set_retention { count = 100 }
    local writer = helper.child [[
      local orders = db:table "orders"
      print "in"
      local n = 0
      while true do
        n = n + 1
        orders:put { customer = "bob", placed_at = n % 50, text = ("x"):rep(n % 900) }
        if n % 3 == 0 then orders:delete { customer = "bob", placed_at = n % 7 } end
      end
    ]]
    assert.equal("in", writer:line())
    for i = 1, 12 do
      local report = assert(tidetable.check(path, { isolate = i % 4 == 0 }))
      assert.are.same({}, report.problems)
    end
    local db = helper.open()
    for _ = 1, 12 do
      assert.are.same({}, assert(db:check()).problems)
    end
    writer:kill()
    assert.are.same({}, assert(tidetable.check(path)).problems)
  end)
end)

--- Makes a database whose check takes some time.
local function many()
  local db = helper.open()
  local orders = assert(db:create_table { name = "orders", partition_key = "id" })
  local n = 0
  assert(orders:load(function()
    n = n + 1
    return n <= 20000 and { id = tostring(n), text = ("x"):rep(200) } or nil
  end))
  return db
end

-- The child process of a check is stopped by the test, so that the check does not end before.
describe("waiting for a check", function()
  local function shell(...)
    os.execute((...):format(select(2, ...)))
  end

  --- Returns the child process of a check, stopped.
  local function stopped_child(pid)
    while true do
      local walker = assert(helper.child_of(pid))
      shell("kill -STOP %s 2>/dev/null", walker)
      local ok, stat = pcall(read, "/proc/" .. walker .. "/stat")
      if ok and stat and stat:find "%) T " then return walker end
    end
  end

  local function checker(before)
    many():close()
    return helper.child((before or "") .. [[
      local function is_over()
        local file <close> = io.open(path .. ".over")
        return file
      end
      print "in"
      repeat
        local report = assert(tidetable.check(path, { isolate = true }))
        assert(report.ok, report.problems[1])
      until is_over()
      print "over"]])
  end

  local handles_signals = [[
    local uv = require "luv"
    local count = 0
    for _, name in ipairs { "sigwinch", "sigalrm", "sigint", "sigcont", "sigchld" } do
      uv.new_signal():start(name, function() count = count + 1 end)
    end
  ]]

  it("continues after a signal that the program handles, and after a stop", function()
    local child = checker(handles_signals)
    assert.equal("in", child:line())
    local walker = stopped_child(child.pid)
    shell("for i in $(seq 200); do kill -ALRM %d; kill -WINCH %d; sleep 0.001; done",
      child.pid, child.pid)
    shell("kill -INT %d %s", child.pid, walker)        -- Ctrl-C, which the program handles
    shell("kill -STOP %d; sleep 0.1; kill -CONT %d", child.pid, child.pid)
    write(helper.path "test.tide.over", "")
    shell("kill -CONT %s", walker)
    assert.equal("over", child:line())
    child:close()
  end)

  it("ends at Ctrl-C in a plain script", function()
    local child = checker()
    assert.equal("in", child:line())
    local walker = stopped_child(child.pid)
    shell("kill -INT %d", child.pid)
    local said = child:output()
    assert.is_truthy(said:find("interrupted!", 1, true), said)
    assert.is_nil(lfs.attributes("/proc/" .. walker .. "/exe"))
  end)
end)

describe("during a check", function()
  -- All functions that check, with a `wait` function.
  local function ways(wait)
    many():close()
    return {
      function() return tidetable.check(helper.path(), { wait = wait }) end,
      function() return tidetable.check(helper.path(), { isolate = true, wait = wait }) end,
      function() return helper.open({ wait = wait }):check() end,
    }
  end

  it("the program's `wait` function runs", function()
    local waited, ended
    for _, way in ipairs(ways(function(wakeup, seconds)
      waited = waited + 1
      assert.equal("integer", math.type(wakeup:pollfd()))
      assert.equal("r", wakeup:events())
      assert.is_true(seconds <= 1 and wakeup:timeout() <= 1)
      wakeup:clear()
      ended = wakeup:wait(seconds)
    end)) do
      waited = 0
      assert.is_true(assert(way()).ok)
      assert.is_true(waited > 0 and ended)
    end
  end)

  it("an error in the program's `wait` function ends the check", function()
    for _, way in ipairs(ways(function() error("enough", 0) end)) do
      assert.same({ false, "enough" }, { pcall(way) })
    end
  end)

  it("an event loop runs", function()
    local cqueues = require "cqueues"
    for _, way in ipairs(ways(nil)) do
      local loop, ticks, report = cqueues.new(), 0, nil
      loop:wrap(function() report = assert(way()) end)
      loop:wrap(function()
        while not report do
          ticks = ticks + 1
          cqueues.sleep(0)
        end
      end)
      assert(loop:loop())
      assert.is_true(report.ok and ticks > 0)
    end
  end)

  it("the database can be closed", function()
    local db = many()
    db.wait = function() db:close() end
    helper.raises("CLOSED", db.check, db)
  end)
end)
