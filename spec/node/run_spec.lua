-- run_spec.lua - the examples in JavaScript as programs of `tidetable run --exec`.
--
--   make test-node SPEC=spec/node/run_spec.lua SEED=n KILLS=n
local helper = require "spec.tidetable.helper"
local json_text = require "tidetable.dynamodb.json_text"
local programs = require "spec.node.program"
local testing = require "tidetable.testing"

local NODE = os.getenv "NODE" or "node"
local MODULES = os.getenv "NODE_MODULES"
local COMMAND = (os.getenv "TIDETABLE_BUILD" or "build") .. "/bin/tidetable"
local SEED = math.tointeger(tonumber(os.getenv "SEED")) or os.time()
local KILLS = math.tointeger(tonumber(os.getenv "KILLS")) or 12

helper.setup(before_each, after_each)

describe("tidetable run --exec", function()
  local started, db, orders

  before_each(function()
    started = {}
    db = helper.open()
    orders = assert(db:create_table { name = "orders", partition_key = "id",
      stream = { view_type = "NEW_AND_OLD_IMAGES" } })
  end)

  after_each(function()
    for _, program in ipairs(started) do program:kill() end
  end)

  local function start(words)
    started[#started + 1] = programs.start(words, helper.path "errors")
    return started[#started]
  end

  --- Starts `tidetable run` with a program. `more`: further arguments.
  local function run(exec, more)
    local words = { "env", "NODE_PATH=" .. (MODULES or "") .. "/node_modules", "AWS_REGION=local",
      "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_EC2_METADATA_DISABLED=true",
      "AWS_ENDPOINT_URL_KINESIS=" .. (more.endpoint or ""), COMMAND, "run", db.path, "--exec",
      "exec " .. NODE .. " " .. exec, "--name", "program", "--source", "orders",
      "--durability", "none" }
    table.move(more, 1, #more, #words + 1, words)
    return start(words)
  end

  describe("and a Lambda handler", function()
    local WRAPPER = "examples/lambda/wrapper.js "

    --- Writes a handler that fails for totals of more than 100. Returns its name.
    local function write(code)
      local file <close> = assert(io.open(helper.path "code.js", "w"))
      assert(file:write(code))
      return WRAPPER .. helper.path "code.handler"
    end

    local function put_all()
      for i = 1, 10 do assert(orders:put { id = "c" .. i % 4, n = i }) end
    end

    it("handles all records", function()
      put_all()
      local exec = write [[
        exports.handler = async (event) => {
          for (const { dynamodb, eventSourceARN } of event.Records) {
            console.log('handled', dynamodb.NewImage.n.N, eventSourceARN.split('/')[1])
          }
        }
      ]]
      local program = run(exec, { "--once" })
      assert.same({ "", 0 }, { program:wait() })
      local numbers = {}
      for n in program:error_text():gmatch "handled (%d+) orders\n" do
        numbers[#numbers + 1] = tonumber(n)
      end
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, numbers)
    end)

    it("delivers again from the first failed record", function()
      put_all()
      local exec = write [[
        const tries = {}
        exports.handler = async (event) => {
          for (const { dynamodb } of event.Records) {
            const n = dynamodb.NewImage.n.N
            tries[n] = (tries[n] ?? 0) + 1
            if (n % 4 === 0 && tries[n] === 1) {
              return { batchItemFailures: [{ itemIdentifier: dynamodb.SequenceNumber }] }
            }
            console.log('handled', n)
          }
        }
      ]]
      local program = run(exec, { "--once", "--option", "backoff=0.01" })
      assert.same({ "", 0 }, { program:wait() })
      local numbers = {}
      for n in program:error_text():gmatch "handled (%d+)\n" do
        numbers[#numbers + 1] = tonumber(n)
      end
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, numbers)
    end)

    it("parks the record whose handler rejects, with its message", function()
      put_all()
      local exec = write [[
        exports.handler = async (event) => {
          const bad = event.Records.find(({ dynamodb }) => dynamodb.NewImage.n.N === '5')
          if (bad) throw new Error('five is refused')
        }
      ]]
      local program = run(exec, { "--once", "--answer-fd", "1", "--option", "on_failure=park",
        "--option", "max_attempts=1", "--option", "backoff=0.01" })
      assert.same({ "", 5 }, { program:wait() })
      local parked = {}
      for each in assert(db:consumer "program"):parked() do
        parked[#parked + 1] = { each.record.new_image.n, each.error and
          each.error:match "five is refused" }
      end
      assert.same({ { 5, "five is refused" }, { 9 } }, parked)
    end)

    it("answers on descriptor 3", function()
      put_all()
      local exec = write [[
        exports.handler = async () => {
          require('node:child_process').spawnSync('echo', ['printed'], { stdio: 'inherit' })
        }
      ]]
      local program = run(exec:gsub("wrapper.js", "%0 --answer-fd 3"), { "--once", "--answer-fd",
        "3" })
      local _, status = program:wait()
      assert.equal(0, status)
      assert.equal(10, assert(db:consumer "program"):describe().records)
    end)
  end)

  --- Returns the processes below a process, itself first.
  local function processes(pid, list)
    list = list or {}
    list[#list + 1] = pid
    local file <close> = io.open(("/proc/%d/task/%d/children"):format(pid, pid))
    for child in (file and file:read "a" or ""):gmatch "%d+" do
      processes(math.tointeger(child), list)
    end
    return list
  end

  it("and the forwarder to Kinesis lose nothing when any process is killed", function()
    if not MODULES then return pending "its packages are not installed" end
    print(("run: SEED=%d KILLS=%d"):format(SEED, KILLS))
    math.randomseed(SEED)
    local server = start { "env", "NODE_PATH=" .. MODULES .. "/node_modules", NODE,
      "spec/node/kinesis.js", "changes" }
    local more = { "--workers", "2", "--option", "batch_size=20", "--option", "backoff=0.01",
      endpoint = "http://127.0.0.1:" .. (server:line() or error(server:error_text())) }
    assert.same({}, server:ask(json_text.encode { faults = { seed = SEED, refuse = 0.2,
      lose = 0.05 } }))
    local exec = "examples/kinesis/forwarder.js --give-up 1 changes"
    local program = run(exec, more)
    local victims = {}
    for _ = 1, KILLS do
      for _ = 1, 40 do
        assert(orders:update({ id = "c" .. math.random(8) }, "ADD n ?", { 1 }))
      end
      os.execute(("sleep %.3f"):format(math.random() * 0.8))
      local list = processes(program.pid)
      local n = math.random(#list)
      victims[#victims + 1] = ("%d of %d"):format(n, #list)
      os.execute("kill -9 " .. list[n])
      if n == 1 then
        program:wait()
        program = run(exec, more)
      end
    end
    assert.is_true(testing.eventually(function()
      return db:consumer "program":wait_for(db:info().sequence_number, 1)
    end, 60))
    os.execute("kill -TERM " .. program.pid)
    assert.equal(0, select(2, program:wait()), program:error_text())

    local expected, found, bodies, repeats = {}, {}, {}, 0
    local prefix = db:info().incarnation:sub(1, 16)
    local function add(list, key, id)
      list[key] = list[key] or {}
      table.insert(list[key], id)
    end
    for _, record in ipairs(testing.records(orders, { "keys", "sequence_number" })) do
      add(expected, record.keys.id, ("%s%016x"):format(prefix, record.sequence_number))
    end
    for _, record in ipairs(server:ask '{"read":true}'.records) do
      local body = json_text.decode(record.data)
      if bodies[body.eventID] then
        repeats = repeats + 1
        assert.equal(bodies[body.eventID], record.data)
      else
        bodies[body.eventID] = record.data
        add(found, body.dynamodb.Keys.id.S, body.eventID)
      end
    end
    assert.same(expected, found)
    print(("run: killed %s; %d repeats"):format(table.concat(victims, ", "), repeats))
  end)
end)
