-- processes.lua - starting other Lua processes, and killing them.
--
-- A program says its process id in the first line of its output (child.lua does that) before
-- it loads the library; what else it has to say goes to a file, which outlives it.
local processes = {}

local LUA = os.getenv("LUA") or "lua5.4"

local function quoted(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- Starts spec/crash/<program>.lua with variables of the environment, as the shell takes them
--- ("NAME=value ..."); returns { pid, log, ... } without waiting for the library.
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

--- The same without.
function processes.start(program, log, ...)
  return processes.start_with("", program, log, ...)
end

--- What has a process die, or get another signal, after its n-th write of a meta page: before
--- LMDB publishes that commit (spec/fault/killcommit.c). The sanitizers stay first.
function processes.in_commit(n, signal)
  local preloaded = os.getenv("LD_PRELOAD") or ""
  return ("LD_PRELOAD='%s %s/fault/killcommit.so' COMMIT=%d COMMIT_SIGNAL=%d"):format(preloaded,
    assert(os.getenv("TIDETABLE_BUILD")), n, signal or 9)
end

--- Sends a signal to processes that we started.
function processes.signal(name, list)
  local pids = {}
  for i, process in ipairs(list) do
    pids[i] = ("%d"):format(process.pid)
  end
  if #pids > 0 then
    os.execute("kill -" .. name .. " " .. table.concat(pids, " "))
  end
end

--- Waits for the end of a process; what it had to say on its output.
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
