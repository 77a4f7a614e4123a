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

it("returns lines without their ends, and counts bytes", function()
  local found, offsets = read "a\nbc\r\n\n\r\nlast"
  assert.same({ "a", "bc", "", "", "last" }, found)
  assert.same({ 2, 6, 7, 9, 13 }, offsets)
  assert.same({}, (read ""))
  assert.same({ "" }, (read "\n"))
  assert.same({ "a\0b" }, (read "a\0b\n"))
end)

it("skips a byte order mark at the beginning only", function()
  local found, offsets = read "\u{feff}a\n\u{feff}b\n"
  assert.same({ "a", "\u{feff}b" }, found)
  assert.same({ 5, 10 }, offsets)
  assert.same({ "" }, (read "\u{feff}"))
end)

it("returns lines that span several pieces", function()
  for size = 65530, 65540 do
    local long = ("x"):rep(size)
    assert.same({ long, "y", long, "" }, (read(long .. "\ny\n" .. long .. "\n\n")))
  end
  local long = ("x"):rep(300000)
  assert.same({ "a", long }, (read("a\n" .. long)))
end)

it("drops a line that is too long, and continues after it", function()
  local max = line_reader.MAX
  line_reader.MAX = 200000
  local found = read("a\n" .. ("x"):rep(200001) .. "\nb\n" .. ("y"):rep(199999) .. "\n"
    .. ("z"):rep(1000000))
  line_reader.MAX = max
  assert.same({ "a", line_reader.TOO_LONG, "b", ("y"):rep(199999), line_reader.TOO_LONG }, found)
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
