-- processes.lua - starts Lua processes, waits for them and kills them.
--
-- A program prints its process id in the first line (child.lua does that) before it loads the
-- library; all other output is written to a file, which is kept when the process is killed.
local system = require "system"

local processes = {}

local running = {}

local LUA = os.getenv("LUA") or "lua5.4"

local function quoted(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- Starts spec/crash/<program>.lua with environment variables, given as for the shell ("NAME=value
--- ..."). Returns { pid, log, ... } without waiting for the library.
function processes.start_with(environment, program, log, ...)
  local words = { "exec env", environment, LUA, "spec/crash/" .. program .. ".lua", quoted(log) }
  for i = 1, select("#", ...) do
    words[#words + 1] = quoted((select(i, ...)))
  end
  local pipe = assert(io.popen(table.concat(words, " "), "r"))
  local pid = pipe:read("n")
  if not pid then
    error(program .. " did not start")
  end
  local process = { pid = pid, pipe = pipe, log = log, program = program }
  running[#running + 1] = process
  return process
end

--- Starts a program without additional variables.
function processes.start(program, log, ...)
  return processes.start_with("", program, log, ...)
end

--- Returns variables with which a process gets a signal (SIGKILL by default) after its n-th write
--- of a meta page, before LMDB publishes that commit (spec/fault/killcommit.c). The sanitizers stay
--- the first library.
function processes.in_commit(n, signal)
  local preloaded = os.getenv("LD_PRELOAD") or ""
  return ("LD_PRELOAD='%s %s/fault/killcommit.so' COMMIT=%d COMMIT_SIGNAL=%d"):format(preloaded,
    assert(os.getenv("TIDETABLE_BUILD")), n, signal or 9)
end

--- Sends a signal to processes that this module started.
function processes.signal(name, list)
  local pids = {}
  for i, process in ipairs(list) do
    pids[i] = ("%d"):format(process.pid)
  end
  if #pids > 0 then
    os.execute("kill -" .. name .. " " .. table.concat(pids, " "))
  end
end

--- Waits for a process to exit. Returns the rest of its output.
function processes.wait(process)
  local rest = process.pipe:read("a")
  process.pipe:close()
  for i = #running, 1, -1 do
    if running[i] == process then
      table.remove(running, i)
    end
  end
  return rest
end

function processes.kill(list)
  processes.signal("KILL", list)
  for _, process in ipairs(list) do
    processes.wait(process)
  end
end

--- Calls condition until it returns a true value, for at most this many seconds. Returns the value;
--- raises an error if there is none in time.
function processes.wait_until(seconds, what, condition)
  local deadline = system.monotime() + seconds
  repeat
    local value = condition()
    if value then
      return value
    end
    system.sleep(0.0005)
  until system.monotime() > deadline
  error("waited " .. seconds .. " s for " .. what)
end

--- Creates a folder for the files of a test. Returns its path.
function processes.create_folder()
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  return folder
end

--- Kills all processes that are running, and removes the folder.
function processes.clean_up(folder)
  processes.kill { table.unpack(running) }
  os.execute("rm -r " .. folder)
end

return processes
