-- contenders.lua - the measured programs: how each is started, and which are not installed.
--
-- A contender is a program with the command line of bench/lib/peer.h, in C or in Lua.
-- Each works in its own directory, where Redis also runs its server.

local bench = require "bench"

local contenders = {}

local lua = os.getenv "LUA" or "lua5.4"
local here = arg[0]:gsub("[^/]*$", "lib/")

local function in_c(name)
  return { bench.programs .. "/peer_" .. name }
end

local function in_lua(name)
  return { lua, here .. "peer_" .. name .. ".lua" }
end

-- Stores that flush once for each commit anyway have no level one_flush.
local our_levels = { full = true, one_flush = true, none = true }
local their_levels = { full = true, relaxed = true, none = true }

local everybody = {
  {
    id = "tidetable", name = "tidetable", language = "Lua", command = in_lua "tidetable",
    levels = our_levels, is_ours = true,
  },
  {
    id = "tidetable_c", name = "tidetable", language = "C", command = in_c "tidetable",
    levels = our_levels, is_ours = true, can_poll_busily = true,
  },
  {
    id = "lmdb", name = "raw LMDB", language = "C", command = in_c "lmdb", levels = our_levels,
    can_poll_busily = true, is_baseline = true,
  },
  {
    id = "sqlite", name = "SQLite", language = "C", command = in_c "sqlite",
    levels = their_levels, package = "libsqlite3-dev", can_poll_busily = true,
  },
  {
    id = "rocksdb", name = "RocksDB", language = "C", command = in_c "rocksdb",
    levels = their_levels, package = "librocksdb-dev", can_poll_busily = true,
  },
  {
    id = "redis", name = "Redis", language = "C", command = in_c "redis",
    levels = their_levels, package = "libhiredis-dev", program = "redis-server",
    is_served = true,
  },
  {
    id = "luasql", name = "LuaSQL", language = "Lua", command = in_lua "luasql",
    levels = their_levels, module = "luasql.sqlite3", package = "lua-sql-sqlite3",
  },
}

--- Returns the name and the language, which distinguishes the two of this library.
function contenders.full_name(contender)
  return ("%s (%s)"):format(contender.name, contender.language)
end

--------------------------------------------------------------------------------
-- Which are installed
--------------------------------------------------------------------------------

local function succeeds(command)
  return os.execute(command .. " >/dev/null 2>&1") == true
end

--- Returns why a contender can't take part, or nil.
local function reason(contender)
  if contender.module then
    for _, module in ipairs { contender.module, "cjson" } do
      if not pcall(require, module) then
        return ("there is no module %s (%s)"):format(module,
          module == "cjson" and "lua-cjson" or contender.package)
      end
    end
  elseif contender.language == "C" and not bench.first_line(contender.command[1]) then
    return ("%s was not built (%s)"):format(contender.command[1], contender.package or "make")
  end
  if contender.program and not succeeds("command -v " .. contender.program) then
    return ("there is no %s (package %s)"):format(contender.program, contender.program)
  end
end

local function is_asked_for(id)
  local asked = os.getenv "PEERS" or ""
  return asked == "" or (" " .. asked .. " "):find(" " .. id .. " ", 1, true)
end

--- Returns the contenders of a list (default: the peers) that can take part, and messages about the
--- others. PEERS="sqlite redis" selects some; this library and baselines always take part.
function contenders.find(list)
  local found, skipped = {}, {}
  for _, contender in ipairs(list or everybody) do
    local asked = contender.is_ours or contender.is_baseline or is_asked_for(contender.id)
    local why = asked and reason(contender)
    if why then
      skipped[#skipped + 1] = ("skipped: %s: %s"):format(contender.name, why)
    elseif asked then
      found[#found + 1] = contender
    end
  end
  return found, skipped
end

--------------------------------------------------------------------------------
-- Running them
--------------------------------------------------------------------------------

local function words(contender, ...)
  local command = table.move(contender.command, 1, #contender.command, 1, {})
  return table.move({ ... }, 1, select("#", ...), #command + 1, command)
end

--- Returns the path of the contender's files in a directory. Contenders with the same `base` share
--- them.
function contenders.path(contender, directory)
  return directory .. "/" .. (contender.base or contender.id)
end

--- Prints what the contenders say about their version, settings and statements.
function contenders.describe(list)
  for _, contender in ipairs(list) do
    print(("\n-- %s (%s)\n%s"):format(contender.name, contender.language,
      contenders.run(contender, "describe")))
  end
  print()
end

--- Runs a command of a contender. Returns its output.
function contenders.run(contender, ...)
  return bench.run(table.unpack(words(contender, ...)))
end

--- Runs a command of a contender. Returns the numbers that it prints.
function contenders.measure(contender, ...)
  local numbers = {}
  for number in contenders.run(contender, ...):gmatch("%S+") do
    numbers[#numbers + 1] = assert(tonumber(number), number)
  end
  return table.unpack(numbers)
end

local server_of = {}
server_of.__index = server_of

--- Starts the contender's server in a directory, if it has one. Returns a value to be closed. The
--- server also exits when this program does, because its standard input ends. `server` is the
--- program that starts it; by default `command`.
function contenders.serve(contender, path)
  local self = setmetatable({}, server_of)
  if contender.is_served then
    local by = { command = contender.server or contender.command }
    self.pipe = assert(io.popen(bench.command_line(table.unpack(words(by, "serve", path))), "w"))
    contenders.run(by, "ready", path)
  end
  return self
end

function server_of:__close()
  if self.pipe then
    self.pipe:close()
    self.pipe = nil
  end
end

--- Starts the servers of all contenders in a directory. Returns a value to be closed.
function contenders.serve_all(list, directory)
  local servers = {}
  for i, contender in ipairs(list) do
    servers[i] = contenders.serve(contender, contenders.path(contender, directory))
  end
  return setmetatable(servers, {
    __close = function()
      for _, server in ipairs(servers) do server_of.__close(server) end
    end,
  })
end

--- Measures the time from a change in one process until another process has read it. Returns the
--- median and the 99th percentile in ns.
function contenders.wake(contender, path, count, how)
  local follower = assert(io.popen(bench.command_line(
    table.unpack(words(contender, "follow", path, count, how)))))
  assert(follower:read("l") == "ready", contender.name .. " should follow")
  contenders.run(contender, "ring", path, bench.items, count)
  local median, late = follower:read("n", "n")
  assert(follower:close() and late, contender.name .. " should have followed")
  return median, late
end

return contenders
