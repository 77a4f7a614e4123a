-- processes.lua - starts other Lua processes, and kills them.
--
-- A program prints its process id in the first line (child.lua does that) before it loads the
-- library; everything else is written to a file, which survives it.
local processes = {}

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
  return { pid = pid, pipe = pipe, log = log, program = program }
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
  return rest
end

function processes.kill(list)
  processes.signal("KILL", list)
  for _, process in ipairs(list) do
    processes.wait(process)
  end
end

return processes
