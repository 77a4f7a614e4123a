-- frame_spec.lua - messages between the supervisor and its child processes.
local frames = require "tidetable.run.frame"

describe("a message", function()
  it("is read however its bytes are divided", function()
    math.randomseed(tonumber(os.getenv "SEED") or os.time())
    for _ = 1, 200 do
      local sent, bytes = {}, {}
      for i = 1, math.random(5) do
        local fields = {}
        for j = 1, math.random(0, 3) do fields[j] = ("\0x"):rep(math.random(0, 20)) end
        sent[i] = { "name " .. i, fields }
        bytes[i] = frames.encode("name " .. i, table.unpack(fields))
      end
      local all, reader, got, at = table.concat(bytes), frames.reader(), {}, 1
      while at <= #all do
        local size = math.random(1, 40)
        reader:feed(all:sub(at, at + size - 1))
        at = at + size
        local name, fields = reader:next()
        while name do
          got[#got + 1] = { name, fields }
          name, fields = reader:next()
        end
      end
      assert.same(sent, got)
    end
  end)

  it("can have numbers as fields", function()
    local reader = frames.reader()
    reader:feed(frames.encode("n", 5, "a"))
    local name, fields = reader:next()
    assert.same({ "n", { "5", "a" } }, { name, fields })
  end)

  it("is refused if its bytes are no message", function()
    for _, bytes in ipairs { ("\255"):rep(8), "\4\0\0\0\9\9\9\9", "\0\0\0\0" } do
      local reader = frames.reader()
      reader:feed(bytes)
      assert.same({ nil, true }, { reader:next() })
    end
  end)
end)
