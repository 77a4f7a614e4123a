-- pipeline_judge.lua - computes from the changes of the orders what examples/pipeline must have
-- written, and compares it with the file.
local assert = require "luassert"
local lfs = require "lfs"
local view_kind = require "tidetable.view.kind"

local judge = {}

--- Returns what the invoices of each order must be, oldest first, by the changes of the orders.
local function expected_amounts(db)
  local amounts = {}
  for record in db:table "orders":stream():records() do
    local old, new = record.old_image, record.new_image
    local before, after = old and old.status, new and new.status
    local id = record.keys.id
    amounts[id] = amounts[id] or {}
    if before == "new" and after == "reserved" then
      table.insert(amounts[id], new.count * new.price)
    elseif before == "reserved" and after == "cancelled" then
      table.insert(amounts[id], -new.count * new.price)
    elseif before == after or before and before ~= "new" and after then
      error(("order %s: from %s to %s"):format(id, before, after))
    end
  end
  return amounts
end

--- Checks that each order was processed, and that the stock is right.
local function check_stock(db, free)
  local left = {}
  for order in db:table "orders":scan() do
    assert.not_equal("new", order.status, order.id)
    if order.status == "reserved" then
      left[order.article] = (left[order.article] or free) - order.count
    end
  end
  for article in db:table "stock":scan() do
    assert.is_true(article.available >= 0)
    assert.equal(left[article.article] or free, article.available, article.article)
  end
end

--- Checks the invoices, and what the customers have spent. Returns the number of invoices.
local function check_invoices(db)
  local invoices, amounts, spent = {}, {}, {}
  for invoice in db:table "invoices":scan() do
    assert.is_nil(invoices[invoice.number])
    invoices[invoice.number] = invoice
    spent[invoice.customer] = (spent[invoice.customer] or 0) + invoice.amount
  end
  for id in pairs(expected_amounts(db)) do amounts[id] = {} end
  for number, invoice in ipairs(invoices) do
    assert(amounts[invoice.order], "an invoice without an order: " .. number)
    table.insert(amounts[invoice.order], invoice.amount)
  end
  assert.same(expected_amounts(db), amounts)
  local count = #invoices
  for number in pairs(invoices) do assert.is_true(number <= count, "a gap before " .. number) end
  assert.equal(count, db:table "counters":get({ id = "invoices" }).n)
  local customers = {}
  for customer in db:table "customers":scan() do customers[customer.customer] = customer.spent end
  assert.same(spent, customers)
  return count
end

--- Checks that there is one mail for each invoice.
local function check_mails(directory, count)
  local numbers = {}
  for name in lfs.dir(directory) do
    if name:find "^%x+$" then
      local file <close> = assert(io.open(directory .. "/" .. name))
      local number = math.tointeger(file:read("a"):match "Invoice (%d+) for order ")
      assert.is_nil(numbers[number], "a mail with two ids: " .. number)
      numbers[number] = true
    end
  end
  for number = 1, count do assert.is_true(numbers[number], "no mail for invoice " .. number) end
  assert.is_nil(numbers[count + 1])
end

--- Compares the view with its source.
local function check_view(db, script)
  for _, definition in ipairs(assert(loadfile(script))(script)) do
    if definition.kind == "view" then
      local report = assert(view_kind.compare(db, definition))
      assert.is_true(report.is_equal, definition.name)
    end
  end
end

--- Checks everything. free: the stock at the start. Returns the number of invoices.
function judge.check(db, script, free, mails)
  check_view(db, script)
  check_stock(db, free)
  local count = check_invoices(db)
  check_mails(mails, count)
  for _, name in ipairs { "reservations", "invoices", "customers", "mail" } do
    local about = assert(db:consumer(name)):describe()
    assert.same({ 0, 0 }, { about.parked, about.lag.records }, name)
  end
  assert.same({}, assert(db:check()).problems)
  return count
end

return judge
