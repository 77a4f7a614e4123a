-- frames_spec.lua - frames that no source sends: damaged, in another order, with wrong numbers and
-- lengths. Their checksums are right, so they reach the decoders of the bodies.
--
-- Each is applied, or refused with an error that has a code and a message; afterwards the target is
-- sound, and a refused frame has changed nothing. SEED repeats a run; RUNS sets their number.
local core = require "tidetable.core"
local frames = require "spec.replicate.frames"
local helper = require "spec.tidetable.helper"
local receivers = require "tidetable.replica.receiver"
local replica_pipe = require "tidetable.cli.replica_pipe"
local replication = require "spec.replicate.replication"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local seed = tonumber(os.getenv "SEED") or 1
local runs = tonumber(os.getenv "RUNS") or 6

--- Number of attempts in each run.
local ATTEMPTS = 120

local random = math.random

local function change(source)
  local orders, files = source:table "orders", source:table "files"
  for i = 1, 12 do
    assert(orders:put { id = "k" .. i % 3, n = i, v = random(9) })
    assert(files:put { id = (i % 2 == 0 and ("h"):rep(200) or "f") .. i, n = i,
      b = tidetable.binary(("\255"):rep(i)) })
  end
  assert(source:transact(function(tx)
    tx:table("orders"):put { id = "t", n = 1 }
    tx:table("files"):delete { id = "f1", n = 1 }
    tx:table("orders"):delete { id = "t", n = 1 }
  end, { origin = "shop", context = { who = "ann" } }))
  if source:table "later" then assert(source:delete_table "later") end
  replication.fill(replication.table(source, "later"), 1, 4)
  assert(orders:alter { ttl = random(2) == 1 and "expires" or false })
  assert(files:truncate())
end

--- Returns the frames of a copy, and those that follow it.
local function sent()
  local source, target = replication.pair()
  replication.table(source)
  replication.table(source, "files")
  change(source)
  local copy = frames.decode(frames.read(source, target))
  replication.start(target, source, { hold = false }):close()
  change(source)
  return copy, frames.decode(frames.read(source, target)), source, target
end

-- Changes of bytes -----------------------------------------------------------

local function any_bytes(len)
  local bytes = {}
  for i = 1, len do bytes[i] = string.char(random(0, 255)) end
  return table.concat(bytes)
end

--- Numbers that decoders get wrong.
local NUMBERS = { 0, 1, 127, 128, 255, 65535, 0x7fffffff, 0xffffffff, math.maxinteger, -1 }

local byte_changes = {
  function(body, at) return body:sub(1, at - 1) .. any_bytes(1) .. body:sub(at + 1) end,
  function(body, at) return body:sub(1, at - 1) .. body:sub(at + 1) end,
  function(body, at) return body:sub(1, at - 1) .. any_bytes(random(9)) .. body:sub(at) end,
  function(body, at) return body:sub(1, at - 1) end,
  function(body, at)
    local number = (">i8"):pack(NUMBERS[random(#NUMBERS)]):sub(-({ 2, 4, 8 })[random(3)])
    return body:sub(1, at - 1) .. number .. body:sub(at + #number)
  end,
  function(body, at)   -- a length that needs more bytes than there are
    return body:sub(1, at - 1) .. ("\255"):rep(random(9)) .. "\1" .. body:sub(at + 1)
  end,
  function(body) return body .. any_bytes(random(20)) end,
  function() return any_bytes(random(0, 80)) end,
}

--- Returns bytes with 1 to 3 changes.
local function changed(bytes)
  for _ = 1, random(3) do
    bytes = byte_changes[random(#byte_changes)](bytes, random(1, math.max(1, #bytes)))
  end
  return bytes
end

-- Changes of frames ----------------------------------------------------------

local function other(frame, field, value)
  local copy = { number = frame.number, kind = frame.kind, body = frame.body }
  copy[field] = value
  return copy
end

local KINDS = { "S", "D", "T", "C", "P", "A", "E", "\0", "x" }

local frame_changes = {
  function(all, at)   -- a record with another distance
    local ok, given = pcall(frames.transaction, all[at].body)
    if all[at].kind ~= "T" or not ok then return end   -- another change has damaged it
    local record = given.records[random(#given.records)]
    record.distance = random(2) == 1 and random(0, 5) or NUMBERS[random(#NUMBERS - 1)]
    all[at] = other(all[at], "body", frames.put_transaction(given))
  end,
  function(all, at) all[at] = other(all[at], "body", changed(all[at].body)) end,
  function(all, at) all[at] = other(all[at], "kind", KINDS[random(#KINDS)]) end,
  function(all, at)
    all[at] = other(all[at], "number", random(2) == 1 and NUMBERS[random(#NUMBERS)]
      or all[at].number + random(-3, 3))
  end,
  function(all, at) table.remove(all, at) end,
  function(all, at) table.insert(all, random(#all + 1), all[at]) end,
  function(all, at)
    local to = random(#all)
    all[at], all[to] = all[to], all[at]
  end,
}

--- Returns a copy of the frames with 1 or 2 changes; mostly of bodies.
local function changed_frames(all)
  local copy = table.move(all, 1, #all, 1, {})
  for _ = 1, random(2) do
    local kind = math.max(2, random(#frame_changes * 2) - #frame_changes)
    if random(6) == 1 then kind = 1 end
    if #copy > 0 then frame_changes[kind](copy, random(#copy)) end
  end
  return copy
end

-- Applying -------------------------------------------------------------------

--- Checks that an error has a code and a message.
local function check_refused(err, code)
  assert.equal("table", type(err))
  assert.equal(err.code, code)
  assert.truthy(err.message ~= "" and code:find "^[%u_]+$", tostring(err))
end

--- Applies frames to a new target that has received others. Returns true if they were applied.
local function apply(before, all)
  local target = assert(tidetable.open ":memory:")
  local receiver = receivers.new(target, "replica", {}, { skip = random(2) == 1,
    strict = random(4) == 1 })
  if before then assert(receiver:apply(frames.join(before), { head = 0 }) == nil) end
  local state = { head = 0 }
  local rest, err, code = receiver:apply(frames.join(all), state)
  if rest then
    check_refused(err, code)
    local commit = core.last_commit(target.core)
    local _, _, again = receiver:apply(rest, state)
    assert.truthy(again)
    assert.equal(commit, core.last_commit(target.core))
  end
  local report = assert(target:check())
  target:close()
  assert.equal("", table.concat(report.problems, "; "))
  return not rest, code
end

local function run(number)
  math.randomseed(number)
  local copy, later = sent()
  local applied, refused, codes = 0, 0, {}
  for attempt = 1, ATTEMPTS do
    local follows = random(2) == 1
    local all = changed_frames(follows and later or copy)
    local ok, result, code = pcall(apply, follows and copy or nil, all)
    if not ok then
      error(("seed %d, attempt %d: %s"):format(number, attempt, tostring(result)), 0)
    end
    applied, refused = applied + (result and 1 or 0), refused + (result and 0 or 1)
    codes[code or "none"] = true
  end
  assert.is_true(applied > 0 and refused > ATTEMPTS / 4 and codes.CORRUPT)
end

describe("frames with right checksums that no source sends", function()
  for number = seed, seed + runs - 1 do
    it(("are applied or refused (seed %d)"):format(number), function() run(number) end)
  end
end)

describe("any bytes instead of frames", function()
  it("are refused, or wait for more", function()
    math.randomseed(seed)
    local copy = sent()
    local bytes = frames.join(copy)
    for _ = 1, 400 do
      local damaged = random(3) == 1 and any_bytes(random(0, 60)) or changed(bytes)
      local len, err, code = core.whole_frames(damaged, random(2) == 1)
      if not len then
        check_refused(err, code)
        assert.equal("CORRUPT", code)
      else
        assert.is_true(len >= 0 and len <= #damaged)
      end
    end
    -- The longest frame that is waited for has 256 MiB.
    assert.equal(0, core.whole_frames((">I4I4"):pack(256 << 20, 0)))
    helper.refused("CORRUPT", core.whole_frames((">I4I4"):pack((256 << 20) + 1, 0)))
    helper.refused("CORRUPT", core.whole_frames((">I4I4"):pack(0xffffffff, 0)))
    helper.refused("CORRUPT", core.whole_frames((">I4I4"):pack(8, 0)))
  end)
end)

describe("positions that no target has", function()
  it("are refused, or sent from", function()
    math.randomseed(seed)
    local _, _, source, target = sent()
    local start = assert(core.replica_start(target.core, "replica", {}))
    local refused, opened = 0, 0
    for _ = 1, 600 do
      local damaged = changed(start)
      local word = replica_pipe.encode(damaged)
      local decoded = replica_pipe.decode(word)
      assert.truthy(decoded == nil or decoded == damaged)
      local sender, err, code = core.sender(source.core, damaged, random(2) == 1)
      if not sender then
        check_refused(err, code)
        refused = refused + 1
      else
        local bytes
        bytes, err, code = core.sender_read(sender, 1 << 20)
        if not bytes then check_refused(err, code) end
        core.finish(sender)
        opened = opened + 1
      end
    end
    assert.is_true(refused > 100 and opened > 0)
  end)
end)
