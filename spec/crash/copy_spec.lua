-- copy_spec.lua - copies and compactions, killed at any point.
--
--   make crash CYCLES=1000 SEED=n
--
-- Each cycle a process copies a database, over an old copy or to a free name, or compacts it in
-- place; and is killed at a random moment of that. The database is whole and what it was. The
-- target is the old copy, or none where there was none, or the whole new one. What is left beside
-- it goes with the next copy that ends well.
local lfs = require "lfs"
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

local random = math.random

local KINDS = { "plain", "compact", "in place" }

describe("killed copies", function()
  local folder, path, target, log, items, copied, took, counts

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(lfs.mkdir(folder))
    path, target, log = folder .. "/db", folder .. "/copy", folder .. "/log"
    items, took = 0, {}
    counts = { before = 0, under_way = 0, after = 0, old = 0, new = 0, none = 0 }
  end)

  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  local function exists(name)
    return lfs.attributes(name, "mode") ~= nil
  end

  --- Temporary files of copies, and what lies beside them.
  local function leftovers()
    local count = 0
    for name in lfs.dir(folder) do
      count = count + (name:find("-part", 1, true) and 1 or 0)
    end
    return count
  end

  --- A few more items, at once: nobody has the lock.
  local function write()
    local db <close> = assert(tidetable.open(path, { busy_timeout = 0, durability = "none" }))
    local pad = ("x"):rep(500)
    assert(db:transact(function(tx)
      for _ = 1, random(20) do
        items = items + 1
        tx:table("items"):put { id = items, pad = pad }
      end
    end))
    return db:info()
  end

  --- The file is whole and has so many items; its info.
  local function look(name, expected)
    local db <close> = assert(tidetable.open(name, { busy_timeout = 0, durability = "none" }))
    local report = assert(db:check())
    assert.same({}, report.problems)
    assert.equal(expected, report.items)
    return db:info()
  end

  local function incarnation_of(name)
    local db <close> = assert(tidetable.open(name, { read_only = true }))
    return db:info().incarnation
  end

  local function said(word)
    local file <close> = io.open(log)
    return file and file:read("a"):find(word, 1, true) ~= nil
  end

  --- Runs the copier until it has ended, or for so many seconds from its beginning.
  local function run(kind, seconds)
    os.remove(log)
    local process = processes.start("copier", log, path, target, kind)
    local deadline = system.monotime() + 20
    while not said("begin") do
      assert(system.monotime() < deadline, "the copier does not begin")
      system.sleep(0.0005)
    end
    local began = system.monotime()
    if seconds then
      system.sleep(seconds)
      processes.kill { process }
    else
      processes.wait(process)
      assert.is_true(said("end"), "the copier failed")
      took[kind] = math.max(took[kind] or 0, system.monotime() - began)
    end
  end

  local function count_death()
    local when = said("end") and "after" or leftovers() > 0 and "under_way" or "before"
    counts[when] = counts[when] + 1
  end

  --- What a copy that was killed has left at the target: `old` was there, or nothing.
  local function check_target(source, old)
    if not exists(target) then
      assert.is_nil(old, "the old copy is gone")
      counts.none = counts.none + 1
      return
    end
    local incarnation = incarnation_of(target)
    if old and incarnation == old.incarnation then
      counts.old = counts.old + 1
      look(target, old.items)
    else
      counts.new, copied = counts.new + 1, items
      assert.not_equal(source.incarnation, incarnation)
      assert.equal(source.sequence_number, look(target, items).sequence_number)
    end
  end

  local function cycle(kind)
    local old
    if kind ~= "in place" and random(3) == 1 then
      os.remove(target)
    elseif exists(target) then
      old = { incarnation = incarnation_of(target), items = copied }
    end
    local source = write()
    run(kind, random() * took[kind] * 1.1)
    count_death()
    local now = look(path, items)
    assert.equal(source.incarnation, now.incarnation)
    assert.equal(source.sequence_number, now.sequence_number)
    if kind ~= "in place" then
      check_target(source, old)
    end
  end

  it("leave the old or the new, and never neither", function()
    print(("copies: SEED=%d CYCLES=%d"):format(SEED, CYCLES))
    math.randomseed(SEED)
    do
      local db <close> = assert(tidetable.open(path, { durability = "none" }))
      assert(db:create_table { name = "items", partition_key = { "id", "N" }, stream = true })
    end
    for _ = 1, 100 do
      write()
    end
    for _, kind in ipairs(KINDS) do
      run(kind)
    end
    copied = items
    for _ = 1, CYCLES do
      cycle(KINDS[random(#KINDS)])
      if random(10) == 1 then -- one that ends well takes away what the dead have left
        run("plain")
        copied = items
        run("in place")
        assert.equal(0, leftovers())
      end
    end
    print(("copies: killed %d before, %d under way, %d after; the target old %d times, new %d,"
      .. " none %d"):format(counts.before, counts.under_way, counts.after, counts.old, counts.new,
      counts.none))
  end)
end)
