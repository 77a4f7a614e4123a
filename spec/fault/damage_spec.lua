-- damage_spec.lua - damaged files are refused or CORRUPT, and never return wrong data.
--
--   make fault EVERY=1 SEED=n
--
-- A closed file is damaged at random: bits, bytes, sectors, pages; or it is truncated. Another
-- process then opens it, reads all of it and, in every second trial, writes. Everything it reads
-- must have been stored; if it gets no error, it must have read everything. Damage inside a row
-- must not end the process. Damage in LMDB's own structure may crash the process or make it loop
-- forever (README.md); such cases are counted.
local tidetable = require "tidetable"

local EVERY = math.tointeger(tonumber(os.getenv("EVERY"))) or 1
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
local TRIALS = math.max(20, 2000 // EVERY)
local LUA = os.getenv("LUA") or "lua5.4"
local PAGE = 4096

local random = math.random

local function write(path, bytes)
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
end

local function noise(size)
  local list = {}
  for i = 1, size do
    list[i] = string.char(random(0, 255))
  end
  return table.concat(list)
end

local function replaced(bytes, at, part)
  part = part:sub(1, #bytes - at + 1)
  return bytes:sub(1, at - 1) .. part .. bytes:sub(at + #part)
end

local function page_at(bytes)
  return random(0, #bytes // PAGE - 1) * PAGE + 1
end

--- Returns a random position in a stored text, which is inside a row.
local function inside_a_row(bytes)
  for _ = 1, 1000 do
    local from = page_at(bytes)
    local first, last = bytes:find(({ "x+", "[0-9]+", "k+", "s+" })[random(4)], from + random(PAGE))
    if first and last - first > 30 then
      return random(first + 1, last - 1)
    end
  end
end

local damages = {
  ["a byte inside a row"] = function(bytes)
    local at = inside_a_row(bytes)
    return replaced(bytes, at, string.char(bytes:byte(at) ~ random(255))), at
  end,
  ["a bit"] = function(bytes)
    local at = random(#bytes)
    return replaced(bytes, at, string.char(bytes:byte(at) ~ 1 << random(0, 7))), at
  end,
  ["a bit of a page header"] = function(bytes)
    local at = page_at(bytes) + random(0, 31)
    return replaced(bytes, at, string.char(bytes:byte(at) ~ 1 << random(0, 7))), at
  end,
  ["a byte of a page header"] = function(bytes)
    local at = page_at(bytes) + random(0, 63)
    return replaced(bytes, at, string.char(random(0, 255))), at
  end,
  ["eight bytes"] = function(bytes)
    local at = page_at(bytes) + random(0, PAGE // 8 - 1) * 8
    return replaced(bytes, at, noise(8)), at
  end,
  ["a sector"] = function(bytes)
    local at = random(0, #bytes // 512 - 1) * 512 + 1
    return replaced(bytes, at, noise(512)), at
  end,
  ["a page of zeros"] = function(bytes)
    local at = page_at(bytes)
    return replaced(bytes, at, ("\0"):rep(PAGE)), at
  end,
  ["a page copied over another"] = function(bytes)
    local from, at = page_at(bytes), page_at(bytes)
    return replaced(bytes, at, bytes:sub(from, from + PAGE - 1)), at
  end,
  ["a page with another's number"] = function(bytes)
    local from, at = page_at(bytes), page_at(bytes)
    return replaced(bytes, at + 8, bytes:sub(from + 8, from + PAGE - 1)), at
  end,
  ["truncated"] = function(bytes)
    local at = random(3) == 1 and random(#bytes) or page_at(bytes)
    return bytes:sub(1, at), at
  end,
}

local names = {}
for name in pairs(damages) do
  names[#names + 1] = name
end
table.sort(names)

local function make_database(path)
  local db <close> = assert(tidetable.open(path, { durability = "none" }))
  local one = assert(db:create_table { name = "one", partition_key = "id",
    sort_key = { "at", "N" }, stream = true })
  local long = assert(db:create_table { name = "long", partition_key = "id",
    sort_key = { "at", "N" }, stream = { view_type = "KEYS_ONLY" } })
  for i = 1, 60 do
    assert(one:put { id = "n" .. i % 7, at = i, text = ("x"):rep(i * 7) })
    if i % 6 == 0 then
      assert(one:put { id = "n" .. i % 7, at = i, big = ("0123456789"):rep(i * 20) })
      assert(long:put { id = ("k"):rep(1000 + i), at = i })
      assert(long:put { id = "n5", at = i })
    end
  end
  local tails = assert(db:create_table { name = "tails", partition_key = "id", sort_key = "at" })
  for i = 1, 40 do
    assert(tails:put { id = "t", at = ("s"):rep(600 + i % 9) .. i })
  end
  for i = 1, 30 do
    assert(one:delete { id = "n" .. i % 7, at = i })
  end
end

describe("a damaged file", function()
  local path, whole, lines
  local deaths = 0

  local function remove(name)
    for _, suffix in ipairs { "", "-lock", "-wake" } do
      os.remove(name .. suffix)
    end
  end

  local function run(mode)
    local pipe = assert(io.popen(("exec timeout -s KILL 5 %s spec/fault/damaged.lua %s %s 2>&1")
      :format(LUA, path, mode)))
    local output = {}
    for line in pipe:lines() do
      output[#output + 1] = line
    end
    local ok, why, status = pipe:close()
    return output, not ok and ("%s %d"):format(why, status) or nil
  end

  setup(function()
    print(("damage: SEED=%d TRIALS=%d"):format(SEED, TRIALS))
    math.randomseed(SEED)
    path = os.tmpname()
    make_database(path .. ".whole")
    local file <close> = assert(io.open(path .. ".whole", "rb"))
    whole = file:read("a")
    write(path, whole)
    lines = {}
    local output, died = run("read")
    assert.is_nil(died, table.concat(output, "\n"))
    lines.count = 0
    for _, line in ipairs(output) do
      assert.is_nil(line:find("^e "), line)
      lines.count = lines.count + (line:find("^[ir] ") and 1 or 0)
      lines[line] = true
    end
    assert.is_true(lines["check 0"] and lines["end"])
  end)

  teardown(function()
    remove(path)
    remove(path .. ".whole")
  end)

  --- Returns true for the commit number of a meta page. If it is damaged, LMDB may choose the older
  --- meta page. Then the file has the contents of the commit before the last, which only the check
  --- detects.
  local function is_commit_number(at)
    return at <= 2 * PAGE and (at - 1) % PAGE // 8 == 18
  end

  local function has_line(output, wanted)
    for _, line in ipairs(output) do
      if line == wanted then return true end
    end
    return false
  end

  --- Returns what is wrong with the output of a process that used a damaged file; nil if nothing
  --- is. replays: the damage copied a page. Its rows are valid but may be old, and it may even
  --- restore an older file; row checksums cannot detect this.
  local function fault_in(output, died, in_a_row, replays)
    local count, errors, wrong = 0, 0, nil
    if died and not in_a_row then
      deaths = deaths + 1
    elseif died then
      return ("the process died: %s: %s"):format(died,
        table.concat(output, "\n", math.max(1, #output - 5)))
    elseif output[#output] ~= "end" then
      return "the output ends early: " .. tostring(output[#output])
    elseif output[1]:find("^refused") then
      return not (output[1]:find("NOT_DATABASE") or output[1]:find("CORRUPT") or
        output[1]:find("_FORMAT") or output[1]:find("STORE")) and output[1] or nil
    end
    for _, line in ipairs(output) do
      local kind = line:sub(1, 2)
      if kind == "i " or kind == "r " then
        count = count + 1
        wrong = wrong or not lines[line] and line:sub(1, 200)
      elseif kind == "e " then
        errors = errors + 1
        -- DISK_FULL is accepted, because a damaged page number can make LMDB write beyond the
        -- maximum file size.
        local of_a_page = line == "e STORE" or line == "e DISK_FULL"
        if line ~= "e CORRUPT" and (not of_a_page or in_a_row) then
          return line
        end
      elseif line == "check 0" and errors == 0 and count ~= lines.count and not replays then
        return ("check finds no problem, but %d of %d lines were read"):format(count, lines.count)
      end
    end
    return wrong and not replays and "wrong data: " .. wrong or nil
  end

  it("is refused or CORRUPT, and never returns wrong data", function()
    local refused, corrupt, unharmed = 0, 0, 0
    for trial = 1, TRIALS do
      local name = names[random(#names)]
      local bytes, at = damages[name](whole)
      local mode = trial % 2 == 0 and "write" or "read"
      remove(path)
      write(path, bytes)
      local output, died = run(mode)
      local fault = fault_in(output, died, name == "a byte inside a row",
        name:find("another") or is_commit_number(at) and not has_line(output, "check 0"))
      if fault then
        write("/tmp/damaged.tide", bytes)
        error(("SEED=%d, trial %d: %s at %d (page %d), then %s: %s (saved as /tmp/damaged.tide)")
          :format(SEED, trial, name, at - 1, (at - 1) // PAGE, mode, fault), 0)
      end
      local text = table.concat(output, "\n")
      if not died and output[1]:find("^refused") then
        refused = refused + 1
      elseif not died and (text:find("\ne CORRUPT") or not text:find("\ncheck 0")) then
        corrupt = corrupt + 1
      elseif not died then
        unharmed = unharmed + 1
      end
    end
    print(("damage: %d refused, %d CORRUPT in part, %d without effect, %d ended the process")
      :format(refused, corrupt, unharmed, deaths))
  end)
end)
