-- pipeline.lua - from an order to the mail with its invoice: processors for `tidetable run`.
--
--   tidetable run shop.tide examples/pipeline/pipeline.lua
--
--   reservations   takes the articles of each new order from the stock, or refuses the order, and
--                  returns the articles of cancelled orders
--   invoices       writes an invoice for each reserved order, and a credit note when it is
--                  cancelled. The numbers of the invoices have no gaps
--   customers      a view: what each customer has spent
--   mail           hands the invoices to a program, mail.lua, which could be in any language
--
-- shop.lua creates the tables and places orders. What the first three processors write is committed
-- together with their position, so it is written once, even if processes are killed at any time. A
-- mail can be sent again, with the same id.
local directory = (...):match "^(.*)/" or "."

--- Reserves the articles of a new order, unless it was cancelled in the meantime.
local function reserve(tx, id)
  local orders, stock = tx:table "orders", tx:table "stock"
  local order = orders:get { id = id }
  if not order or order.status ~= "new" then return end
  local article = stock:get { article = order.article }
  if article and article.available >= order.count then
    article.available, order.status = article.available - order.count, "reserved"
    stock:put(article)
  else
    order.status = "refused"
  end
  orders:put(order)
end

--- Returns the articles of an order that had them.
local function release(tx, order)
  tx:table "stock":update({ article = order.article }, "ADD available ?", { order.count })
end

--- Writes the next invoice. A negative amount makes it a credit note.
local function bill(tx, order, amount)
  local _, counter = tx:table "counters":update({ id = "invoices" }, "ADD n ?",
    { 1, return_values = "ALL_NEW" })
  tx:table "invoices":put { customer = order.customer, number = counter.n, order = order.id,
    amount = amount, email = order.email }
end

--- Returns the status of an order before and after a change; nil: there was none.
local function statuses(record)
  local old, new = record.old_image, record.new_image
  return old and old.status, new and new.status
end

return {
  {
    name = "reservations", source = "orders", hold = true, workers = 2,
    ignore_origin = true,                        -- its own changes of the orders
    handler = function(records, tx)
      for _, record in ipairs(records) do
        local before, after = statuses(record)
        if after == "new" then
          reserve(tx, record.keys.id)
        elseif before == "reserved" and after == "cancelled" then
          release(tx, record.new_image)
        end
      end
    end,
  },
  {
    name = "invoices", source = "orders", hold = true,
    filter = "old_image.status <> new_image.status",
    handler = function(records, tx)
      for _, record in ipairs(records) do
        local before, after = statuses(record)
        local order = record.new_image
        if after == "reserved" then
          bill(tx, order, order.count * order.price)
        elseif before == "reserved" and after == "cancelled" then
          bill(tx, order, -order.count * order.price)
        end
      end
    end,
  },
  {
    kind = "view", name = "customers", from = "invoices",
    key = function(invoice) return { customer = invoice.customer } end,
    reduce = {
      initial = { spent = 0, invoices = 0 },
      add = function(group, invoice)
        group.spent, group.invoices = group.spent + invoice.amount, group.invoices + 1
      end,
      remove = function(group, invoice)
        group.spent, group.invoices = group.spent - invoice.amount, group.invoices - 1
      end,
    },
    table = { partition_key = "customer", stream = { view_type = "NEW_IMAGE" } },
  },
  {
    name = "mail", source = "invoices", hold = true, batch_size = 10,
    on_failure = "park", max_attempts = 3,       -- one bad address must not stop the others
    exec = ("exec %s '%s/mail.lua' '%s'"):format(os.getenv "LUA" or "lua5.4", directory,
      os.getenv "MAIL_DIR" or "mails"),
  },
}
