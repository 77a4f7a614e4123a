-- members_spec.lua - calls of methods that do not exist (doc/modules/tidetable.md, "Errors").
local helper = require "spec.tidetable.helper"
local members = require "tidetable.members"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local db, orders

before_each(function()
  db = helper.memory()
  orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
end)

-- Calls f with each kind of object: its name in messages, the object, and its table of members.
local function each_object(f)
  local function visit(name, object)
    local class = getmetatable(object)
    f(name, object, type(class) == "table" and class.__index or nil)
  end
  visit("db", db)
  visit("table", orders)
  visit("stream", assert(orders:stream()))
  visit("stream", assert(db:stream()))
  local wakeup <close> = assert(db:wakeup())
  visit("wakeup", wakeup)
  for _, kind in ipairs { "S", "N", "B" } do
    local member = kind == "S" and "a" or kind == "N" and 1 or tidetable.binary "a"
    visit("set", tidetable.set { member })
  end
  for _, mode in ipairs { "locked", "optimistic" } do
    assert(db:transact(function(tx)
      visit("tx", tx)
      visit("table", tx:table "orders")
    end, { mode = mode }))
  end
end

local modules = {
  tidetable = tidetable, wait = require "tidetable.wait", json = require "tidetable.dynamodb.json",
  json_text = require "tidetable.dynamodb.json_text", base64 = require "tidetable.dynamodb.base64",
  errors = require "tidetable.dynamodb.errors",
}
for _, name in ipairs { "copas", "luv" } do
  if package.searchpath(name, package.path) or package.searchpath(name, package.cpath) then
    modules[name] = require("tidetable.loop." .. name)
  end
end

local function read(object, name)
  return object[name]
end

local function misspelled(word)
  return { word:sub(1, 1) .. word, word .. "e", word:sub(2, 2) .. word:sub(1, 1) .. word:sub(3) }
end

describe("a method that does not exist", function()
  it("is named with the one that is meant, in each object", function()
    local count = 0
    each_object(function(object_name, object, methods)
      for name, method in next, methods do
        if type(method) == "function" and name:sub(1, 2) ~= "__" then
          for _, word in ipairs(misspelled(name)) do
            if methods[name] and rawget(methods, word) == nil then
              local message = helper.misuse(object_name .. ": unknown method ", read, object, word)
              assert.truthy(message:find(("%q"):format(word), 1, true), message)
              assert.truthy(message:find "%(did you mean \"[%w_:.()]+\"%?%)$", message)
              count = count + 1
            end
          end
        end
      end
    end)
    assert.is_true(count > 150, count)
    helper.blames('table: unknown method "qeury" (did you mean "query"?)',
      function() orders:qeury {} end)
    helper.blames('tx: unknown method "tabel" (did you mean "table"?)',
      function() db:transact(function(tx) tx:tabel "orders" end) end)
  end)

  it("is named in numbers, binaries and clocks", function()
    helper.blames('number: unknown method "rond" (did you mean "round"?)',
      function() tidetable.number("1.5"):rond(1) end)
    helper.blames('number: unknown method "toInteger" (did you mean "tointeger"?)',
      function() tidetable.number("1.5"):toInteger() end)
    helper.blames('binary: unknown method "usb" (did you mean "sub"?)',
      function() tidetable.binary("a"):usb(1) end)
    helper.blames('clock: unknown method "advanse" (did you mean "advance"?)',
      function() tidetable.manual_clock(1):advanse(1) end)
  end)

  it("is named if it is a word of DynamoDB or of another API", function()
    for word, meant in pairs {
      insert = "put", put_item = "put", PutItem = "put", getItem = "get", update_item = "update",
      delete_item = "delete", remove = "delete", find = "query", select = "query",
      batch_write = "load", BatchWriteItem = "load", transact_write = "db:transact",
    } do
      helper.blames(('table: unknown method %q (did you mean %q?)'):format(word, meant),
        function() orders[word](orders, {}) end)
      helper.misuse(('(did you mean %q?)'):format(meant), function()
        db:transact(function(tx) return tx:table("orders")[word] end)
      end)
    end
    helper.misuse('db: unknown method "put" (did you mean "db:table(name):put"?)', read, db, "put")
    helper.misuse('(did you mean "db:table(name):query"?)', read, db, "find")
    helper.misuse('db: unknown method "begin" (did you mean "transact"?)', read, db, "begin")
    helper.misuse('stream: unknown method "GetRecords" (did you mean "records"?)', read,
      assert(orders:stream()), "GetRecords")
  end)

  it("is named with the function of a module", function()
    helper.blames('tidetable: unknown function "opne" (did you mean "open"?)',
      function() tidetable.opne "x" end)
    helper.misuse('tidetable: unknown function "connect" (did you mean "open"?)', read, tidetable,
      "connect")
    for name, module in pairs(modules) do
      for word, value in next, module do
        local wrong = word .. "e"
        if type(value) == "function" and rawget(module, wrong) == nil then
          helper.misuse(('%s: unknown function %q (did you mean "'):format(name, wrong), read,
            module, wrong)
        end
      end
    end
  end)

  it("is a field, if a field is meant", function()
    helper.blames('stream: unknown field "positon" (did you mean "position"?)',
      function() return assert(orders:stream()).positon, 1 end)
  end)
end)

describe("other names", function()
  it("are nil, so that a program can test for them", function()
    each_object(function(_, object)
      for _, name in ipairs { "xyz", "is_callable", "to_json", "_private", "__call", "__index_",
          "SPY", "n", "toJSON", "ipairs", 99, true, 1.5, ("q"):rep(1000) } do
        assert.is_nil(object[name])
      end
    end)
    for _, module in pairs(modules) do
      assert.is_nil(module.xyz)
      assert.is_nil(module[1])
    end
    assert.is_nil(tidetable.number(1).xyz)
    assert.is_nil(tidetable.binary("a").xyz)
    assert.is_nil(tidetable.set({ 1 })[2])
    local ok, message = pcall(function() orders:xyz() end)
    assert.is_false(ok)
    assert.truthy(message:find("attempt to call a nil value (method 'xyz')", 1, true), message)
  end)

  it("of optional fields are nil, and rawget never raises", function()
    local stream = assert(db:stream())
    assert.is_nil(stream.table_name)
    assert.is_nil(stream.label)
    assert.is_nil(stream.position)
    assert.is_nil(rawget(orders, "qeury"))
    assert.is_false(pcall(read, orders, "qeury"))
  end)

  it("of attributes are those of the program", function()
    assert(orders:put { id = "a", qeury = 1, map = { insert = 1 } })
    local item = orders:get { id = "a" }
    assert.is_nil(item.put_item)
    assert.is_nil(item.map.put)
    assert.is_nil(tidetable.map({ a = 1 }).getitem)
    assert.is_nil(tidetable.list({ 1 }).insert)
  end)
end)

-- A function as __index would be called for each call of a method.
it("methods that exist are found in a table", function()
  each_object(function(_, object, methods)
    assert.equal("table", type(methods))
    local calls = 0
    local class = getmetatable(methods)
    local index = class.__index
    class.__index = function(...)
      calls = calls + 1
      return index(...)
    end
    for name in next, methods do assert.is_not_nil(object[name]) end
    class.__index = index
    assert.equal(0, calls)
  end)
end)

it("a guarded class returns nil for anything that resembles none of its members", function()
  local class = members.guard({ put = print }, "thing", { "size" })
  local object = setmetatable({}, { __index = class })
  assert.is_nil(object.size)
  assert.is_nil(object.length)
  helper.misuse('thing: unknown field "siz" (did you mean "size"?)', read, object, "siz")
  helper.misuse('thing: unknown method "pt" (did you mean "put"?)', read, object, "pt")
  assert.is_nil(object.pXX)
end)
