-- store_calls.lua - each call of the library while the store fails. Runs in a separate process,
-- because it loads another core (failstore.c).
--
--     lua5.4 spec/fault/store_calls.lua CORE DATABASE
--
-- For each call the first request to the store fails, then the second, and so on, until the call
-- succeeds. Either only this request fails, or also all later ones, with STORE and with CORRUPT.
-- The call must return nil, an error and its code, or raise the error; then the lock must be free
-- and the same call must succeed. Prints one line for each call.
local core, path = arg[1], arg[2]
package.loaded["tidetable.core"] = assert(package.loadlib(core, "luaopen_tidetable_core"))()
local failstore = assert(package.loadlib(core, "luaopen_failstore"))()
local tidetable = require "tidetable"

local db = assert(tidetable.open(path, { durability = "none", max_size = "256 MiB" }))
local orders = assert(db:create_table {
  name = "orders", partition_key = "p", sort_key = { "s", "N" }, stream = true,
})

local doomed = assert(db:create_table { name = "doomed", partition_key = "p" })

local function drain(iterator, state, control, closing)
  local count = 0
  for _ in iterator, state, control, closing do count = count + 1 end
  return count
end

local function optimistic(fn)
  return db:transact(fn, { mode = "optimistic" })
end

local function make()
  return db:create_table { name = "made", partition_key = "p" }
end

local function unmake()
  db:delete_table("made")
  db:sweep()
end

-- The source of two replicas in db: one that follows, and one that a call creates.
local source = assert(tidetable.open ":memory:")
for _, name in ipairs { "followed", "copied" } do
  local items = assert(source:create_table { name = name, partition_key = "p", stream = true })
  for _, p in ipairs { "a", "b", ("h"):rep(600) } do assert(items:put { p = p }) end
end
local replication = assert(db:replicate(source, { name = "follower", tables = { "followed" } }))
assert(replication:catch_up())

local function change_source()
  return source:transact(function(tx)
    tx:table("followed"):put { p = "a", v = math.random() }
    return tx:table("followed"):put { p = "c", v = math.random() }
  end)
end

local function catch_up()
  return replication:catch_up()
end

local function copy()
  local copying <close> = assert(db:replicate(source, { name = "copy", tables = { "copied" } }))
  return copying:catch_up()
end

local function remove_copy()
  db:forget_replica("copy")
  db:delete_table("copied")
  db:sweep()
end

-- Each returns something other than nil on success; requests of `before` and `after` do not fail.
local calls = {
  { "get", function() return orders:get { p = "a", s = 1 } end },
  { "put", function()
    return orders:put({ p = "a", s = 1, v = math.random() }, { return_values = "ALL_OLD" })
  end },
  { "load", function() return orders:load { { p = "l", s = 1 }, { p = "l", s = 2 } } end },
  { "query", function() return drain(orders:query("a")) end },
  { "scan", function() return drain(orders:scan { snapshot = true }) end },
  { "query_page", function() return orders:query_page("a", { limit = 2 }) end },
  { "scan_page", function() return orders:scan_page { descending = true } end },
  { "describe", function() -- complete, or an error
    local description, err, code = orders:describe()
    assert(not description or description.stream, "the stream is missing")
    return description, err, code
  end },
  { "list_tables", function() return db:list_tables() end },
  { "list_streams", function()
    local streams, err, code = db:list_streams()
    assert(not streams or #streams == 2, "a stream is missing")
    return streams, err, code
  end },
  { "info", function() return db:info() end },
  { "check", function() return db:check() end },
  { "sweep", function() return db:sweep() end },
  { "scan, segments", function()
    return drain(orders:scan { segment = 0, total_segments = 2 })
      + drain(orders:scan { segment = 1, total_segments = 2 })
  end },
  {
    "truncate", function() return doomed:truncate() end,
    before = function() return doomed:load { { p = ("p"):rep(600) }, { p = "q" } } end,
  },
  { "sync", function() return db:sync() end },
  { "stream", function() return assert(orders:stream()):describe() end },
  { "records", function()
    return drain(assert(orders:stream { from = "TRIM_HORIZON" }):records())
  end },
  { "history", function()
    return drain(orders:history({ p = "a", s = 1 }, { descending = true }))
  end },
  { "next", function() return assert(orders:stream { from = "TRIM_HORIZON" }):next(0) end },
  { "next_transaction", function()
    return assert(orders:stream { from = "TRIM_HORIZON" }):next_transaction(0)
  end },
  { "all streams", function()
    return drain(assert(db:stream { from = "TRIM_HORIZON" }):records())
  end },
  { "create_table", make, after = unmake },
  { "delete_table", function() return db:delete_table("made") end, before = make, after = unmake },
  { "transact", function()
    return db:transact(function(tx)
      local inside = tx:table "orders"
      inside:put { p = "t", s = 1, v = math.random() }
      inside:get { p = "t", s = 1 }
      drain(inside:query("a"))
      inside:delete { p = "t", s = 2 }
      return true
    end)
  end },
  { "replicate", catch_up, before = change_source, after = catch_up },
  { "replicate, copy", copy, after = remove_copy },
  { "lag", function() return replication:lag() end },
  { "replicas", function()
    local all, err, code = db:replicas()
    assert(not all or #all == 1, "a replica is missing")
    return all, err, code
  end },
  { "promote", function() return db:promote "copy" end, before = copy, after = remove_copy },
  { "forget_replica", function() return db:forget_replica "copy" end, before = copy,
    after = remove_copy },
  { "diff", function() return drain(source:diff(db, { tables = { "followed" } })) end },
  { "optimistic", function()
    return optimistic(function(tx)
      local inside = tx:table "orders"
      inside:get { p = "a", s = 1 }
      drain(inside:query("a"))
      drain(inside:scan())
      inside:query_page("a", { limit = 1 })
      inside:put { p = "o", s = 1, v = math.random() }
      inside:delete { p = "o", s = 2 }
      return true
    end)
  end },
}

for i = 1, 4 do assert(orders:put { p = "a", s = i }) end

local function is_refusal(err, code)
  return type(err) == "table" and err.code == code
    or code == "CORRUPT" and type(err) == "table" and err.code == "STORE"
end

local function try(what, code, once)
  local name, call, n = what[1], what[2], 0
  repeat
    if what.before then assert(what.before()) end
    failstore.after(n, code, once)
    local ok, result, err, returned_code = pcall(call)
    local refused = failstore.stop()
    if not ok and not is_refusal(result, code) then
      error(("%s: request %d: raised %s"):format(name, n, tostring(result)), 0)
    elseif ok and result == nil and not (is_refusal(err, code) and err.code == returned_code) then
      error(("%s: request %d: nil, %s"):format(name, n, tostring(err)), 0)
    elseif not refused and (not ok or result == nil) then
      error(("%s: no request failed, but: %s"):format(name, tostring(ok and err or result)), 0)
    end
    assert(db:transact(function() return true end))
    if what.after then what.after() end
    n = n + 1
  until not refused
  return n
end

for _, call in ipairs(calls) do
  local requests = {}
  for _, code in ipairs { "STORE", "CORRUPT" } do
    requests[#requests + 1] = try(call, code, false)
    requests[#requests + 1] = try(call, code, true)
  end
  print(call[1], table.concat(requests, " "))
end
local report = assert(db:check())
assert(#report.problems == 0, report.problems[1])
assert(replication:catch_up())
assert(drain(source:diff(db, { tables = { "followed" } })) == 0, "the replica differs")
replication:close()
source:close()
db:close()
