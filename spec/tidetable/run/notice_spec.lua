-- notice_spec.lua - notices to the service manager: systemd's protocol.
local helper = require "spec.tidetable.helper"
local notices = require "tidetable.run.notice"
local runtime = require "spec.tidetable.run.runtime"
local socket = require "cqueues.socket"

describe("the notices", function()
  runtime.setup(before_each, after_each)

  --- Returns a socket for datagrams, and a function that returns those that have arrived.
  local function listen()
    local path = helper.path "notify"
    local receiver = socket.listen { path = path, type = socket.SOCK_DGRAM, mode = "0600" }
    receiver:setmode("b", "bn")
    local handle = io.open("/proc/self/fd/" .. receiver:pollfd())
    if handle then handle:close() end
    return path, receiver
  end

  it("are none without a socket", function()
    local none = notices.new(function() end)
    assert.is_nil(none.path)
    none:ready "x"
    none:ping()
  end)

  it("have the interval of the watchdog, unless it is that of another process", function()
    local function with(variables)
      return notices.new(function(name) return variables[name] end)
    end
    assert.equal(1.5, with { NOTIFY_SOCKET = "/x", WATCHDOG_USEC = "3000000" }.interval)
    assert.is_nil(with { WATCHDOG_USEC = "3000000" }.interval)
    assert.is_nil(with { NOTIFY_SOCKET = "/x", WATCHDOG_USEC = "0" }.interval)
    assert.is_nil(with { NOTIFY_SOCKET = "/x", WATCHDOG_USEC = "9", WATCHDOG_PID = "1" }.interval)
    local own = io.open "/proc/self/stat":read "n"
    assert.is_truthy(with { NOTIFY_SOCKET = "/x", WATCHDOG_USEC = "9",
      WATCHDOG_PID = tostring(own) }.interval)
  end)

  it("report ready, reload and stop, with pings; workers don't get the socket", function()
    local path, receiver = listen()
    local _, orders, effects = runtime.database()
    local text = ""
    local function heard(pattern)
      local bytes = receiver:recv(-4096)
      while bytes do
        text, bytes = text .. bytes .. "\n", receiver:recv(-4096)
      end
      receiver:clearerr()
      return text:find(pattern)
    end
    local run = runtime.start({ runtime.write("p.lua", runtime.counting("c", "batch_size = 1", [[
      print("socket", os.getenv "NOTIFY_SOCKET", os.getenv "WATCHDOG_USEC")
    ]])) }, { "NOTIFY_SOCKET=" .. path, "WATCHDOG_USEC=400000" })
    run:wait_until("READY", function() return heard "READY=1\nSTATUS=1 processor\nWATCHDOG=1" end)
    run:wait_until("a ping", function() return heard "\nWATCHDOG=1\nWATCHDOG=1" end)
    runtime.put(orders, 1, 1)
    run:counted(effects, 1)
    assert.equal("socket\tnil\tnil", run:wait_for "socket".message)
    run:signal "SIGHUP"
    run:wait_until("RELOADING", function()
      return heard "RELOADING=1\nMONOTONIC_USEC=%d+\n.*READY=1"
    end)
    run:stop()
    assert.is_truthy(heard "STOPPING=1")
    receiver:close()
  end)
end)
