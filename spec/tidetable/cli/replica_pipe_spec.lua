-- replica_pipe_spec.lua - the positions of replicas as words; the pipes are in
-- commands/replicate_spec.lua.
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local replica_pipe = require "tidetable.cli.replica_pipe"
local replication = require "spec.replicate.replication"

helper.setup(before_each, after_each)

describe("the position of a replica", function()
  it("is encoded as one word, and decoded again", function()
    local source, target = replication.pair()
    local items = replication.table(source)
    for i = 1, 20 do
      replication.fill(items, 1, i)
      replication.start(target, source):close()
      local start = assert(core.replica_start(target.core, "replica", {}))
      local word = replica_pipe.encode(start)
      assert.truthy(word:find "^[%w_-]+$")
      assert.equal(start, replica_pipe.decode(word))
    end
  end)

  it("is refused if it is damaged", function()
    local _, target = replication.pair()
    local word = replica_pipe.encode(assert(core.replica_start(target.core, "replica", {})))
    for _, wrong in ipairs { "", "x", word:sub(1, -6), "!" .. word, word .. "!", ("A"):rep(40) } do
      assert.falsy(replica_pipe.decode(wrong), wrong)
    end
  end)
end)
