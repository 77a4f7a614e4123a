-- webhook_spec.lua - examples/webhook.lua and a server of this machine that answers in many ways.
--
--   make spec SPEC=spec/webhook_spec.lua SEED=n
local helper = require "spec.tidetable.helper"
local json_text = require "tidetable.dynamodb.json_text"
local programs = require "spec.node.program"
local testing = require "tidetable.testing"

local COMMAND = (os.getenv "TIDETABLE_BUILD" or "build") .. "/bin/tidetable"

local SEED = math.tointeger(tonumber(os.getenv "SEED")) or os.time()

if not pcall(require, "socket.http") then
  it("the webhook", function() pending "LuaSocket can't be loaded" end)
  return
end
local has_tls = pcall(require, "ssl") and os.execute "command -v openssl >/dev/null"

helper.setup(before_each, after_each)

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

--- Loads the processor with these environment variables. Raises its errors.
local function load_webhook(environment)
  local variables = { getenv = function(name) return environment[name] end }
  local globals = { os = setmetatable(variables, { __index = os }) }
  return assert(loadfile("examples/webhook.lua", "t", setmetatable(globals, { __index = _G })))()
end

describe("the webhook", function()
  local children, db, orders, consumer, reasons

  before_each(function()
    children, consumer, reasons = {}, nil, {}
    db = helper.open()
    orders = assert(db:create_table { name = "orders", partition_key = "id",
      stream = { view_type = "NEW_AND_OLD_IMAGES" } })
  end)

  after_each(function()
    for _, child in ipairs(children) do child:close() end
  end)

  --- Starts a server. Returns it and its port.
  local function serve(certificate, ...)
    local server = testing.child(read "spec/webhook_server.lua", { certificate, ... })
    children[#children + 1] = server
    return server, server:line()
  end

  --- Opens the consumer with the settings of the processor. Returns a function that handles one
  --- batch. `reasons` is the list of the reasons for which it failed, in which there is no secret.
  local function stepper(environment)
    local options = load_webhook(environment)
    local name, handler = options.name, options.handler
    options.name, options.handler, options.backoff = nil, nil, 0.001
    if consumer then consumer:close() end
    consumer = assert(db:consumer(name, options))
    local function watched(records, tx)
      local result, reason = handler(records, tx)
      if reason then
        for _, secret in ipairs { "secret", "hidden", "token" } do
          assert.is_nil(reason:find(secret, 1, true), reason)
        end
        reasons[#reasons + 1] = reason
      end
      return result, reason
    end
    return function() return consumer:step(watched) end
  end

  --- Starts a server with these answers, and a consumer that posts to it. Returns a function that
  --- handles one batch, and the server.
  local function start(...)
    local server, port = serve("-", ...)
    return stepper { WEBHOOK_URL = ("http://user:secret@127.0.0.1:%d/hook?key=hidden"):format(port),
      WEBHOOK_TOKEN = "token", WEBHOOK_TIMEOUT = "0.5" }, server
  end

  local function request(server) return assert(json_text.decode(server:line())) end

  local function put(...)
    for _, id in ipairs { ... } do
      assert(orders:update({ id = id }, "ADD n ?", { 1 }))
    end
  end

  --- Checks that a step failed. Returns the reason.
  local function failed(step)
    local count, err, code = step()
    assert.is_nil(count)
    assert.equal("BATCH_FAILED", code)
    assert.equal(reasons[#reasons], err.reason)
    return err.reason
  end

  it("posts each record with its id", function()
    put("a", "b")
    local step, server = start "204"
    assert.equal(2, step())
    local record = testing.records(orders, { "id", "sequence_number" })[1]
    local first, second = request(server), request(server)
    assert.equal("POST /hook?key=hidden HTTP/1.1", first.line)
    assert.equal("application/json", first.headers["content-type"])
    assert.equal(record.id, first.headers["idempotency-key"])
    assert.equal("Bearer token", first.headers.authorization)
    local body = json_text.decode(first.body)
    assert.equal("INSERT", body.event_name)
    assert.equal(record.sequence_number, body.sequence_number)
    assert.same({ id = "a" }, body.keys)
    assert.same({ id = "a", n = 1 }, body.new_image)
    assert.equal("b", json_text.decode(second.body).keys.id)
    assert.equal(0, step())
  end)

  for answer, reason in pairs {
    ["500"] = "127.0.0.1: HTTP status 500", ["503"] = "127.0.0.1: HTTP status 503",
    ["429"] = "127.0.0.1: HTTP status 429", ["408"] = "127.0.0.1: timeout",
    ["302 Location: /elsewhere"] = "127.0.0.1: HTTP status 302",
    ["401"] = "127.0.0.1: HTTP status 401", ["404"] = "127.0.0.1: HTTP status 404",
    hang = "127.0.0.1: timeout", drip = "127.0.0.1: timeout", close = "127.0.0.1: closed",
    garbage = "127.0.0.1: the answer is not HTTP", short = "127.0.0.1: closed",
  } do
    it("tries again after " .. answer, function()
      put("a", "b", "a")
      local step, server = start("200", answer, answer, "continue", "200")
      local count = 0
      repeat
        local handled = step()
        count = count + (handled or 0)
      until handled == 0
      assert.same({ reason }, reasons)
      assert.equal(3, count)
      assert.equal(0, consumer:describe().parked)
      -- The first record was delivered before, so it is not sent again. The second one fails after
      -- it and then alone, and is sent with the same id and body.
      local requests = {}
      for i = 1, 5 do requests[i] = request(server) end
      local ids = testing.records(orders, { "id" })
      for i, expected in ipairs { 1, 2, 2, 2, 3 } do
        assert.equal(ids[expected].id, requests[i].headers["idempotency-key"])
      end
      assert.equal(requests[2].body, requests[4].body)
    end)
  end

  for _, answer in ipairs { "400", "409", "413", "422" } do
    it("parks the record, and the later ones of its key, after " .. answer, function()
      put("a", "b", "a", "c")
      local step, server = start(answer, "200")
      assert.equal(4, step())
      for _, id in ipairs { "a", "b", "c" } do
        assert.equal(id, json_text.decode(request(server).body).keys.id)
      end
      local parked = {}
      for each in consumer:parked() do
        parked[#parked + 1] = { each.record.keys.id, each.record.new_image.n, each.error or false }
      end
      assert.same({ { "a", 1, "127.0.0.1: HTTP status " .. answer }, { "a", 2, false } }, parked)
      -- A replay sends them, although the process has sent them before.
      assert.equal(2, consumer:replay())
      repeat until assert(step()) == 0
      for n = 1, 2 do
        assert.equal(n, json_text.decode(request(server).body).new_image.n)
      end
      assert.equal(0, consumer:describe().parked)
    end)
  end

  it("does not send a refused record again if a later one fails", function()
    put("a", "b", "c")
    local step, server = start("422", "500", "200")
    repeat until step() == 0
    assert.equal(1, consumer:describe().parked)
    for _, id in ipairs { "a", "b", "b", "c" } do
      assert.equal(id, json_text.decode(request(server).body).keys.id)
    end
  end)

  it("sends records again after the position was set back", function()
    put "a"
    local step, server = start "200"
    assert.equal(1, step())
    assert(consumer:seek { from = "TRIM_HORIZON" })
    assert.equal(1, step())
    assert.equal(request(server).body, request(server).body)
  end)

  it("waits as long as Retry-After says", function()
    local socket = require "socket"
    put "a"
    local step, server = start("429 Retry-After: 1", "200")
    assert.matches("HTTP status 429$", failed(step))
    local before = socket.gettime()
    request(server)
    assert.equal(1, step())
    request(server)
    assert.is_true(socket.gettime() - before > 0.9)
  end)

  it("does not call before the date that Retry-After says", function()
    local socket = require "socket"
    local pauses = {}
    local sleep = socket.sleep
    socket.sleep = function(seconds) pauses[#pauses + 1] = seconds end
    finally(function() socket.sleep = sleep end)
    put "a"
    local date = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 100)
    local step, server = start("503 Retry-After: " .. date, "200")
    assert.matches("HTTP status 503$", failed(step))
    local left = tonumber(failed(step):match "^127.0.0.1: asked to be called (%d+) s later$")
    assert.is_true(left >= 98 and left <= 100, left)
    assert.same({ 10 }, pauses)
    request(server)
    for _, header in ipairs { "Retry-After: soon", "Retry-After: -5", "Other: 5",
      "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT" } do
      step = start("503 " .. header, "200")
      assert.matches("HTTP status 503$", failed(step))
    end
    assert.equal(1, step())
    assert.same({ 10 }, pauses)
  end)

  it("reports a server that does not run", function()
    put "a"
    local server, port = serve("-", "200")
    server:close()
    assert.equal("127.0.0.1: connection refused",
      failed(stepper { WEBHOOK_URL = "http://127.0.0.1:" .. port }))
  end)

  it("parks a record that fails for too long", function()
    local clock = helper.clock()
    put "a"
    local step = start "500"
    failed(step)
    clock:advance(12 * 3600 + 1)
    assert(step())
    assert.equal(1, consumer:describe().parked)
  end)

  it("refuses wrong settings, without showing them", function()
    local good = "https://example.org/"
    for reason, environment in pairs {
      ["WEBHOOK_URL is not set"] = {},
      ["WEBHOOK_URL: expected http://HOST... or https://HOST..."] = {
        WEBHOOK_URL = "ftp://secret" },
      ["WEBHOOK_TOKEN: requires https in WEBHOOK_URL"] = { WEBHOOK_URL = "http://example.org/",
        WEBHOOK_TOKEN = "secret" },
      ["WEBHOOK_TOKEN: contains a character that a header can't have"] = { WEBHOOK_URL = good,
        WEBHOOK_TOKEN = "secret\r\nX: y" },
      ["WEBHOOK_TIMEOUT: expected seconds greater than 0"] = { WEBHOOK_URL = good,
        WEBHOOK_TIMEOUT = "-1" },
    } do
      local ok, err = pcall(load_webhook, environment)
      assert.is_false(ok)
      assert.equal(reason, err)
    end
    assert.is_false(pcall(load_webhook, { WEBHOOK_URL = "http://" }))
  end)

  describe("over TLS", function()
    before_each(function() put "a" end)

    --- Creates a certificate for these names. Returns the path of the file with it and its key.
    local function certificate(names)
      local path = helper.path(names:gsub("[^%w]", "") .. ".pem")
      assert(os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
        .. " -keyout '%s.key' -out '%s' -days 2 -subj /CN=localhost -addext subjectAltName=%s"
        .. " 2>'%s.log' && cat '%s.key' >>'%s'"):format(path, path, names, path, path, path)))
      return path
    end

    local function post(host, names, trusted)
      local path = certificate(names)
      local server, port = serve(path, "200")
      return stepper { WEBHOOK_URL = ("https://%s:%d/"):format(host, port),
        WEBHOOK_TOKEN = "token", WEBHOOK_TIMEOUT = "5", WEBHOOK_CA = trusted and path }, server
    end

    if not has_tls then
      it("posts", function() pending "LuaSec or openssl is missing" end)
      return
    end

    for host, names in pairs { localhost = "DNS:localhost", ["127.0.0.1"] = "IP:127.0.0.1" } do
      it("posts to a server with the certificate of " .. names, function()
        local step, server = post(host, names, true)
        assert.equal(1, step())
        assert.equal("Bearer token", request(server).headers.authorization)
      end)
    end

    it("sends nothing to a server with the certificate of another host", function()
      for host, names in pairs { localhost = "DNS:example.org,DNS:*.localhost,DNS:*",
        ["127.0.0.1"] = "DNS:127.0.0.1,DNS:localhost,IP:127.0.0.2" } do
        local step, server = post(host, names, true)
        assert.equal(host .. ": the certificate is not one of this host", failed(step))
        assert.equal("no request", server:line())
      end
    end)

    it("sends nothing to a server whose certificate is not trusted", function()
      local step, server = post("localhost", "DNS:localhost", false)
      assert.matches("^localhost: .*certificate verify failed", failed(step))
      assert.equal("no request", server:line())
    end)
  end)

  --- Starts a process that runs the processor with a separate consumer.
  local function start_consumer(url)
    local child = testing.child([[
      local db <close> = assert(require "tidetable".open(...))
      local options = dofile "examples/webhook.lua"
      local name, handler = options.name, options.handler
      options.name, options.handler = nil, nil
      options.backoff, options.batch_size, options.bisect = 0.001, 7, false
      local worker = assert(db:consumer(name, options))
      print "runs"
      assert(worker:run(handler))
    ]], { db.path, command = { "env", "WEBHOOK_URL=" .. url } })
    children[#children + 1] = child
    assert.equal("runs", child:line())
    return child
  end

  --- Runs the processor, kills it at random, once in `interval` requests, and checks what the
  --- server gets.
  local function check_kills(interval, start_worker)
    print(("webhook: SEED=%d"):format(SEED))
    math.randomseed(SEED)
    for _ = 1, 150 do put("c" .. math.random(8)) end
    local server, port = serve("-", "random " .. math.random(1 << 30))
    local records = testing.records(orders, { "id", "keys" })
    local seen, count, requests, kills = {}, 0, {}, 0
    local url = "http://127.0.0.1:" .. port
    local child = start_worker(url)
    while count < #records do
      local line
      repeat line = server:line() until line ~= "no request"
      local each = assert(json_text.decode(line))
      requests[#requests + 1] = each
      local id = each.headers["idempotency-key"]
      if not seen[id] then
        seen[id], count = each.body, count + 1
      end
      assert.equal(seen[id], each.body)
      if math.random(interval) == 1 then
        child:close()
        child, kills = start_worker(url), kills + 1
      end
    end
    assert.is_true(kills > 0)
    local expected, found = {}, {}
    local function add(list, key, id)
      list[key] = list[key] or {}
      table.insert(list[key], id)
    end
    for _, record in ipairs(records) do add(expected, record.keys.id, record.id) end
    for _, each in ipairs(requests) do
      local id = each.headers["idempotency-key"]
      if seen[id] then
        add(found, json_text.decode(each.body).keys.id, id)
        seen[id] = nil
      end
    end
    assert.same(expected, found)
    assert.is_true(assert(db:consumer "webhook"):wait_for(nil, 60))
    print(("webhook: %d kills, %d repeats"):format(kills, #requests - #records))
  end

  it("loses nothing and keeps the order of each key when it is killed", function()
    check_kills(20, start_consumer)
  end)

  it("loses nothing and keeps the order of each key when `tidetable run` is killed", function()
    local script <close> = assert(io.open(helper.path "script.lua", "w"))
    assert(script:write [[
      local definition = dofile "examples/webhook.lua"
      definition.backoff, definition.batch_size, definition.bisect = 0.001, 7, false
      return definition
    ]])
    script:close()
    check_kills(40, function(url)
      local program = programs.start({ "env", "WEBHOOK_URL=" .. url, COMMAND, "run", db.path,
        helper.path "script.lua", "--durability", "none" }, helper.path "errors")
      children[#children + 1] = { close = function() program:kill() end }
      return children[#children]
    end)
  end)
end)
