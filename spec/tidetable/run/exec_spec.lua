-- exec_spec.lua - programs that get batches as JSON: answers, deaths, deadlines, ends.
local helper = require "spec.tidetable.helper"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"
local runtime = require "spec.tidetable.run.runtime"

describe("a program", function()
  runtime.setup(before_each, after_each)

  local db, orders

  before_each(function()
    db, orders = runtime.database()
  end)

  --- Returns the command of a program in Lua that calls answer(line, n) for each request. Each
  --- request is appended to the file `requests`.
  local function program(answer)
    return ("%s %s"):format("lua5.4", runtime.write("program.lua", ([[
      local requests = io.open(%q, "a")
      requests:setvbuf "line"
      local n = 0
      local answer = function(line, n) %s end
      for line in io.lines() do
        n = n + 1
        requests:write(line, "\n")
        local text = answer(line, n)
        if text then io.write(text, "\n") io.flush() end
      end
      io.stderr:write "end of input\n"
    ]]):format(helper.path "requests", answer)))
  end

  local function start(command, ...)
    local words = { "--exec", command, "--name", "x", "--source", "orders" }
    for _, option in ipairs { ... } do
      words[#words + 1] = option:find "^%-" and option or "--option"
      if not option:find "^%-" then words[#words + 1] = option end
    end
    return runtime.start(words)
  end

  --- Number of changes before the first record: the creation of two tables.
  local BEFORE = helper.after_creation(2, 0)

  local function wire_number(n) return json.wire_number(BEFORE + n) end

  --- Returns the numbers of the records in the requests; the first record is 1.
  local function requests()
    local all = {}
    for line in io.lines(helper.path "requests") do
      local numbers = {}
      for _, record in ipairs(assert(json_text.decode(line)).Records) do
        numbers[#numbers + 1] = math.tointeger(tonumber(record.dynamodb.SequenceNumber:sub(2)))
          - BEFORE
      end
      all[#all + 1] = numbers
    end
    return all
  end

  local function position() return db:consumer "x":describe().position - BEFORE end

  it("gets the records as events of AWS Lambda, one batch a line", function()
    runtime.put(orders, 1, 2)
    assert(orders:update({ id = "1" }, "SET line = ?", { "a\nb" }))
    assert(orders:delete { id = "2" })
    local run = start(program "return '{}'", "--once")
    run:ends(0)
    local file <close> = assert(io.open(helper.path "requests"))
    local event = assert(json_text.decode(file:read "a"))
    assert.equal(4, #event.Records)
    local expected = {}
    for record in orders:stream():records() do
      expected[#expected + 1] = json.encode_record(record, "dynamodb",
        { incarnation = db:info().incarnation })
      local arn = "arn:aws:dynamodb:local:000000000000:table/orders/stream/" .. record.stream_label
      assert.equal(arn, event.Records[#expected].eventSourceARN)
      event.Records[#expected].eventSourceARN = nil
      assert.same(json_text.decode(expected[#expected]), event.Records[#expected])
    end
    assert.equal(1, run:count "end of input")
  end)

  it("that names failed records gets them again, and no record before them", function()
    runtime.put(orders, 1, 10)
    local run = start(program(([[
      local at = line:find('"%s"', 1, true)
      if at and n < 3 then
        return '{"batchItemFailures":[{"itemIdentifier":"%s"}]}'
      end
      return "{}"
    ]]):format(wire_number(7), wire_number(7))), "--once", "backoff=0")
    run:ends(0)
    assert.same({ { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, { 7, 8, 9, 10 }, { 7, 8, 9, 10 } }, requests())
    assert.equal(1, db:consumer "x":describe().failures)
  end)

  it("fails the batch and is replaced if it answers wrongly", function()
    local cases = {
      ["return ''"] = "an empty line",
      ["return '{}\\n{}'"] = "a second line",
      ["return '[]'"] = "expected a JSON object",
      ["return '{\"a\":1}'"] = "only batchItemFailures: \"{\\\"a\\\":1}\"",
      ["io.write '{}' io.flush() os.exit(0)"] = "has no line feed",
      ["return ('x'):rep(1100000)"] = "longer than 1048576 bytes",
    }
    local number = 0
    for answer, text in pairs(cases) do
      number = number + 1
      runtime.put(orders, number, number)
      local run = start(program(([[
        if not io.open(%q) then io.open(%q, "w"):close() %s end
        return "{}"
      ]]):format(helper.path("f" .. number), helper.path("f" .. number),
        answer:gsub("^return", "do return") .. (answer:find "^return" and " end" or ""))), "--once",
        "backoff=0")
      run:ends(0, text)
      assert.equal(1, run:count "attempt 1 with")
      assert.equal(number, position())
    end
    assert.equal(number, db:consumer "x":describe().failures)
  end)

  it("that dies is started again; only the record that kills it is parked", function()
    runtime.put(orders, 1, 20)
    local run = start(program(([[
      if line:find('"%s"', 1, true) then os.exit(1) end
      return "{}"
    ]]):format(wire_number(7))), "--once", "on_failure=park", "max_attempts=1", "bisect=false")
    run:ends(5, "the program exited with status 1 without an answer")
    assert.equal(1, db:consumer "x":describe().parked)
    assert.equal(20, position())
  end)

  it("that gives no answer in time is killed with its group", function()
    runtime.put(orders, 1, 1)
    local run = start("echo pids $$ >&2; sleep 1000 & sleep 1000; true", "--once", "max_attempts=1",
      "handler_limit=1")
    local pid = math.tointeger(run:wait_for "pids ".message:match "%d+")
    run:ends(1, "gave no answer within 0.9 s")
    assert.is_false(runtime.exists(pid))
  end)

  it("may exit with status 0 after each answer", function()
    runtime.put(orders, 1, 5)
    local run = start(program [[ io.write "{}\n" os.exit(0) ]], "--once", "batch_size=1")
    run:ends(0)
    assert.same({ { 1 }, { 2 }, { 3 }, { 4 }, { 5 } }, requests())
    assert.equal(0, run:count "failed")
  end)

  it("can leave a process that keeps its pipes open", function()
    runtime.put(orders, 1, 3)
    local run = start([[
      setsid sleep 600 <&0 & echo "left $!" >&2
      read line; echo "$line" >> ]] .. helper.path "requests" .. "; echo '{}'", "batch_size=1",
      "handler_limit=50")
    run:wait_until("three answers", function()
      return db:consumer "x" and position() == 3
    end)
    run:stop()
    assert.equal(0, run:count "did not stop in time")
    assert.equal(0, run:count "failed")
    assert.equal(0, db:consumer "x":describe().failures)
    assert.same({ { 1 }, { 2 }, { 3 } }, requests())
    for _, line in ipairs(run.lines) do
      local pid = line.message:match "^left (%d+)"
      if pid then runtime.signal(pid, "KILL") end
    end
  end)

  it("that dies and leaves a process with its pipes is noticed at once", function()
    runtime.put(orders, 1, 1)
    local run = start([[
      setsid sleep 600 <&0 & echo "left $!" >&2
      read line; exit 3]], "--once", "max_attempts=1", "handler_limit=50")
    run:ends(1, "the program exited with status 3 without an answer")
    runtime.signal(run:wait_for "left ".message:match "%d+", "KILL")
  end)

  it("can answer on descriptor 3, and print anything", function()
    runtime.put(orders, 1, 3)
    local run = start([[while read line; do echo "got a batch"; echo '{}' >&3; done]], "--once",
      "--answer-fd=3", "batch_size=1")
    run:ends(0)
    assert.equal(3, run:count "got a batch")
  end)

  it("gets a batch that is larger than a pipe, and may write much to standard error", function()
    for i = 1, 20 do assert(orders:put { id = tostring(i), text = ("x"):rep(50000) }) end
    local run = start(program [[
      io.stderr:write(("e"):rep(300000), "\n")
      return "{}"
    ]], "--once")
    run:ends(0)
    assert.equal(1, #requests())
  end)

  it("that answers before the end of its batch fails the batch", function()
    for i = 1, 20 do assert(orders:put { id = tostring(i), text = ("x"):rep(50000) }) end
    local run = start("echo '{}'; exec sleep 1000", "--once", "max_attempts=1")
    run:ends(1, "it answered before the whole batch was written")
  end)

  it("does not outlive its worker or the supervisor", function()
    runtime.put(orders, 1, 1)
    local run = start [[read line; echo "mine $$" >&2; exec sleep 1000]]
    local pid = math.tointeger(run:wait_for "mine ".message:match "%d+")
    runtime.signal(run:workers()[1], "KILL")
    run:wait_until("the end of the program", function() return not runtime.exists(pid) end)
    run:wait_until("another program", function() return run:count "mine " == 2 end)
    pid = math.tointeger(run.lines[#run.lines].message:match "mine (%d+)")
    run:signal "SIGKILL"
    run:wait()
    for _ = 1, 100 do if runtime.exists(pid) then runtime.pause() end end
    assert.is_false(runtime.exists(pid))
  end)

  it("is killed with its group when its worker stops or ends with an error", function()
    runtime.put(orders, 1, 1)
    local command = [[
      (trap '' TERM HUP INT; exec sleep 1000) & echo "left $!" >&2
      while read line; do %s; done]]
    local run = start(command:format "echo '{}'")
    local pid = math.tointeger(run:wait_for "left ".message:match "%d+")
    run:wait_until("the answer", function() return db:consumer "x" and position() == 1 end)
    assert.is_true(runtime.exists(pid))
    run:stop()
    assert.is_false(runtime.exists(pid))
    runtime.put(orders, 2, 2)
    run = start(command:format "echo wrong", "max_attempts=1", "update=true")
    pid = math.tointeger(run:wait_for "left ".message:match "%d+")
    run:ends(1, "wrong answer of the program")
    assert.is_false(runtime.exists(pid))
  end)

  it("is ended by the end of its input when the command stops", function()
    runtime.put(orders, 1, 1)
    local run = start(program "return '{}'")
    run:wait_until("the answer", function()
      return db:consumer "x" and position() == 1
    end)
    run:stop()
    assert.equal(1, run:count "end of input")
  end)

  it("is refused with options that it can't have", function()
    for words, text in pairs {
      [{ "--exec", "cat" }] = "--exec requires --name",
      [{ "--exec", "cat", "--name", "x" }] = "--exec requires --source",
      [{ "--exec", "cat", "--name", "x", "--source", "orders", "--option", "x" }] =
        "expected NAME=VALUE",
      [{ "--exec", "cat", "--name", "x", "--source", "orders", "--option", "name=y" }] =
        "use --name",
      [{ "--exec", "cat", "--name", "x", "--source", "orders", "--option", "mode=locked" }] =
        'mode = "locked" is not possible',
      [{ "--exec", "", "--name", "x", "--source", "orders" }] = '"exec" must be a command',
      [{ "--exec", "cat", "p.lua", "--name", "x", "--source", "orders" }] = "exclude each other",
      [{ "p.lua", "--name", "x" }] = "--name requires --exec",
      [{}] = "a script is missing",
    } do
      runtime.start(words):ends(2, text)
    end
    runtime.start { runtime.write("p.lua", [[return { name = "x", source = "orders", exec = "cat",
      answer_fd = 2 }]]) }:ends(2, '"answer_fd" must be 1 or 3')
  end)
end)
