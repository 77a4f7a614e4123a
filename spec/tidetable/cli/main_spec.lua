-- main_spec.lua - the command line, help, statuses and errors of the command.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local main = require "tidetable.cli.main"
local shop = require "spec.tidetable.cli.shop"
local tidetable = require "tidetable"

helper.setup(before_each, after_each)

local run, must, refuses = command.run, command.must, command.refuses

local function make()
  local db = helper.open()
  for i = 1, 3 do
    local table = assert(db:create_table { name = "table" .. i, partition_key = "id" })
    assert(table:load { { id = "a" }, { id = "b" } })
  end
  db:close()
  return helper.path()
end

describe("the command", function()
  it("has a help, and a help and a usage for each command", function()
    local help = must { "--help" }
    assert.truthy(help:find("^Usage: tidetable "))
    local _, commands = main.parser()
    for name, each in pairs(commands) do
      assert.truthy(help:find("\n   " .. name .. " ", 1, true), name)
      local own = must { name, "--help" }
      assert.truthy(own:find("^Usage: tidetable " .. name .. " "), own)
      assert.truthy(own:find(each.summary, 1, true), own)
      assert.truthy(own:find("\nExamples:\n   tidetable " .. name, 1, true), own)
      for line in own:gmatch("[^\n]+") do assert.is_true(#line <= 80, line) end
      local usage, rest = own:match("^(.-)\n\n(.*)$")
      for option in rest:gmatch("\n   (%-%-?[%w-]+)") do
        assert.truthy(usage:find("[^%w-]" .. option:gsub("%-", "%%-") .. "[^%w-]"), option)
      end
    end
  end)

  it("shows its version", function()
    assert.equal(tidetable._VERSION .. "\n", must { "--version" })
  end)

  it("refuses an invalid command line with status 2 and the usage", function()
    local ran = refuses(2, "tidetable: unknown command 'tabels'\n  Did you mean 'tables'?\n",
      { "tabels" })
    assert.equal("", ran.out)
    assert.truthy(ran.err:find("see 'tidetable --help'\n", 1, true))
    ran = refuses(2, "tidetable tables: missing argument 'database'\nUsage: ", { "tables" })
    assert.truthy(ran.err:find("see 'tidetable tables --help'\n", 1, true))
    refuses(2, "Did you mean '--json'?", { "tables", "--jsom", "x" })
    refuses(2, "must be one of 'auto', 'always', 'never'", { "tables", "x", "--color=blue" })
    refuses(2, "a command is required", {})
    refuses(2, "too many arguments", { "tables", "x", "y" })
  end)

  it("ends with status 1 if its output cannot be written", function()
    local path = make()
    path = command.quote(path)
    for _, words in ipairs { "--help", "--version", "tables " .. path,
        ("scan %s table1 --limit 1"):format(path) } do
      local ran = command.shell("$TIDETABLE " .. words .. " >/dev/full")
      assert.equal(1, ran.status)
      assert.truthy(ran.err:find("standard output: No space left on device", 1, true), ran.err)
    end
  end)

  -- Depending on the parent process, SIGPIPE kills the command, or is ignored and writing fails.
  it("ends without a message if the reader of a pipe closes it", function()
    local path, pipe = command.quote(make()), command.quote(helper.path("pipe"))
    for _, before in ipairs { ":", "trap '' PIPE" } do
      local ran = command.shell(("rm -f %s; mkfifo %s; exec 3<>%s 4>%s 3<&-; %s; "
        .. "$TIDETABLE tables %s >&4; echo $?"):format(pipe, pipe, pipe, pipe, before, path))
      assert.equal("141\n", ran.out)
      assert.equal("", ran.err)
    end
  end)

  it("reports a full disk in every command that writes text", function()
    local path = shop.make()
    local copy = helper.path "copy.tide"
    for _, words in ipairs { "describe %s orders", "stats %s", "check %s", "tables --json %s",
      "get %s orders customer=ann placed_at=1", "query %s orders customer=ann", "export %s",
      "tail %s", "sweep %s", "backup %s " .. command.quote(copy), "compact %s", "completion bash",
      "put %s orders customer=ann placed_at=1 --old",
      "update %s orders customer=ann placed_at=2 'REMOVE note' --return-values ALL_OLD",
      "delete %s orders customer=ann placed_at=1 --old" } do
      os.remove(copy)
      local ran = command.shell("$TIDETABLE " .. words:format(command.quote(path)) .. " >/dev/full")
      assert.equal(1, ran.status, words)
      assert.truthy(ran.err:find("standard output: No space left on device", 1, true), words)
    end
  end)

  -- The database must not get the descriptor of a message.
  it("harms no file when descriptors 0 to 2 are closed", function()
    local path = make()
    local line = "$TIDETABLE %s " .. command.quote(path)
    for _, closed in ipairs { "<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", "<&- >&- 2>&-" } do
      for _, words in ipairs { "tables", "sweep", "check", "nowhere" } do
        local ran = command.shell(("{ %s %s ; }; echo $?"):format(line:format(words), closed))
        assert.truthy(ran.out:find "%f[^\0\n][012]\n$", words .. closed)
      end
      command.shell(("{ %s table1 id=x text=%s %s ; }"):format(line:format "put", ("y"):rep(5000),
        closed))
      assert.truthy(must { "check", path }:find("ok", 1, true), closed)
    end
    assert.truthy(must({ "get", path, "table1", "id=x" }):find('"text":"yyy', 1, true))
  end)

  it("writes everything into a non-blocking pipe", function()
    if not os.execute "perl -MFcntl -e 1 2>/dev/null" then return pending "perl is missing" end
    local db = helper.open()
    local items = assert(db:create_table { name = "items", partition_key = { "id", "N" } })
    for i = 1, 3000 do assert(items:put { id = i, text = ("x"):rep(100) }) end
    db:close()
    local ran = command.shell(([[{ perl -MFcntl -e 'fcntl(STDOUT, F_SETFL, O_NONBLOCK)';
      $TIDETABLE scan %s items; echo $? >&2; } | { sleep 0.3; wc -l; }]]):format(
      command.quote(helper.path())))
    assert.equal("3000\n", ran.out)
    assert.equal("0\n", ran.err)
  end)

  it("names the modules it needs if they are missing", function()
    local ran = command.shell(("env LUA_PATH=/nowhere/?.lua LUA_CPATH= %s"):format(command.line))
    assert.equal(1, ran.status)
    assert.truthy(ran.err:find("^tidetable: [^\n]*module 'argparse' not found:\n"
      .. "  the command needs the Lua modules tidetable and argparse "
      .. "%(Debian: lua%-argparse%)\n$"), ran.err)
  end)

  -- Lua calls no message handler then, which made the command fail with a traceback.
  it("reports that memory is exhausted", function()
    local no_memory = "xpcall = function() return false, 'not enough memory' end"
    local line = command.line:gsub(" ([^ ]*)$", function(launcher)
      return (" -e %s %s"):format(command.quote(no_memory), launcher)
    end)
    local ran = command.shell(line .. " tables x.tide")
    assert.same({ status = 1, out = "", err = "tidetable: not enough memory\n" }, ran)
  end)

  it("can be interrupted while it loads its modules", function()
    shop.file("argparse.lua", "io.popen('kill -INT $PPID'):close() while true do end")
    local ran = command.shell("$TIDETABLE tables x.tide", {
      LUA_PATH = helper.path("?.lua") .. ";" .. package.path, LUA_CPATH = package.cpath,
    })
    assert.same({ status = 130, out = "", err = "" }, ran)
  end)

  it("reports a bug with its place", function()
    local broken = shop.file("broken.lua", [[
      package.loaded["tidetable.cli.commands.tables"] = { name = "tables", summary = "Break.",
        arguments = {}, options = {}, run = function() local x = nil; return x.y end }
      os.exit(require("tidetable.cli.main").run { "tables" }, true)
    ]])
    local ran = command.shell(("env LUA_PATH=%s LUA_CPATH=%s %s %s"):format(
      command.quote(package.path), command.quote(package.cpath), command.lua,
      command.quote(broken)))
    assert.equal(1, ran.status)
    assert.truthy(ran.err:find("broken.lua:2: attempt to index", 1, true), ran.err)
    assert.truthy(ran.err:find("a bug in tidetable", 1, true), ran.err)
  end)
end)

-- The options that commands give to tidetable.open.
describe("a database", function()
  local words = {
    backup = { "x.tide", "copy.tide" }, delete = { "x.tide", "t", "id=a" },
    describe = { "x.tide", "t" }, export = { "x.tide" }, get = { "x.tide", "t", "id=a" },
    import = { "x.tide", "/dev/null" }, put = { "x.tide", "t", "id=a" },
    query = { "x.tide", "t", "id=a" }, scan = { "x.tide", "t" }, stats = { "x.tide" },
    tables = { "x.tide" }, tail = { "x.tide" }, sweep = { "x.tide" },
  }
  local writes = { delete = true, import = true, put = true, sweep = true }
  local waits = { backup = true, delete = true, import = true, put = true, sweep = true }

  local function asked(name, ...)
    local parser, commands = main.parser()
    local given = { name, ... }
    table.move(words[name], 1, #words[name], #given + 1, given)
    local seen, real = nil, tidetable.open
    function tidetable.open(path, options)
      assert.equal("x.tide", path)
      seen = options
      return nil, { code = "STORE", message = "enough" }, "STORE"
    end
    local args = parser:parse(given)
    local ok = pcall(commands[name].run, args, require "tidetable.cli.console".new("never"))
    tidetable.open = real
    assert.is_false(ok)
    return seen
  end

  it("is opened read-only by commands that only read, and not created", function()
    local _, commands = main.parser()
    for name in pairs(words) do
      local options = asked(name)
      assert.equal(not writes[name], options.read_only or false, name)
      assert.is_false(options.create, name)
      assert(commands[name])
    end
    assert.is_true(asked("import", "--create").create)
    assert.equal("1 GiB", asked("import", "--max-size", "1 GiB").max_size)
  end)

  it("is waited for by --busy-timeout, 5 seconds by default", function()
    for name in pairs(waits) do
      assert.equal(5, asked(name).busy_timeout, name)
      assert.equal(7.5, asked(name, "--busy-timeout", "7.5").busy_timeout, name)
    end
  end)
end)

describe("an error", function()
  it("of opening names the file and has a hint", function()
    refuses(1, "/nowhere/x.tide is in a directory that can't be resolved: No such file",
      { "tables", "/nowhere/x.tide" })
    local missing = helper.path("missing.tide")
    refuses(1, ("the database %s does not exist"):format(missing), { "tables", missing })
    local junk = shop.file("junk", ("junk"):rep(5000))
    local ran = refuses(1, junk .. " is not a tidetable database\n  a database is a file",
      { "tables", junk })
    assert.equal("", ran.out)
    refuses(2, '":memory:": not a database file', { "tables", ":memory:" })
  end)

  it("contains no control characters", function()
    local ran = run { "tables", "/nowhere/\27[31m\n.tide" }
    assert.equal(1, ran.status)
    assert.is_nil(ran.err:gsub("\n", ""):find("%c"))
    assert.truthy(ran.err:find("\\e[31m\\n.tide", 1, true))
  end)
end)
