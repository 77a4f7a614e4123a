-- reference_spec.lua - options, methods, fields, error codes and limits of the documentation are
-- those of the library.
local pages = require "spec.documentation.pages"
local source = require "spec.source"
local testing = require "tidetable.testing"
local tidetable = require "tidetable"

local module_page, database_page = "doc/modules/tidetable.md", "doc/modules/database.md"
local table_page, stream_page = "doc/modules/table.md", "doc/modules/stream.md"
local backup_page, report_page = "doc/modules/backup.md", "doc/modules/report.md"
local wait_page, values_page = "doc/modules/wait.md", "doc/modules/types.md"
local transaction_page = "doc/modules/transaction.md"
local testing_page, consumer_page = "doc/modules/testing.md", "doc/modules/consumer.md"
local view_page = "doc/modules/view.md"

local UNKNOWN = ("x"):rep(300)     -- resembles no known name, so that all are listed

local function same(expected, actual, what)
  assert.are.equal(pages.sorted(expected), pages.sorted(actual), what)
end

local function set(...)
  local words = {}
  for _, word in ipairs { ... } do words[word] = true end
  return words
end

--- Returns the names that a message lists after "known:".
local function known(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  local words = {}
  local list = assert(tostring(err):match("known: (.*)$"), tostring(err))
  for word in list:gmatch("[%w_]+") do words[word] = true end
  return words
end

local db, orders, stream

local function open_view()
  return assert(db:view { name = "view", from = orders, select = function(item) return item end })
end

before_each(function()
  db = assert(tidetable.open ":memory:")
  orders = assert(db:create_table {
    name = "orders", partition_key = "customer", sort_key = { "placed_at", "N" }, stream = true,
  })
  assert(orders:put { customer = "ann", placed_at = 1 })
  stream = assert(orders:stream())
end)

after_each(function() db:close() end)

describe("the options of", function()
  --- Returns the options that a section documents: in a table, in a sentence such as "Options as
  --- for `query`, except `sort`", or both.
  local function documented(page, heading)
    local section = pages.section(page, heading)
    local words = pages.first_column(section, "option")
    section = section:gsub("%s+", " ")
    local other, but = section:match("Options[%a ]* as for `([%w_]+)`(.-)[.;]")
    if other then
      local excepted = set()
      for word in but:gmatch("`([%w_]+)`") do excepted[word] = true end
      for word in pairs(documented(page, heading:match("^.*:") .. other)) do
        words[word] = not excepted[word] or words[word]
      end
    elseif not next(words) then
      for word in assert(section:match("Options?: (.-)[.:] "), heading):gmatch("`([%w_]+)`") do
        words[word] = true
      end
    end
    return words
  end

  local wrong = { [UNKNOWN] = 1 }
  local function call(object, name, ...)
    local method = object[name]
    return known(method, object, ...)
  end

  local calls = {
    ["tidetable.open"] = { module_page, function() return known(tidetable.open, "x", wrong) end },
    ["tidetable.check"] = { module_page, function() return known(tidetable.check, "x", wrong) end },
    ["tidetable.compact"] = { backup_page, function()
      return known(tidetable.compact, "x", wrong)
    end },
    ["db:list_tables"] = { database_page, function() return call(db, "list_tables", wrong) end },
    ["db:transact"] = { database_page, function()
      return call(db, "transact", function() end, wrong)
    end },
    ["db:stream"] = { database_page, function() return call(db, "stream", wrong) end },
    ["db:consumer"] = { consumer_page, function() return call(db, "consumer", "c", wrong) end },
    ["db:view"] = { view_page, function() return call(db, "view", wrong) end },
    ["db:backup"] = { backup_page, function() return call(db, "backup", "x", wrong) end },
    ["orders:put"] = { table_page, function() return call(orders, "put", {}, wrong) end },
    ["orders:update"] = { table_page, function()
      return call(orders, "update", {}, "", wrong)
    end },
    ["orders:get"] = { table_page, function() return call(orders, "get", {}, wrong) end },
    ["orders:query"] = { table_page, function() return call(orders, "query", "a", wrong) end },
    ["orders:scan"] = { table_page, function() return call(orders, "scan", wrong) end },
    ["orders:query_page"] = { table_page, function()
      return call(orders, "query_page", "a", wrong)
    end },
    ["orders:scan_page"] = { table_page, function() return call(orders, "scan_page", wrong) end },
    ["orders:load"] = { table_page, function() return call(orders, "load", {}, wrong) end },
    ["orders:stream"] = { table_page, function() return call(orders, "stream", wrong) end },
    ["orders:history"] = { table_page, function() return call(orders, "history", {}, wrong) end },
    ["testing.database"] = { testing_page, function() return set("tables", "memory") end },
    ["testing.child"] = { testing_page, function()
      return known(testing.child, "", wrong)
    end },
    ["stream:records"] = { stream_page, function() return call(stream, "records", wrong) end },
  }

  for heading, each in pairs(calls) do
    it(heading .. " are those that it accepts", function()
      same(each[2](), documented(each[1], heading), heading)
    end)
  end

  it("the definition of a table, of a stream and of a retention are those accepted", function()
    same(known(db.create_table, db, wrong),
      pages.first_column(pages.section(database_page, "db:create_table"), "field"))
    same(known(db.ensure_table, db, wrong),
      pages.first_column(pages.section(database_page, "db:ensure_table"), "field"))
    same(known(orders.alter, orders, wrong), set "stream ttl")
    local section = pages.section(database_page, "db:create_table")
    for name in pairs(known(orders.enable_stream, orders, wrong)) do
      assert.truthy(section:find("`" .. name .. "`", 1, true), name)
    end
    same(known(stream.set_retention, stream, wrong),
      pages.first_column(pages.section(stream_page, "stream:set_retention"), "field"))
  end)

  it("stream:transactions, delete and list_streams are as their sections say", function()
    same(known(stream.records, stream, wrong), known(stream.transactions, stream, wrong))
    same(known(orders.put, orders, {}, wrong), known(orders.delete, orders, {}, wrong))
    same(known(db.list_streams, db, wrong), set "table")
  end)
end)

describe("the headings of", function()
  --- Returns the names in a page's headings of the form "prefix:name(...)".
  local function headings(page, prefix)
    local names = {}
    for _, line in ipairs(source.lines_of(pages.prose(page))) do
      local name = line:match("^## " .. prefix .. "[.:]([%w_]+)%(")
      if name then names[name] = true end
    end
    return names
  end

  local function methods(object, ...)
    local names, hidden = {}, set(...)
    for name, value in pairs(getmetatable(object).__index) do
      if type(value) == "function" and name:sub(1, 2) ~= "__" and not hidden[name] then
        names[name] = true
      end
    end
    return names
  end

  it("tidetable and values are the module's functions", function()
    local functions = headings(module_page, "tidetable")
    for name in pairs(headings(values_page, "tidetable")) do functions[name] = true end
    for line in pages.prose(values_page):gmatch("\n## ([^\n]+)") do
      for name in line:gmatch("(%l+)%f[(]") do functions[name] = true end
    end
    local actual = {}
    for name, value in pairs(tidetable) do
      if type(value) == "function" then actual[name] = true end
    end
    same(actual, functions)
  end)

  it("database, table, stream and wakeup are their methods", function()
    same(methods(db), headings(database_page, "db"))
    same(methods(orders), headings(table_page, "orders"))
    same(methods(stream), headings(stream_page, "stream"))
    local consumer = assert(db:consumer("c", { source = orders }))
    same(methods(consumer), headings(consumer_page, "consumer"))
    same(methods(open_view()), headings(view_page, "view"))
    local wakeup <close> = assert(db:wakeup())
    same(methods(wakeup, "finish"), headings(wait_page, "wakeup"))
  end)

  it("testing are the module's functions, and its tables list their methods", function()
    local functions = {}
    for name in pairs(testing) do functions[name] = true end
    same(functions, headings(testing_page, "testing"))
    local function listed(heading)
      local names = {}
      for name in pages.section(testing_page, heading):gmatch("\n| `%l+:(%l+)%(") do
        names[name] = true
      end
      return names
    end
    local clock <close> = testing.clock(0)
    same(methods(clock), listed "testing.clock")
    local child <close> = testing.child ""
    same(methods(child), listed "testing.child")
  end)

  it("transaction are the methods of tx and of its tables", function()
    assert(db:transact(function(tx)
      same(methods(tx, "check"), headings(transaction_page, "tx"))
      local sentence = pages.section(transaction_page, "tx:table"):match("Its methods.-`load`")
      local names = {}
      for name in sentence:gmatch("`(%l[%w_]*)`") do names[name] = true end
      same(methods(tx:table "orders"), names)
    end))
  end)
end)

describe("the fields of", function()
  --- Returns the fields of a class in the annotations for LuaLS.
  local function annotated(class, hidden)
    local fields = {}
    for _, path in ipairs(source.walk(".", "lua/tidetable")) do
      local text = source.read(".", path) .. "\nend"
      local body = text:match("@class " .. class:gsub("%p", "%%%0") .. "%f[^%w.][^\n]*\n(.-)\n[^-]")
      for name in (body or ""):gmatch("%-%-%-@field ([%w_]+)%??%s") do fields[name] = true end
    end
    for name in pairs(hidden or {}) do fields[name] = nil end
    assert(next(fields), class)
    return fields
  end

  local function documented(page, heading)
    return pages.first_column(pages.section(page, heading), "field")
  end

  it("what the library returns are those of the pages", function()
    local made = {
      { "tidetable.Info", database_page, "db:info", db:info() },
      { "tidetable.StreamDescription", stream_page, "stream:describe", stream:describe() },
      { "tidetable.TableDescription", table_page, "orders:describe", orders:describe() },
      { "tidetable.ConsumerDescription", consumer_page, "consumer:describe",
        assert(db:consumer("c", { source = orders }):describe()) },
      { "tidetable.ViewDescription", view_page, "view:describe", open_view():describe() },
      { "tidetable.Record", stream_page, "A record", stream:next() },
    }
    for _, each in ipairs(made) do
      local fields = documented(each[2], each[3])
      same(annotated(each[1]), fields, each[1])
      for name in pairs(each[4]) do assert.is_true(fields[name], each[1] .. "." .. name) end
    end
  end)

  it("reports of views are those of the page", function()
    local view = open_view()
    while assert(view:step()) > 0 do end
    local fields = documented(view_page, "view:check")
    same(annotated "tidetable.ViewReport", fields)
    for name in pairs(assert(view:check())) do assert.is_true(fields[name], name) end
    same({ limit = true }, pages.first_column(pages.section(view_page, "view:check"), "option"))
  end)

  it("reports, findings and facts are those of the pages", function()
    local report, section = assert(db:check()), pages.section(report_page, "report")
    local fields = pages.first_column(section, "field")
    local expected = annotated "tidetable.Report"
    for name in pairs(annotated "tidetable.Finding") do expected[name] = true end
    same(expected, fields)
    for name in pairs(report) do assert.is_true(fields[name], name) end
    same(annotated "tidetable.BackupFacts", documented(backup_page, "Facts"))
  end)

  it("errors are those of the page", function()
    -- The codes of the JSON modules are documented on their own page.
    local hidden = set("path", "position", "line", "column")
    same(annotated("tidetable.error", hidden), documented(module_page, "Errors"))
    local _, err = orders:put { customer = 1, placed_at = 1 }
    for name in pairs(err) do
      assert.is_true(documented(module_page, "Errors")[name], name)
    end
  end)

  it("a record that is asked for another field are listed as in the page", function()
    local record = assert(stream:next())
    same(known(function() return record[UNKNOWN] end), documented(stream_page, "A record"))
  end)
end)

describe("the error codes of the page", function()
  local function documented()
    return pages.first_column(pages.section(module_page, "Errors"), "code")
  end

  it("are those of the core and of the annotations", function()
    local codes, annotated = {}, {}
    for code in source.read(".", "csrc/base/error.h"):gmatch("X%([%u_]+, %-%d+, \"([%u_]+)\"") do
      codes[code] = true
    end
    same(codes, documented())
    for code in source.read(".", "lua/tidetable/meta.lua"):gmatch("\n%-%-%-| \"([%u_]+)\"%f[%s]") do
      annotated[code] = true
    end
    same(codes, annotated)
  end)

  it("that are retryable are those of the core", function()
    local retryable = {}
    for _, path in ipairs(source.walk(".", "csrc/lua")) do
      local body = source.read(".", path):match("bool is_retryable%b()\n(.-)\treturn true")
      for code in (body or ""):gmatch("case ERR_([%u_]+):") do retryable[code] = true end
    end
    local row = pages.section(module_page, "Errors"):match("| `retryable` |([^\n]*)")
    local words = {}
    for code in row:gmatch("%u[%u_]+") do words[code] = true end
    same(retryable, words)
  end)

  it("are the only ones that pages name", function()
    local codes = documented()
    for _, name in ipairs { "INSERT", "MODIFY", "REMOVE", "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE",
      "NEW_AND_OLD_IMAGES", "CREATE_TABLE", "ALTER_TABLE", "DELETE_TABLE", "TRUNCATE_TABLE",
      "TRIM_HORIZON", "LATEST", "ENABLED", "DISABLED", "ALL_OLD", "ALL_NEW",
      "UPDATED_OLD", "UPDATED_NEW", "NONE" } do
      codes[name] = true
    end
    for _, page in ipairs { module_page, database_page, table_page, stream_page, backup_page,
      report_page, wait_page, values_page, transaction_page, "doc/loops.md" } do
      for word in pages.prose(page):gmatch("%f[%w_]%u[%u]+_[%u_]+%f[^%w_]") do
        if not word:find("^RLIMIT_") then assert.is_true(codes[word], page .. ": " .. word) end
      end
    end
  end)
end)
