-- copy_spec.lua - copies and compactions, killed at random times.
--
--   make crash CYCLES=1000 SEED=n
--
-- In each cycle a process copies a database, over an old copy or to a new name, or compacts it
-- in place, and is killed at a random time. The database must be sound and unchanged. The
-- target must be the old copy, or missing if there was none, or the complete new copy. The next
-- copy that succeeds removes the temporary files that are left.
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
    folder = processes.create_folder()
    path, target, log = folder .. "/db", folder .. "/copy", folder .. "/log"
    items, took = 0, {}
    counts = { before = 0, under_way = 0, after = 0, old = 0, new = 0, none = 0 }
  end)

  after_each(function()
    processes.clean_up(folder)
  end)

  local function exists(name)
    return lfs.attributes(name, "mode") ~= nil
  end

  --- Returns the number of temporary files of copies.
  local function leftovers()
    local count = 0
    for name in lfs.dir(folder) do
      count = count + (name:find("-part", 1, true) and 1 or 0)
    end
    return count
  end

  --- Adds a few items. It must not wait, because no process holds the lock.
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

  --- Checks that the file is sound and has this number of items. Returns its info.
  local function check_file(name, expected)
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

  local function logged(word)
    local file <close> = io.open(log)
    return file and file:read("a"):find(word, 1, true) ~= nil
  end

  --- Runs the copier until it exits, or kills it this many seconds after its start.
  local function run(kind, seconds)
    os.remove(log)
    local process = processes.start("copier", log, path, target, kind)
    processes.wait_until(20, "the copier", function() return logged("begin") end)
    local began = system.monotime()
    if seconds then
      system.sleep(seconds)
      processes.kill { process }
    else
      processes.wait(process)
      assert.is_true(logged("end"), "the copier failed")
      took[kind] = math.max(took[kind] or 0, system.monotime() - began)
    end
  end

  local function count_death()
    local when = logged("end") and "after" or leftovers() > 0 and "under_way" or "before"
    counts[when] = counts[when] + 1
  end

  --- Checks what a killed copy has left at the target; `old` is the copy that existed, or nil.
  local function check_target(source, old)
    if not exists(target) then
      assert.is_nil(old, "the old copy no longer exists")
      counts.none = counts.none + 1
      return
    end
    local incarnation = incarnation_of(target)
    if old and incarnation == old.incarnation then
      counts.old = counts.old + 1
      check_file(target, old.items)
    else
      counts.new, copied = counts.new + 1, items
      assert.not_equal(source.incarnation, incarnation)
      assert.equal(source.sequence_number, check_file(target, items).sequence_number)
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
    local now = check_file(path, items)
    assert.equal(source.incarnation, now.incarnation)
    assert.equal(source.sequence_number, now.sequence_number)
    if kind ~= "in place" then
      check_target(source, old)
    end
  end

  it("leave the old copy or the new one", function()
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
      if random(10) == 1 then -- a copy that succeeds removes the temporary files of killed ones
        run("plain")
        copied = items
        run("in place")
        assert.equal(0, leftovers())
      end
    end
    print(("copies: killed %d before, %d during the copy, %d after; the target old %d times, "
      .. "new %d, none %d"):format(counts.before, counts.under_way, counts.after, counts.old,
      counts.new, counts.none))
  end)
end)
