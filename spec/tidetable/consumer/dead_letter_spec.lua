-- dead_letter_spec.lua - records that are put into a table.
local for_each_mode = require "spec.tidetable.parking"
local helper = require "spec.tidetable.helper"

for_each_mode(describe, before_each, after_each, "dead letters", function(p)
  it("writes dead letters that contain all of the record", function()
    local big = ("x"):rep(399000)
    assert(p.orders:put { id = "a", n = 1, text = big })
    assert(p.orders:put { id = "a", n = 1, text = big:gsub("x", "y") })
    p:put("a2")
    local consumer = p:open { on_failure = "dead_letter", dead_letter = "dead", batch_size = 1 }
    local last
    p:drain(consumer, function(records)
      if records[1].event_name == "MODIFY" then
        last = records[1]
        error("\xff is no text", 0)
      end
    end)
    assert.same({ 0, 0, 1, 6 }, p.counts(consumer))
    local info = assert(p.db:info())
    local id = ("c/%s/%s/5"):format(info.database_id, info.incarnation)
    local parts = helper.collect(p.db:table "dead":query(id))
    assert.equal(3, #parts)
    local old, new = {}, {}
    for i, part in ipairs(parts) do
      assert.same({ i, 3 }, { part.part, part.parts })
      old[i] = part.old_image and tostring(part.old_image) or ""
      new[i] = part.new_image and tostring(part.new_image) or ""
    end
    local core = require "tidetable.core"
    assert.same(last.old_image, core.values.decode(table.concat(old)))
    assert.same(last.new_image, core.values.decode(table.concat(new)))
    local first = parts[1]
    assert.same({ "c", "orders", "MODIFY", 5, 2, "? is no text" }, { first.consumer, first.table,
      first.event_name, first.sequence_number, first.attempts, first.error })
    assert.same({ { id = "a", n = 1 }, last.created_at }, { first.keys, first.created_at })
    assert.is_true(first.dead_at >= first.created_at)
    -- Later records of the key go on.
    assert.equal(2, consumer:describe().records)
    assert.same({}, assert(p.db:check()).problems)
  end)

  it("checks the settings and the table of dead letters", function()
    local function wrong(text, opts)
      opts.source = "orders"
      helper.misuse(text, p.db.consumer, p.db, "x", opts)
    end
    wrong('requires the option "dead_letter"', { on_failure = "dead_letter" })
    wrong('requires on_failure', { dead_letter = "dead" })
    wrong('requires on_failure', { dead_letter = "dead", on_failure = "stop" })
    wrong('on_failure', { on_failure = "ignore" })
    local function refused(code, name)
      return helper.refused(code, p.db:consumer("x", { source = "orders",
        on_failure = "dead_letter", dead_letter = name })).message
    end
    refused("NOT_FOUND", "none")
    assert.is_truthy(refused("VALIDATION", "totals"):find("sort key of type N", 1, true))
    assert(p.db:create_table { name = "strange", partition_key = "error", sort_key = { "n", "N" } })
    assert.is_truthy(refused("VALIDATION", "strange"):find('the name "error"', 1, true))
    helper.refused("NOT_FOUND", p.db:consumer "x")
    local about = p:open():describe().settings
    assert.same({ true, 2, 10000 }, { about.bisect, about.max_attempts, about.max_parked })
    about = assert(p.db:consumer("y", { source = "orders", on_failure = "park" })):describe()
    assert.equal(10, about.settings.max_attempts)
    helper.refused("CONSUMER_DIFFERS", p.db:consumer("y", { source = "orders",
      on_failure = "park", bisect = false }))
    assert(p.db:consumer("y", { source = "orders", on_failure = "park", bisect = true }))
  end)

  it("tells who waits that the table of dead letters was deleted", function()
    p:put("a1")
    local consumer = p:open { on_failure = "dead_letter", dead_letter = "dead", max_attempts = 1 }
    assert(p.db:delete_table "dead")
    helper.refused("NOT_FOUND", consumer:run(function() error("bad", 0) end))
    assert.equal("NOT_FOUND", consumer:describe().ended.code)
    helper.refused("NOT_FOUND", consumer:wait_for())
  end)

  it("ends the run if the table of dead letters was deleted", function()
    p:put("a1")
    p.failing.a1 = true
    local consumer = p:open { on_failure = "dead_letter", dead_letter = "dead" }
    assert(p.db:delete_table "dead")
    helper.refused("NOT_FOUND", consumer:run((p:handler())))
    assert.same({ 0, 0, 0, 0 }, p.counts(consumer))
  end)
end)
