// forwarder.js - forwards stream records to a Kinesis data stream, as a program of
// `tidetable run --exec`.
//
//   tidetable run shop.tide --source orders --exec 'node forwarder.js STREAM'
//
// The records have the format of "Kinesis Data Streams for DynamoDB". Region, credentials and
// endpoint are those of the AWS SDK: AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_KINESIS and others.
//
// PutRecords may accept a record and refuse an earlier one, so a request has at most one record of
// each item: the next one follows when Kinesis has acknowledged it. The answer to tidetable names
// the first record of the batch that was not acknowledged; tidetable delivers again from it.
'use strict'

const { createHash } = require('node:crypto')
const { setTimeout: sleep } = require('node:timers/promises')
const { parseArgs } = require('node:util')
const { KinesisClient, PutRecordsCommand } = require('@aws-sdk/client-kinesis')
const { NodeHttpHandler } = require('@smithy/node-http-handler')

const USAGE = 'usage: node forwarder.js [--give-up SECONDS] [--max-record-size BYTES] STREAM'
// Limits of a PutRecords request; the size is that of data and partition keys.
const REQUEST_RECORDS = 500
const REQUEST_BYTES = 5 * 1024 * 1024
// Pause before a refused record is sent again, in ms: doubled up to the maximum, random by a half.
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5000
// Maximum number of acknowledged records of uncommitted batches whose ids are kept.
const REMEMBERED = 100000
const LONGEST_LINE = 2000

class UsageError extends Error {}

function parseCommandLine(args) {
  let given
  try {
    given = parseArgs({
      args,
      options: {
        'give-up': { type: 'string', default: '30' },
        'max-record-size': { type: 'string', default: String(1024 * 1024) },
      },
      allowPositionals: true,
    })
  } catch (error) {
    throw new UsageError(error.message)
  }
  const { positionals, values } = given
  const giveUp = Number(values['give-up'])
  const maxRecordSize = Number(values['max-record-size'])
  if (positionals.length !== 1) throw new UsageError('expected the name of one stream')
  if (!(giveUp >= 0)) throw new UsageError('--give-up: expected seconds, got ' + values['give-up'])
  if (!Number.isInteger(maxRecordSize) || maxRecordSize < 1) {
    throw new UsageError('--max-record-size: expected bytes, got ' + values['max-record-size'])
  }
  return { streamName: positionals[0], giveUpMs: giveUp * 1000, maxRecordSize }
}

// Returns the name of the table of a record, from its stream's ARN (.../table/NAME/stream/LABEL).
function tableOf(record) {
  const name = /:table\/([^/]+)\/stream\//.exec(record.eventSourceARN)?.[1]
  if (!name) throw new Error(`event ${record.eventID}: no table in the ARN ${record.eventSourceARN}`)
  return name
}

// Returns who made the change: null except for removals by time to live.
function identityOf({ userIdentity }) {
  return userIdentity
    ? { type: userIdentity.type ?? userIdentity.Type,
      principalId: userIdentity.principalId ?? userIdentity.PrincipalId }
    : null
}

// Converts a record of a Lambda event to one of DynamoDB's Kinesis destination. The time is in ms;
// DynamoDB writes ApproximateCreationDateTimePrecision only for microseconds.
function converted(record) {
  const { ApproximateCreationDateTime, Keys, NewImage, OldImage, SizeBytes } = record.dynamodb
  return {
    awsRegion: record.awsRegion,
    eventID: record.eventID,
    eventName: record.eventName,
    userIdentity: identityOf(record),
    recordFormat: 'application/json',
    tableName: tableOf(record),
    dynamodb: {
      ApproximateCreationDateTime: Math.round(ApproximateCreationDateTime * 1000),
      Keys, NewImage, OldImage, SizeBytes,
    },
    eventSource: 'aws:dynamodb',
  }
}

// Returns the entry to send for a record. The partition key is a hash of table and item key,
// because Kinesis limits it to 256 characters. Names in Keys are in ascending order.
function entryOf(record) {
  const body = converted(record)
  const Data = Buffer.from(JSON.stringify(body))
  const PartitionKey = createHash('sha256')
    .update(JSON.stringify([body.tableName, body.dynamodb.Keys])).digest('hex')
    .slice(0, 32).toUpperCase()
  return { id: record.eventID, number: record.dynamodb.SequenceNumber, PartitionKey, Data,
    size: Data.length + PartitionKey.length }
}

function log(text) {
  console.error('forwarder: ' + text.slice(0, LONGEST_LINE))
}

class Forwarder {
  constructor(client, { streamName, giveUpMs, maxRecordSize }) {
    Object.assign(this, { client, streamName, giveUpMs, maxRecordSize })
    // Ids of acknowledged records that tidetable may deliver again, because an earlier record of
    // their batch was not acknowledged.
    this.acknowledged = new Set()
  }

  remember(id) {
    this.acknowledged.add(id)
    if (this.acknowledged.size > REMEMBERED) {
      this.acknowledged.delete(this.acknowledged.values().next().value)
    }
  }

  // Returns the entries to send, in order, by partition key.
  queuesOf(entries) {
    const queues = new Map()
    for (const entry of entries) {
      if (this.acknowledged.has(entry.id)) continue
      if (!queues.has(entry.PartitionKey)) queues.set(entry.PartitionKey, [])
      queues.get(entry.PartitionKey).push(entry)
    }
    return queues
  }

  // Removes the queues whose first entry Kinesis can't accept.
  dropTooLarge(queues) {
    for (const [key, [first]] of queues) {
      if (first.size > this.maxRecordSize) {
        log(`event ${first.id}: ${first.size} bytes, but the maximum is ${this.maxRecordSize}`)
        queues.delete(key)
      }
    }
  }

  // Returns the entries of the next request: the first of each queue, up to the limits.
  static nextRequest(queues) {
    const request = []
    let size = 0
    for (const [first] of queues.values()) {
      size += first.size
      if (request.length === REQUEST_RECORDS || (size > REQUEST_BYTES && request.length > 0)) break
      request.push(first)
    }
    return request
  }

  // Sends entries once. Returns an error's text for each, undefined if it was acknowledged.
  async put(request) {
    const Records = request.map(({ Data, PartitionKey }) => ({ Data, PartitionKey }))
    const answer = await this.client.send(
      new PutRecordsCommand({ StreamName: this.streamName, Records }))
    return answer.Records.map(({ ErrorCode, ErrorMessage }) =>
      ErrorCode && `${ErrorCode}: ${ErrorMessage}`)
  }

  // Sends the entries of a batch until all were acknowledged or the time to give up has come.
  async putAll(entries) {
    const queues = this.queuesOf(entries)
    const end = performance.now() + this.giveUpMs
    let pause = FIRST_PAUSE_MS
    for (;;) {
      this.dropTooLarge(queues)
      const request = Forwarder.nextRequest(queues)
      if (request.length === 0) return
      const errors = await this.put(request)
      let problem
      request.forEach(({ id, PartitionKey }, i) => {
        if (errors[i]) {
          problem ??= `event ${id}: ${errors[i]}`
          return
        }
        this.remember(id)
        const queue = queues.get(PartitionKey)
        queue.shift()
        if (queue.length === 0) queues.delete(PartitionKey)
      })
      if (!problem) {
        pause = FIRST_PAUSE_MS
      } else if (performance.now() + pause > end) {
        log(problem)
        return
      } else {
        await sleep(pause * (0.5 + Math.random()))
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS)
      }
    }
  }

  // Forwards a batch. Returns the answer for tidetable.
  async forward(event) {
    const entries = event.Records.map(entryOf)
    try {
      await this.putAll(entries)
    } catch (error) {
      // The SDK has tried again what can be tried again. The client stays for the next attempt.
      log(`${error.name}: ${error.message}`)
    }
    const failed = entries.find(({ id }) => !this.acknowledged.has(id))
    // The records before it will be committed, so they are not delivered again.
    for (const entry of entries) {
      if (entry === failed) break
      this.acknowledged.delete(entry.id)
    }
    return failed ? { batchItemFailures: [{ itemIdentifier: failed.number }] } : {}
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

async function main() {
  const options = parseCommandLine(process.argv.slice(2))
  // HTTP/1.1, which emulators understand too, and with time limits.
  const requestHandler = new NodeHttpHandler({ connectionTimeout: 5000, requestTimeout: 5000 })
  const forwarder = new Forwarder(new KinesisClient({ requestHandler }), options)
  for await (const line of linesOf(process.stdin)) {
    const answer = await forwarder.forward(JSON.parse(line))
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}

main().catch((error) => {
  if (error instanceof UsageError) {
    console.error(`forwarder: ${error.message}\n${USAGE}`)
    process.exit(2)
  }
  log(String(error.stack))
  process.exit(1)
})
