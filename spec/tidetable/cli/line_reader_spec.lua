-- line_reader_spec.lua - lines of files, pipes and terminals.
local console = require "tidetable.cli.console"
local helper = require "spec.tidetable.helper"
local line_reader = require "tidetable.cli.line_reader"
local shop = require "spec.tidetable.cli.shop"

helper.setup(before_each, after_each)

local function read(text)
  local found, offsets = {}, {}
  local source <close> = line_reader.open(shop.file("in.txt", text))
  for line in function() return source:next() end do
    found[#found + 1], offsets[#offsets + 1] = line, source.offset
    assert.equal(#found, source.number)
  end
  assert.equal(#text > 0 and #text or nil, source.size)
  return found, offsets
end

it("returns lines with their ends, and counts bytes", function()
  local found, offsets = read "a\nbc\r\n\n\r\nlast"
  assert.same({ "a\n", "bc\r\n", "\n", "\r\n", "last" }, found)
  assert.same({ 2, 6, 7, 9, 13 }, offsets)
  assert.same({}, (read ""))
  assert.same({ "\n" }, (read "\n"))
  assert.same({ "a\0b\n" }, (read "a\0b\n"))
end)

it("shows the first piece without taking it", function()
  local asked = {}
  local source <close> = line_reader.open(shop.file("in.txt", ("x"):rep(70000)))
  local piece = source:peek(function(piece)
    asked[#asked + 1] = #piece
    return #piece > line_reader.PIECE
  end)
  assert.same({ 65536, 70000 }, asked)
  assert.equal(70000, #piece)
  assert.equal(piece, source:read())
  assert.is_nil(source:read())
  local empty <close> = line_reader.open(shop.file("in.txt", ""))
  assert.is_nil(empty:peek(function() return false end))
  assert.is_nil(empty:next())
end)

it("returns lines that span several pieces", function()
  for size = 65530, 65540 do
    local long = ("x"):rep(size)
    assert.same({ long .. "\n", "y\n", long .. "\n", "\n" },
      (read(long .. "\ny\n" .. long .. "\n\n")))
  end
  local long = ("x"):rep(300000)
  assert.same({ "a\n", long }, (read("a\n" .. long)))
end)

it("drops a line that is too long, and continues after it", function()
  local max = line_reader.MAX
  line_reader.MAX = 200000
  local found = read("a\n" .. ("x"):rep(200001) .. "\nb\n" .. ("y"):rep(199999) .. "\n"
    .. ("z"):rep(1000000))
  line_reader.MAX = max
  assert.same({ "a\n", line_reader.TOO_LONG, "b\n", ("y"):rep(199999) .. "\n",
    line_reader.TOO_LONG }, found)
  assert.equal("line of more than 64 MiB", tostring(line_reader.TOO_LONG))
end)

it("fails if the file cannot be read", function()
  local function fails(path)
    local ok, err = pcall(function()
      local source <close> = line_reader.open(path)
      source:next()
    end)
    assert.is_false(ok)
    assert.is_true(console.is_failure(err))
    assert.is_truthy(err.message:find(path, 1, true))
  end
  fails(helper.path "nowhere")
  helper.open():close()
  fails((helper.path():match "^(.*)/"))
end)
