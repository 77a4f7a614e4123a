-- kinesis_spec.lua - examples/kinesis/forwarder.js against kinesalite, whose requests fail at
-- random and whose client is killed at random.
--
--   make test-node SPEC=spec/node/kinesis_spec.lua SEED=n
local helper = require "spec.tidetable.helper"
local json_text = require "tidetable.dynamodb.json_text"
local programs = require "spec.node.program"

local NODE = os.getenv "NODE" or "node"
local MODULES = os.getenv "NODE_MODULES"
local SEED = math.tointeger(tonumber(os.getenv "SEED")) or os.time()

if not MODULES then
  it("the forwarder to Kinesis", function() pending "its packages are not installed" end)
  return
end

helper.setup(before_each, after_each)

describe("the forwarder to Kinesis", function()
  local server, port, started, db, orders

  before_each(function()
    started = {}
    server = programs.start({ "env", "NODE_PATH=" .. MODULES .. "/node_modules", NODE,
      "spec/node/kinesis.js", "changes" }, helper.path "server")
    started[1] = server
    port = server:line() or error(server:error_text())
    db = helper.memory { tables = { { name = "orders", partition_key = "id",
      sort_key = { "n", "N" }, stream = { view_type = "NEW_AND_OLD_IMAGES" } } } }
    orders = db:table "orders"
  end)

  after_each(function()
    for _, program in ipairs(started) do program:kill() end
  end)

  --- Starts the forwarder. `options`: its arguments before the stream, or `stream`, `port`.
  local function start(options)
    options = options or {}
    local words = { "env", "NODE_PATH=" .. MODULES .. "/node_modules", "AWS_REGION=eu-west-1",
      "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=hidden", "AWS_EC2_METADATA_DISABLED=true",
      "AWS_ENDPOINT_URL_KINESIS=http://127.0.0.1:" .. (options.port or port),
      NODE, "examples/kinesis/forwarder.js" }
    table.move(options, 1, #options, #words + 1, words)
    words[#words + 1] = options.stream or "changes"
    started[#started + 1] = programs.start(words, helper.path "errors")
    return started[#started]
  end

  local function faults(given) assert.same({}, server:ask(json_text.encode { faults = given })) end

  --- Returns what the stream contains: records with partition_key and body, by shard.
  local function forwarded()
    local list = {}
    for i, record in ipairs(server:ask '{"read":true}'.records) do
      list[i] = { partition_key = record.partitionKey, body = json_text.decode(record.data) }
    end
    return list
  end

  local function records_of(from)
    local list = {}
    for record in orders:stream():records { after = from or 0 } do list[#list + 1] = record end
    return list
  end

  local function event(records) return programs.event(db, records) end

  it("writes records in the format of DynamoDB's Kinesis destination", function()
    local clock = helper.clock(1700000000.25)
    db = helper.memory { tables = { { name = "orders", partition_key = "id", ttl = "expires",
      stream = { view_type = "NEW_AND_OLD_IMAGES" } } } }
    orders = db:table "orders"
    assert(orders:put { id = "a", total = 5, tags = require "tidetable".set { "x" } })
    assert(orders:update({ id = "a" }, "SET expires = ?, #t = ?", { 1700000010, 5.5,
      names = { ["#t"] = "total" } }))
    clock:advance(11)
    assert(db:sweep())
    local records = records_of()
    assert.equal(3, #records)
    assert.same({}, start():ask(event(records)))
    local list = forwarded()
    local id = db:info().incarnation:sub(1, 16)
    local first = { id = { S = "a" }, tags = { SS = { "x" } }, total = { N = "5" } }
    local second = { id = { S = "a" }, tags = { SS = { "x" } }, total = { N = "5.5" },
      expires = { N = "1700000010" } }
    local function expected(number, seconds, name, size, old, new, identity)
      return { awsRegion = "local", eventID = ("%s%016x"):format(id, number), eventName = name,
        userIdentity = identity or require "tidetable".null, recordFormat = "application/json",
        tableName = "orders", eventSource = "aws:dynamodb", dynamodb = {
          ApproximateCreationDateTime = seconds * 1000, Keys = { id = { S = "a" } },
          OldImage = old, NewImage = new, SizeBytes = size } }
    end
    local service = { type = "Service", principalId = "dynamodb.amazonaws.com" }
    assert.same({
      expected(2, 1700000000, "INSERT", records[1].size_bytes, nil, first),
      expected(3, 1700000000, "MODIFY", records[2].size_bytes, first, second),
      expected(4, 1700000011, "REMOVE", records[3].size_bytes, second, nil, service),
    }, { list[1].body, list[2].body, list[3].body })
    assert.is_truthy(list[1].partition_key:find("^" .. ("[0-9A-F]"):rep(32) .. "$"))
    assert.equal(list[1].partition_key, list[3].partition_key)
  end)

  --- Makes `count` random changes of a few items. Returns the records of all, oldest first.
  local function change(count)
    for _ = 1, count do
      local key = { id = "c" .. math.random(6), n = math.random(2) }
      if math.random(5) == 1 then
        assert(orders:delete(key))
      else
        key.total = math.random(1 << 30)
        assert(orders:put(key))
      end
    end
    return records_of()
  end

  --- Delivers batches as tidetable does, until all records were handled: from the first failed
  --- record of an answer again, from the batch's first record after a death. `next_program` returns
  --- the program for a batch. Returns the number of failed batches.
  local function deliver(records, next_program)
    local at, failed, rounds = 1, 0, 0
    while at <= #records do
      rounds = rounds + 1
      assert(rounds < 2000, "no progress")
      local batch = table.move(records, at, math.min(#records, at + math.random(20) - 1), 1, {})
      local answer = next_program(event(batch))
      local failures = answer and answer.batchItemFailures
      if failures then
        local first
        for i, record in ipairs(batch) do
          if ("1%020d"):format(record.sequence_number) == failures[1].itemIdentifier then
            first = i
          end
        end
        at, failed = at + assert(first, failures[1].itemIdentifier) - 1, failed + 1
      elseif answer then
        assert.same({}, answer)
        at = at + #batch
      else
        failed = failed + 1
      end
    end
    return failed
  end

  --- Checks that the stream has each record, those of an item in order. Returns the number of
  --- repeats. `in_order`: also the repeats follow their original at once.
  local function check(records, in_order)
    local expected, found, last, seen, repeats = {}, {}, {}, {}, 0
    local prefix = db:info().incarnation:sub(1, 16)
    local function add(list, key, id)
      list[key] = list[key] or {}
      table.insert(list[key], id)
    end
    for _, record in ipairs(records) do
      local key = ("%s/%s"):format(record.keys.id, record.keys.n)
      add(expected, key, ("%s%016x"):format(prefix, record.sequence_number))
    end
    for _, each in ipairs(forwarded()) do
      local body = each.body
      local key = ("%s/%s"):format(body.dynamodb.Keys.id.S, body.dynamodb.Keys.n.N)
      if in_order then assert.is_true((last[key] or "") <= body.eventID, key) end
      last[key] = body.eventID
      if seen[body.eventID] then
        repeats = repeats + 1
        assert.same(seen[body.eventID], body)
      else
        seen[body.eventID] = body
        add(found, key, body.eventID)
      end
    end
    assert.same(expected, found)
    return repeats
  end

  it("keeps the order of each item when Kinesis refuses records", function()
    print(("kinesis: SEED=%d"):format(SEED))
    math.randomseed(SEED)
    local records = change(300)
    faults { seed = SEED, refuse = 0.4, fail = 0.1 }
    local program = start { "--give-up", "0.2" }
    local failed = deliver(records, function(line) return assert(program:ask(line)) end)
    assert.is_true(failed > 0)
    assert.equal(0, check(records, true))
    local counts = server:ask '{"counts":true}'
    assert.equal(0, counts.repeatedKeys)
    assert.is_true(counts.largest > 5)
  end)

  it("repeats only records whose answer was lost", function()
    math.randomseed(SEED + 1)
    local records = change(150)
    faults { seed = SEED + 1, lose = 0.2, refuse = 0.1, reject = 0.1 }
    local program = start()
    deliver(records, function(line) return assert(program:ask(line)) end)
    assert.is_true(check(records, true) > 0)
  end)

  it("loses nothing when it is killed", function()
    math.randomseed(SEED + 2)
    local records = change(300)
    faults { seed = SEED + 2, refuse = 0.3 }
    local program, kills = start(), 0
    local repeats
    deliver(records, function(line)
      if math.random(3) > 1 then return assert(program:ask(line)) end
      -- The kill comes before, between or after the requests of the batch.
      kills = kills + 1
      assert(program:send(line))
      os.execute(("sleep %.3f"):format(math.random() * 0.3))
      program:kill()
      program = start()
    end)
    assert.is_true(kills > 3)
    repeats = check(records)
    print(("kinesis: %d kills, %d repeats"):format(kills, repeats))
  end)

  it("reports a record that is too large, and sends those of other items", function()
    for i = 1, 3 do
      assert(orders:put { id = "a", n = 1, text = ("x"):rep(i == 2 and 3000 or 10) .. i })
      assert(orders:put { id = "b", n = 1, text = "y" .. i })
    end
    local records = records_of()
    local program = start { "--max-record-size", "2000" }
    local failed = { batchItemFailures = { { itemIdentifier = "100000000000000000004" } } }
    assert.same(failed, program:ask(event(records)))
    assert.same(failed, program:ask(event(table.move(records, 3, #records, 1, {}))))
    assert.matches("forwarder: event %x+: %d+ bytes, but the maximum is 2000\n",
      program:error_text())
    local texts = {}
    for i, each in ipairs(forwarded()) do texts[i] = each.body.dynamodb.NewImage.text.S end
    table.sort(texts)
    assert.same({ "xxxxxxxxxx1", "y1", "y2", "y3" }, texts)
  end)

  it("divides a batch at the limits of a request", function()
    for i = 1, 1100 do assert(orders:put { id = "i" .. i, n = 1 }) end
    for i = 1, 20 do assert(orders:put { id = "i" .. i, n = 2, text = ("x"):rep(390000) }) end
    local program = start()
    local records = records_of()
    assert.same({}, program:ask(event(records)))
    check(records, true)
    assert.equal(500, server:ask '{"counts":true}'.largest)
  end)

  it("names the first record if the service can't be reached or refuses", function()
    assert(orders:put { id = "a", n = 1 })
    local line = event(records_of())
    local first = { batchItemFailures = { { itemIdentifier = "100000000000000000002" } } }
    local program = start { stream = "none" }
    assert.same(first, program:ask(line))
    assert.matches("forwarder: ResourceNotFoundException: ", program:error_text())
    program = start { port = 9 }
    assert.same(first, program:ask(line))
    assert.matches("ECONNREFUSED", program:error_text())
    faults { reject = 1 }
    program = start()
    assert.same(first, program:ask(line))
    faults {}
    assert.same({}, program:ask(line))
    assert.same({ "", 0 }, { program:wait() })
    local errors = program:error_text()
    assert.is_truthy(errors:find "forwarder: AccessDeniedException: injected\n")
    assert.is_nil(errors:find "hidden")
  end)

  it("ends with a status for input that is no event, and for a wrong command line", function()
    local program = start()
    program:send '{"Records":[{"eventID":"e","dynamodb":{}}]}'
    assert.same({ "", 1 }, { program:wait() })
    assert.is_truthy(program:error_text():find "event e: no table in the ARN undefined")
    for _, wrong in ipairs { { "one" }, { "--give-up", "x" }, { "--max-record-size", "0" },
      { "--wrong" } } do
      program = start(wrong)
      assert.same({ "", 2 }, { program:wait() })
      assert.is_truthy(program:error_text():find "\nusage: node forwarder.js ")
    end
  end)
end)
