-- pipeline_spec.lua - runs examples/pipeline as its demo does, and with a corrected program.
local assert = require "luassert"
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local json = require "tidetable.json"
local lfs = require "lfs"
local transcripts = require "spec.tidetable.cli.transcripts"

helper.setup(before_each, after_each)

describe("the pipeline", function()
  local directory

  local function run(line, status)
    local out, got = transcripts.run(directory, line)
    if got ~= (status or 0) then error(("%s: status %d\n%s"):format(line, got, out), 2) end
    return out
  end

  --- Returns the items of a table, or what the JSON lines of another command contain.
  local function items(line)
    local list = {}
    for each in run(line):gmatch "[^\n]+" do list[#list + 1] = assert(json.decode(each)) end
    return list
  end

  local function sum(list, name)
    local total = 0
    for _, item in ipairs(list) do total = total + item[name] end
    return total
  end

  before_each(function() directory = transcripts.directory() end)

  it("shows its output", function()
    local out = run("sh " .. command.quote(lfs.currentdir() .. "/examples/pipeline/demo.sh"))
    local _, reserved = out:gsub('"status":"reserved"', "")
    local _, refused = out:gsub('"status":"refused"', "")
    local _, cancelled = out:gsub('"status":"cancelled"', "")
    assert.same({ 8, 2, 2 }, { reserved, refused, cancelled })
    local mails = select(2, out:gsub("\nInvoice %d+ for order %d+: ", ""))
    local parked = select(2, out:match "\nparked:\n(.*)$":gsub('{"customer":"eve"', ""))
    assert.same({ 5, 3 }, { mails, parked })
    assert.same({}, { next(items "ls -A | grep -v bin || true") })
  end)

  it("bills each reserved order once, and cancelled ones back", function()
    assert(os.execute("cp -r examples/pipeline " .. directory))
    run "mkdir mails"
    local function process(status)
      run("tidetable run shop.tide pipeline/pipeline.lua --once", status)
    end
    run "lua5.4 pipeline/shop.lua shop.tide 30"
    process(5)
    run "lua5.4 pipeline/shop.lua shop.tide 30"
    local orders = items "tidetable scan shop.tide orders"
    for _, order in ipairs(orders) do
      if order.status == "reserved" and order.article == "tray" then
        run(("tidetable update shop.tide orders id=%s 'SET #s = :s' --names '{\"#s\":\"status\"}' "
          .. "--values '{\":s\":\"cancelled\"}'"):format(order.id))
      end
    end
    process(5)
    local expected, reserved = 0, { cup = 0, pot = 0, tray = 0 }
    for _, order in ipairs(items "tidetable scan shop.tide orders") do
      assert.not_equal("new", order.status)
      if order.status == "reserved" then
        expected = expected + order.count * order.price
        reserved[order.article] = reserved[order.article] + order.count
      end
    end
    assert.is_true(reserved.cup > 0 and reserved.pot == 1 and expected > 0)
    local invoices = items "tidetable scan shop.tide invoices"
    assert.equal(expected, sum(invoices, "amount"))
    assert.equal(expected, sum(items "tidetable scan shop.tide customers", "spent"))
    local numbers, is_credit = {}, false
    for _, invoice in ipairs(invoices) do
      numbers[invoice.number], is_credit = true, is_credit or invoice.amount < 0
    end
    assert.equal(#invoices, #numbers)
    assert.is_true(is_credit)
    for _, article in ipairs(items "tidetable scan shop.tide stock") do
      local all = article.article == "pot" and 1 or 40
      assert.equal(all - reserved[article.article], article.available, article.article)
    end
    run "sed -i 's/address:find .* then/address then/' pipeline/mail.lua"
    run "tidetable consumers shop.tide mail replay --yes"
    process(0)
    assert.equal(#invoices, tonumber(run "ls mails | wc -l"))
  end)
end)
