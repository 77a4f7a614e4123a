-- metrics_server_spec.lua - metrics over HTTP, on a Unix socket or a port of the loopback.
local helper = require "spec.tidetable.helper"
local runtime = require "spec.tidetable.run.runtime"
local servers = require "tidetable.run.metrics_server"
local socket = require "cqueues.socket"

describe("the server of metrics", function()
  runtime.setup(before_each, after_each)

  it("accepts only addresses of this machine", function()
    assert.same({ path = "/a/b" }, servers.address "unix:/a/b")
    assert.same({ host = "127.0.0.1", port = 9100 }, servers.address "127.0.0.1:9100")
    assert.same({ host = "::1", port = 0 }, servers.address "[::1]:0")
    assert.same({ host = "localhost", port = 1 }, servers.address "localhost:1")
    for _, text in ipairs { "", "unix:", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:65536", ":1",
      "::1:5", "0.0.0.0:1", "example.org:80", "[::]:1" } do
      local address, message = servers.address(text)
      assert.is_nil(address, text)
      assert.equal("string", type(message))
    end
  end)

  local function ask(path, request)
    local client = socket.connect { path = path }
    client:settimeout(10)
    client:onerror(function(_, _, code) return code end)
    client:setmode("b", "bn")
    client:write(request)
    local answer = client:read "*a" or ""
    client:close()
    local head, body = answer:match "^(.-)\r\n\r\n(.*)$"
    return head and math.tointeger(head:match "^HTTP/1.1 (%d+)"), body, head
  end

  it("shows the metrics of the database and of the workers", function()
    local _, orders, effects = runtime.database()
    runtime.put(orders, 1, 3)
    local path = helper.path "metrics"
    local run = runtime.start { runtime.write("p.lua", runtime.counting "c"), "--metrics",
      "unix:" .. path, "--workers", "2" }
    run:ready()
    run:counted(effects, 3)
    local status, body, head = ask(path, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert.equal(200, status)
    assert.is_truthy(head:find("Content-Type: text/plain; version=0.0.4; charset=utf-8", 1, true))
    assert.equal(#body, math.tointeger(tonumber(head:match "Content%-Length: (%d+)")))
    assert.is_truthy(body:find('tidetable_run_worker_up{database="', 1, true))
    assert.is_truthy(body:find 'tidetable_consumer_records_total{[^}]*consumer="c"} 3\n')
    assert.is_truthy(body:find 'tidetable_run_ready{[^}]*} 1\n')
    assert.equal(404, ask(path, "GET / HTTP/1.0\r\n\r\n"))
    assert.equal(405, ask(path, "POST /metrics HTTP/1.1\r\n\r\n"))
    assert.equal(400, ask(path, "nonsense\r\n\r\n"))
    assert.equal(400, ask(path, "GET /metrics HTTP/1.1\r\n" .. ("X: y\r\n"):rep(100) .. "\r\n"))
    status, body = ask(path, "HEAD /metrics HTTP/1.1\r\n\r\n")
    assert.same({ 200, "" }, { status, body })
    local silent = socket.connect { path = path }      -- stops nothing
    silent:connect(1)
    assert.equal(200, ask(path, "GET /metrics HTTP/1.1\r\n\r\n"))
    runtime.start({ helper.path "p.lua", "--metrics", "unix:" .. path })
      :ends(1, "another process listens there")
    run:stop()
    silent:close()
    assert.is_nil(io.open(path))
  end)

  it("replaces the socket of a command that was killed", function()
    runtime.database()
    local path, script = helper.path "metrics", runtime.write("p.lua", runtime.counting "c")
    local run = runtime.start { script, "--metrics", "unix:" .. path }
    run:ready()
    run:signal "SIGKILL"
    run:wait()
    run = runtime.start { script, "--metrics", "unix:" .. path }
    run:ready()
    assert.equal(200, ask(path, "GET /metrics HTTP/1.1\r\n\r\n"))
    run:stop()
  end)

  it("refuses other addresses", function()
    runtime.database()
    local script = runtime.write("p.lua", runtime.counting "c")
    runtime.start({ script, "--metrics", "0.0.0.0:9100" }):ends(2, "only the loopback interface")
    runtime.start({ script, "--metrics", "unix:/nowhere/at/all" }):ends(1, "can't listen on")
  end)
end)
