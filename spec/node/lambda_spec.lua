-- lambda_spec.lua - examples/lambda/wrapper.js with handlers of all forms that Lambda accepts.
local helper = require "spec.tidetable.helper"
local programs = require "spec.node.program"

local NODE = os.getenv "NODE" or "node"
local WRAPPER = "examples/lambda/wrapper.js"

helper.setup(before_each, after_each)

-- One handler of each form. `seen` shows that the work which a handler began has ended before the
-- answer.
local HANDLERS = [[
'use strict'
const fs = require('node:fs')
let seen = 0
const fail = (event) => ({ batchItemFailures: event.Records.slice(-1).map(({ dynamodb }) =>
  ({ itemIdentifier: dynamodb.SequenceNumber })) })
const later = (f) => setTimeout(f, 20)

exports.async = async (event) => fail(event)
exports.promise = (event) => new Promise((resolve) => later(() => resolve(fail(event))))
exports.thenable = (event) => ({ then: (resolve) => later(() => resolve(fail(event))) })
exports.callback = (event, context, callback) => { later(() => callback(null, fail(event))) }
exports.early = (event, context, callback) => {
  later(() => { seen++ })
  callback(null, { batchItemFailures: [{ itemIdentifier: String(seen) }] })
}
exports.free = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false
  setTimeout(() => {}, 1e8)
  callback(null, fail(event))
}
exports.succeed = (event, context) => context.succeed(fail(event))
exports.done = (event, context) => context.done(null, fail(event))
exports.deep = { er: { handler: async (event) => fail(event) } }

exports.nothing = () => {}
exports.text = async () => 'Successfully processed'
exports.gateway = async () => ({ statusCode: 200, body: 'ok' })
exports.empty = async () => ({})
exports.none = async () => null
exports.list = async () => [1]
exports.nullList = async () => ({ batchItemFailures: null })
exports.wrongCase = async () => ({ batchItemfailures: [] })
exports.misspelt = async () => ({ batch_item_failures: [] })

exports.rejects = async () => { throw new TypeError('bad order\nline 2') }
exports.throws = () => { throw new RangeError('bad order') }
exports.refuses = (event, context, callback) => callback(new Error('bad order'))
exports.fails = (event, context) => context.fail('bad order')
exports.rejectsNothing = () => Promise.reject()
exports.stray = () => new Promise(() => { later(() => { throw new Error('stray') }); later(later) })
exports.unhandled = async () => {
  Promise.reject(new Error('not handled'))
  await new Promise(later)
}
exports.pending = async () => { await new Promise(() => {}) }
exports.long = async () => { throw new Error('x'.repeat(3e6)) }
exports.exits = async () => { process.exit(7) }

exports.prints = async () => {
  console.log('{"printed":1}')
  console.info('a'); console.error('b'); console.table([1])
  process.stdout.write('{"written":1}\n')
  require('node:process').stdout.write('c\n')
}
exports.inherits = async () => {
  require('node:child_process').spawnSync('echo', ['from a child'], { stdio: 'inherit' })
}
exports.context = async (event, context) => {
  const left = context.getRemainingTimeInMillis()
  console.error(JSON.stringify({ ...context, left, name: process.env.AWS_LAMBDA_FUNCTION_NAME }))
}
exports.event = async (event) => { console.error(JSON.stringify(event)) }
exports.notAFunction = 5
]]

describe("the wrapper of Lambda handlers", function()
  local started

  before_each(function()
    started = {}
    local file <close> = assert(io.open(helper.path "all.js", "w"))
    assert(file:write(HANDLERS))
  end)

  after_each(function()
    for _, program in ipairs(started) do program:kill() end
  end)

  --- Starts the wrapper. `before`: words in front of it, such as env.
  local function start(arguments, before)
    local words = table.move(before or {}, 1, #(before or {}), 1, {})
    words[#words + 1] = NODE
    words[#words + 1] = WRAPPER
    table.move(arguments, 1, #arguments, #words + 1, words)
    started[#started + 1] = programs.start(words, helper.path "errors")
    return started[#started]
  end

  local function handler(name) return start { helper.path("all." .. name) } end

  --- Returns two events of a real stream, and the sequence numbers on the wire of the last records.
  local function events()
    local db = helper.memory { tables = { { name = "orders", partition_key = "id",
      stream = { view_type = "NEW_AND_OLD_IMAGES" } } } }
    local orders = db:table "orders"
    for i = 1, 2 do
      assert(orders:put { id = "a", total = 90 * i, note = "\u{2028}line\r\n" })
    end
    assert(orders:delete { id = "a" })
    local records = {}
    for record in orders:stream():records() do records[#records + 1] = record end
    return programs.event(db, { records[1], records[2] }), programs.event(db, { records[3] }),
      "100000000000000000003", "100000000000000000004"
  end

  for _, name in ipairs { "async", "promise", "thenable", "callback", "free", "succeed", "done",
    "deep.er.handler" } do
    it("accepts the form " .. name, function()
      local first, second, last, later = events()
      local program = handler(name)
      assert.same({ batchItemFailures = { { itemIdentifier = last } } }, program:ask(first))
      assert.same({ batchItemFailures = { { itemIdentifier = later } } }, program:ask(second))
      local rest, status = program:wait()
      assert.same({ "", 0 }, { rest, status })
    end)
  end

  it("waits for the event loop of a handler with a callback, unless that disables it", function()
    local event = events()
    local program = handler "early"
    assert.equal("0", program:ask(event).batchItemFailures[1].itemIdentifier)
    assert.equal("1", program:ask(event).batchItemFailures[1].itemIdentifier)
  end)

  for _, name in ipairs { "nothing", "text", "gateway", "empty", "none", "list" } do
    it("takes the result for success: " .. name, function()
      local event = events()
      local program = handler(name)
      assert.is_true(program:send(event))
      assert.equal("{}", program:line())
      assert.is_true(program:send(event))
      assert.equal("{}", program:line())
      assert.equal(0, select(2, program:wait()))
    end)
  end

  it("passes a response on as it is, also a misspelt one", function()
    local event = events()
    for name, answer in pairs { nullList = '{"batchItemFailures":null}',
      wrongCase = '{"batchItemfailures":[]}', misspelt = '{"batch_item_failures":[]}' } do
      local program = handler(name)
      assert.is_true(program:send(event))
      assert.equal(answer, program:line())
    end
  end)

  for name, expected in pairs {
    rejects = { "TypeError", "bad order\nline 2" }, throws = { "RangeError", "bad order" },
    refuses = { "Error", "bad order" }, fails = { "string", "bad order" },
    rejectsNothing = { "Error", "rejected its promise without an error" },
    stray = { "Error", "stray" }, unhandled = { "Error", "not handled" },
    pending = { "Error", "promise is pending" },
    long = { "Error", ("x"):rep(4096) },
  } do
    it("answers with the error and ends: " .. name, function()
      local event = events()
      local program = handler(name)
      assert.is_true(program:send(event))
      local line = assert(program:line())
      local rest, status = program:wait()
      assert.same({ "", 1 }, { rest, status })
      assert.is_true(#line < 20000)
      local answer = assert(require "tidetable.dynamodb.json_text".decode(line))
      assert.equal(expected[1], answer.errorType)
      assert.is_truthy(answer.errorMessage:find(expected[2], 1, true), answer.errorMessage)
      assert.is_truthy(program:error_text():find(expected[2]:match "^%C+", 1, true))
    end)
  end

  it("gives no answer if the handler ends the process", function()
    local program = handler "exits"
    assert.is_true(program:send((events())))
    assert.same({ "", 7 }, { program:wait() })
  end)

  it("sends the output of a handler to standard error", function()
    local event = events()
    local program = handler "prints"
    assert.same({}, program:ask(event))
    assert.same({}, program:ask(event))
    assert.same({ "", 0 }, { program:wait() })
    local errors = program:error_text()
    for _, text in ipairs { '{"printed":1}\n', "\na\n", "\nb\n", '{"written":1}\n', "\nc\n" } do
      assert.is_truthy(errors:find(text, 1, true), errors)
    end
  end)

  it("answers on another descriptor, which nothing else writes to", function()
    local program = start({ "--answer-fd", "3", helper.path "all.inherits" },
      { "/bin/sh", "-c", 'exec 3>&1 1>&2; exec "$0" "$@"' })
    assert.same({}, program:ask((events())))
    assert.same({ "", 0 }, { program:wait() })
    assert.is_truthy(program:error_text():find "from a child\n")
  end)

  it("gives the handler the event unchanged", function()
    local event = events()
    local program = handler "event"
    assert.same({}, program:ask(event))
    local decode = require "tidetable.dynamodb.json_text".decode
    assert.same(decode(event), decode(program:error_text()))
  end)

  it("gives the handler a context", function()
    local program = start({ "--timeout", "5", helper.path "all.context" }, { "env",
      "AWS_REGION=eu-west-1" })
    local event = events()
    program:ask(event)
    program:ask(event)
    program:wait()
    local decode = require "tidetable.dynamodb.json_text".decode
    local first, second = program:error_text():match "^(%C+)\n(%C+)\n$"
    first, second = decode(first), decode(second)
    assert.is_truthy(first.awsRequestId:find "^%x+%-%x+%-%x+%-%x+%-%x+$")
    assert.are_not.equal(first.awsRequestId, second.awsRequestId)
    assert.is_true(first.left > 0 and first.left <= 5000)
    for name, value in pairs { functionName = "all", name = "all", functionVersion = "$LATEST",
      memoryLimitInMB = "128", logGroupName = "/aws/lambda/all",
      invokedFunctionArn = "arn:aws:lambda:eu-west-1:000000000000:function:all",
      callbackWaitsForEmptyEventLoop = true } do
      assert.equal(value, first[name])
    end
  end)

  it("loads ES modules", function()
    local file <close> = assert(io.open(helper.path "module.mjs", "w"))
    assert(file:write [[
      import { stdout } from 'node:process'
      const number = await Promise.resolve('100000000000000000001')
      export const handler = async () => {
        stdout.write('printed\n')
        return { batchItemFailures: [{ itemIdentifier: number }] }
      }
    ]])
    file:close()
    for _, name in ipairs { "module.handler", "module.mjs" } do
      local program = start { helper.path(name) }
      assert.same({ batchItemFailures = { { itemIdentifier = "100000000000000000001" } } },
        program:ask((events())))
    end
  end)

  it("runs the example", function()
    local first, second = events()
    local program = start { "examples/lambda/handler.handler" }
    assert.same({ batchItemFailures = {} }, program:ask(first))
    assert.same({ batchItemFailures = {} }, program:ask(second))
    local wrong = first:gsub('"N":"180"', '"S":"180"')
    assert.same({ batchItemFailures = { { itemIdentifier = "100000000000000000003" } } },
      program:ask(wrong))
    local _, status = program:wait()
    assert.equal(0, status)
    assert.is_truthy(program:error_text():find "MODIFY a: more than 100, event %w+\n")
  end)

  it("keeps a large event and many events in one piece", function()
    local db = helper.memory { tables = { { name = "orders", partition_key = "id",
      stream = true } } }
    for i = 1, 30 do
      assert(db:table "orders":put { id = tostring(i), text = ("x"):rep(300000) })
    end
    local records = {}
    for record in db:table "orders":stream():records() do records[#records + 1] = record end
    local program = handler "async"
    assert.same({ batchItemFailures = { { itemIdentifier = "100000000000000000031" } } },
      program:ask(programs.event(db, records)))
    local one = programs.event(db, { records[1] })
    for _ = 1, 100 do
      assert.equal("100000000000000000002", program:ask(one).batchItemFailures[1].itemIdentifier)
    end
    assert.same({ "", 0 }, { program:wait() })
  end)

  it("refuses input that is no event", function()
    local program = handler "async"
    assert.is_true(program:send '{"Records":')
    assert.is_truthy(program:line():find '"errorType":"SyntaxError"')
    assert.equal(1, select(2, program:wait()))
    program = handler "async"
    program:send('{"Records":[]}', "")
    assert.same({ "", 1 }, { program:wait() })
    assert.is_truthy(program:error_text():find "standard input ends within a line")
  end)

  it("refuses a wrong command line with status 2", function()
    for _, wrong in ipairs {
      { "expected one FILE.EXPORT" }, { "expected one FILE.EXPORT", "a", "b" },
      { "expected FILE.EXPORT, such as index.handler", "index" },
      { "expected FILE.EXPORT, such as index.handler", "index." },
      { "no such file with the extension .js, .mjs or .cjs", helper.path "none.handler" },
      { "expected a function gone, got undefined", helper.path "all.gone" },
      { "expected a function notAFunction, got number", helper.path "all.notAFunction" },
      { "--answer-fd: expected 1, or 3 or more, got 2", "--answer-fd", "2", "a.b" },
      { "--timeout: expected seconds greater than 0, got x", "--timeout", "x", "a.b" },
      { "--wrong", "--wrong", "a.b" },
    } do
      local program = start { table.unpack(wrong, 2) }
      assert.same({ "", 2 }, { program:wait() })
      local text = program:error_text()
      assert.is_truthy(text:find(wrong[1], 1, true), text)
      assert.is_truthy(text:find "\nusage: node wrapper.js ", text)
      assert(os.remove(program.errors))
    end
  end)
end)
