-- dpkg_log.lua - this machine's packages as a table, and dpkg's log as its stream.
--
--   lua5.4 examples/dpkg_log.lua [DATABASE [LOG...]]
--
-- Reads dpkg's logs, rotated ones first, or the given files, oldest first. The table `packages`
-- contains the current state of each package: status, version, time of the last change, and the
-- version before an upgrade. Each intermediate state (half-installed, unpacked, installed, ...)
-- is a record of its stream; a purged package is deleted. Each run of dpkg is one transaction.
--
-- A second run continues where the first one stopped, because the last lines read are stored in the
-- same transaction as their effects. To keep the table up to date, let apt run this program:
--
--   DPkg::Post-Invoke { "lua5.4 /path/to/dpkg_log.lua /var/lib/packages.tide"; };
--
-- To watch it, from any process:
--
--   tidetable tail -f packages.tide packages
--   tidetable tail packages.tide packages --time 1d -t
local tidetable = require "tidetable"

local LOG = "/var/log/dpkg.log"
local OLDEST = 99    -- number of the oldest rotated log
local CONTEXT = 8    -- lines stored to find the position again
local LONGEST = 1000 -- lines in one transaction

local CAPTURED = { view_type = "NEW_AND_OLD_IMAGES", retention = "3650d" }

local TABLES = {
  { name = "packages", partition_key = "package", stream = CAPTURED },
  { name = "progress", partition_key = "name" },
}

-- Reading ----------------------------------------------------------------------

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function open_log(path)
  if path:find("%.gz$") then
    return io.popen("zcat " .. quote(path))
  end
  return io.open(path)
end

local function exists(path)
  local file = io.open(path)
  return file and file:close()
end

-- Returns the existing logs, oldest first.
local function find_logs()
  local found = {}
  for number = OLDEST, 1, -1 do
    for _, path in ipairs { ("%s.%d.gz"):format(LOG, number), ("%s.%d"):format(LOG, number) } do
      if exists(path) then found[#found + 1] = path end
    end
  end
  found[#found + 1] = exists(LOG) and LOG or nil
  return found
end

-- Returns all complete lines. A line that dpkg is still writing is left for the next run.
local function read_lines(paths)
  local lines = {}
  for _, path in ipairs(paths) do
    local file, problem = open_log(path)
    if not file then error(problem, 0) end
    for line in file:lines("L") do
      if line:sub(-1) == "\n" then lines[#lines + 1] = line:sub(1, -2) end
    end
    file:close()
  end
  return lines
end

-- Returns the index of the first line after the lines in `context`; 1 if they no longer exist. At
-- the beginning of `lines`, a part of `context` is sufficient, because the rest may have been
-- rotated away.
local function find_new(lines, context)
  for last = #lines, #context > 0 and 1 or #lines + 1, -1 do
    local at, of = last, #context
    while at > 0 and of > 0 and lines[at] == context[of] do
      at, of = at - 1, of - 1
    end
    if at == 0 or of == 0 then return last + 1 end
  end
  return 1
end

-- Iterates over the runs of dpkg: first and last line of each. A very long run is split.
local function runs(lines, first)
  return coroutine.wrap(function()
    while first <= #lines do
      local last = first
      while last < #lines and last - first < LONGEST - 1
          and not lines[last + 1]:find("^%S+ %S+ startup ") do
        last = last + 1
      end
      coroutine.yield(first, last)
      first = last + 1
    end
  end)
end

-- Storing ----------------------------------------------------------------------

-- Applies one line to the package it names.
local function apply(packages, line)
  local time, word, rest = line:match("^(%d+%-%d+%-%d+ %d+:%d+:%d+) (%S+) (.+)$")
  if word == "status" then
    local status, name, version = rest:match("^(%S+) (%S+) (%S+)$")
    if status == "not-installed" then
      packages:delete { package = name }
    elseif status then
      local item = packages:get { package = name } or { package = name }
      item.status, item.since = status, time
      item.version = version ~= "<none>" and version or nil
      packages:put(item)
    end
  elseif word == "upgrade" then
    local name, before = rest:match("^(%S+) (%S+) %S+$")
    local item = name and packages:get { package = name } or { package = name }
    if name then
      item.upgraded_from = before
      packages:put(item)
    end
  end
end

local function store(db, lines, first, last)
  assert(db:transact(function(tx)
    local packages = tx:table("packages")
    for i = first, last do apply(packages, lines[i]) end
    tx:table("progress"):put {
      name = "dpkg.log", lines = { table.unpack(lines, math.max(last - CONTEXT + 1, 1), last) },
    }
    return true
  end))
end

-- Summary ----------------------------------------------------------------------

local function count(db)
  local counts, names, total = {}, {}, 0
  for item in assert(db:table "packages"):scan() do
    local status = item.status or "unknown"
    if not counts[status] then names[#names + 1] = status end
    counts[status], total = (counts[status] or 0) + 1, total + 1
  end
  table.sort(names)
  for i, name in ipairs(names) do names[i] = ("%d %s"):format(counts[name], name) end
  return total, table.concat(names, ", ")
end

local function main(database, ...)
  database = database or "packages.tide"
  local logs = select("#", ...) > 0 and { ... } or find_logs()
  if #logs == 0 then error(LOG .. ": there is none, so name one", 0) end
  local lines = read_lines(logs)

  local db <close> = assert(tidetable.open(database))
  for _, spec in ipairs(TABLES) do
    if not db:table(spec.name) then assert(db:create_table(spec)) end
  end
  local progress = assert(db:table "progress"):get { name = "dpkg.log" }
  local from, before = find_new(lines, progress and progress.lines or {}),
    assert(db:info()).sequence_number
  for first, last in runs(lines, from) do store(db, lines, first, last) end

  local total, states = count(db)
  print(("%d new lines of %d"):format(#lines - from + 1, #lines))
  print(("%d packages: %s"):format(total, states))
  if from <= #lines then
    print(("what is new: tidetable tail %s packages --after %d"):format(database, before))
  end
end

local ok, problem = pcall(main, ...)
if not ok then
  io.stderr:write("dpkg_log: ", tostring(problem), "\n")
  os.exit(1)
end
