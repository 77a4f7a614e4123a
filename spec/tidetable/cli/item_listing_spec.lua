-- item_listing_spec.lua - output of the commands query and scan.
local item_listing = require "tidetable.cli.item_listing"

local description = { name = "t", partition_key = { "id", "N" } }

local function numbers(last)
  local i = 0
  return function()
    i = i + 1
    return i <= last and { id = i } or nil
  end
end

--- Shows `last` items with these arguments. Returns the output and the notes.
local function show(args, last)
  local shown, noted = {}, {}
  item_listing.show(args, {
    is_terminal = false,
    write = function(_, ...) shown[#shown + 1] = table.concat { ... } end,
    note = function(line) noted[#noted + 1] = line end,
  }, description, numbers(last))
  return table.concat(shown), table.concat(noted)
end

it("reads one item more than it shows, to detect that there are more", function()
  assert.same({ descending = true, limit = 4 },
    item_listing.given({ limit = 3, reverse = true }, description))
  assert.same({ start_key = { id = 7 } }, item_listing.given({ start = '{"id":7}' }, description))
  assert.same({ start_key = { id = 7 } },
    item_listing.given({ start = '{"id":{"N":"7"}}', format = "dynamodb" }, description))
  assert.is_nil(item_listing.given({ limit = math.maxinteger }, description).limit)
end)

it("shows how to continue only if there are more items", function()
  local two = '{"id":1}\n{"id":2}\n'
  assert.same({ two, "" }, { show({}, 2) })
  assert.same({ two, "" }, { show({ limit = 2 }, 2) })
  assert.same({ two, "" }, { show({ limit = 3 }, 2) })
  assert.same({ two, [[more items: continue with --start '{"id":2}']] }, { show({ limit = 2 }, 3) })
  local _, noted = show({ limit = 1, format = "dynamodb" }, 2)
  assert.equal([[more items: continue with --start '{"id":{"N":"1"}}']], noted)
end)
