-- examples_spec.lua - runs each example and compares its output.
--
-- Each runs in a child process, in a new empty directory. The expected output of the small ones is
-- the comment at their end.
local lfs = require "lfs"

local root = lfs.currentdir()

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- The sanitizers are loaded only for Lua, because some programs of the shell fail with them.
local preload = os.getenv("LD_PRELOAD")
local lua = (preload and "env LD_PRELOAD=" .. quote(preload) .. " " or "")
  .. (os.getenv("LUA") or "lua5.4")

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

-- Returns two results of a shell command: its standard output and standard error in one text, and
-- its exit status.
local function shell(command)
  local pipe = assert(io.popen("{ unset LD_PRELOAD\n" .. command .. "\n} 2>&1"))
  local output = pipe:read("a")
  local _, _, status = pipe:close()
  return output, status
end

local function must(command)
  local output, status = shell(command)
  assert(status == 0, command .. ":\n" .. output)
  return output
end

local directory

-- Runs an example. `words` and `before` (variables, or a command that runs it) are passed to the
-- shell unquoted.
local function run(example, words, before)
  return shell(("cd %s && env %s %s %s %s"):format(quote(directory .. "/run"),
    before or "timeout 120", lua, quote(root .. "/examples/" .. example .. ".lua"), words or ""))
end

before_each(function()
  directory = must("mktemp -d"):match("%C+")
  assert(lfs.mkdir(directory .. "/run"))
end)

after_each(function()
  must("rm -rf " .. quote(directory))
end)

-- Debian packages copas for older Luas only, but it runs in this one.
local older = ";/usr/share/lua/5.2/?.lua"
local with_older = 'LUA_PATH="${LUA_PATH:-;}' .. older .. '" timeout 120'

--- Returns why a module can't be loaded, nil if it can. Debian 13's copas lacks coxpcall.
local function missing(module)
  local path = package.path
  package.path = path .. older
  local ok, err = pcall(require, module)
  package.path = path
  return not ok and tostring(err):match "[^\n]*" or nil
end

describe("the small example", function()
  -- Returns the last block of comments that are indented by three blanks, as printed.
  local function expected_output(example)
    local text = {}
    for line in read(root .. "/examples/" .. example .. ".lua"):gmatch("[^\n]+") do
      if not line:find("^%-%-") then text = {} end
      text[#text + 1] = line:match("^%-%-   (.*)") or line == "--" and text[1] and "" or nil
    end
    return table.concat(text, "\n") .. "\n"
  end

  -- Replaces tabs and runs of blanks by one blank, because a comment and the output may differ in
  -- them.
  local function plain(text)
    return (text:gsub("[ \t]+", " "):gsub("\n ", "\n"):gsub("\n+", "\n"):gsub("^%s+", ""))
  end

  local examples = { "quickstart", "audit_trail", "derived_table", "two_processes", "retention",
    "backup", "testing", "consumer", "outbox", "mirror", "view",
    "replica" }

  -- The examples that are the same program in four event loops, and the modules that each of them
  -- needs.
  local loops = { "cqueues_loop", "luv_loop", "copas_loop", "own_scheduler" }
  local needs = { cqueues_loop = "cqueues", luv_loop = "luv", copas_loop = "copas",
    own_scheduler = "system" }
  local before = { copas_loop = with_older }

  for _, example in ipairs(loops) do
    local why = missing(needs[example])
    if why then
      it(example, function() pending(("%s can't be loaded: %s"):format(needs[example], why)) end)
    else
      examples[#examples + 1] = example
    end
  end

  it("has the same code in each loop after the first part", function()
    local function shared(example)
      return assert(read(root .. "/examples/" .. example .. ".lua"):match("\n%-%- The same in.*"))
    end
    for _, example in ipairs(loops) do assert.are.equal(shared(loops[1]), shared(example)) end
  end)

  for _, example in ipairs(examples) do
    it(example .. " prints what its comment says, and leaves no files", function()
      local output, status = run(example, nil, before[example])
      assert.are.equal(plain(expected_output(example)), plain(output))
      assert.are.equal(0, status)
      assert.are.equal("", must("ls -A " .. quote(directory .. "/run")))
    end)
  end
end)

describe("the pool of workers", function()
  local needs = { blocking = "lfs", cqueues = "cqueues", copas = "copas", luv = "luv" }

  -- Reads the lines of `count` ranges, which contain all shards. Returns the rest of the output and
  -- the number of processes.
  local function read_ranges(output, count)
    local shard, processes, found = 0, 0, {}
    output = output:match("^" .. count .. " workers\n(.*)$") or error(output)
    for _ = 1, count do
      local first, last, process, rest = output:match(
        "^shards +(%d+) to +(%d+), process (%d+)\n(.*)$")
      assert.are.equal(shard, tonumber(first), output)
      shard, output = tonumber(last) + 1, rest
      processes = processes + (found[process] and 0 or 1)
      found[process] = true
    end
    assert.are.equal(64, shard)
    return output, processes
  end

  for _, loop in ipairs { "blocking", "cqueues", "copas", "luv" } do
    it("shares the records, " .. loop, function()
      local why = missing(needs[loop])
      if why then return pending(("%s can't be loaded: %s"):format(needs[loop], why)) end
      local output, status = run("pool", loop, with_older)
      local rest, processes = read_ranges(output, 4)
      assert.are.equal(loop == "blocking" and 4 or 1, processes)
      rest = read_ranges(rest, 3)
      assert.are.equal("100 accounts have their 20 payments, once and in order\n", rest)
      assert.are.equal(0, status)
      assert.are.equal("", must("ls -A " .. quote(directory .. "/run")))
    end)
  end

  it("refuses an unknown loop", function()
    local output, status = run("pool", "libev")
    assert.are.equal(1, status)
    assert.truthy(output:find("unknown loop: libev", 1, true), output)
  end)

  -- Checks that the proof can fail.
  it("fails if a payment is missing", function()
    local program = read(root .. "/examples/pool.lua"):gsub("for account = 1, ACCOUNTS do",
      "for account = number == 5 and 2 or 1, ACCOUNTS do")
    local file <close> = assert(io.open(directory .. "/run/pool.lua", "wb"))
    assert(file:write(program))
    file:close()
    local output, status = shell(("cd %s && timeout 120 env %s pool.lua cqueues"):format(
      quote(directory .. "/run"), lua))
    assert.are.equal(1, status)
    assert.truthy(output:find("pool.lua:%d+: no. 1\n"), output)
  end)
end)

it("the README's program prints what the README shows", function()
  local program, expected_output = read(root .. "/README.md"):match(
    "\n```lua\n(.-)```\n\nprints\n\n```\n(.-)```\n")
  local file <close> = assert(io.open(directory .. "/run/readme.lua", "wb"))
  assert(file:write(program))
  file:close()
  local output, status = shell(("cd %s && timeout 120 env %s readme.lua"):format(
    quote(directory .. "/run"), lua))
  assert.are.equal(expected_output, output)
  assert.are.equal(0, status)
end)

describe("git_history", function()
  -- Environment of git: only these settings, a fixed time, no fsync.
  local plain_git = "env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE HOME=/nowhere "
    .. "GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME='Ann Ash' GIT_AUTHOR_EMAIL=ann@example.org "
    .. "GIT_COMMITTER_NAME='Ann Ash' GIT_COMMITTER_EMAIL=ann@example.org "
    .. "GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' "
    .. "git -c core.fsync=none -c init.defaultBranch=main "

  -- Runs git commands, one per line, in a repository in the test's directory.
  local function git(repo, commands)
    for line in commands:gmatch("[^\n]+") do
      local command = line:match("^%s*(.-)%s*$")
      if command ~= "" then
        if command:find("^%$ ") then
          must("cd " .. quote(directory .. "/" .. repo) .. " && " .. command:sub(3))
        else
          must("cd " .. quote(directory .. "/" .. repo) .. " && " .. plain_git .. command)
        end
      end
    end
  end

  local function new_repository(name, options)
    must(plain_git .. "init -q " .. (options or "") .. " "
      .. quote(directory .. "/" .. name))
  end

  local function replay(repo, more, before)
    return run("git_history", quote(directory .. "/" .. repo) .. " " .. (more or ""), before)
  end

  local function holds(output, status, ...)
    local count = select(2, output:gsub("\n  holds  ", ""))
    if status ~= 0 or count ~= 3 then error("status " .. tostring(status) .. ":\n" .. output, 2) end
    for _, line in ipairs { ... } do
      if not output:find(line, 1, true) then error(line .. " is not in:\n" .. output, 2) end
    end
  end

  -- Creates a repository that has names that are not UTF-8 or need quoting, links, submodules,
  -- executables, files that are renamed, removed and added again, a merge, and a commit without
  -- changes.
  local function odd_repository()
    new_repository("odd")
    git("odd", [[
      $ mkdir -p 'a dir/deep' && echo 1 > plain && echo 2 > 'a dir/two  blanks '
      $ printf 3 > "$(printf 'caf\351')" && printf 4 > "$(printf 'new\nline')"
      $ printf 5 > '50%' && printf 6 > 'naïve' && printf 7 > '-n' && printf 8 > '"q"\'
      $ ln -s plain link && : > empty && echo 9 > 'a dir/deep/file'
      add -A
      update-index --add --cacheinfo 160000,1234567890123456789012345678901234567890,module
      commit -q -m first
      commit -q --allow-empty -m nothing
      mv plain renamed
      $ chmod +x empty && rm link && mkdir link && echo 10 > link/file
      update-index --cacheinfo 160000,2234567890123456789012345678901234567890,module
      add empty renamed link/file
      commit -q -m second
      checkout -q -b topic
      $ echo 11 > topic && echo more >> renamed
      add topic renamed
      -c user.name=Bo commit -q --author 'Bö <b@example.org>' -m topic
      checkout -q main
      rm -q --cached module
      rm -q 'naïve'
      commit -q -m removals
      merge -q --no-ff -m merge topic
      $ printf 'again' > 'naïve'
      add 'naïve'
      commit -q -m return
    ]])
  end

  local function long_repository()
    new_repository("long")
    must(("%s %s 1500 3 | %s -C %s fast-import --quiet"):format(lua,
      quote(root .. "/spec/history.lua"), plain_git, quote(directory .. "/long")))
  end

  it("succeeds on a repository with unusual names, modes and merges", function()
    odd_repository()
    local output, status = replay("odd", "", "TMPDIR=.")
    holds(output, status, "6 commits", "git's tree: 12 files", "16 INSERT, 3 MODIFY, 4 REMOVE",
      "3 files removed")
    assert.are.equal("", must("ls -A " .. quote(directory .. "/run")))
  end)

  it("stores names of any bytes as text without loss", function()
    package.path = root .. "/examples/?.lua;" .. package.path
    local names = require "git_history.git"
    for text, bytes in pairs {
      ["plain"] = "plain", ["naïve"] = "naïve", ["50%25"] = "50%", ["%25E9"] = "%E9",
      ["caf%E9 %25"] = "caf\xe9 %", ["%C3%AF%FF"] = "ï\xff", ["new\nline"] = "new\nline",
    } do
      assert.are.equal(text, names.text(bytes))
      assert.are.equal(bytes, names.bytes(text))
    end
  end)

  it("reads bare repositories, shallow clones and subdirectories with unusual names", function()
    odd_repository()
    local odd = quote(directory .. "/odd")
    must(plain_git .. "clone -q --bare " .. odd .. " " .. quote(directory .. "/it's bare.git"))
    local output, status = replay("it's bare.git")
    holds(output, status, "6 commits", "12 files")
    must(plain_git .. "clone -q --depth 2 file://" .. odd .. " " .. quote(directory .. "/flat"))
    output, status = replay("flat")
    holds(output, status, "2 commits", "12 files", "shallow")
    output, status = replay("odd/a dir")
    holds(output, status, "6 commits", "12 files")
  end)

  it("ignores the user's settings of git", function()
    odd_repository()
    git("odd", [[
      config log.showRoot false
      config log.diffMerges off
      config diff.renames copies
      config diff.relative true
      config diff.ignoreSubmodules all
      config color.ui always
      config diff.noprefix true
      config log.showSignature true
      config log.date relative
    ]])
    local output, status = replay("odd/a dir", "", "GIT_DIR=/nowhere")
    holds(output, status, "6 commits", "12 files", "16 INSERT, 3 MODIFY, 4 REMOVE")
  end)

  it("reports a repository without commits", function()
    new_repository("empty")
    local output, status = replay("empty")
    holds(output, status, "no commit yet", "0 commits", "0 files")
  end)

  it("reports errors with status 2", function()
    local function refuses(what, repo, environment)
      local output, status = replay(repo, "", environment)
      assert.are.equal(2, status, output)
      assert.truthy(output:find("git_history: " .. what), output)
      assert.are.equal(1, select(2, output:gsub("\n", "")), output)
    end
    refuses(".*not a git repository", "run", "GIT_CEILING_DIRECTORIES=" .. quote(directory))
    refuses(".*No such file or directory", "nowhere")
    new_repository("headless")
    git("headless", [[
      commit -q --allow-empty -m one
      symbolic-ref HEAD refs/heads/gone
    ]])
    refuses("HEAD is no commit %(refs/heads/gone%)", "headless")
  end)

  it("reports that git is not installed", function()
    local bin = directory .. "/bin"
    must(("mkdir %s && ln -s $(command -v env) $(command -v %s) %s"):format(quote(bin),
      os.getenv("LUA") or "lua5.4", quote(bin)))
    local output, status = shell(("PATH=%s %s %s"):format(quote(bin), lua,
      quote(root .. "/examples/git_history.lua")))
    assert.are.equal("git_history: git is not installed\n", output)
    assert.are.equal(2, status)
  end)

  it("continues with an existing database", function()
    odd_repository()
    holds(replay("odd", "history.tide"))
    git("odd", [[
      $ echo 12 > later && echo 13 >> renamed
      add later renamed
      commit -q -m later
    ]])
    local output, status = replay("odd", "history.tide")
    holds(output, status, "1 commits", "13 files", "17 INSERT, 4 MODIFY, 4 REMOVE")
    output, status = replay("odd", "history.tide")
    holds(output, status, "0 commits", "13 files", "the database is history.tide")
    for _, rewriting in ipairs { "commit -q --amend -m otherwise", "reset -q --hard HEAD~1" } do
      git("odd", rewriting)
      output, status = replay("odd", "history.tide")
      assert.are.equal(1, status)
      assert.truthy(output:find("history was rewritten", 1, true), output)
    end
  end)

  it("splits a commit of very many files into several transactions", function()
    new_repository("wide")
    local file = assert(io.open(directory .. "/many", "w"))
    file:write("commit refs/heads/main\ncommitter A <a@b> 1 +0000\ndata 0\n")
    for i = 1, 12000 do
      file:write(("M 100644 inline d%d/f%d\ndata %d\n%d\n"):format(i % 100, i, #("" .. i), i))
    end
    file:close()
    git("wide", "fast-import --quiet <../many")
    local output, status = replay("wide")
    holds(output, status, "3 transactions", "12,000 files", "12,000 INSERT, 0 MODIFY")
  end)

  -- Checks that the proof can fail.
  it("fails with status 1 if a table has wrong contents", function()
    local tidetable = require "tidetable"
    odd_repository()
    holds(replay("odd", "history.tide"))

    local function fails(what, name, item)
      local output, status
      do
        local db <close> = assert(tidetable.open(directory .. "/run/history.tide",
          { create = false, durability = "none" }))
        local items = assert(db:table(name))
        local kept = assert(items:get { [next(item)] = select(2, next(item)) })
        local spoilt = {}
        for key, value in pairs(kept) do spoilt[key] = value end
        spoilt.changes, spoilt.mode = 99, "100600"
        assert(items:put(spoilt))
        output, status = replay("odd", "history.tide")
        assert(items:put(kept))
      end
      assert.are.equal(1, status, output)
      assert.truthy(output:find("  FAILS  " .. what, 1, true), output)
    end
    fails("churn: of \"/\" changes is 99, not 20", "churn", { directory = "/" })
    fails("files: of \"renamed\" mode is 100600, not 100644", "files", { path = "renamed" })
  end)

  it("draws a progress bar on a terminal, coloured unless NO_COLOR is set", function()
    if select(2, shell("script -qec true /dev/null")) ~= 0 then
      return pending("no pseudo-terminal can be made here (`script`)")
    end
    long_repository()
    local command = ("script -qec %s /dev/null"):format(quote(("%s %s %s"):format(lua,
      quote(root .. "/examples/git_history.lua"), quote(directory .. "/long"))))
    local output = must("env TERM=xterm NO_COLOR= " .. command)
    local bar = "\r\27%[32m=*\27%[0m\27%[2m%-*\27%[0m +%d+%%  [%d,]+/1,500  [%d,]+/s"
    assert.truthy(output:find(bar), output)
    assert.truthy(must("env TERM=xterm NO_COLOR=1 " .. command):find("\r=*%-* +%d+%%  "))
  end)

  -- Kills the loader, or both processes, at random times. In the end no change must be missing or
  -- counted twice.
  it("loses nothing when it is killed", function()
    long_repository()
    for round = 1, 6 do
      local alone = round % 2 == 1 and "--foreground" or ""
      replay("long", "history.tide", ("timeout %s -s KILL 0.%d"):format(alone, 10 + 5 * round))
    end
    holds(replay("long", "history.tide"))
    local tidetable = require "tidetable"
    local db <close> = assert(tidetable.open(directory .. "/run/history.tide",
      { read_only = true, durability = "none" }))
    assert.are.same({}, db:check().problems)
  end)

  -- Returns the ids of the processes that have a word in their command line.
  local function processes(word)
    local found = {}
    for id in lfs.dir("/proc") do
      local file = id:find("^%d+$") and io.open("/proc/" .. id .. "/cmdline", "rb")
      if file then
        if (file:read("a") or ""):find(word, 1, true) then found[id] = true end
        file:close()
      end
    end
    return found
  end

  -- A process whose parent exits gets another parent. If the follower mistook this parent for the
  -- loader, it would wait forever.
  it("leaves no follower running, even if it is killed while it starts one", function()
    long_repository()
    local follower = root .. "/examples/git_history/follower.lua"
    local database = directory .. "/run/history.tide"
    local running = assert(io.popen(("cd %s && echo $$ && exec %s %s %s %s >output 2>&1"):format(
      quote(directory), lua, quote(root .. "/examples/git_history.lua"),
      quote(directory .. "/long"), quote(database))))
    local killer = assert(io.popen("read _; kill -KILL " .. running:read("l"), "w"))
    local looks = 0
    repeat looks = looks + 1 until next(processes(follower)) or looks == 10000
    assert.is_true(looks < 10000, "no follower was started")
    killer:write("\n")
    killer:close()
    running:close() -- until then it is a zombie, which looks like a living process
    local tries = 0
    while next(processes(database)) and tries < 100 do
      tries = tries + 1
      must("sleep 0.1")
    end
    for left in pairs(processes(database)) do must("kill -KILL " .. left) end
    assert.is_true(tries < 100, "a follower is still running")
  end)
end)

describe("dpkg_log", function()
  local command = lua .. " " .. quote((os.getenv("TIDETABLE_BUILD") or root .. "/build")
    .. "/bin/tidetable")

  local function write(name, text, mode)
    local file <close> = assert(io.open(directory .. "/" .. name, mode or "wb"))
    file:write(text)
  end

  local first = [[
2026-01-01 10:00:00 startup archives unpack
2026-01-01 10:00:00 install lua5.4:amd64 <none> 5.4.4-3
2026-01-01 10:00:00 status half-installed lua5.4:amd64 5.4.4-3
2026-01-01 10:00:01 status unpacked lua5.4:amd64 5.4.4-3
2026-01-01 10:00:01 startup packages configure
2026-01-01 10:00:01 configure lua5.4:amd64 5.4.4-3 <none>
2026-01-01 10:00:01 status half-configured lua5.4:amd64 5.4.4-3
2026-01-01 10:00:02 status installed lua5.4:amd64 5.4.4-3
2026-01-01 10:00:02 status installed vim:amd64 9.0
]]
  local second = [[
2026-01-02 10:00:00 startup archives unpack
2026-01-02 10:00:00 upgrade lua5.4:amd64 5.4.4-3 5.4.6-1
2026-01-02 10:00:01 conffile /etc/lua.conf keep
2026-01-02 10:00:01 status unpacked lua5.4:amd64 5.4.6-1
2026-01-02 10:00:02 status installed lua5.4:amd64 5.4.6-1
2026-01-02 10:00:03 status config-files vim:amd64 9.0
2026-01-02 10:00:04 status not-installed vim:amd64 <none>
]]

  local function load_log(...)
    local words = { "packages.tide" }
    for _, name in ipairs { ... } do words[#words + 1] = quote(directory .. "/" .. name) end
    local output, status = run("dpkg_log", table.concat(words, " "))
    assert.are.equal(0, status, output)
    return output
  end

  -- Returns the stream as `tidetable tail` prints it: event, package, new status and version.
  local function tail(more)
    local seen = {}
    local output = must(("cd %s && %s tail packages.tide packages --format json %s"):format(
      quote(directory .. "/run"), command, more or "--from TRIM_HORIZON"))
    for line in output:gmatch("[^\n]+") do
      local record = require "dkjson".decode(line)
      local image = record.new_image or {}
      seen[#seen + 1] = table.concat({ record.event_name, record.keys.package,
        image.status or "-", image.version or "-", image.upgraded_from }, " ")
    end
    return seen
  end

  it("stores the state of each package and its history", function()
    write("dpkg.log", first)
    assert.are.equal([[
9 new lines of 9
2 packages: 2 installed
what is new: tidetable tail packages.tide packages --after 2
]], load_log("dpkg.log"))
    assert.are.same({
      "INSERT lua5.4:amd64 half-installed 5.4.4-3", "MODIFY lua5.4:amd64 unpacked 5.4.4-3",
      "MODIFY lua5.4:amd64 half-configured 5.4.4-3", "MODIFY lua5.4:amd64 installed 5.4.4-3",
      "INSERT vim:amd64 installed 9.0",
    }, tail())
  end)

  it("does nothing if repeated, and continues after the last line, even after rotation", function()
    write("dpkg.log", first)
    load_log("dpkg.log")
    assert.are.equal("0 new lines of 9\n2 packages: 2 installed\n", load_log("dpkg.log"))
    assert.are.equal(5, #tail())
    must(("gzip -c %s/dpkg.log >%s/dpkg.log.2.gz"):format(quote(directory), quote(directory)))
    write("dpkg.log.1", second:sub(1, 200):match("^.*\n"))
    local rest = second:sub(#second:sub(1, 200):match("^.*\n") + 1)
    write("dpkg.log", rest .. "2026-01-03 10:00:00 status inst")
    local output = load_log("dpkg.log.2.gz", "dpkg.log.1", "dpkg.log")
    assert.truthy(output:find("^7 new lines of 16\n1 packages: 1 installed\n"), output)
    local events = {
      "MODIFY lua5.4:amd64 installed 5.4.4-3 5.4.4-3",
      "MODIFY lua5.4:amd64 unpacked 5.4.6-1 5.4.4-3",
      "MODIFY lua5.4:amd64 installed 5.4.6-1 5.4.4-3",
      "MODIFY vim:amd64 config-files 9.0", "REMOVE vim:amd64 - -",
    }
    assert.are.same(events, tail(output:match("%-%-after %d+")))
    -- The oldest log has been removed, with the lines that the program had reached.
    write("dpkg.log", "alled vim:amd64 9.1\n", "ab")
    output = load_log("dpkg.log.1", "dpkg.log")
    assert.truthy(output:find("^1 new lines of 8\n2 packages: 2 installed\n"), output)
    assert.are.equal("0 new lines of 8", load_log("dpkg.log.1", "dpkg.log"):match("%C*"))
  end)

  it("reports errors", function()
    local output, status = run("dpkg_log", "packages.tide /nowhere/dpkg.log")
    assert.are.equal(1, status)
    assert.truthy(output:find("^dpkg_log: /nowhere/dpkg.log: No such file"), output)
  end)
end)
