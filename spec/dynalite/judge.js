// judge.js - executes requests on dynalite: one JSON line per request on standard input, one per
// answer on standard output.
//
//   node judge.js FOLDER     FOLDER: contains node_modules/dynalite
//
// The first line is { tables: [body of CreateTable] }, the others are { target, body, after }.
// after: { TableName, Key, Item }, the item that the key must have after the request, without Item
// for none. The answer is { status, body, item }; then the item is made equal to after.Item, so
// that one difference is not followed by others. If dynalite throws, the answer is { status: 0,
// body: { message } }, and a new server gets the same items.
'use strict'

const http = require('node:http')
const path = require('node:path')
const readline = require('node:readline')
const dynalite = require(path.resolve(process.argv[2], 'node_modules/dynalite'))

// Time after which a request counts as lost.
const ANSWER_MS = 3000

let server, tables, agent
let onCrash = () => {}
const items = new Map()

// dynalite checks that the signature is complete, not that it is correct.
const headers = {
  'Content-Type': 'application/x-amz-json-1.0',
  'X-Amz-Date': '20260101T000000Z',
  Authorization: 'AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, ' +
    'SignedHeaders=host, Signature=b',
}

function send(target, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({
      port: server.address().port, method: 'POST', agent,
      headers: { ...headers, 'X-Amz-Target': 'DynamoDB_20120810.' + target },
    }, (response) => {
      const chunks = []
      response.on('data', (chunk) => chunks.push(chunk))
      response.on('end', () => resolve({
        status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()),
      }))
    })
    request.on('error', reject)
    request.end(JSON.stringify(body))
  })
}

async function mustSend(target, body) {
  const answer = await send(target, body)
  if (answer.status !== 200) throw new Error(target + ': ' + JSON.stringify(answer.body))
  return answer.body
}

// Returns a text that is equal for equal values: names and members of sets are sorted.
function canonical(value, inSet) {
  if (Array.isArray(value)) {
    const members = value.map((member) => canonical(member, false))
    return '[' + (inSet ? members.sort() : members).join() + ']'
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  return '{' + Object.keys(value).sort().map((name) =>
    JSON.stringify(name) + ':' + canonical(value[name], /^[SNB]S$/.test(name))).join() + '}'
}

// Starts a server with the tables and the items known so far.
async function start() {
  agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  server = dynalite({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  for (const table of tables) {
    await mustSend('CreateTable', table)
    let status
    do {
      status = (await mustSend('DescribeTable', { TableName: table.TableName })).Table.TableStatus
    } while (status !== 'ACTIVE')
  }
  for (const { TableName, Item } of items.values()) await mustSend('PutItem', { TableName, Item })
}

// Returns the answer, or what a server that throws gets.
async function sendOrCrash(target, body) {
  const crash = new Promise((resolve) => { onCrash = resolve })
  const timer = setTimeout(() => onCrash(new Error('no answer')), ANSWER_MS)
  const answer = await Promise.race([send(target, body).catch(() => crash), crash])
  clearTimeout(timer)
  onCrash = (error) => { throw error }
  if (answer instanceof Error) {
    await start()
    return { status: 0, body: { message: answer.message } }
  }
  return answer
}

async function itemAfter({ TableName, Key, Item }) {
  const { Item: actual } = await mustSend('GetItem', { TableName, Key, ConsistentRead: true })
  const name = TableName + canonical(Key)
  if (Item) items.set(name, { TableName, Item })
  else items.delete(name)
  if (canonical(actual || null) !== canonical(Item || null)) {
    if (Item) await mustSend('PutItem', { TableName, Item })
    else await mustSend('DeleteItem', { TableName, Key })
  }
  return actual
}

async function execute(line) {
  if (line.tables) {
    tables = line.tables
    return start()
  }
  const answer = await sendOrCrash(line.target, line.body)
  if (line.after) answer.item = await itemAfter(line.after)
  process.stdout.write(JSON.stringify(answer) + '\n')
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await execute(JSON.parse(line))
  }
  process.stdout.write('', () => process.exit(0))
}

process.on('uncaughtException', (error) => onCrash(error))
process.on('unhandledRejection', (error) => onCrash(error))
main().catch((error) => {
  console.error(error)
  process.exit(1)
})
