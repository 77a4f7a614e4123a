-- webhook.lua - posts each change of a table to a URL: a processor of `tidetable run`.
--
--   WEBHOOK_URL=https://example.org/hook tidetable run shop.tide examples/webhook.lua
--
-- Settings are environment variables, so that secrets are not in command lines:
--
--   WEBHOOK_URL       where to post; required
--   WEBHOOK_TABLE     table whose changes are posted (orders)
--   WEBHOOK_TOKEN     sent as "Authorization: Bearer TOKEN"; only over https, or to this machine
--   WEBHOOK_TIMEOUT   seconds that one request may take (10)
--   WEBHOOK_CA        file of the certificates that are trusted (those of the system)
--
-- It needs LuaSocket, and LuaSec for https. Each change is posted at least once. The receiver
-- detects repeats by the header Idempotency-Key, the record's id. An answer 2xx means success.
-- Answers that concern the record (400, 409, 422 and others) park it at once, with the later
-- records of its key. After all other answers and without an answer, the record is tried again
-- until it is older than max_age: then it is parked.
local http = require "socket.http"
local json = require "tidetable.dynamodb.json"
local ltn12 = require "ltn12"
local socket = require "socket"
local url = require "socket.url"

local LONGEST_PAUSE = 10              -- seconds that a call of the handler waits for Retry-After
local LONGEST_RETRY_AFTER = 3600
local SYSTEM_CERTIFICATES = "/etc/ssl/certs"
local MONTHS = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9,
  Oct = 10, Nov = 11, Dec = 12 }

-- Answers 4xx that concern the receiver and not one record, so they are tried again.
local retried = { [401] = true, [403] = true, [404] = true, [405] = true, [407] = true,
  [408] = true, [410] = true, [421] = true, [423] = true, [425] = true, [429] = true }

local function setting(name, default)
  local value = os.getenv(name)
  return value ~= "" and value or default
end

-- Error messages contain neither URL nor token: they are stored with parked records, and logged.
local target = setting "WEBHOOK_URL" or error("WEBHOOK_URL is not set", 0)
local place = url.parse(target)
local token = setting "WEBHOOK_TOKEN"
local timeout = tonumber(setting("WEBHOOK_TIMEOUT", 10))
local is_local = place.host == "localhost" or place.host == "::1"
  or place.host and place.host:find "^127%.%d+%.%d+%.%d+$"

if not (place.scheme == "http" or place.scheme == "https") or (place.host or "") == "" then
  error("WEBHOOK_URL: expected http://HOST... or https://HOST...", 0)
elseif token and place.scheme == "http" and not is_local then
  error("WEBHOOK_TOKEN: requires https in WEBHOOK_URL", 0)
elseif token and token:find "[^\x21-\x7e]" then
  error("WEBHOOK_TOKEN: contains a character that a header can't have", 0)
elseif not timeout or timeout <= 0 then
  error("WEBHOOK_TIMEOUT: expected seconds greater than 0", 0)
end

-- Connections ----------------------------------------------------------------------------------

local tls, context

if place.scheme == "https" then
  local authority = setting "WEBHOOK_CA"
  tls = require "ssl"
  context = assert(tls.newcontext { mode = "client", protocol = "any", verify = "peer",
    options = { "all", "no_sslv2", "no_sslv3", "no_tlsv1", "no_tlsv1_1" },
    cafile = authority, capath = not authority and SYSTEM_CERTIFICATES or nil })
end

--- Returns true if a certificate is one of the host: its subject alternative names contain it.
--- LuaSec verifies the chain, but not the name.
local function is_certificate_of(certificate, host)
  local names = (certificate:extensions() or {})["2.5.29.17"] or {}
  if host:find ":" or host:find "^[%d.]+$" then
    for _, address in ipairs(names.iPAddress or {}) do
      if address == host then return true end
    end
    return false
  end
  host = host:lower()
  local domain = host:match "^[^.]+(%.[^.]+%..+)$"
  for _, name in ipairs(names.dNSName or {}) do
    name = name:lower()
    if name == host or domain and name == "*" .. domain then return true end
  end
  return false
end

--- Returns a connection for LuaSocket's HTTP, whose calls take `timeout` seconds together. The
--- timeout of LuaSocket's HTTP is that of a single call.
local function connection()
  local self = { socket = assert(socket.tcp()) }
  local deadline = socket.gettime() + timeout

  local function limited(method, ...)
    local left = math.min(deadline - socket.gettime(), timeout)
    if left <= 0 then return nil, "timeout" end
    self.socket:settimeout(left, "t")
    return self.socket[method](self.socket, ...)
  end

  for _, method in ipairs { "send", "receive" } do
    self[method] = function(_, ...) return limited(method, ...) end
  end
  for _, method in ipairs { "close", "getfd", "dirty" } do
    self[method] = function() return self.socket[method](self.socket) end
  end
  function self.settimeout() return 1 end

  function self.connect(_, host, port)
    local ok, err = limited("connect", host, port)
    if not ok or not tls then return ok, err end
    self.socket = assert(tls.wrap(self.socket, context))
    self.socket:sni(host)
    ok, err = limited "dohandshake"
    if ok and not is_certificate_of(self.socket:getpeercertificate(), host) then
      return nil, "the certificate is not one of this host"
    end
    return ok, err
  end

  return self
end

-- Requests -------------------------------------------------------------------------------------

--- Returns the seconds to wait that an answer asks for; 0 if it does not. The value is a number of
--- seconds or an HTTP date.
local function retry_after(headers)
  local value = headers["retry-after"] or ""
  local seconds = tonumber(value:match "^%d+$")
  if not seconds then
    local day, month, year, hour, min, sec = value:match(
      "^%a+, (%d+) (%a+) (%d+) (%d+):(%d+):(%d+) GMT$")
    if not MONTHS[month] then return 0 end
    local date = os.time { day = day, month = MONTHS[month], year = year, hour = hour, min = min,
      sec = sec, isdst = false }
    local now = os.date "!*t"
    now.isdst = false
    seconds = date - os.time(now)
  end
  return math.max(0, math.min(seconds, LONGEST_RETRY_AFTER))
end

--- Posts a record. Returns the status of the answer and its headers; or nil and an error.
local function post(record)
  local body = json.encode_record(record, "plain")
  local ok, status, headers = http.request {
    url = target, method = "POST", create = connection,
    source = ltn12.source.string(body), sink = ltn12.sink.null(),
    headers = { ["content-type"] = "application/json", ["content-length"] = #body,
      ["idempotency-key"] = record.id, ["user-agent"] = "tidetable",
      authorization = token and "Bearer " .. token },
  }
  if not ok then
    return nil, (status == "wantread" or status == "wantwrite") and "timeout" or status
  elseif not headers then
    -- LuaSocket returns an answer that is not HTTP as HTTP 0.9 with status 200.
    return nil, status == 408 and "timeout" or "the answer is not HTTP"
  end
  return status, headers
end

local retry_at = 0    -- no request before this time, which the receiver asked for

--- Waits until the receiver accepts requests again. Returns the seconds that are left, if that
--- takes longer than a call of the handler should; otherwise 0.
local function wait_until_ready()
  local left = retry_at - socket.gettime()
  if left > 0 then
    socket.sleep(math.min(left, LONGEST_PAUSE))
    left = retry_at - socket.gettime()
  end
  return math.max(left, 0)
end

--- Posts a record if the receiver accepts requests. Returns "delivered"; "refused" and the reason,
--- if the receiver refuses this record; or "failed" and the reason, for what may succeed later.
local function deliver(record)
  local left = wait_until_ready()
  if left > 0 then
    return "failed", ("%s: asked to be called %.0f s later"):format(place.host, left)
  end
  local status, headers = post(record)
  if not status then
    return "failed", ("%s: %s"):format(place.host, headers)
  elseif status >= 200 and status < 300 then
    return "delivered"
  end
  local reason = ("%s: HTTP status %d"):format(place.host, status)
  if status >= 400 and status < 500 and not retried[status] then
    return "refused", reason
  end
  retry_at = socket.gettime() + retry_after(headers)
  return "failed", reason
end

-- What deliver has returned for records whose batch failed at a later record, by id: the records
-- before that one run again as a batch, but need not be sent again.
local outcomes = {}

local function handler(records, tx)
  local batch = table.move(records, 1, #records, 1, {})
  local is_first = true
  for _, record in ipairs(records) do
    local outcome = outcomes[record.id] or { deliver(record) }
    local verdict, reason = outcome[1], outcome[2]
    if verdict == "failed" then
      -- The records before it are committed. If there is none, the attempt fails with the reason.
      if is_first then return nil, reason end
      return { batch_item_failures = { record.sequence_number } }
    end
    outcomes[record.id], is_first = outcome, false
    if verdict == "refused" then
      tx:park(record, reason)
    end
  end
  for _, record in ipairs(batch) do outcomes[record.id] = nil end
end

return {
  name = "webhook", source = setting("WEBHOOK_TABLE", "orders"), handler = handler,
  -- A batch takes at most batch_size * timeout, which must be less than handler_limit.
  batch_size = 20, handler_limit = math.ceil(20 * timeout + LONGEST_PAUSE + 30),
  on_failure = "park", max_age = 12 * 3600, hold = true,
}
