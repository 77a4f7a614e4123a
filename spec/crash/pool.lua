-- pool.lua - supervises processes that are workers of one consumer: replaces those that have died,
-- continues those that are stopped, and measures how long a shard has no living owner.
--
-- It knows from /proc and from the logs of pool_worker.lua which process lives, independently of
-- the library.
local core = require "tidetable.core"
local processes = require "spec.crash.processes"
local system = require "system"

local pools = {}

--- Maximum number of seconds that count between two polls. The machine may have been busy with
--- other processes.
local POLL_MAX = 0.05
local POLL_INTERVAL = 0.002

local Pool = {}
Pool.__index = Pool

--- Creates a pool.
---   db: handle of the database with a short busy_timeout
---   name: of the consumer
---   lease, handler_limit: its settings
---   count: number of workers
---   start: function that starts a worker and returns { pid, log, ... }
---   stop_time: function that returns for how many seconds a process is stopped
function pools.new(pool)
  pool.workers, pool.openings, pool.owners, pool.without_owner = {}, {}, {}, {}
  pool.killed, pool.killed_in_commit, pool.stopped, pool.stopped_in_commit = 0, 0, 0, 0
  pool.closed, pool.takeovers, pool.longest, pool.polled_at = 0, 0, 0, system.monotime()
  return setmetatable(pool, Pool)
end

-- Processes --------------------------------------------------------------------

--- Returns the state of a process: "R", "S", "D", "T" (stopped by a signal), "Z" (it has died).
local function state_of(process)
  local file <close> = io.open(("/proc/%d/stat"):format(process.pid))
  return file and file:read("a"):match("%) (%a)") or "Z"
end

--- Reads what a worker has logged since the last call.
local function read_log(pool, process)
  process.reader = process.reader or io.open(process.log)
  if not process.reader then return end
  process.reader:seek("cur")                     -- clears the end of file
  for line in process.reader:lines() do
    local event, text = line:match("^(%a+) ?(.*)$")
    if event == "open" then
      process.is_open, process.opening = true, nil
    elseif event == "owner" then
      process.opening, pool.openings[text] = text, process
    elseif event == "closed" then
      process.is_open, process.opening = false, nil
      pool.closed = pool.closed + 1
    else
      error(("worker %d: %s"):format(process.pid, line))
    end
  end
end

local function read_logs(pool)
  for _, process in ipairs(pool.workers) do read_log(pool, process) end
end

--- Removes a worker that has died.
local function bury(pool, process)
  processes.wait(process)
  read_log(pool, process)
  if process.reader then process.reader:close() end
  process.state, process.is_open, process.opening = "Z", false, nil
  for i, worker in ipairs(pool.workers) do
    if worker == process then table.remove(pool.workers, i) end
  end
end

--- Reads the state of each worker. Continues those whose time is over, replaces those that have
--- died.
local function refresh(pool, now)
  for i = #pool.workers, 1, -1 do
    local process = pool.workers[i]
    process.state = state_of(process)
    if process.state == "Z" then
      pool.killed_in_commit = pool.killed_in_commit + 1
      bury(pool, process)
    elseif process.state == "T" and not process.continue_at then
      pool.stopped_in_commit = pool.stopped_in_commit + 1
      process.continue_at = now + pool.stop_time()
    elseif process.continue_at and now >= process.continue_at then
      process.continue_at = nil
      processes.signal("CONT", { process })
      process.state = state_of(process)
    end
  end
  while #pool.workers < pool.count do
    local process = pool.start()
    process.state = "R"
    pool.workers[#pool.workers + 1] = process
  end
end

--- Kills `count` random workers.
function Pool:kill(count)
  for _ = 1, math.min(count, #self.workers) do
    local process = self.workers[math.random(#self.workers)]
    processes.signal("KILL", { process })
    bury(self, process)
    self.killed = self.killed + 1
  end
end

--- Stops a random worker for a random time, unless it is stopped.
function Pool:stop()
  local process = self.workers[math.random(#self.workers)]
  if process and not process.continue_at then
    process.continue_at = system.monotime() + self.stop_time()
    processes.signal("STOP", { process })
    self.stopped = self.stopped + 1
  end
end

--- Kills all workers. They are not replaced.
function Pool:kill_all()
  self.count = 0
  while #self.workers > 0 do
    processes.signal("KILL", { self.workers[1] })
    bury(self, self.workers[1])
  end
end

-- Owners -----------------------------------------------------------------------

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

--- Returns true if the process that owns a range runs and has the database open. An owner that has
--- not logged yet that it has joined is known by the library alone.
local function has_living_owner(pool, row, range)
  if not range.opening then
    return false
  end
  local opening = hex(range.opening)
  local process = pool.openings[opening]
  if not process then
    return (core.worker_is_alive(pool.db.core, range.opening, range.worker, row.id, pool.lease,
      pool.handler_limit))
  end
  return process.opening == opening and process.state ~= "T" and process.state ~= "Z"
end

--- Returns true if a worker runs and has the database open.
local function has_live_worker(pool)
  for _, process in ipairs(pool.workers) do
    if process.is_open and process.state ~= "T" then return true end
  end
  return false
end

--- Returns true if a stopped worker holds the write lock.
local function is_locked_by_stopped(pool)
  local has_stopped = false
  for _, process in ipairs(pool.workers) do has_stopped = has_stopped or process.state == "T" end
  if not has_stopped then
    return false
  end
  local _, err, code = pool.db:transact(function() end)
  if code ~= "BUSY" then
    return false
  end
  for _, process in ipairs(pool.workers) do
    if process.pid == err.pid then return state_of(process) == "T" end
  end
  return false
end

--- Counts the ranges whose owner was replaced after it had died or while it was stopped.
local function count_takeovers(pool, range, is_alive)
  local opening = range.opening and hex(range.opening)
  local before = pool.owners[range.first]
  local process = before and pool.openings[before]
  if opening and is_alive and before ~= opening and process
      and (process.state == "T" or process.state == "Z") then
    pool.takeovers = pool.takeovers + 1
  end
  if opening and is_alive then
    for shard = range.first, range.last do pool.owners[shard] = opening end
  end
end

--- Adds the time since the last poll to the shards that have no living owner.
local function measure(pool, row, seconds)
  local is_counted = nil
  local must_wait = row.is_paused or not has_live_worker(pool)
  for _, range in ipairs(row.ranges) do
    local is_alive = has_living_owner(pool, row, range)
    count_takeovers(pool, range, is_alive)
    if not is_alive and not must_wait and is_counted == nil then
      is_counted = not is_locked_by_stopped(pool)
    end
    for shard = range.first, range.last do
      local time = pool.without_owner[shard] or 0
      time = not is_alive and not must_wait and time + (is_counted and seconds or 0) or 0
      pool.without_owner[shard], pool.longest = time, math.max(pool.longest, time)
    end
  end
  if pool.longest > pool.lease + 1 then
    error(("a shard had no living owner for %.3f s\n%s"):format(pool.longest, pool:diagnosis()))
  end
end

-- Waiting ----------------------------------------------------------------------

--- Returns the ranges and workers as a text.
function Pool:diagnosis()
  local lines = {}
  local row = assert(core.consumer_describe(self.db.core, self.name))
  lines[1] = ("paused: %s, last sequence number: %d"):format(row.is_paused, row.last_sequence)
  for _, range in ipairs(row.ranges) do
    local process = range.opening and self.openings[hex(range.opening)]
    lines[#lines + 1] = ("shards %d-%d: epoch %d, position %d, attempts %d, owner %s, %.3f s"
      .. " without"):format(range.first, range.last, range.epoch, range.position, range.attempts,
      process and process.pid or range.opening and "unknown" or "none",
      self.without_owner[range.first] or 0)
  end
  for _, process in ipairs(self.workers) do
    lines[#lines + 1] = ("worker %d: state %s, %s"):format(process.pid, state_of(process),
      process.is_open and "open" or "not open")
  end
  local ok, err = self.db:transact(function() end)
  lines[#lines + 1] = "write lock: " .. (ok and "free" or tostring(err))
  return table.concat(lines, "\n")
end

--- Supervises the workers once.
function Pool:poll()
  local now = system.monotime()
  refresh(self, now)
  read_logs(self)
  local row = assert(core.consumer_describe(self.db.core, self.name))
  measure(self, row, math.min(now - self.polled_at, POLL_MAX))
  self.polled_at = now
  return row
end

--- Polls until condition(row) returns a true value, for at most this many seconds. Raises an error
--- with the state of the workers if it does not in time.
function Pool:wait_until(seconds, what, condition)
  local deadline = system.monotime() + seconds
  repeat
    if condition(self:poll()) then
      return
    end
    system.sleep(POLL_INTERVAL)
  until system.monotime() > deadline
  error(("waited %g s for %s\n%s"):format(seconds, what, self:diagnosis()))
end

--- Polls for this many seconds.
function Pool:sleep(seconds)
  local deadline = system.monotime() + seconds
  self:wait_until(seconds + 60, "time to pass", function() return system.monotime() > deadline end)
end

return pools
