// kinesis.js - kinesalite behind a proxy that fails some PutRecords requests as Kinesis does.
//
//   node kinesis.js STREAM      NODE_PATH: contains kinesalite and the AWS SDK
//
// Prints its port of 127.0.0.1. Then executes one JSON line of standard input after the other, and
// prints a JSON line for each:
//
//   { faults: { seed, refuse, fail, lose, reject } }   probabilities: refuse a record of a request;
//       fail a request with status 500; execute a request and close its connection without an
//       answer; fail a request with an error that can't be tried again. Answer: {}
//   { read: true }      answer: { records: [{ partitionKey, data }] }, shard by shard
//   { counts: true }    answer: { requests, largest, repeatedKeys }: number of PutRecords requests,
//       most records of one, and number of those with two records of one partition key
'use strict'

const http = require('node:http')
const readline = require('node:readline')
const kinesalite = require('kinesalite')
const { KinesisClient, CreateStreamCommand, DescribeStreamSummaryCommand, GetRecordsCommand,
  GetShardIteratorCommand, ListShardsCommand } = require('@aws-sdk/client-kinesis')
const { NodeHttpHandler } = require('@smithy/node-http-handler')

const StreamName = process.argv[2]
const SHARDS = 3

let faults = {}
let state = 1
const counts = { requests: 0, largest: 0, repeatedKeys: 0 }
let inner, client

// Returns true with a probability (xorshift, so that a seed repeats a run).
function chance(probability) {
  state ^= state << 13
  state ^= state >>> 17
  state ^= state << 5
  return (state >>> 0) / 2 ** 32 < (probability ?? 0)
}

function listen(server) {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () =>
    resolve(server.address().port)))
}

function forward(request, body) {
  const headers = { ...request.headers, 'content-length': Buffer.byteLength(body) }
  return new Promise((resolve, reject) => {
    const options = { port: inner, host: '127.0.0.1', method: request.method, headers }
    http.request(options, (answer) => {
      const chunks = []
      answer.on('data', (chunk) => chunks.push(chunk))
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers,
        body: Buffer.concat(chunks) }))
    }).on('error', reject).end(body)
  })
}

// Executes a PutRecords request without the records that are refused.
async function putRecords(request, text) {
  const body = JSON.parse(text)
  const keys = new Set(body.Records.map(({ PartitionKey }) => PartitionKey))
  counts.requests++
  counts.largest = Math.max(counts.largest, body.Records.length)
  if (keys.size < body.Records.length) counts.repeatedKeys++

  const refused = body.Records.map(() => chance(faults.refuse))
  const Records = body.Records.filter((_, i) => !refused[i])
  let accepted = []
  if (Records.length > 0) {
    const answer = await forward(request, JSON.stringify({ ...body, Records }))
    if (answer.status !== 200) return answer
    accepted = JSON.parse(answer.body).Records
  }
  const merged = refused.map((isRefused) => isRefused
    ? { ErrorCode: 'ProvisionedThroughputExceededException', ErrorMessage: 'Rate exceeded' }
    : accepted.shift())
  return { status: 200, headers: { 'content-type': 'application/x-amz-json-1.1' },
    body: JSON.stringify({ FailedRecordCount: refused.filter(Boolean).length, Records: merged }) }
}

const failure = (status, type) => ({ status, headers: { 'content-type':
  'application/x-amz-json-1.1' }, body: JSON.stringify({ __type: type, message: 'injected' }) })

async function serve(request, response) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  let answer
  if (!/\.PutRecords$/.test(request.headers['x-amz-target'])) answer = await forward(request, text)
  else if (chance(faults.fail)) answer = failure(500, 'InternalFailure')
  else if (chance(faults.reject)) answer = failure(400, 'AccessDeniedException')
  else answer = await putRecords(request, text)
  if (/\.PutRecords$/.test(request.headers['x-amz-target']) && chance(faults.lose)) {
    response.destroy()
    return
  }
  response.writeHead(answer.status, { 'content-type': answer.headers['content-type'] })
  response.end(answer.body)
}

async function read() {
  const records = []
  const { Shards } = await client.send(new ListShardsCommand({ StreamName }))
  for (const { ShardId } of Shards) {
    let { ShardIterator } = await client.send(new GetShardIteratorCommand({ StreamName, ShardId,
      ShardIteratorType: 'TRIM_HORIZON' }))
    for (;;) {
      const page = await client.send(new GetRecordsCommand({ ShardIterator, Limit: 1000 }))
      if (page.Records.length === 0) break
      for (const { PartitionKey, Data } of page.Records) {
        records.push({ partitionKey: PartitionKey, data: Buffer.from(Data).toString() })
      }
      ShardIterator = page.NextShardIterator
    }
  }
  return { records }
}

async function execute(command) {
  if (command.faults) {
    faults = command.faults
    state = (faults.seed ?? 1) | 0 || 1
    return {}
  }
  return command.read ? read() : counts
}

async function main() {
  inner = await listen(kinesalite({ createStreamMs: 0, shardLimit: SHARDS }))
  client = new KinesisClient({ endpoint: 'http://127.0.0.1:' + inner, region: 'local',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    requestHandler: new NodeHttpHandler() })
  await client.send(new CreateStreamCommand({ StreamName, ShardCount: SHARDS }))
  let status
  do {
    status = (await client.send(new DescribeStreamSummaryCommand({ StreamName })))
      .StreamDescriptionSummary.StreamStatus
  } while (status !== 'ACTIVE')
  console.log(await listen(http.createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })))
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await execute(JSON.parse(line))) + '\n')
  }
  process.stdout.write('', () => process.exit(0))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
