-- metrics_server.lua - answers GET /metrics with metrics in Prometheus' text format, on a Unix
-- socket or on a port of the loopback interface.
--
-- One request for each connection (HTTP/1.1 with "Connection: close"). A request is bounded in size
-- and time, and so is the number of connections, so no client can hold up the runtime.

local socket = require "cqueues.socket"

local servers = {}

--- Maximum size of a request line or a header, and maximum number of headers.
local LINE_MAX, HEADERS_MAX = 4096, 64
--- Seconds for a request and its answer.
local TIMEOUT = 5
--- Maximum number of connections.
local CONNECTIONS_MAX = 16

local LOOPBACK = { ["127.0.0.1"] = true, ["::1"] = true, localhost = true }

--- Parses an address: unix:PATH, HOST:PORT or [HOST]:PORT. Only the loopback interface is allowed.
---@param text string
---@return table|nil address, string|nil message
function servers.address(text)
  local path = text:match "^unix:(.+)$"
  if path then
    return { path = path }
  end
  local host, port = text:match "^%[([%x:]+)%]:(%d+)$"
  if not host then
    host, port = text:match "^([^:]+):(%d+)$"
  end
  port = math.tointeger(tonumber(port))
  if not host or not port or port > 65535 then
    return nil, ("'%s': expected unix:PATH or HOST:PORT"):format(text)
  elseif not LOOPBACK[host] then
    return nil, ("'%s': only the loopback interface is possible: 127.0.0.1, [::1] or localhost")
      :format(text)
  end
  return { host = host, port = port }
end

--- Reads a request. Returns its method and path; nil if it is no request.
local function read_request(client)
  local line = client:read "*l"
  local method, path = (line or ""):match "^(%u+) (%S+) HTTP/1%.[01]\r?$"
  if not method then
    return nil
  end
  for _ = 1, HEADERS_MAX do
    line = client:read "*l"
    if not line or line == "" or line == "\r" then
      return method, path
    end
  end
  return nil
end

local REASONS = { [200] = "OK", [400] = "Bad Request", [404] = "Not Found",
  [405] = "Method Not Allowed", [500] = "Internal Server Error" }

local function respond(client, status, text, is_head)
  local kind = status == 200 and "text/plain; version=0.0.4; charset=utf-8" or "text/plain"
  local allow = status == 405 and "Allow: GET, HEAD\r\n" or ""
  client:write(("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s"
    .. "Connection: close\r\n\r\n"):format(status, REASONS[status], kind, #text, allow),
    is_head and "" or text)
  client:flush()
end

--- Answers one request.
local function serve(client, text_of)
  client:setmode("b", "bf")
  client:setmaxline(LINE_MAX)
  client:settimeout(TIMEOUT)
  client:onerror(function(_, _, code) return code end)
  local method, path = read_request(client)
  if not method then
    respond(client, 400, "no HTTP request\n")
  elseif method ~= "GET" and method ~= "HEAD" then
    respond(client, 405, "only GET is possible\n")
  elseif path ~= "/metrics" then
    respond(client, 404, "the metrics are at /metrics\n", method == "HEAD")
  else
    local ok, text = pcall(text_of)
    respond(client, ok and 200 or 500, ok and text or "the database can't be read\n",
      method == "HEAD")
  end
end

--- Returns true if a process listens on the Unix socket.
local function is_in_use(path)
  local probe = socket.connect { path = path }
  probe:onerror(function(_, _, code) return code end)
  local ok = probe:connect(1)
  probe:close()
  return ok ~= nil and ok ~= false
end

---@class tidetable.run.MetricsServer
---@field listener table  socket of cqueues
local Server = {}
Server.__index = Server

--- Listens. Returns nil, message if that is not possible.
---@param address table  from servers.address
---@return tidetable.run.MetricsServer|nil, string|nil message
function servers.listen(address)
  if address.path and is_in_use(address.path) then
    return nil, address.path .. ": another process listens there"
  end
  local given = address.path and { path = address.path, mode = "0600", unlink = true }
    or { host = address.host, port = address.port }
  local ok, listener = pcall(socket.listen, given)
  local err
  if ok then
    listener:onerror(function(_, _, code) return code end)
    ok, err = listener:listen()
  end
  if not ok then
    return nil, ("can't listen on %s: %s"):format(address.path or address.host .. ":"
      .. address.port, tostring(require "cqueues.errno".strerror(err) or listener))
  end
  return setmetatable({ listener = listener, address = address, count = 0 }, Server)
end

--- Accepts connections until `close`. text_of returns the metrics.
---@param loop table  of cqueues
---@param text_of fun(): string
function Server:run(loop, text_of)
  while self.listener do
    local client = self.listener:accept(1)
    if client and self.count < CONNECTIONS_MAX then
      self.count = self.count + 1
      loop:wrap(function()
        pcall(serve, client, text_of)
        client:close()
        self.count = self.count - 1
      end)
    elseif client then
      client:close()
    end
  end
end

--- Stops listening, and removes the Unix socket.
function Server:close()
  local listener = self.listener
  self.listener = nil
  if listener then
    listener:close()
    if self.address.path then
      os.remove(self.address.path)
    end
  end
end

return servers
