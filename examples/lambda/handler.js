// handler.js - a Lambda function that reports the orders that have become expensive, as one writes
// it for AWS. Nothing in it is specific to tidetable.
//
// The settings in AWS would be: handler "handler.handler", a DynamoDB stream with new and old
// images as trigger, and ReportBatchItemFailures.
'use strict'

const LIMIT = 100

const totalOf = (image) => Number(image?.total?.N ?? 0)

exports.handler = async (event, context) => {
  const batchItemFailures = []
  console.log(`${context.functionName}: ${event.Records.length} records`)
  for (const { eventID, eventName, dynamodb } of event.Records) {
    try {
      if (dynamodb.NewImage?.total && !dynamodb.NewImage.total.N) {
        throw new Error('total is not a number')
      }
      if (totalOf(dynamodb.NewImage) > LIMIT && totalOf(dynamodb.OldImage) <= LIMIT) {
        console.log(`${eventName} ${dynamodb.Keys.id.S}: more than ${LIMIT}, event ${eventID}`)
      }
    } catch (error) {
      console.error(`${eventID}: ${error.message}`)
      batchItemFailures.push({ itemIdentifier: dynamodb.SequenceNumber })
      break
    }
  }
  return { batchItemFailures }
}
