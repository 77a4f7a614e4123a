-- end_spec.lua - ended streams and removed files, as documented in doc/modules/stream.md.
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local refused, raises, field = helper.refused, helper.raises, helper.field

local clock, db, orders

local function put(first, last)
  helper.put_each(orders, clock, first, last)
end

-- Returns the records of a loop, and the error that ends it.
local function read(...)
  local numbers, iterate = {}, table.pack(...)
  local ok, err = pcall(function()
    for each in table.unpack(iterate, 1, iterate.n) do
      numbers[#numbers + 1] = each.sequence_number or each.last_sequence_number
    end
  end)
  return numbers, not ok and err or nil
end

describe("a stream that has ended", function()
  before_each(function()
    clock = tidetable.manual_clock(1e9)
    db = helper.memory { clock = clock }
    orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    put(1, 3)
  end)

  local function disable() assert(orders:disable_stream()) end
  local function delete() assert(db:delete_table "orders") end
  local function change_view()
    disable()
    assert(orders:enable_stream { view_type = "KEYS_ONLY" })
    put(4, 4)
  end

  local ways = {
    { "disabled", disable, ": the stream has ended: it was disabled$" },
    { "of a deleted table", delete, ": the stream has ended: its table was deleted$" },
    { "with another view type now", change_view,
      ": the stream has ended: it was disabled, and the table's stream is now 2001[%-%d]*T.*$" },
  }

  for _, way in ipairs(ways) do
    local what, finish, words = table.unpack(way)

    it(what .. " returns the remaining records, then STREAM_ENDED", function()
      local stream = assert(orders:stream())
      local by_transaction = assert(orders:stream { from = "TRIM_HORIZON" })
      local head = "^orders/" .. stream.label:gsub("%p", "%%%0")
      assert.equal(2, stream:next().sequence_number)
      finish()
      assert.equal(3, stream:next(math.huge).sequence_number)
      assert.equal(4, stream:next().sequence_number)
      for i = 1, 3 do
        assert.equal(i + 1, by_transaction:next_transaction(1).last_sequence_number)
      end
      for _, timeout in ipairs { 0, 100, math.huge } do
        local err = refused("STREAM_ENDED", stream:next(timeout))
        assert.is_truthy(err.message:find(head .. words), err.message)
        assert.is_false(err.retryable)
        refused("STREAM_ENDED", by_transaction:next_transaction(timeout))
      end
      assert.equal(4, stream.position)
    end)

    it(what .. " ends followers with STREAM_ENDED, and other loops without an error", function()
      local stream = assert(orders:stream())
      finish()
      for _, name in ipairs { "records", "transactions" } do
        for _, timeout in ipairs { false, 100, math.huge } do
          local numbers, err = read(stream[name](stream,
            { follow = true, timeout = timeout or nil }))
          assert.are.same({ 2, 3, 4 }, numbers)
          assert.equal("STREAM_ENDED", err.code)
          assert.is_truthy(err.message:find(words), err.message)
        end
        local numbers, err = read(stream[name](stream, { follow = true, limit = 3 }))
        assert.are.same({ 2, 3, 4 }, numbers)
        assert.is_nil(err)
        numbers, err = read(stream[name](stream))
        assert.are.same({ 2, 3, 4 }, numbers)
        assert.is_nil(err)
      end
    end)
  end

  it("returns STREAM_ENDED for its label too, and to readers that start at its end", function()
    local label = orders:stream().label
    delete()
    local old = assert(db:stream { table = "orders", label = label, from = "LATEST" })
    refused("STREAM_ENDED", old:next())
    raises("STREAM_ENDED", old:records { follow = true })
    raises("STREAM_ENDED", old:transactions { follow = true })
    assert.are.same({ 2, 3, 4 },
      field("sequence_number", old:records { from = "TRIM_HORIZON" }))
  end)

  it("does not end the stream of all tables", function()
    local all = assert(db:stream())
    delete()
    for i = 1, 3 do assert.equal(i + 1, all:next().sequence_number) end
    for _, timeout in ipairs { 0, 0.01 } do
      assert.are.same({ n = 3 }, table.pack(all:next(timeout)))
    end
    local numbers, err = read(all:records { from = "TRIM_HORIZON", follow = true, timeout = 0.01 })
    assert.are.same({ 2, 3, 4 }, numbers)
    assert.is_nil(err)
  end)

  it("returns TRIMMED first to a reader that did not read it in time", function()
    local stream = assert(orders:stream { after = 2 })
    delete()
    clock:advance(2 * 86400)
    for _ = 1, 2 do
      local err = refused("TRIMMED", stream:next(math.huge))
      assert.equal(3, err.first)
      assert.equal(4, err.last)
      local _, raised = read(stream:records { follow = true })
      assert.equal("TRIMMED", raised.code)
    end
    local late = assert(db:stream { table = "orders", label = stream.label, after = 4 })
    refused("STREAM_ENDED", late:next())
  end)

  it("returns STREAM_ENDED to a reader that has read all of it, also after its removal", function()
    local read_all, read_some = assert(orders:stream()), assert(orders:stream { after = 2 })
    local begun = read_some:records { follow = true }
    for i = 1, 3 do assert.equal(i + 1, read_all:next().sequence_number) end
    delete()
    assert.equal(3, begun().sequence_number)
    clock:advance(2 * 86400)
    assert(db:sweep())
    assert.are.same({}, db:list_streams())
    assert.equal(4, begun().sequence_number)             -- it was in the page
    for _ = 1, 2 do
      local err = refused("STREAM_ENDED", read_all:next(math.huge))
      assert.equal("the stream has ended", err.message)
      refused("NOT_FOUND", read_some:next(math.huge))
      raises("STREAM_ENDED", begun)
    end
  end)
end)

describe("the end of a stream", function()
  local FOLLOW = [[
    local stream = assert(db:table "orders":stream())
    print "in"
    local function say(ok, ...)
      local err = select(ok and 2 or 1, ...)
      print(ok, err and err.code)
    end
  ]]

  before_each(function()
    db = helper.open()
    orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
  end)

  -- Regression: the reader slept until the records had expired.
  it("wakes readers in other processes", function()
    for _, call in ipairs { "stream.next, stream, math.huge",
        "stream.next_transaction, stream, math.huge", "stream:records { follow = true }",
        "stream:transactions { follow = true, timeout = math.huge }" } do
      local child = helper.child(FOLLOW .. ("say(pcall(%s))"):format(call))
      assert.equal("in", child:line())
      os.execute "sleep 0.1"
      assert(orders:disable_stream())
      assert.equal(("%s\tSTREAM_ENDED"):format(call:find("next", 1, true) and "true" or "false"),
        child:line())
      child:close()
      assert(orders:enable_stream())
    end
  end)

  it("wakes readers in the same thread", function()
    local waits = 0
    local stream = assert(orders:stream { wait = function(_, seconds)
      waits = waits + 1
      assert.is_nil(seconds)
      assert(db:delete_table "orders")
    end })
    refused("STREAM_ENDED", stream:next(math.huge))
    assert.equal(1, waits)
  end)
end)

describe("the file of a database", function()
  local path, aside

  before_each(function()
    path, aside = helper.path(), helper.path "aside.tide"
    db = helper.open()
    orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    assert(orders:put { id = "a" })
  end)

  local changes = {
    FILE_GONE = function() assert(os.remove(path)) end,
    FILE_REPLACED = function()
      assert(db:backup(aside))
      assert(os.rename(aside, path))
    end,
  }

  -- Regression: followers waited forever.
  for code, change in pairs(changes) do
    it("that is renamed or replaced ends followers with " .. code, function()
      local streams = { assert(orders:stream()), assert(db:stream()) }
      change()
      for _, stream in ipairs(streams) do
        assert.equal("a", stream:next().keys.id)         -- remaining records are returned first
        local err = refused(code, stream:next(math.huge))
        assert.is_truthy(err.message:find(path, 1, true), err.message)
        assert.is_false(err.retryable)
        refused(code, stream:next())                     -- returned again
        refused(code, stream:next_transaction(math.huge))
        for _, name in ipairs { "records", "transactions" } do
          local numbers, raised = read(stream[name](stream,
            { from = "TRIM_HORIZON", follow = true }))
          assert.are.same({ 2 }, numbers)
          assert.equal(code, raised.code)
        end
      end
    end)

    it("that is renamed or replaced ends other reads of streams with " .. code, function()
      local stream = assert(orders:stream())
      change()
      os.execute "sleep 1.1"                             -- more than a second after open
      for _, name in ipairs { "records", "transactions" } do
        local numbers, raised = read(stream[name](stream))
        assert.are.same({ 2 }, numbers)
        assert.equal(code, raised.code)
        numbers, raised = read(stream[name](stream, { limit = 1 }))
        assert.are.same({ 2 }, numbers)
        assert.is_nil(raised)
      end
    end)
  end

  it("is compared again after it was renamed and renamed back", function()
    local stream = assert(orders:stream { from = "LATEST" })
    assert(os.rename(path, aside))
    refused("FILE_GONE", stream:next(math.huge))
    assert(os.rename(aside, path))
    assert.are.same({ n = 3 }, table.pack(stream:next(0.01)))
  end)

  it("may be reached by a link that was changed", function()
    local one, two, link = helper.path "one", helper.path "two", helper.path "link"
    finally(function()
      os.execute(("rm -r '%s' '%s' '%s'"):format(one, two, link))
    end)
    assert(lfs.mkdir(one) and lfs.mkdir(two))
    helper.open(nil, two .. "/x.tide"):close()
    assert(lfs.link(one, link, true))
    local linked = helper.open(nil, link .. "/x.tide")
    assert(linked:create_table { name = "orders", partition_key = "id", stream = true })
    assert(os.remove(link) and lfs.link(two, link, true))
    local err = refused("FILE_REPLACED", linked:stream():next(math.huge))
    assert.is_truthy(err.message:find("/link/x.tide was replaced", 1, true), err.message)
    linked:close()
  end)

  it("does not exist for a database in memory", function()
    local memory = helper.memory()
    assert.are.same({ n = 3 }, table.pack(memory:stream():next(1.1)))
    assert.are.same({}, helper.collect(memory:stream():records()))
  end)

  it("that was removed is reported by the next read after a wait on db:wakeup()", function()
    local wakeup <close> = assert(db:wakeup())
    local rounds = 0
    local err
    changes.FILE_GONE()
    repeat
      rounds = rounds + 1
      wakeup:clear()
      local numbers, raised = read(db:stream():records { after = 2 })
      assert.are.same({}, numbers)
      if not raised then wakeup:wait() end
      err = raised
    until err or rounds == 20
    assert.equal("FILE_GONE", err.code)
  end)
end)
