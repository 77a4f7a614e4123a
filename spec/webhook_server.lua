-- webhook_server.lua - an HTTP server of 127.0.0.1 that answers as its arguments say.
--
--   CERTIFICATE ANSWER...     CERTIFICATE: file of a certificate and its key; "-": no TLS
--
-- Prints its port, then each request as JSON on one line. The n-th request gets the n-th answer,
-- later ones the last:
--
--   "429 Retry-After: 1"  status, and a header      "hang"       none, the connection stays open
--   "random SEED"         200, 500, or "close"      "close"      none, the connection is closed
--   "drip"                headers without an end    "garbage"    no HTTP
--   "continue"            100, then 200             "short"      a body that ends too early
local json_text = require "tidetable.dynamodb.json_text"
local socket = require "socket"

local certificate, plan = ..., { select(2, ...) }
local listener = assert(socket.bind("127.0.0.1", 0))
local open = {}    -- connections that are never answered

local _, bound_port = listener:getsockname()
print(bound_port)

local function secure(client)
  if certificate == "-" then return client end
  local wrapped = assert(require "ssl".wrap(client, { mode = "server", protocol = "any",
    certificate = certificate, key = certificate }))
  return wrapped:dohandshake() and wrapped
end

--- Returns a request; nil if the client has closed the connection before its end.
local function read_request(client)
  local line, headers = client:receive "*l", {}
  local header = line and client:receive "*l"
  while header and header ~= "" do
    local name, value = header:match "^(.-):%s*(.*)$"
    headers[name:lower()] = value
    header = client:receive "*l"
  end
  local body = header and client:receive(tonumber(headers["content-length"] or 0))
  return body and { line = line, headers = headers, body = body }
end

local answers = {}

function answers.random()
  local n = math.random(10)
  return n <= 6 and "200" or n <= 8 and "500" or "close"
end

function answers.hang(client) open[#open + 1] = client end
function answers.close(client) client:close() end

function answers.drip(client)
  client:send "HTTP/1.1 200 OK\r\nSlow: "
  while client:send "x" do socket.sleep(0.02) end
  client:close()
end

local function send(text)
  return function(client)
    client:send(text)
    client:close()
  end
end

local OK = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
answers.garbage = send "nonsense\r\n"
answers.continue = send("HTTP/1.1 100 Continue\r\n\r\n" .. OK)
answers.short = send "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"

local count = 0
while true do
  local client = secure(assert(listener:accept()))
  local request = client and read_request(client)
  if not request then
    print "no request"
  else
    print(json_text.encode(request))
    count = count + 1
    local answer = plan[math.min(count, #plan)]
    local seed = answer:match "^random (%d+)$"
    if seed and count == 1 then math.randomseed(math.tointeger(seed)) end
    if seed then answer = answers.random() end
    if answers[answer] then
      answers[answer](client)
    else
      local status, header = answer:match "^(%d+) ?(.*)$"
      send(("HTTP/1.1 %s Text\r\n%sContent-Length: 2\r\n\r\nok"):format(status,
        header ~= "" and header .. "\r\n" or ""))(client)
    end
  end
end
