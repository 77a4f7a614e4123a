-- kind_spec.lua - the kinds of processors.
local consumers = require "spec.tidetable.consumers"
local helper = require "spec.tidetable.helper"
local kinds = require "tidetable.run.kind"

describe("the kind of a definition", function()
  helper.setup(before_each, after_each)

  it("is that of its handler or program, or is named", function()
    assert.equal(kinds.handler, (kinds.of { handler = print }))
    assert.equal(kinds.exec, (kinds.of { exec = "cat" }))
    assert.equal(kinds.exec, (kinds.of { kind = "exec" }))
    for _, kind in ipairs { "odd", "of", 5, false } do
      assert.same({ nil, ('unknown kind "%s"'):format(tostring(kind)) },
        { kinds.of { kind = kind } })
    end
  end)

  local function run(db, handler, opts)
    local reports, job = {}, nil
    local context = { region = "local", directory = ".", entering = function() end,
      returned = function() end, report = function(...) reports[#reports + 1] = { ... } end }
    local definition = { name = "c", source = "orders", backoff = 0.001, max_attempts = 2,
      handler = function(...) return handler(job, ...) end }
    for name, value in pairs(opts or {}) do definition[name] = value end
    assert.is_true(kinds.handler.validate(definition))
    assert.equal("create", kinds.handler.check(db, definition))
    assert.same({}, db:list_consumers())
    job = assert(kinds.handler.open(db, definition, context))
    local ok, err, code = job:run()
    job:close()
    return reports, ok, err, code
  end

  it("runs a consumer, and reports its failed attempts", function()
    local db, orders = consumers.orders()
    consumers.put(orders, 2)
    local calls = 0
    local reports, ok = run(db, function(job)
      calls = calls + 1
      if calls == 1 then error "bad luck" end
      job:stop()
    end)
    assert.is_true(ok)
    assert.equal(1, #reports)
    local report = reports[1]
    assert.is_truthy(report[2]:find "kind_spec.lua:%d+: bad luck")
    assert.same({ "failed", 2, 3, 1 }, { report[1], report[3], report[4], report[5] })
  end)

  it("passes errors on unchanged, and does not report those that are no attempts", function()
    local db, orders = consumers.orders()
    consumers.put(orders, 1)
    local reason, calls = {}, 0
    local _, disk_full = require "tidetable.core".consumer_failure("DISK_FULL", "no space")
    local reports, ok, err, code = run(db, function()
      calls = calls + 1
      if calls == 1 then error(disk_full, 0) elseif calls == 2 then return nil, "returned" end
      error(reason, 0)
    end)
    assert.same({ nil, "BATCH_FAILED" }, { ok, code })
    assert.equal(reason, err.reason)
    assert.same({ "returned", "error object of type table" }, { reports[1][2],
      reports[2][2]:match "^[^\n]*" })
  end)

  it("reports the text of an error of the library", function()
    local db, orders = consumers.orders()
    consumers.put(orders, 1)
    local reports = run(db, function(_, _, tx)
      tx:table "orders":update({ id = "a" }, "SET status = ?", { 1 })
    end)
    assert.is_truthy(reports[1][2]:find("VALIDATION: Invalid UpdateExpression: ", 1, true))
  end)

  it("reports the first failed record of a partial response", function()
    local db, orders = consumers.orders()
    consumers.put(orders, 3)
    local failing = true
    local reports, ok = run(db, function(job, records)
      if failing and #records == 3 then
        return { batch_item_failures = { records[3].sequence_number, records[2].sequence_number } }
      end
      failing = false
      if records[#records].sequence_number == 4 then job:stop() end
      return { batch_item_failures = {} }
    end, { shards = 1 })
    assert.is_true(ok)
    assert.same({ { "failed", "the handler failed from record 2 of the batch on", 2, 4, 1 } },
      reports)
  end)

  it("reports the death of a program to the library", function()
    local db, orders = consumers.orders()
    consumers.put(orders, 4)
    local sizes, responses = {}, require "tidetable.consumer.response"
    local reports, _, _, code = run(db, function(_, records)
      sizes[#sizes + 1] = #records
      return responses.death "the program has died"
    end, { shards = 1 })
    assert.equal("BATCH_FAILED", code)
    assert.same({ 4, 2, 1, 1 }, sizes)
    assert.equal("the program has died", reports[1][2])
  end)
end)
