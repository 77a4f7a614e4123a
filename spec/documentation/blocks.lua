-- blocks.lua - runs the Lua blocks of one page, each with a new database: in a child process, in an
-- empty directory.
--
--   lua5.4 blocks.lua ROOT PAGE
--
-- A block finds `tidetable`, an open database `db` and, unless it creates tables itself, the tables
-- and values that the pages use in their examples. What it prints must be what its comments of the
-- form `--> text` say. Prints one line for each block that fails, and at the end how many ran.
local root, page = arg[1], arg[2]
package.path = root .. "/?.lua;" .. package.path

local lfs = require "lfs"
local tidetable = require "tidetable"

-- Changes to the root first, because the path of the page is relative to it.
local here = lfs.currentdir()
assert(lfs.chdir(root))
local blocks = require "spec.documentation.pages".blocks(page)
assert(lfs.chdir(here))

local function create_tables(db)
  local orders = assert(db:create_table {
    name = "orders", partition_key = "customer", sort_key = { "placed_at", "N" }, stream = true,
  })
  assert(db:create_table { name = "stock", partition_key = "shelf", sort_key = { "number", "N" } })
  local accounts = assert(db:create_table { name = "accounts", partition_key = "id" })
  assert(db:create_table { name = "ledger", partition_key = "id" })
  local parcels = assert(db:create_table { name = "parcels", partition_key = "id" })
  assert(orders:put { customer = "ann", placed_at = 1, total = 30 })
  assert(accounts:put { id = "ann", balance = 100 })
  assert(accounts:put { id = "bob", balance = 0 })
  return {
    orders = orders, parcels = parcels, stream = assert(orders:stream()),
    consumer = assert(db:consumer("totals", { source = "orders" })),
  }
end

--- Global variables of a block, besides those of Lua.
local function new_environment(db, block, lines)
  local values = {
    tidetable = tidetable, db = db, position = 0, checkpoint = 0, last = 0, running = false,
    ask_the_bank = function() return 1.5 end,
    follow = function() end,
    print = function(...)
      local words = {}
      for i = 1, select("#", ...) do words[i] = tostring((select(i, ...))) end
      lines[#lines + 1] = table.concat(words, "\t")
    end,
  }
  if not block.text:find("create_table", 1, true) then
    for name, value in pairs(create_tables(db)) do values[name] = value end
  end
  return setmetatable(values, { __index = _G })
end

--- Returns the texts after `-->`, one for each line that the block must print.
local function promised(block)
  local lines = {}
  for text in block.text:gmatch("%-%->%s*([^\n]*)") do lines[#lines + 1] = text end
  return lines
end

-- Replaces the position of an error, because on the page the program is shop.lua and has other line
-- numbers.
local function plain(text)
  return (text:gsub("^lua5%.4: ", ""):gsub("^%S+:%d+: ", ""):gsub("%s+", " "))
end

local function run(block)
  local lines = {}
  local db <close> = assert(tidetable.open ":memory:")
  local environment = new_environment(db, block, lines)
  local program, wrong = load(block.text, "=" .. page, "t", environment)
  if not program then return wrong end
  local ok, err = pcall(program)
  local expected = promised(block)
  if not ok then lines[#lines + 1] = tostring(err) end
  if not ok and #expected == 0 then return tostring(err) end
  for i = 1, #expected > 0 and math.max(#expected, #lines) or 0 do
    if plain(expected[i] or "") ~= plain(lines[i] or "") then
      return ("prints %q, and its comment says %q"):format(lines[i] or "", expected[i] or "")
    end
  end
end

do
  local db <close> = assert(tidetable.open "shop.tide")
  create_tables(db)
end

local count = 0
for _, block in ipairs(blocks) do
  if not block.is_fragment then
    local wrong = run(block)
    count = count + 1
    if wrong then print(("%s:%d: %s"):format(page, block.line, wrong)) end
  end
end
print(count .. " blocks ran")
