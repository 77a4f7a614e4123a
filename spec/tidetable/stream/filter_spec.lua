-- filter_spec.lua - streams with a filter or a key (doc/modules/stream.md).
local cqueues = require "cqueues"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

helper.setup(before_each, after_each)

local field = helper.field

local clock, db, orders

before_each(function()
  clock = tidetable.manual_clock(1e9)
  db = helper.memory { clock = clock }
  orders = assert(db:create_table { name = "orders", partition_key = "id",
    sort_key = { "n", "N" }, stream = true })
end)

local function put(first, last, id)
  for n = first, last do
    local status = n % 2 == 0 and "open" or nil
    assert(orders:put { id = id or "a", n = n, total = n % 10, status = status })
  end
end

local function numbers(stream, ...)
  return field("sequence_number", stream:records(...))
end

-- Conditions, with the same test in Lua. `image` says which image they read.
local conditions = {
  { "keys.id = ?", { "a" }, function(r) return r.keys.id == "a" end },
  { "event_name = ?", { "REMOVE" }, function(r) return r.event_name == "REMOVE" end },
  { "event_name IN (?, ?) AND keys.n > ?", { "INSERT", "MODIFY", 3 }, function(r)
    return r.event_name ~= "REMOVE" and r.keys.n > 3
  end },
  { "attribute_exists(new_image.total)", {}, function(r)
    return r.new_image and r.new_image.total ~= nil
  end, "new" },
  { "NOT attribute_exists(old_image)", {}, function(r) return not r.old_image end, "old" },
  { "old_image.total < new_image.total", {}, function(r)
    local old, new = r.old_image, r.new_image
    return old and new and old.total and new.total and old.total < new.total
  end, "both" },
  { "old_image.total <> new_image.total", {}, function(r)
    local old, new = r.old_image and r.old_image.total, r.new_image and r.new_image.total
    return old ~= new or old == nil
  end, "both" },
  { "changed(total)", {}, function(r)
    return (r.old_image or {}).total ~= (r.new_image or {}).total
  end, "both" },
  { "became(total, ?) OR NOT changed(n)", { 3 }, function(r)
    local old, new = r.old_image or {}, r.new_image or {}
    return new.total == 3 and old.total ~= 3 or old.n == new.n
  end, "both" },
  { "became(total, keys.n) AND old_image.total < ?", { 4 }, function(r)
    local old, new = r.old_image or {}, r.new_image or {}
    return new.total == r.keys.n and old.total ~= r.keys.n and old.total ~= nil and old.total < 4
  end, "both" },
  { "transaction_count > ? AND transaction_position = ?", { 1, 2 }, function(r)
    return r.transaction_count > 1 and r.transaction_position == 2
  end },
  { "sequence_number BETWEEN ? AND ?", { 20, 60 }, function(r)
    return r.sequence_number >= 20 and r.sequence_number <= 60
  end },
  { "created_at >= ? AND size_bytes > ?", { 1e9 + 2.5, 20 }, function(r)
    return r.created_at >= 1e9 + 2.5 and r.size_bytes > 20
  end },
  { "begins_with(table_name, ?) AND view_type <> ?", { "or", "KEYS_ONLY" }, function(r)
    return r.table_name:sub(1, 2) == "or" and r.view_type ~= "KEYS_ONLY"
  end },
  { "transaction_id = sequence_number AND partition_hash > ?", { 2 ^ 31 }, function(r)
    return r.transaction_id == r.sequence_number and r.partition_hash > 2 ^ 31
  end },
  { "attribute_exists(stream_label) AND attribute_not_exists(user_identity)", {}, function(r)
    return r.stream_label ~= nil and r.user_identity == nil
  end },
  { "attribute_exists(keys.other) OR other = ? OR size(keys) = ?", { 1, 1 }, function()
    return false
  end },
}

local contents = {
  KEYS_ONLY = {}, NEW_IMAGE = { new = true }, OLD_IMAGE = { old = true },
  NEW_AND_OLD_IMAGES = { new = true, old = true, both = true },
}

local function random_write(writer)
  local key = { id = ("abc"):sub(math.random(3)):sub(1, 1), n = math.random(4) }
  if math.random(4) == 1 then
    writer:delete(key)
  else
    key.total = math.random(3) > 1 and math.random(5) or nil
    writer:put(key)
  end
end

local function random_history(tables)
  for _ = 1, math.random(40) do
    if math.random(3) == 1 then
      db:transact(function(tx)
        for _ = 1, math.random(5) do random_write(tx:table(tables[math.random(#tables)].name)) end
      end)
    else
      random_write(tables[math.random(#tables)])
    end
    clock:advance(math.random())
  end
end

local function by_next(stream)
  local found = {}
  for record in function() return stream:next() end do
    found[#found + 1] = record.sequence_number
  end
  return found
end

local function by_transaction(read)
  local found = {}
  for group in read do
    for _, record in ipairs(group) do
      assert.equal(group.transaction_id, record.transaction_id)
      found[#found + 1] = record.sequence_number
    end
    assert.equal(group.last_sequence_number, found[#found])
  end
  return found
end

describe("a filter", function()
  it("returns the records that satisfy the condition in Lua", function()
    math.randomseed(SEED)
    local tables = { orders }
    for i, view in ipairs { "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE" } do
      tables[i + 1] = assert(db:create_table { name = "table" .. i, partition_key = "id",
        sort_key = { "n", "N" }, stream = { view_type = view } })
    end
    for _ = 1, 8 do
      random_history(tables)
      for _, condition in ipairs(conditions) do
        local text, values, holds, image = table.unpack(condition)
        for i = 0, #tables do
          local given = { filter = text, table.unpack(values) }
          given.table = i > 0 and tables[i].name or nil
          local key = i > 0 and math.random(2) == 1 and { id = "b", n = math.random(4) } or nil
          given.key = key
          local all = assert(db:stream { table = given.table })
          local contains = i == 0 or not image or contents[all:describe().view_type][image]
          if contains then
            local wanted = {}
            for record in all:records() do
              local keys = record.keys
              if holds(record) and (not key or keys.id == key.id and keys.n == key.n) then
                wanted[#wanted + 1] = record.sequence_number
              end
            end
            local where = ("SEED=%d %s of %s"):format(SEED, text, given.table or "all")
            local stream = assert(db:stream(given))
            assert.same(wanted, numbers(stream), where)
            assert.same(wanted, by_next(stream), where)
            assert.same(wanted, by_transaction(assert(db:stream(given)):transactions()), where)
            given.limit, given.table = 2, nil
            assert.same({ wanted[1], wanted[2] }, numbers(all, given), where)
          end
        end
      end
    end
  end)

  it("reads no word as reserved, unlike the filters of items", function()
    put(1, 3)
    assert.same({ 3 }, numbers(assert(orders:stream { filter = "new_image.status = :open",
      values = { [":open"] = "open" } })))
    assert.same({ 3 }, numbers(assert(orders:stream { filter = "#k.n = :n",
      names = { ["#k"] = "keys" }, values = { [":n"] = 2 } })))
    helper.raises("VALIDATION", orders.scan, orders, { filter = "status = ?", "open" })
  end)

  it("compares values at any depth of both images", function()
    for _, city in ipairs { "Rome", "Rome", "Oslo", false, "Oslo" } do
      assert(orders:put { id = "a", n = 1, hits = 0, lines = { { city = city or nil }, city and 1 },
        tags = tidetable.set { "x", city or "y" } })
    end
    assert(orders:update({ id = "a", n = 1 }, "SET hits = hits + :one", { values = {
      [":one"] = 1 } }))
    assert(orders:delete { id = "a", n = 1 })
    local function selects(...) return numbers(assert(orders:stream { filter = ... })) end
    local function became(value, text)
      return numbers(assert(orders:stream { filter = text, value }))
    end
    -- The second put changes nothing, so it has no record: Rome, Oslo, none, Oslo, hits, removal.
    assert.same({ 2, 3, 4, 5, 7 }, selects "changed(lines[0].city)")
    assert.same({ 2, 4, 5, 7 }, selects "changed(lines[1])")
    assert.same({ 2, 3, 4, 5, 7 }, selects "changed(tags)")
    assert.same({ 2, 6, 7 }, selects "changed(hits)")
    assert.same({ 2, 7 }, selects "changed(id)")
    assert.same({}, selects "changed(absent) OR changed(hits.absent) OR changed(lines[9])")
    assert.same({ 3, 5 }, became("Oslo", "became(lines[0].city, ?)"))
    assert.same({ 3, 5 }, became(tidetable.set { "Oslo", "x" }, "became(tags, ?)"))
    assert.same({ 2 }, selects "became(hits, old_image.hits) OR became(n, keys.n)")
    assert.same({ 6 }, numbers(assert(orders:stream { filter = "NOT changed(#l[0].#c)",
      names = { ["#l"] = "lines", ["#c"] = "city" } })))
  end)

  it("sees the identity of removals by time to live as missing in other records", function()
    put(1, 1)
    local stream = assert(orders:stream { filter = "user_identity.type = ?", "Service" })
    assert.same({}, numbers(stream))
  end)

  it("of a call replaces the stream's filter and key", function()
    put(1, 6)
    local stream = assert(orders:stream { filter = "keys.n < ?", 4 })
    assert.same({ 2, 3, 4 }, numbers(stream))
    assert.same({ 6, 7 }, numbers(stream, { filter = "keys.n > ?", 4 }))
    assert.same({ 7 }, numbers(stream, { key = { id = "a", n = 6 } }))
    assert.equal(2, stream:next().sequence_number)
    assert.same({ 3, 4 }, numbers(stream))
    assert.same({ 3 }, field("last_sequence_number", stream:transactions { limit = 1 }))
    assert.same({ 4 }, field("last_sequence_number", stream:transactions { after = 3 }))
  end)
end)

describe("a key", function()
  it("selects the records of one item, also of a deleted table", function()
    put(1, 3)
    put(1, 3, "b")
    assert(orders:delete { id = "b", n = 2 })
    local stream = assert(orders:stream { key = { id = "b", n = 2 } })
    assert.same({ 6, 8 }, numbers(stream))
    assert.same({ 8 }, numbers(assert(db:stream { table = "orders", key = { id = "b", n = 2 },
      filter = "event_name = ?", "REMOVE" })))
    assert(db:delete_table "orders")
    assert.same({ 6, 8 }, numbers(assert(db:stream { table = "orders", label = stream.label,
      key = { id = "b", n = 2 } })))
  end)

  it("that is no key of the table is refused", function()
    for _, key in ipairs { { id = "a" }, { id = "a", n = "1" }, { id = "a", n = 1, x = 1 }, {},
        { id = "", n = 1 } } do
      helper.refused("VALIDATION", orders:stream { key = key })
      helper.refused("VALIDATION", orders:stream { key = key, from = "LATEST" })
      helper.raises("VALIDATION", function()
        assert(orders:stream()):records { key = key }
      end)
    end
  end)
end)

describe("a filter that is wrong", function()
  it("is refused when the stream is opened", function()
    helper.refused("VALIDATION", orders:stream { filter = "a =" })
    helper.refused("VALIDATION", orders:stream { filter = "a = :v" })
    helper.refused("VALIDATION", orders:stream { values = { [":v"] = 1 } })
    helper.refused("VALIDATION", db:stream { filter = "a = :v", values = { [":v"] = print } })
  end)

  it("knows changed and became only for records, with a path and its operands", function()
    for _, text in ipairs { "changed(a, b)", "changed(:v)", "changed(size(a))", "became(a)",
        "became(:v, a)", "became(a, b, c)", "size(changed(a)) > :v", "changed(a) = :v",
        "changed()" } do
      helper.refused("VALIDATION", orders:stream { filter = text,
        values = text:find(":v", 1, true) and { [":v"] = 1 } or nil })
    end
    for _, text in ipairs { "changed(total)", "became(total, total)" } do
      local err = helper.raises("VALIDATION", orders.scan, orders, { filter = text })
      assert.is_truthy(tostring(err):find("Invalid function name; function: "
        .. text:match "%l+", 1, true))
      helper.refused("VALIDATION", orders:put({ id = "a", n = 1 }, { condition = text }))
    end
  end)

  it("is misuse if its values, images or options do not fit", function()
    local stream = assert(orders:stream())
    local all = assert(db:stream())
    helper.blames("the expressions have 1 `?`, the array part has 0 values",
      function() assert(orders:stream { filter = "a = ?" }) end)
    helper.blames("records: the expressions have 1 `?`, the array part has 2 values",
      function() assert(stream:records { filter = "a = ?", 1, 2 }) end)
    helper.blames('stream: option "key" requires option "table"',
      function() assert(db:stream { key = { id = "a", n = 1 } }) end)
    helper.blames('records: option "key" requires the stream of one table',
      function() assert(all:records { key = { id = "a", n = 1 } }) end)
    helper.blames('stream: option "filter" must be string, got true',
      function() assert(orders:stream { filter = true }) end)
    assert(orders:disable_stream())
    for view, missing in pairs { KEYS_ONLY = "new_image", OLD_IMAGE = "new_image",
        NEW_IMAGE = "old_image" } do
      assert(orders:enable_stream { view_type = view })
      local text = ("attribute_exists(keys) AND NOT attribute_exists(%s.x)"):format(missing)
      local message = "stream: the filter reads %s, which a stream with view type %s does not"
      helper.blames(message:format(missing, view), function()
        assert(orders:stream { filter = text })
      end)
      helper.blames(message:format(missing, view),
        function() assert(orders:stream { filter = "changed(a.b)" }) end)
      assert.same({}, numbers(assert(orders:stream { filter = "keys.n = ?", 0 })))
      assert(orders:disable_stream())
    end
  end)
end)

-- Records that a reader has passed are trimmed: if it read them again, it would get TRIMMED.
describe("left-out records", function()
  local function trim()
    clock:advance(100)
    assert(orders:put { id = "last", n = 1 })
    assert(assert(orders:stream()):set_retention(50))
    assert(db:sweep() > 0)
  end

  for _, read in ipairs { "next", "next_transaction" } do
    it("move the position of " .. read, function()
      put(1, 2500)
      local stream = assert(orders:stream { filter = "new_image.total = ?", 99 })
      assert.is_nil(stream.position)
      assert.is_nil(stream[read](stream))
      assert.equal(2501, stream.position)
      trim()
      assert.is_nil(stream[read](stream))
      assert.equal(2502, stream.position)
      stream = assert(orders:stream { after = 2501, filter = "keys.id = ?", "last" })
      assert.is_not_nil(stream[read](stream))
      assert.same({}, numbers(stream))
    end)
  end

  it("move the position of a stream without a position only if there are any", function()
    put(1, 3)
    trim()
    local stream = assert(orders:stream { filter = "keys.n = ?", 99 })
    assert(orders:stream()):set_retention(1)
    clock:advance(100)
    assert.is_nil(stream:next())
    assert.is_nil(stream.position)
    assert.same({}, numbers(stream))
  end)

  it("are passed once if an error interrupts a read", function()
    put(1, 5000)
    local stream = assert(orders:stream { filter = "keys.n = ?", 5000 })
    debug.sethook(function()
      if stream.reader and stream.reader.passed then
        debug.sethook()
        error "stop"
      end
    end, "", 1)
    local ok, err = pcall(stream.next, stream)
    debug.sethook()
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find "stop")
    assert(assert(orders:stream()):set_retention { count = 4500 })
    assert.equal(5001, stream:next().sequence_number)
    assert.equal(5001, stream.position)
  end)

  it("do not move the position behind a record that was returned", function()
    put(1, 3000)
    local stream = assert(orders:stream { filter = "keys.n = ? OR keys.n = ?", 2500, 3000 })
    assert.equal(2501, stream:next().sequence_number)
    debug.sethook(function()
      if debug.getinfo(2, "S").source:find "reader%.lua" then
        debug.sethook()
        error "stop"
      end
    end, "", 1)
    local ok = pcall(stream.next, stream)
    debug.sethook()
    assert.is_false(ok)
    assert.equal(3001, stream:next().sequence_number)
    assert.is_nil(stream:next())
  end)

  it("do not keep Ctrl-C from ending an iterator", function()
    put(1, 3000)
    local step = assert(orders:stream { filter = "keys.n = ?", 3001 }):records()
    debug.sethook(function()
      if debug.getinfo(2, "S").source == "return" then     -- the core runs hooks by this chunk
        debug.sethook()
        error "interrupted!"
      end
    end, "", 1)
    local ok, err = pcall(step)
    debug.sethook()
    assert.is_false(ok)
    assert.is_truthy(tostring(err):find "interrupted!")
  end)

  it("end a transaction as soon as one of a later transaction was read", function()
    put(1, 2)
    db:transact(function(tx)
      for n = 3, 5 do tx:table "orders":put { id = "a", n = n } end
    end)
    put(6, 4000)
    local stream = assert(orders:stream { filter = "keys.n IN (?, ?, ?)", 3, 5, 4000 })
    local group = assert(stream:next_transaction())
    assert.same({ 4, 6 }, { group[1].sequence_number, group[2].sequence_number })
    assert.equal(6, group.last_sequence_number)
    assert.equal(6, stream.position)
    assert.equal(4001, stream:next_transaction()[1].sequence_number)
  end)
end)

describe("a filtered follower", function()
  it("waits for a record that satisfies the condition", function()
    local loop, found = cqueues.new(), {}
    loop:wrap(function()
      for record in assert(orders:stream { filter = "new_image.total = ?", 7 }):records {
          follow = true, limit = 2 } do
        found[#found + 1] = record.sequence_number
      end
    end)
    loop:wrap(function()
      for n = 1, 17 do
        put(n, n)
        cqueues.sleep(0)
      end
    end)
    assert(loop:loop())
    assert.same({ 8, 18 }, found)
  end)

  it("lets other coroutines run between two pages", function()
    put(1, 5000)
    local loop, turns, done = cqueues.new(), 0, false
    loop:wrap(function()
      local stream = assert(orders:stream { filter = "keys.n = ?", 5000 })
      assert.equal(5001, stream:next(10).sequence_number)
      done = true
    end)
    loop:wrap(function()
      while not done do
        turns = turns + 1
        cqueues.sleep(0)
      end
    end)
    assert(loop:loop())
    assert.is_true(turns >= 4, turns)
  end)

  it("returns nil without waiting after the last record was left out", function()
    put(1, 3000)
    local stream = assert(orders:stream { filter = "keys.n = ?", 0 })
    for _, seconds in ipairs { 0, 0.001 } do
      assert.is_nil(stream:next(seconds))
      assert.equal(3001, stream.position)
    end
    assert(orders:disable_stream())
    helper.refused("STREAM_ENDED", stream:next(math.huge))
  end)
end)
