-- members.lua - raises an error for a method that does not exist, if its name resembles one that
-- does.
--
-- A metatable's __index is the table of methods, so a call of a method costs nothing more. That
-- table has a metatable whose __index is called for names that it does not contain.
--
-- Only names that resemble a member, or are the word of another API for one, raise. All others are
-- nil, so that a program can test what an object has, and Lua reports the call of a nil value.

local core = require "tidetable.core"
local options = require "tidetable.options"

local members = {}

--- Words of DynamoDB's and other APIs, without case and separators: the method that is meant. A
--- method of another object is written as a call.
local words = {
  table = {
    insert = "put", putitem = "put", save = "put", set = "put", upsert = "put", replace = "put",
    getitem = "get", fetch = "get", lookup = "get", updateitem = "update", modify = "update",
    deleteitem = "delete", remove = "delete", erase = "delete", find = "query", select = "query",
    batchwrite = "load", batchwriteitem = "load", bulkwrite = "load", insertmany = "load",
    transact = "db:transact", transactwrite = "db:transact", transactwriteitems = "db:transact",
    transactgetitems = "db:transact", begin = "db:transact", drop = "db:delete_table",
    describetable = "describe", subscribe = "stream", watch = "stream", changes = "stream",
  },
  db = {
    transactwrite = "transact", transactwriteitems = "transact", transactgetitems = "transact",
    begin = "transact", transaction = "transact", atomic = "transact", droptable = "delete_table",
    opentable = "table", gettable = "table", tables = "list_tables", streams = "list_streams",
    subscribe = "stream", watch = "stream", changes = "stream", consumers = "list_consumers",
    verify = "check", flush = "sync",
    stats = "info", describe = "info", dump = "backup", copy = "backup",
    compact = "tidetable.compact", vacuum = "tidetable.compact",
  },
  tx = { rollback = "cancel", abort = "cancel", undo = "cancel", gettable = "table" },
  stream = {
    read = "next", poll = "next", getrecords = "records", iterate = "records", each = "records",
    follow = "records", subscribe = "records", tail = "records", describestream = "describe",
  },
  consumer = {
    subscribe = "run", consume = "run", start = "run", poll = "step", next = "step",
    rewind = "seek", skip = "seek", reset = "seek", commit = "batches", unpause = "resume",
  },
  wakeup = { fd = "pollfd", getfd = "pollfd", fileno = "pollfd" },
  set = { contains = "has", includes = "has", insert = "add", delete = "remove" },
  tidetable = {
    connect = "open", new = "open", create = "open", blob = "binary", bytes = "binary",
    decimal = "number", vacuum = "compact", backup = "db:backup", array = "list",
  },
}

--- Methods of tables, for calls of them on the database or a transaction.
for _, name in ipairs { "put", "get", "update", "delete", "query", "scan", "load" } do
  words.db[name], words.tx[name] = ("db:table(name):%s"):format(name),
    ("tx:table(name):%s"):format(name)
end
for word, method in pairs(words.table) do
  for _, object in ipairs { "db", "tx" } do
    if words[object][method] then
      words[object][word] = words[object][word] or words[object][method]
    end
  end
end

--- Returns the greatest distance of a name that is taken for a misspelling. It is less than that
--- of an option, because a read of an unknown name may be a test.
local function greatest_distance(name)
  return #name <= 4 and 1 or #name <= 8 and 2 or 3
end

--- Returns the names of the members: those in the table, and the fields of the objects.
local function names_of(class, fields)
  local names = {}
  for name, value in next, class do
    if type(name) == "string" and name:sub(1, 1) ~= "_" and (value or fields[name]) then
      names[name] = true
    end
  end
  for name in pairs(fields) do
    names[name] = true
  end
  return names
end

--- Raises the misuse of a name that resembles a member; otherwise returns nil.
---@param object string  name of the object in the message: "table", "db"
---@param kind string    what its functions are: "method", "function"
---@param name any
---@param class table    the methods
---@param fields table<string, true>  fields of objects
local function refuse(object, kind, name, class, fields)
  if type(name) ~= "string" or name:sub(1, 1) == "_" or fields[name] then
    return nil
  end
  local meant = (words[object] or {})[options.normalized(name)]
    or options.nearest(name, names_of(class, fields), greatest_distance(name))
  if not meant then
    return nil
  end
  local is_method = meant:find "[:.]" or type(rawget(class, meant)) == "function"
  options.misuse(("%s: unknown %s %q (did you mean %q?)"):format(object,
    is_method and kind or "field", name, meant))
end

local function guard(class, object, kind, fields)
  return setmetatable(class, {
    __index = function(_, name)
      return refuse(object, kind, name, class, fields)
    end,
  })
end

--- Makes reads of unknown members of a class raise if they resemble one.
---@generic T: table
---@param class T        the methods
---@param object string  name of the object in the message
---@param fields string[]|nil  fields of objects that may be nil
---@return T class
function members.guard(class, object, fields)
  local known = {}
  for _, name in ipairs(fields or {}) do
    known[name] = true
  end
  return guard(class, object, "method", known)
end

--- Does the same for the functions of a module.
---@generic T: table
---@param module T
---@param name string  name of the module in the message
---@return T module
function members.guard_module(module, name)
  return guard(module, name, "function", {})
end

-- Numbers, binaries and clocks have their methods in the core.
core.unknown_method(function(object, name, methods)
  return refuse(object, "method", name, methods, {})
end)

return members
