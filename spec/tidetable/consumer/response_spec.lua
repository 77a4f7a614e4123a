-- response_spec.lua - partial responses of handlers.
local responses = require "tidetable.consumer.response"

describe("the response of a handler", function()
  local records = { { sequence_number = 17 }, { sequence_number = 20 }, { sequence_number = 21 } }

  local function partial(result) return responses.partial(result, records) end

  it("says that all records succeeded", function()
    for _, result in ipairs { true, "text", 5, {}, { 1, 2 }, { total = 7 },
      { batch_item_failures = {} } } do
      assert.is_nil(partial(result))
    end
    assert.is_nil(partial(nil))
  end)

  it("names the first record that failed, in any order", function()
    assert.equal(2, partial({ batch_item_failures = { 21, 20 } }).index)
    assert.equal(1, partial({ batch_item_failures = { 17 } }).index)
    assert.equal("the handler failed from record 3 of the batch on",
      tostring(partial { batch_item_failures = { 21 } }))
  end)

  it("fails the whole batch if it is not understood", function()
    for result, text in pairs {
      [{ batch_item_failures = { 20, 99 } }] = "no sequence number of the batch",
      [{ batch_item_failures = { "20" } }] = "no sequence number of the batch",
      [{ batch_item_failures = { { itemIdentifier = "20" } } }] = "no sequence number",
      [{ batch_item_failures = 20 }] = "expected a list of sequence numbers, got number",
      [{ batchItemFailures = {} }] = 'did you mean "batch_item_failures"?',
      [{ batch_item_failure = { 20 } }] = 'did you mean "batch_item_failures"?',
    } do
      local response = partial(result)
      assert.is_true(responses.is_partial(response))
      assert.is_nil(response.index)
      assert.equal(result, response.response)
      assert.is_truthy(tostring(response):find(text, 1, true), tostring(response))
    end
    assert.is_false(responses.is_partial {})
  end)
end)
