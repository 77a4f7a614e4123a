// wrapper.js - runs a Lambda function's handler for `tidetable run --exec`, outside of Lambda.
//
//   tidetable run shop.tide --source orders --exec 'node wrapper.js handler.handler'
//
// Reads one event ({"Records": [...]}) a line from standard input, calls the handler as Lambda's
// Node.js runtime does, and answers with one JSON object a line: {} for success, or the handler's
// batchItemFailures. doc/destinations.md describes the options and the differences to Lambda.
'use strict'

const fs = require('node:fs')
const path = require('node:path')
const { randomUUID } = require('node:crypto')
const { syncBuiltinESMExports } = require('node:module')
const { pathToFileURL } = require('node:url')
const { parseArgs } = require('node:util')

const USAGE = 'usage: node wrapper.js [--answer-fd N] [--timeout SECONDS] [--name FUNCTION] ' +
  'FILE.EXPORT'
// Maximum lengths of a failure's message and of its stack in an answer.
const MESSAGE_LENGTH = 4096
const TRACE_LINES = 20

class UsageError extends Error {}

// Parses the command line. Returns the handler's place, the descriptor of answers, the time limit
// of an event in ms, and the function's name (undefined: that of the handler's file).
function parseCommandLine(args) {
  let given
  try {
    given = parseArgs({
      args,
      options: {
        'answer-fd': { type: 'string', default: '1' },
        timeout: { type: 'string', default: '60' },
        name: { type: 'string' },
      },
      allowPositionals: true,
    })
  } catch (error) {
    throw new UsageError(error.message)
  }
  const { positionals, values } = given
  const answerFd = Number(values['answer-fd'])
  const timeoutMs = Number(values.timeout) * 1000
  if (positionals.length !== 1) throw new UsageError('expected one FILE.EXPORT')
  if (!/^\d+$/.test(values['answer-fd']) || answerFd === 0 || answerFd === 2) {
    throw new UsageError('--answer-fd: expected 1, or 3 or more, got ' + values['answer-fd'])
  }
  if (!(timeoutMs > 0)) {
    throw new UsageError('--timeout: expected seconds greater than 0, got ' + values.timeout)
  }
  return { handler: positionals[0], answerFd, timeoutMs, name: values.name }
}

// Finds a handler in Lambda's notation, DIRECTORY/FILE.EXPORT: the file is FILE.js, FILE.mjs or
// FILE.cjs. The name of a file alone means its export "handler". Returns { file, name }.
function locate(handler) {
  const isFile = (file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile()
  if (isFile(handler)) return { file: path.resolve(handler), name: 'handler' }
  const base = path.basename(handler)
  const dot = base.indexOf('.')
  if (dot < 1 || dot === base.length - 1) {
    throw new UsageError(handler + ': expected FILE.EXPORT, such as index.handler')
  }
  const stem = path.resolve(path.dirname(handler), base.slice(0, dot))
  for (const extension of ['.js', '.mjs', '.cjs']) {
    if (isFile(stem + extension)) return { file: stem + extension, name: base.slice(dot + 1) }
  }
  throw new UsageError(stem + ': no such file with the extension .js, .mjs or .cjs')
}

// Loads a handler from a CommonJS or an ES module.
async function load({ file, name }) {
  const module = await import(pathToFileURL(file).href)
  const find = (from) => name.split('.').reduce((value, key) => value?.[key], from)
  const handler = find(module) ?? find(module.default)
  if (typeof handler !== 'function') {
    throw new UsageError(`${file}: expected a function ${name}, got ${typeof handler}`)
  }
  return handler
}

// Sends what the handler prints to standard error. Standard output has only answers.
function redirectOutput() {
  Object.defineProperty(process, 'stdout', { configurable: true, get: () => process.stderr })
  syncBuiltinESMExports()
}

// Writes a line in one piece: a pipe accepts only a part if it is full.
function writeLine(fd, text) {
  let rest = Buffer.from(text + '\n')
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(fd, rest))
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

// Yields the lines of a stream. Only a line feed ends a line; node:readline also divides at others.
async function * linesOf(stream) {
  let parts = []
  for await (let chunk of stream) {
    for (let end; (end = chunk.indexOf(10)) >= 0; chunk = chunk.subarray(end + 1)) {
      parts.push(chunk.subarray(0, end))
      yield Buffer.concat(parts).toString()
      parts = []
    }
    if (chunk.length > 0) parts.push(chunk)
  }
  if (parts.length > 0) throw new Error('standard input ends within a line')
}

// Sets the variables by which libraries recognize Lambda, unless the user has set them.
function setEnvironment({ file, name }, functionName) {
  const variables = {
    AWS_LAMBDA_FUNCTION_NAME: functionName,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128',
    LAMBDA_TASK_ROOT: path.dirname(file),
    _HANDLER: path.basename(file, path.extname(file)) + '.' + name,
  }
  for (const [variable, value] of Object.entries(variables)) process.env[variable] ??= value
}

// Returns the context object of one event. finish(error, result) is called by the three functions
// with which handlers ended before Node.js 4.
function contextOf(functionName, timeoutMs, finish) {
  const deadline = performance.now() + timeoutMs
  const region = process.env.AWS_REGION || 'local'
  return {
    awsRequestId: randomUUID(),
    callbackWaitsForEmptyEventLoop: true,
    functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:${region}:000000000000:function:${functionName}`,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: '/aws/lambda/' + functionName,
    logStreamName: String(process.pid),
    clientContext: undefined,
    identity: undefined,
    getRemainingTimeInMillis: () => Math.max(0, Math.round(deadline - performance.now())),
    done: (error, result) => finish(error, result),
    succeed: (result) => finish(null, result),
    fail: (error) => finish(error ?? new Error('context.fail was called')),
  }
}

// Calls a handler that may be async, return a promise, call its callback, or do none of these.
// Returns its result; throws its error.
async function call(handler, event, functionName, timeoutMs) {
  let finish
  const finished = new Promise((resolve, reject) => {
    finish = (error, result) => error == null ? resolve({ result }) : reject(error)
  })
  // The promise may be rejected before it is waited for, in the handler itself.
  finished.catch(() => {})
  const context = contextOf(functionName, timeoutMs, finish)
  const returned = handler(event, context, finish)
  const isPromise = typeof returned?.then === 'function'
  if (isPromise) returned.then((result) => finish(null, result), (error) => {
    finish(error ?? new Error('the handler rejected its promise without an error'))
  })
  // Node.js emits beforeExit when the process waits for nothing, except its standard input. It is
  // emitted again only if there was something to wait for since the last time.
  let onIdle
  const idle = new Promise((resolve) => { onIdle = () => resolve({ isIdle: true }) })
  process.once('beforeExit', onIdle)
  setImmediate(() => {})
  try {
    const first = await Promise.race([finished, idle])
    if (first.isIdle && isPromise) {
      throw new Error('the handler\'s promise is pending, and nothing is left that can settle it')
    }
    if (!first.isIdle && !isPromise && context.callbackWaitsForEmptyEventLoop) await idle
    return first.result
  } finally {
    process.removeListener('beforeExit', onIdle)
  }
}

// Returns the answer for a handler's result. Lambda ignores results of other kinds, unless they
// were meant to report failures.
function answerTo(result) {
  if (result === null || typeof result !== 'object') return {}
  const reports = Object.keys(result).filter((name) => /^batch_?items?_?fail/i.test(name))
  return Object.fromEntries(reports.map((name) => [name, result[name]]))
}

// Returns the description of an error that Lambda returns. As an answer it fails the batch.
function failureOf(error) {
  if (!(error instanceof Error)) {
    return { errorType: typeof error, errorMessage: String(error).slice(0, MESSAGE_LENGTH) }
  }
  return {
    errorType: error.name,
    errorMessage: String(error.message).slice(0, MESSAGE_LENGTH),
    trace: String(error.stack).split('\n').slice(0, TRACE_LINES)
      .map((line) => line.slice(0, MESSAGE_LENGTH / 8)),
  }
}

async function main() {
  const options = parseCommandLine(process.argv.slice(2))
  const place = locate(options.handler)
  const functionName = options.name ?? process.env.AWS_LAMBDA_FUNCTION_NAME ??
    path.basename(place.file, path.extname(place.file))
  setEnvironment(place, functionName)
  redirectOutput()

  // An event is in hand, and has no answer yet.
  let isHandling = false
  const fail = (error) => {
    console.error(error)
    if (isHandling) writeLine(options.answerFd, JSON.stringify(failureOf(error)))
    process.exit(1)
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)

  const handler = await load(place)
  for await (const line of linesOf(process.stdin)) {
    isHandling = true
    process.stdin.unref?.()
    try {
      const result = await call(handler, JSON.parse(line), functionName, options.timeoutMs)
      writeLine(options.answerFd, JSON.stringify(answerTo(result)))
      isHandling = false
    } catch (error) {
      fail(error)
    }
    process.stdin.ref?.()
  }
  process.exit(0)
}

main().catch((error) => {
  if (error instanceof UsageError) {
    console.error(`wrapper: ${error.message}\n${USAGE}`)
    process.exit(2)
  }
  console.error(error)
  process.exit(1)
})
