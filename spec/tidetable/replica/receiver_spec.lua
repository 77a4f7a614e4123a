-- receiver_spec.lua - the target of a replication: frames that are applied, damaged or in pieces.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local receivers = require "tidetable.replica.receiver"
local replication = require "spec.replicate.replication"

helper.setup(before_each, after_each)

--- Returns a source with a table, a target, its receiver, and all frames of the source.
local function setup()
  local source, target = replication.pair()
  replication.fill(replication.table(source), 1, 30)
  local receiver = receivers.new(target, "replica", {}, {})
  local sender = assert(core.sender(source.core, assert(receiver:start()), false))
  local frames = assert(core.sender_read(sender, 1000000))
  return source, target, receiver, frames, sender
end

describe("a receiver", function()
  it("applies frames, and skips those that it has applied", function()
    local source, target, receiver, frames, sender = setup()
    local state = { head = 0 }
    assert.is_nil(receiver:apply(frames, state))
    replication.check_equal(source, target)
    assert.equal(source:info().sequence_number, state.position)
    assert.is_false(receiver.has_ended)
    assert(source:table("orders"):put { id = "x", n = 1 })
    frames = core.sender_read(sender, 1000000)
    assert.is_nil(receiver:apply(frames, state))
    local commit = core.last_commit(target.core)
    assert.is_nil(receiver:apply(frames, state))
    assert.equal(commit, core.last_commit(target.core))
    assert.is_nil(receiver:apply(assert(core.sender_end(sender)), state))
    assert.is_true(receiver.has_ended)
    core.finish(sender)
  end)

  it("applies the first frame of a new replica with the tables", function()
    local _, target, _, frames, sender = setup()
    local first = 8 + (">I4"):unpack(frames)
    assert.equal(first, core.whole_frames(frames:sub(1, first), false))
    assert.equal(0, core.whole_frames(frames:sub(1, first), true))
    assert.equal(0, core.whole_frames(frames:sub(1, first + 20), true))
    assert.equal(#frames, core.whole_frames(frames, true))
    assert.same({}, target:replicas())
    core.finish(sender)
  end)

  it("refuses frames that don't continue at its position", function()
    local source, _, receiver, frames, sender = setup()
    local state = { head = 0 }
    assert.is_nil(receiver:apply(frames, state))
    local orders = source:table "orders"
    assert(orders:put { id = "x", n = 1 })
    assert(core.sender_read(sender, 1000000))
    assert(orders:put { id = "x", n = 2 })
    local rest, err, code = receiver:apply(core.sender_read(sender, 1000000), state)
    assert.equal("string", type(rest))
    assert.equal("REPLICA_MOVED", code)
    assert.truthy(err.message:find("continues at", 1, true))
    core.finish(sender)
  end)

  it("refuses damaged and incomplete frames, and changes nothing", function()
    local _, target, receiver, frames, sender = setup()
    local random = math.random
    math.randomseed(7)
    for _ = 1, 200 do
      local at, bit = random(#frames), 1 << random(0, 7)
      local damaged = frames:sub(1, at - 1) .. string.char(frames:byte(at) ~ bit)
        .. frames:sub(at + 1)
      local rest, _, code = receiver:apply(damaged, { head = 0 })
      assert.truthy(rest)
      assert.truthy(code == "CORRUPT" or code == "INCOMPLETE", code)
    end
    for _, len in ipairs { 1, 7, 50, #frames - 1 } do
      local _, _, code = receiver:apply(frames:sub(1, len), { head = 0 })
      assert.equal("INCOMPLETE", code)
      assert.is_true(core.whole_frames(frames:sub(1, len)) < len)
    end
    assert.same({}, target:replicas())
    assert.same({}, target:list_tables())
    helper.refused("CORRUPT", core.whole_frames(("x"):rep(100)))
    core.finish(sender)
  end)
end)
