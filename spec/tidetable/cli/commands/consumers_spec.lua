-- consumers_spec.lua - `tidetable consumers`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

describe("consumers", function()
  local path

  before_each(function()
    local db = helper.open()
    path = helper.path()
    local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    for i = 1, 5 do assert(orders:put { id = "o" .. i, n = i }) end
    local mail <close> = assert(db:consumer("mail", { source = "orders", batch_size = 2,
      on_failure = "park", max_attempts = 1 }))
    assert.equal(2, mail:step(function() end))
    local park = function(records, tx)
      for _, record in ipairs(records) do tx:park(record, "no\27address") end
    end
    assert.equal(2, mail:step(park))
    assert(db:consumer("audit", { source = "*" }))
    db:close()
  end)

  local function consumers(...)
    return { "consumers", path, ... }
  end

  --- Calls f with the consumer.
  local function look(f)
    local db = helper.open()
    local mail = assert(db:consumer "mail")
    local result = f(mail, db)
    db:close()
    return result
  end

  it("lists names in a pipe, descriptions as JSON", function()
    assert.equal("audit\nmail\n", command.must(consumers()))
    local out = command.must(consumers "--json")
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(2, #lines)
    assert.matches('^{"name":"audit","source":"%*","position":0,', lines[1])
    assert.matches('^{"name":"mail","source":"orders","position":5,', lines[2])
    assert.matches('"lag":{"records":1,', lines[2], 1, true)
    local function without_age(line) return (line:gsub('"seconds":[%d.]+', "")) end
    assert.equal(without_age(command.must(consumers("mail", "--json"))),
      without_age(lines[2] .. "\n"))
  end)

  command.on_terminal(it, pending)("shows a table on a terminal, and one consumer", function()
    local function shown(...) return (command.terminal(...):gsub("\27%[[%d;]*m", "")) end
    local screen = shown(consumers())
    assert.matches("CONSUMER +SOURCE +STATE +WORKERS +WAITING", screen)
    assert.matches("mail +orders +no worker +0 +1 ", screen)
    assert.matches("audit +%* +no worker +0 +5 ", screen)
    screen = shown(consumers "mail")
    assert.matches("position +5 of 6", screen)
    assert.matches("parked +2 records", screen)
    assert.matches("on_failure +park", screen)
    assert.matches("takeovers +0", screen)
    assert.matches("SHARDS +POSITION +ATTEMPTS +PROCESS", screen)
    assert.matches("0%-63 +5 +0 +%- +no worker", screen)
    screen = shown(consumers("--watch", "--interval", "0.1"),
      { enough = "audit" })
    assert.matches("audit", screen)
  end)

  local function open_filtered()
    look(function(_, db)
      assert(db:consumer("rare", { source = "orders", names = { ["#i"] = "new_image" },
        values = { [":s"] = tidetable.set { 1, 2 } },
        filter = "#i.n = ? AND NOT #i.s = :s AND depth = ?", 1, false, projection = "n, s" }))
    end)
  end

  it("shows the filter and the projection of a consumer as JSON", function()
    open_filtered()
    local line = command.must(consumers("rare", "--json"))
    assert.matches('"filter":"#i.n = ? AND NOT #i.s = :s AND depth = ?"', line, 1, true)
    assert.matches('"projection":"n, s"', line, 1, true)
    assert.matches('"names":{"#i":"new_image"}', line, 1, true)
    assert.matches('"positions":[1,false]', line, 1, true)
    assert.matches('"values":{":s":{"$NS":[1,2]}}', line, 1, true)
  end)

  command.on_terminal(it, pending)("shows the filter and the projection", function()
    open_filtered()
    local screen = command.terminal(consumers "rare"):gsub("\27%[[%d;]*m", "")
    assert.matches("filter +#i%.n = %? AND NOT #i%.s = :s AND depth = %?", screen)
    assert.matches("projection +n, s", screen)
    assert.matches("with +#i = new_image, :s = .*1, 2.*, %? = 1, %? = false", screen)
  end)

  it("pauses, resumes and moves a consumer", function()
    command.must(consumers("mail", "pause"))
    assert.is_true(look(function(mail) return mail:describe().is_paused end))
    command.must(consumers("mail", "resume"))
    assert.is_false(look(function(mail) return mail:describe().is_paused end))
    command.must(consumers("mail", "seek", "--from", "LATEST", "--yes"))
    assert.equal(6, look(function(mail) return mail:describe().position end))
    local refusal = command.refuses(1, path .. ": consumer mail has 2 parked records",
      consumers("mail", "seek", "--at", "1", "--yes"))
    assert.matches("--discard removes them", refusal.err, 1, true)
    assert.is_nil(refusal.err:find("discard = true", 1, true)) -- Lua's option, no use in a shell
    command.must(consumers("mail", "seek", "--at", "1", "--discard", "--yes"))
    assert.same({ 0, 0 }, look(function(mail)
      return { mail:describe().position, mail:describe().parked }
    end))
  end)

  it("shows parked records, has them delivered again, and removes them", function()
    assert.equal(2, select(2, command.must(consumers("mail", "parked")):gsub("\n", "")))
    local out = command.must(consumers("mail", "parked", "--key", "id=o3"))
    assert.matches('^{"sequence_number":4,"table_name":"orders","event_name":"INSERT",'
      .. '"keys":{"id":"o3"},"attempts":1,', out)
    assert.equal(1, select(2, out:gsub("\n", "")))
    local text = command.must(consumers("mail", "parked", "--format", "text", "--key", "id=o4"))
    assert.matches("^5 .* orders id: \"o4\" +1 attempt +no\\eaddress\n$", text)
    assert.equal("1\n", command.must(consumers("mail", "replay", "--key", "id=o3", "--yes")))
    assert.matches("no\\eaddress  to be replayed\n", command.must(consumers("mail", "parked",
      "--format", "text")), 1, true)
    assert.equal(1, look(function(mail)
      local count = mail:step(function(records) assert.equal("o3", records[1].keys.id) end)
      mail:close()
      return count
    end))
    assert.equal("1\n", command.must(consumers("mail", "discard", "--limit", "7", "--yes")))
    assert.equal("0\n", command.must(consumers("mail", "discard", "--yes")))
  end)

  it("shows why a record without failed attempts is parked", function()
    look(function(_, db)
      assert(db:table "orders":put { id = "o3", n = 9 })
      local mail <close> = assert(db:consumer "mail")
      repeat until assert(mail:step(function() end)) == 0
    end)
    local text = command.must(consumers("mail", "parked", "--format", "text", "--key", "id=o3"))
    assert.matches("1 attempt  no\\eaddress\n", text, 1, true)
    assert.matches("0 attempts  parked after an earlier record of its key\n", text, 1, true)
  end)

  describe("of a consumer that parks transactions", function()
    before_each(function()
      look(function(_, db)
        local bills <close> = assert(db:consumer("bills", { source = "orders", by = "transaction",
          from = "LATEST" }))
        for n, ids in ipairs { { "a", "b" }, { "b" }, { "c" } } do
          assert(db:transact(function(tx)
            for _, id in ipairs(ids) do tx:table "orders":put { id = id, n = n } end
          end))
        end
        assert.equal(4, bills:step(function(records, tx)
          tx:park(records[4], "closed")
          tx:park(records[1], "no account")
        end))
      end)
    end)

    it("shows their ids", function()
      local out = command.must(consumers("bills", "parked"))
      assert.matches('^{"sequence_number":7,"transaction_id":7,"table_name":"orders",', out)
      assert.matches('\n{"sequence_number":8,"transaction_id":7,"table_name":"orders",', out)
      assert.equal(4, select(2, out:gsub("\n", "")))
      local text = command.must(consumers("bills", "parked", "--format", "text", "--key", "id=b"))
      assert.matches("^7  transaction 7  .* orders id: \"a\" +1 attempt +no account\n", text)
      assert.matches("0 attempts  parked after an earlier transaction of its keys\n$", text)
      assert.equal(3, select(2, text:gsub("\n", "")))
      text = command.must(consumers("bills", "parked", "--format", "text", "--limit", "1"))
      assert.equal(2, select(2, text:gsub("\n", "")))
    end)

    it("counts transactions", function()
      assert.equal("2\n", command.must(consumers("bills", "replay", "--key", "id=b", "--yes")))
      assert.equal("1\n", command.must(consumers("bills", "discard", "--limit", "1", "--yes")))
      assert.equal("2\n", command.must(consumers("bills", "discard", "--yes")))
    end)

    command.on_terminal(it, pending)("calls them so on a terminal", function()
      assert.matches("2 transactions will be delivered again", command.terminal(
        consumers("bills", "replay", "--key", "id=b", "--yes")), 1, true)
      assert.matches("1 transaction removed", command.terminal(
        consumers("bills", "discard", "--key", "id=c", "--yes")), 1, true)
    end)
  end)

  -- A binary key ended the command with a traceback; --format dynamodb gave plain JSON.
  it("shows the keys of parked records in both forms of JSON", function()
    look(function(_, db)
      local types = require "tidetable.types"
      local blobs = assert(db:create_table { name = "blobs", partition_key = { "id", "B" },
        sort_key = { "n", "N" }, stream = true })
      assert(blobs:put { id = types.binary "\0\1", n = types.number "12345678901234567890" })
      local blob <close> = assert(db:consumer("blob", { source = "blobs" }))
      assert.equal(1, blob:step(function(records, tx) tx:park(records[1], "full") end))
    end)
    assert.matches('"keys":{"id":{"$B":"AAE="},"n":12345678901234567890},',
      command.must(consumers("blob", "parked")), 1, true)
    assert.matches('"keys":{"id":{"B":"AAE="},"n":{"N":"12345678901234567890"}},',
      command.must(consumers("blob", "parked", "--format", "dynamodb")), 1, true)
    assert.equal("1\n", command.must(consumers("blob", "replay", "--key", "id=AAE=", "--yes")))
    command.refuses(2, "--key: expected only the partition key id",
      consumers("blob", "parked", "--key", '{"id":{"$B":"AAE="},"n":1}'))
  end)

  it("deletes a consumer, and its parked records only with --discard", function()
    command.refuses(1, path .. ": consumer mail has 2 parked records\n  --discard removes them",
      consumers("mail", "delete", "--yes"))
    command.must(consumers("mail", "delete", "--discard", "--yes"))
    assert.equal("audit\n", command.must(consumers()))
    command.refuses(1, "no consumer mail", consumers("mail", "pause"))
  end)

  it("refuses what makes no sense", function()
    command.refuses(2, "--yes", consumers("mail", "delete"))
    command.refuses(2, "--yes", consumers("mail", "replay"))
    command.refuses(2, "seek: one of", consumers("mail", "seek", "--yes"))
    command.refuses(2, "must be one of", consumers("mail", "dance"))
    command.refuses(2, "--interval requires --watch", consumers("--interval", "1"))
    command.refuses(2, "--watch", consumers("mail", "pause", "--watch"))
    command.refuses(2, "--key: the consumer reads several tables",
      consumers("audit", "parked", "--key", "id=o1"))
    command.refuses(2, "'0': expected a number of seconds greater than 0",
      consumers("--watch", "--interval", "0"))
    command.refuses(1, "no consumer none\n  to list them:", consumers "none")
    command.refuses(1, "no consumer mial\n  did you mean mail?", consumers "mial")
    command.refuses(2, "not a key attribute", consumers("mail", "parked", "--key", "nom=o1"))
    command.refuses(2, "--key: id: expected S, got N",
      consumers("mail", "parked", "--key", "id:=3"))
    command.refuses(1, "consumer mail does not read table oders\n  its source: orders",
      consumers("mail", "replay", "--table", "oders", "--yes"))
    command.must(consumers("audit", "parked", "--table", "orders", "--key", "id=o1"))
  end)

  it("refuses options that belong to other actions", function() -- they were ignored
    for _, option in ipairs { "--at", "--after", "--time" } do
      command.refuses(2, option .. " requires seek", consumers("mail", "pause", option, "1"))
    end
    command.refuses(2, "--from requires seek", consumers("mail", "parked", "--from", "LATEST"))
    command.refuses(2, "--discard requires seek or delete",
      consumers("mail", "parked", "--discard"))
    for _, option in ipairs { "--table", "--key", "--limit" } do
      command.refuses(2, option .. " requires parked, replay or discard", consumers(option, "1"))
    end
    command.refuses(2, "--format requires parked", consumers("mail", "--format", "json"))
  end)

  it("shows the workers of a consumer", function()
    local db = helper.open()
    assert(db:table "orders":put { id = "o6" })
    local first, second = assert(db:consumer "audit"), assert(db:consumer "audit")
    local pid = ("%d"):format(io.open "/proc/self/stat":read "n")
    for _ = 1, 10 do
      for _, worker in ipairs { first, second } do
        if worker.worker then worker.worker.verified_at = 0 end
        assert(worker:step(function() end))
      end
    end
    local function shown(...)
      local ran = command.shell(("$TIDETABLE consumers %s %s --watch --interval 0.01 | head -40")
        :format(command.quote(path), table.concat({ ... }, " ")))
      return ran.out
    end
    local screen = shown "audit"
    assert.matches("0%-31 +7 +0 +" .. pid .. " +reads", screen)
    assert.matches("32%-63 +7 +0 +" .. pid .. " +reads", screen)
    assert.matches("0 records per second", screen, 1, true)
    assert.matches("audit +%* +running +2 ", shown())
    assert(db:table "orders":put { id = "o7" })
    first.worker.verified_at, second.worker.verified_at = 0, 0
    local in_handler
    local function handle()
      in_handler = command.must(consumers("audit", "--json"))
    end
    assert.equal(1, assert(first:step(handle)) + assert(second:step(handle)))
    assert.matches('"in_handler":true', in_handler, 1, true)
    first:close()
    assert.matches("no worker", shown "audit")
    assert.matches("running +1, some shards have none", shown())
    db:close()
  end)

  it("repeats the list with --watch, in a pipe with an empty line after each", function()
    local ran = command.shell("$TIDETABLE consumers --watch --interval 0.01 "
      .. command.quote(path) .. " | head -5")
    assert.matches("^CONSUMER [^\n]+\naudit [^\n]+\nmail [^\n]+\n\nCONSUMER [^\n]+\n$", ran.out)
  end)

  command.on_terminal(it, pending)("asks on a terminal", function()
    local function answer(text)
      local script = helper.path "ask.sh"
      assert(command.shell(("cat > %s <<'END'\n$TIDETABLE consumers %s mail discard\nEND\ntrue")
        :format(script, path)).status == 0)
      return command.shell(("printf '%s\\n' | script -qec 'sh %s' /dev/null"):format(text, script))
    end
    local ran = answer "n"
    assert.matches("remove parked records of consumer mail for good? [y/N]", ran.out, 1, true)
    assert.matches("nothing was changed", ran.out)
    assert.equal(1, ran.status)
    assert.matches("2 records removed", answer "yes".out)
  end)
end)
