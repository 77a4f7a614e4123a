-- pages_spec.lua - doc/modules/dynamodb: each code block runs and prints what it shows.

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

-- Runs a block. Returns the lines that it prints.
local function printed(block)
  local lines = {}
  local environment = setmetatable({ print = function(...)
    local words = table.pack(...)
    for i = 1, words.n do words[i] = tostring(words[i]) end
    lines[#lines + 1] = table.concat(words, "\t")
  end }, { __index = _G })
  assert(load(block, "block", "t", environment))()
  return lines
end

-- Returns the output that the comments of a block show.
local function shown(block)
  local lines = {}
  for line in block:gmatch "%-%-> ([^\n]*)" do lines[#lines + 1] = line end
  return lines
end

for page, blocks in pairs { json = 4, json_text = 4, base64 = 1, errors = 1 } do
  it("dynamodb." .. page .. " has code that prints what it shows", function()
    local count = 0
    for block in read("doc/modules/dynamodb/" .. page .. ".md"):gmatch "```lua\n(.-)```" do
      assert.same(shown(block), printed(block))
      count = count + 1
    end
    assert.equal(blocks, count)
  end)

  it("dynamodb." .. page .. " has a heading for each function", function()
    local text = read("doc/modules/dynamodb/" .. page .. ".md")
    for name in pairs(require("tidetable.dynamodb." .. page)) do
      assert.truthy(text:find(("\n##+ %s%%.%s%%("):format(page, name)), name)
    end
  end)
end
