-- channel_spec.lua - pipes and sockets in an event loop.
local channels = require "tidetable.run.channel"
local core = require "tidetable.core"
local cqueues = require "cqueues"

describe("a channel", function()
  --- Runs functions as coroutines of a loop until all have ended.
  local function together(...)
    local loop = cqueues.new()
    for _, f in ipairs { ... } do loop:wrap(f) end
    assert(loop:loop())
  end

  it("carries more bytes than fit into it, in both directions at once", function()
    local a, b = core.socket_pair()
    local ends = { channels.new(a), channels.new(b) }
    local text, got = ("0123456789"):rep(100000), { "", "" }
    local function writer(i)
      return function() assert.is_true(ends[i]:write(text)) end
    end
    local function reader(i)
      return function()
        while #got[i] < #text do got[i] = got[i] .. ends[i]:read() end
      end
    end
    together(writer(1), writer(2), reader(1), reader(2))
    assert.is_true(got[1] == text and got[2] == text)
    for _, each in ipairs(ends) do each:close() end
  end)

  it("ends when the other end is closed, and waits no longer than its deadline", function()
    local output, input = core.pipe()
    local reader, writer = channels.new(output), channels.new(input)
    together(function()
      assert.is_nil(reader:try_read())
      assert.is_nil(reader:read(core.elapsed() + 0.01))
      assert.is_false(writer:write(("x"):rep(1 << 20), core.elapsed() + 0.01))
      writer:close()
      writer:close()
      assert.is_nil(writer:write "x")
      local bytes = reader:read()
      while bytes ~= "" do bytes = reader:read() end
      reader:close()
      assert.equal("", reader:try_read())
    end)
  end)

  it("returns nil to a writer after the read end was closed", function()
    local output, input = core.pipe()
    core.descriptor_close(output)
    together(function() assert.is_nil(channels.new(input):write "x") end)
  end)

  it("is closed for coroutines that wait for it", function()
    local output, input = core.pipe()
    local reader = channels.new(output)
    together(function() assert.equal("", reader:read()) end,
      function() reader:close() end)
    core.descriptor_close(input)
  end)
end)
