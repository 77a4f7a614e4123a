-- crash_spec.lua - writers, followers and a trimmer, killed at random times.
--
--   make crash CYCLES=1000 SEED=n
--
-- In each cycle two writers, two followers and a trimmer, each a process, use one file, and some
-- or all of them are killed at a random time. Every acknowledged change must be found as an item
-- and, in commit order, as a record. An unfinished transaction is complete or missing. Followers
-- must have received every record once, in order.
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local CHECK_EVERY = 10

local random = math.random
local folder

local function at(name)
  return folder .. "/" .. name
end

--- Returns the complete lines of a file after a position, and the position after them.
local function new_lines(path, place)
  local file = io.open(path)
  if not file then
    return {}, place
  end
  file:seek("set", place)
  local text = file:read("a")
  file:close()
  local whole = text:match("^.*\n") or ""
  local lines = {}
  for line in whole:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  return lines, place + #whole
end

-- Writers ---------------------------------------------------------------------------------------

local counts

local function new_writer(name)
  return { name = name, log = at(name), place = 0, next = 1, items = { one = {}, two = {} },
    expected = {} }
end

local function parse_begin(line)
  local n, rest = line:match("^b (%d+)(.*)$")
  local change = { n = math.tointeger(tonumber(n)), changes = {} }
  for kind, name, id, pad in rest:gmatch(";(%u) (%w+) (%d+) (%d+)") do
    change.changes[#change.changes + 1] = { table = name, id = math.tointeger(tonumber(id)),
      pad = kind == "P" and math.tointeger(tonumber(pad)) or nil }
  end
  return change
end

--- Applies a change to the expected items of a writer, and adds the records that it must leave.
local function apply(writer, change)
  for _, each in ipairs(change.changes) do
    local items = writer.items[each.table]
    local old = items[each.id]
    local new = each.pad and { n = change.n, pad = each.pad } or nil
    items[each.id] = new
    -- Putting an equal item twice in one transaction is one change.
    if old ~= new and not (old and new and old.n == new.n and old.pad == new.pad) then
      writer.expected[#writer.expected + 1] = { table = each.table, id = each.id,
        event = not old and "INSERT" or not new and "REMOVE" or "MODIFY",
        old = old and old.n, new = new and new.n }
    end
  end
end

--- Reads the new lines of a writer's log, and applies the acknowledged changes. A change without a
--- result is stored in writer.unknown.
local function read_writer(writer)
  local lines
  lines, writer.place = new_lines(writer.log, writer.place)
  for _, line in ipairs(lines) do
    local kind = line:sub(1, 1)
    if kind == "b" then
      writer.unknown = parse_begin(line)
      writer.next = writer.unknown.n + 1
    elseif kind == "a" then
      assert.equal(writer.unknown.n, math.tointeger(tonumber(line:match("%d+"))))
      apply(writer, writer.unknown)
      writer.unknown = nil
      counts.acknowledged = counts.acknowledged + 1
    else
      error(writer.name .. " failed: " .. line)
    end
  end
end

local function same_change(expected, record)
  local old, new = record.old_image, record.new_image
  return expected.table == record.table_name and expected.id == record.keys.id and
    expected.event == record.event_name and expected.old == (old and old.n) and
    expected.new == (new and new.n)
end

local function described(change)
  if type(change) == "table" then
    return ("%s %s %d, n from %s to %s"):format(change.event, change.table, change.id, change.old,
      change.new)
  elseif change then
    local old, new = change.old_image, change.new_image
    return ("%s %s %d, n from %s to %s, sequence number %d"):format(change.event_name,
      change.table_name, change.keys.id, old and old.n, new and new.n, change.sequence_number)
  end
  return "none"
end

--- Checks that the records of a writer are exactly the expected ones, in order.
local function check_records(writer, records)
  local known = #writer.expected
  if writer.unknown and #records > known then
    apply(writer, writer.unknown)
    counts.unfinished_kept = counts.unfinished_kept + 1
  elseif writer.unknown then
    counts.unfinished_lost = counts.unfinished_lost + 1
  end
  for i, expected in ipairs(writer.expected) do
    if not records[i] or not same_change(expected, records[i]) then
      counts.lost = counts.lost + 1
      error(("%s: record %d of %d is missing or different: %s; found %s"):format(writer.name, i,
        #writer.expected, described(expected), described(records[i])))
    end
  end
  assert.equal(#writer.expected, #records, writer.name .. " has records that were not written")
  writer.expected, writer.unknown = {}, nil
end

local function check_items(writer, db)
  for name, items in pairs(writer.items) do
    local found = 0
    for item in assert(db:table(name)):query(writer.name) do
      local expected = items[item.id]
      found = found + 1
      if not expected or expected.n ~= item.n or expected.pad ~= #item.pad then
        error(("%s: item %d of %s has n = %d"):format(writer.name, item.id, name, item.n))
      end
    end
    for _ in pairs(items) do
      found = found - 1
    end
    assert.equal(0, found, "items of " .. writer.name)
  end
end

-- Followers ---------------------------------------------------------------------------------------

-- The sequence numbers and keys of all records in order, as this spec has read them.
local history

local function new_follower(name, of)
  return { name = name, of = of, starts = 0 }
end

local function start_follower(follower, path)
  local count = #history.sequence
  follower.at = count - (random(3) == 1 and math.min(count, random(20)) or 0)
  if random(10) == 1 then
    follower.at = 0 -- probably before the trim point
  end
  follower.starts = follower.starts + 1
  follower.place = 0
  follower.process = processes.start("follower", at(follower.name .. follower.starts), path,
    follower.of or "-", history.sequence[follower.at] or 0)
end

--- Compares the records that a follower has received since the last call with the expected ones.
local function read_follower(follower)
  local lines
  lines, follower.place = new_lines(follower.process.log, follower.place)
  for _, line in ipairs(lines) do
    local kind, number, last = line:match("^(%a) (%d+) ?(%d*)")
    number = math.tointeger(tonumber(number))
    if kind == "r" then
      repeat
        follower.at = follower.at + 1
        local of = history.table[follower.at]
      until not of or not follower.of or of == follower.of
      if history.sequence[follower.at] ~= number then
        error(("%s received %d, expected %s"):format(follower.name, number,
          history.sequence[follower.at] or "nothing"))
      end
      counts.followed = counts.followed + 1
    elseif kind == "t" then
      counts.trimmed = counts.trimmed + 1
      last = math.tointeger(tonumber(last))
      while (history.sequence[follower.at + 1] or math.huge) <= last do
        follower.at = follower.at + 1
      end
    else
      error(follower.name .. ": " .. line)
    end
  end
end

--- Returns true if a follower has received every record.
local function has_caught_up(follower)
  read_follower(follower)
  for i = follower.at + 1, #history.sequence do
    if not follower.of or history.table[i] == follower.of then
      return false
    end
  end
  return true
end

-- Cycles ------------------------------------------------------------------------------------------

local function make_database(path)
  local db <close> = assert(tidetable.open(path, { durability = "none" }))
  for name, retention in pairs { one = { count = 3000 }, two = { bytes = "8 MiB" } } do
    assert(db:create_table { name = name, partition_key = "p", sort_key = { "id", "N" },
      stream = { retention = retention } })
  end
  assert(db:create_table { name = "marks", partition_key = { "cycle", "N" } })
end

--- Maximum time, in seconds, until the commit of a killed writer is visible.
local BOUND = 0.011

--- Writes a mark. If `alone`, the write must not wait, and must not make another commit visible.
local function mark(db, cycle)
  assert(assert(db:table("marks")):put { cycle = cycle })
  for record in db:stream():records { after = history.sequence[#history.sequence] or 0 } do
    error("visible only after another write: " .. described(record))
  end
end

--- Opens the database and verifies it. `alone` is true if no other process has it open, so that no
--- call may return BUSY. All items and records are read before the first write.
local function verify(path, writers, cycle, alone)
  system.sleep(BOUND)
  local began = system.monotime()
  local db <close> = assert(tidetable.open(path, { busy_timeout = alone and 0 or 5,
    durability = "none" }))
  local by_writer = {}
  for _, writer in ipairs(writers) do
    by_writer[writer.name] = {}
  end
  local count = #history.sequence
  for record in db:stream():records { after = history.sequence[count] or 0 } do
    count = count + 1
    history.sequence[count], history.table[count] = record.sequence_number, record.table_name
    local list = by_writer[record.keys.p]
    list[#list + 1] = record
  end
  for _, writer in ipairs(writers) do
    check_records(writer, by_writer[writer.name])
    check_items(writer, db)
  end
  mark(db, cycle)
  counts.slowest = math.max(counts.slowest, system.monotime() - began)
  if cycle % CHECK_EVERY == 0 or cycle == CYCLES then
    assert.same({}, assert(db:check()).problems)
  end
end

describe("killed processes", function()
  local path

  before_each(function()
    folder = processes.create_folder()
    path = at("db")
    make_database(path)
  end)

  after_each(function()
    processes.clean_up(folder)
  end)

  local function start_missing(writers, followers, trimmer)
    for _, writer in ipairs(writers) do
      writer.process = processes.start("writer", writer.log, path,
        random(5) == 1 and "full" or "none", writer.name, writer.next, random(1 << 30))
    end
    for _, follower in ipairs(followers) do
      if not follower.process then
        start_follower(follower, path)
      end
    end
    if not trimmer.process then
      trimmer.process = processes.start("trimmer", at("trimmer"), path)
    end
  end

  --- Kills both writers, and all other processes or a random part of them. Returns the killed ones.
  local function kill_some(writers, others, all)
    local dead = {}
    if random(2) == 1 then
      local first = writers[random(2)]
      processes.kill { first.process }
      system.sleep(random() * 0.02)
      first.process = nil
    end
    for _, writer in ipairs(writers) do
      dead[#dead + 1], writer.process = writer.process, nil
    end
    local died = {}
    for _, other in ipairs(others) do
      if all or random(4) == 1 then
        dead[#dead + 1] = other.process
        died[other] = true
      end
    end
    processes.kill(dead)
    counts.killed = counts.killed + 2
    for _ in pairs(died) do
      counts.killed = counts.killed + 1
    end
    return died
  end

  it("lose nothing acknowledged, and followers receive every record once", function()
    print(("crash: SEED=%d CYCLES=%d"):format(SEED, CYCLES))
    math.randomseed(SEED)
    counts = { acknowledged = 0, lost = 0, unfinished_kept = 0, unfinished_lost = 0, followed = 0,
      trimmed = 0, killed = 0, slowest = 0 }
    history = { sequence = {}, table = {} }
    local writers = { new_writer("w1"), new_writer("w2") }
    local followers = { new_follower("f1", "one"), new_follower("f2") }
    local trimmer = {}
    for cycle = 1, CYCLES do
      start_missing(writers, followers, trimmer)
      system.sleep(random() * 0.08)
      local all = random(3) == 1
      local died = kill_some(writers, { followers[1], followers[2], trimmer }, all)
      for _, writer in ipairs(writers) do
        read_writer(writer)
      end
      verify(path, writers, cycle, all)
      for _, follower in ipairs(followers) do
        if not died[follower] then
          processes.wait_until(5, follower.name .. " to catch up", function()
            return has_caught_up(follower)
          end)
        else
          read_follower(follower)
          follower.process = nil
        end
      end
      assert.same({}, (new_lines(at("trimmer"), 0)))
      if died[trimmer] then
        trimmer.process = nil
      end
    end
    print(("crash: %d killed; %d changes acknowledged, %d lost; unfinished %d kept, %d lost; "
      .. "%d records followed, %d trims seen; slowest opening, reading and write %.3f s"):format(
      counts.killed, counts.acknowledged, counts.lost, counts.unfinished_kept,
      counts.unfinished_lost, counts.followed, counts.trimmed, counts.slowest))
  end)

  local function start_holder()
    local holder = processes.start("holder", at("holder"), path, at("go"))
    processes.wait_until(10, "the holder", function() return #(new_lines(holder.log, 0)) > 0 end)
    return holder
  end

  local function put_one(db)
    return assert(db:table("one")):put { p = "me", id = 1 }
  end

  it("release the write lock when they are killed inside a transaction", function()
    local db <close> = assert(tidetable.open(path, { busy_timeout = 0 }))
    local holder = start_holder()
    local ok, err, code = put_one(db)
    assert.is_nil(ok)
    assert.equal("BUSY", code)
    assert.equal(holder.pid, err.pid)
    processes.kill { holder }
    assert(put_one(db))
    assert.is_nil(assert(db:table("one")):get { p = "holder", id = 1 })
    assert.is_true(db:check().ok)
  end)

  it("are named in BUSY while they are suspended, and continue afterwards", function()
    local db <close> = assert(tidetable.open(path, { busy_timeout = 0.3 }))
    local holder = start_holder()
    processes.signal("STOP", { holder })
    local began = system.monotime()
    local ok, err, code = put_one(db)
    local took = system.monotime() - began
    assert.is_nil(ok)
    assert.equal("BUSY", code)
    assert.equal(holder.pid, err.pid)
    assert.is_true(err.retryable)
    assert.is_true(took >= 0.29 and took < 2, ("BUSY after %.3f s"):format(took))
    assert.is_nil(assert(db:table("one")):get { p = "holder", id = 1 })
    assert(io.open(at("go"), "w")):close()
    processes.signal("CONT", { holder })
    processes.wait_until(10, "the holder's end", function()
      return new_lines(holder.log, 0)[2] == "out"
    end)
    assert(put_one(db))
    assert.equal(1, assert(db:table("one")):get { p = "holder", id = 1 }.n)
    assert.is_true(db:check().ok)
  end)

  it("wake the process that waits for the lock", function()
    local db <close> = assert(tidetable.open(path, { busy_timeout = 20 }))
    local holder = start_holder()
    os.execute("(sleep 0.2; kill -KILL " .. ("%d"):format(holder.pid) .. ") &")
    local began = system.monotime()
    assert(put_one(db))
    local took = system.monotime() - began
    assert.is_true(took < 5, ("the lock was free after %.3f s"):format(took))
    processes.kill { holder }
  end)
end)
