-- replicate_spec.lua - `tidetable replicate`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local dkjson = require "dkjson"
local helper = require "spec.tidetable.helper"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local function change(path, f)
  local db <close> = assert(tidetable.open(path, { durability = "none" }))
  return f(db)
end

--- Creates the source: two tables that can be followed. Returns its path.
local function shop()
  local path = helper.path "source.tide"
  change(path, function(db)
    for _, name in ipairs { "orders", "files" } do
      local items = assert(db:create_table { name = name, partition_key = "id", stream = true })
      for i = 1, 50 do assert(items:put { id = ("k%02d"):format(i), n = i }) end
    end
  end)
  return path
end

local function put(path, id)
  change(path, function(db) assert(db:table("orders"):put { id = id }) end)
end

local function check_equal(source, target, ...)
  assert.equal("", command.must { "diff", source, target, ... })
  assert.truthy(command.must({ "check", target }):find "^ok")
end

--- Returns the command that receives from a pipe, as the source runs it.
local function via(target, ...)
  local words = { command.line, "replicate", "-", command.quote(target), ... }
  return table.concat(words, " ")
end

describe("replicate", function()
  it("copies a database, and catches up when it is started again", function()
    local source, target = shop(), helper.path "target.tide"
    assert.equal("", command.must { "replicate", source, target })
    check_equal(source, target)
    put(source, "new")
    assert.equal("", command.must { "replicate", source, target })
    check_equal(source, target)
  end)

  it("replicates the tables of --table", function()
    local source, target = shop(), helper.path "target.tide"
    command.must { "replicate", source, target, "--table", "orders" }
    assert.equal("orders\n", command.must { "tables", target })
    command.refuses(1, "replicates the tables orders",
      { "replicate", source, target, "--table", "files" })
    command.refuses(2, "expected names of tables",
      { "replicate", source, target, "--table", "a,,b" })
  end)

  it("shows the state of the replicas", function()
    local source, target = shop(), helper.path "target.tide"
    command.must { "replicate", source, target, "--name", "standby" }
    local text = command.must { "replicate", "--status", target }
    assert.truthy(text:find "^standby  FOLLOWING, position %d+\n")
    assert.truthy(text:find "\n  orders  FOLLOWING\n")
    local found = dkjson.decode(command.must { "replicate", "--status", target, "--json" })
    assert.equal("standby", found.name)
    assert.equal(2, #found.tables)
    assert.equal("", command.run({ "replicate", "--status", source }).out)
  end)

  it("shows how far the replicas are behind", function()
    local source, target = shop(), helper.path "target.tide"
    command.must { "replicate", source, target }
    local function status(...)
      return command.must { "replicate", "--status", source, target, ... }
    end
    assert.truthy(status():find "\n  waiting: nothing\n")
    assert.same({ changes = 0, seconds = 0 }, dkjson.decode(status "--json").lag)
    put(source, "new")
    put(source, "newer")
    assert.truthy(status():find "\n  waiting: 2 changes, the oldest for %S+")
    local found = dkjson.decode(status "--json")
    assert.equal(2, found.lag.changes)
    assert.is_true(found.lag.seconds >= 0)
    -- It is not known without the source, and of another source.
    assert.is_nil(command.must({ "replicate", "--status", target }):find "waiting")
    local other = helper.path "other.tide"
    change(other, function(db)
      assert(db:create_table { name = "orders", partition_key = "id", stream = true })
    end)
    assert.is_nil(command.must({ "replicate", "--status", other, target }):find "waiting")
    command.must { "replicate", "--promote", target }
    assert.is_nil(status():find "waiting")
    command.refuses(1, "does not exist", { "replicate", "--status", source .. "x", target })
  end)

  it("promotes, and then ends with status 6", function()
    local source, target = shop(), helper.path "target.tide"
    command.must { "replicate", source, target }
    command.refuses(1, "'tidetable replicate --promote' makes its tables writable",
      { "put", target, "orders", "id=x" })
    command.must { "replicate", "--promote", target }
    command.must { "put", target, "orders", "id=x" }
    command.refuses(6, "was promoted", { "replicate", source, target })
    command.refuses(6, "promoted before", { "replicate", "--promote", target })
    command.refuses(6, "status 6", { "replicate", source, "--via", via(target) })
    command.must { "replicate", "--forget", target }
    assert.equal("", command.run({ "replicate", "--status", target }).out)
  end)

  it("refuses an old source that would lose changes", function()
    local source, target = shop(), helper.path "target.tide"
    command.must { "replicate", source, target }
    put(source, "lost")
    command.must { "replicate", "--promote", target }
    command.refuses(1, "1 changes of this database", { "replicate", target, source })
    command.must { "replicate", target, source, "--lose", "1" }
    check_equal(target, source)
  end)

  it("shows how tables differ before it adopts them", function()
    local source, target = shop(), helper.path "target.tide"
    change(target, function(db)
      local orders = assert(db:create_table { name = "orders", partition_key = "id",
        stream = true })
      assert(orders:put { id = "mine" })
      for i = 1, 49 do assert(orders:put { id = ("k%02d"):format(i), n = i }) end
    end)
    command.refuses(1, "table orders exists here", { "replicate", source, target })
    local out = command.must { "replicate", source, target, "--adopt" }
    assert.equal('@@ orders @@\n+{"id":"k50","n":50}\n-{"id":"mine"}\n', out)
    check_equal(source, target)
  end)

  it("leaves out tables that can't be followed with --skip", function()
    local source, target = shop(), helper.path "target.tide"
    change(source, function(db)
      assert(db:create_table { name = "plain", partition_key = "id" })
    end)
    command.refuses(1, "table plain of the source can't be replicated",
      { "replicate", source, target })
    command.must { "replicate", source, target, "--skip" }
    check_equal(source, target, "orders", "files")
    local text = command.must { "replicate", "--status", target }
    assert.truthy(text:find("plain  NOT_FOLLOWED: it has no stream", 1, true))
  end)

  it("follows with -f until a signal, and ends when the replica is promoted", function()
    local source, target = shop(), helper.path "target.tide"
    local line = ("$TIDETABLE replicate %s %s -f & pid=$!; sleep 0.3; ")
      :format(command.quote(source), command.quote(target))
    local ran = command.shell(line .. ("$TIDETABLE put %s orders id=followed; "
      .. "until $TIDETABLE get %s orders id=followed; do sleep 0.05; done; "
      .. "kill -TERM $pid; wait $pid"):format(command.quote(source), command.quote(target)))
    assert.equal(143, ran.status)
    check_equal(source, target)
    ran = command.shell(line .. ("$TIDETABLE replicate --promote %s; wait $pid")
      :format(command.quote(target)))
    assert.equal(6, ran.status)
    assert.truthy(ran.err:find "was promoted")
  end)
end)

describe("replicate through pipes", function()
  it("runs the command of --via, and continues where it was", function()
    local source, target = shop(), helper.path "target.tide"
    command.must { "replicate", source, "--via", via(target) }
    check_equal(source, target)
    put(source, "new")
    command.must { "replicate", source, "--via", via(target, "--name", "replica") }
    check_equal(source, target)
    assert.truthy(command.must({ "consumers", source }):find "replica%.replica%.%x+")
  end)

  it("follows through --via", function()
    local source, target = shop(), helper.path "target.tide"
    local ran = command.shell(("$TIDETABLE replicate %s -f --via %s & pid=$!; sleep 0.3; "
      .. "$TIDETABLE put %s orders id=followed; "
      .. "until $TIDETABLE get %s orders id=followed 2>/dev/null; do sleep 0.05; done; "
      .. "kill -TERM $pid; wait $pid"):format(command.quote(source), command.quote(via(target)),
        command.quote(source), command.quote(target)))
    assert.equal(143, ran.status)
    check_equal(source, target)
  end)

  it("copies again through --via after records have expired", function()
    local source, target = shop(), helper.path "target.tide"
    local line = { "replicate", source, "--hold", "0", "--via", via(target) }
    command.must(line)
    change(source, function(db)
      assert(db:table("orders"):stream():set_retention { count = 1 })
      for i = 1, 300 do assert(db:table("orders"):put { id = "more", n = i }) end
      assert(db:table("orders"):delete { id = "k01" })
      db:sweep()
    end)
    command.must(line)
    check_equal(source, target)
  end)

  it("fails if the command of --via fails, or is no target", function()
    local source = shop()
    command.refuses(1, "the command ended with status 3",
      { "replicate", source, "--via", "exit 3" })
    command.refuses(1, "expected the position of the target", { "replicate", source, "--via",
      "echo hello; cat >/dev/null" })
    command.refuses(1, "expected the position of the target, got 'position \\e[1m'",
      { "replicate", source, "--via", "printf 'position \\033[1m\\n'; cat >/dev/null" })
    local text = command.must { "replicate", "--position", helper.path "none.tide" }
    command.refuses(1, "expected 'applied NUMBER', got 'y'", { "replicate", source, "--via",
      ("echo position %s; yes"):format(text:match "%S+") })
    command.refuses(1, "the command wrote a line of more than 16", { "replicate", source, "--via",
      "yes | tr -d '\\n'" })
    command.refuses(1, "the command ended with status 127", { "replicate", source, "--via",
      "no_such_program_here 2>/dev/null" })
  end)

  it("connects two commands by a pipe", function()
    local source, target = shop(), helper.path "target.tide"
    local line = ("$TIDETABLE replicate %s - --from $($TIDETABLE replicate --position %s) "
      .. "| $TIDETABLE replicate - %s"):format(command.quote(source), command.quote(target),
      command.quote(target))
    assert.equal(0, command.shell(line).status)
    check_equal(source, target)
    put(source, "new")
    local ran = command.shell(line)
    assert.equal(0, ran.status)
    assert.truthy(ran.out:find "^position %S+\napplied %d+\n")
    check_equal(source, target)
  end)

  it("selects the same tables at both ends", function()
    local source, target = shop(), helper.path "target.tide"
    local function replicate(...)
      return { "replicate", source, "--via", via(target, ...) }
    end
    local function with_table(line, names)
      line[#line + 1], line[#line + 2] = "--table", names
      return line
    end
    command.refuses(1, "--table selects the tables orders, and the target replicates all tables",
      with_table(replicate(), "orders"))
    command.refuses(1, "and the target replicates the tables files",
      with_table(replicate("--table", "files"), "orders"))
    assert.equal("", command.run({ "replicate", "--status", target }).out)
    command.must(with_table(replicate("--table", "orders,orders"), "orders"))
    -- The target remembers them.
    command.must(replicate())
    command.must(with_table(replicate(), "orders"))
    assert.equal("orders\n", command.must { "tables", target })
    change(source, function(db)
      assert(db:create_table { name = "later", partition_key = "id", stream = true })
    end)
    command.must(replicate())
    assert.equal("orders\n", command.must { "tables", target })
    check_equal(source, target, "orders")
    command.refuses(1, "replicates the tables orders: other tables require another replica",
      replicate("--table", "orders,files"))
  end)

  it("selects the same tables at both ends of a plain pipe", function()
    local source, target = shop(), helper.path "target.tide"
    local function pipe(position, from, to)
      return command.shell(("$TIDETABLE replicate %s - %s --from "
        .. "$($TIDETABLE replicate --position %s %s) | $TIDETABLE replicate - %s %s"):format(
        command.quote(source), from, command.quote(target), position, command.quote(target), to))
    end
    for _, case in ipairs {
      { "--table files,orders", "", "has all, and the source sends only some" },
      { "", "--table orders", "has only some, and the source sends all" },
      { "--table orders", "--table files", "has table files, and the source does not send it" },
      { "--table files", "--table files,orders",
        "has table orders, and the source does not send it" },
      { "--table files,orders", "--table orders",
        "does not have table files, and the source sends it" },
      { "--table files,orders", "--table files",
        "does not have table orders, and the source sends it" },
    } do
      local ran = pipe(case[1], "", case[2])
      assert.equal(1, ran.status)
      assert.truthy(ran.err:find("the two ends select other tables: replica replica " .. case[3],
        1, true), ran.err)
      assert.equal("", command.run({ "replicate", "--status", target }).out)
      assert.equal("", command.run({ "tables", target }).out)
    end
    assert.truthy(pipe("--table orders", "--table files", "--table orders").err:find(
      "--table selects the tables files, and the target replicates the tables orders", 1, true))
    assert.equal(0, pipe("--table orders", "--table orders", "--table orders").status)
    assert.equal(0, pipe("", "", "").status)
    assert.equal("orders\n", command.must { "tables", target })
    check_equal(source, target, "orders")
  end)

  it("shows how tables differ while it adopts them", function()
    local source, target = shop(), helper.path "target.tide"
    change(target, function(db)
      local orders = assert(db:create_table { name = "orders", partition_key = "id",
        ttl = "expires", stream = { view_type = "NEW_IMAGE" } })
      assert(orders:put { id = "mine" })
      assert(orders:put { id = "k01", n = 0 })
      for i = 2, 49 do assert(orders:put { id = ("k%02d"):format(i), n = i }) end
      assert(db:create_table { name = "own", partition_key = "id", stream = true })
      assert(db:table("own"):put { id = "x" })
    end)
    command.refuses(1, "table orders exists here",
      { "replicate", source, "--via", via(target) })
    local ran = command.run { "replicate", source, "--via", via(target, "--adopt") }
    assert.equal(0, ran.status)
    assert.equal("", ran.out)
    local lines = { "@@ orders @@", "-ttl: expires", "+ttl: none",
      "-stream: NEW_IMAGE, retention 1d, holds 7d, 1 GiB",
      "+stream: NEW_AND_OLD_IMAGES, retention 1d, holds 7d, 1 GiB",
      '-{"id":"k01","n":0}', '+{"id":"k01","n":1}', '+{"id":"k50","n":50}', '-{"id":"mine"}' }
    assert.equal(table.concat(lines, "\n") .. "\n", ran.err)
    check_equal(source, target, "orders", "files")
    -- Later changes are not shown, also with --adopt.
    put(source, "new")
    ran = command.run { "replicate", source, "--via", via(target, "--adopt") }
    assert.same({ 0, "", "" }, { ran.status, ran.out, ran.err })
    check_equal(source, target, "orders", "files")
  end)

  it("fails at an end that was not announced, and keeps the transactions before it", function()
    local source, target = shop(), helper.path "target.tide"
    command.must { "replicate", source, target }
    local pair = "pair"
    change(source, function(db)
      for i = 1, 200 do
        assert(db:transact(function(tx)
          tx:table("orders"):put { id = pair, n = i }
          tx:table("files"):put { id = pair, n = i }
        end))
      end
    end)
    local cut = ("$TIDETABLE replicate %s - --from $($TIDETABLE replicate --position %s) "
      .. "| head -c 5000 | $TIDETABLE replicate - %s"):format(command.quote(source),
      command.quote(target), command.quote(target))
    local ran = command.shell(cut)
    assert.equal(1, ran.status)
    assert.truthy(ran.err:find "the input ended before its end was announced")
    local n = change(target, function(db)
      local first = db:table("orders"):get { id = pair }
      local second = db:table("files"):get { id = pair }
      assert.equal(first.n, second.n)
      return first.n
    end)
    assert.is_true(n > 0 and n < 200)
    command.must { "replicate", source, target }
    check_equal(source, target)
  end)

  it("refuses damaged input", function()
    local source, target = shop(), helper.path "target.tide"
    local line = "$TIDETABLE replicate %s - --from $($TIDETABLE replicate --position %s) | "
      .. "tr a-z A-Z | $TIDETABLE replicate - %s"
    local ran = command.shell(line:format(command.quote(source), command.quote(target),
      command.quote(target)))
    assert.equal(1, ran.status)
    assert.truthy(ran.err:find "the data from the source is damaged", ran.err)
    assert.equal(1, command.shell("echo hello world and more | $TIDETABLE replicate - "
      .. command.quote(target)).status)
    assert.equal(1, command.shell("$TIDETABLE replicate - " .. command.quote(target)
      .. " </dev/null").status)
    assert.equal("", command.run({ "replicate", "--status", target }).out)
  end)
end)

describe("replicate's arguments", function()
  it("are checked", function()
    local source, target = shop(), helper.path "target.tide"
    local position = command.must({ "replicate", "--position", target }):match "%S+"
    command.refuses(2, "a source and a target expected", { "replicate", source })
    command.refuses(2, "standard output requires --from", { "replicate", source, "-" })
    command.refuses(2, "--from requires '-'", { "replicate", source, target, "--from",
      position })
    command.refuses(2, "not the output of --position", { "replicate", source, "-", "--from", "x" })
    command.refuses(2, "one of source and target", { "replicate", "-", "-", "--from",
      position })
    command.refuses(2, "it names the target", { "replicate", source, target, "--via", "x" })
    command.refuses(2, "one database expected", { "replicate", source, target, "--promote" })
    command.refuses(2, "1 to 200 characters", { "replicate", source, target, "--name", "a b" })
    for _, option in ipairs { "--adopt", "--skip", "--strict" } do
      command.refuses(2, option .. ": it is an option of the other end",
        { "replicate", source, "--via", "x", option })
    end
    command.refuses(2, "--lose: it is an option of the other end",
      { "replicate", source, "-", "--from", position, "--lose", "1" })
    command.refuses(1, "does not exist", { "replicate", source .. "x", target })
    command.refuses(1, "the source is this database", { "replicate", source, source })
  end)
end)
