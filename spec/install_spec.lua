-- install_spec.lua - building, installing and removing with make, and its error messages.
--
-- The tests use copies of the sources. If a test needs a build, the copy contains the build that
-- `make spec` has made, so that nothing is compiled again.
local lfs = require "lfs"

local build = os.getenv "TIDETABLE_BUILD"
local lua = os.getenv "LUA" or "lua5.4"
local sources = "Makefile README.md LICENSE csrc lua spec bench tools rockspec doc examples"

-- The inner makes get the settings of the outer one, but not its job server.
local inherited = (os.getenv "MAKEFLAGS" or ""):gsub("%-%-jobserver%S*", ""):gsub("%-j%d*", "")

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- Runs a shell command. Returns true if it succeeded, and what it printed.
local function run(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1 </dev/null"))
  local output = pipe:read("a")
  return pipe:close() == true, output
end

local function must(command)
  local ok, output = run(command)
  assert(ok, command .. "\n" .. output)
  return output
end

local function make_command(directory, arguments)
  return ("env -u MAKELEVEL MAKEFLAGS=%s make -C %s %s"):format(quoted(inherited),
    quoted(directory), arguments)
end

local function make(directory, arguments) return must(make_command(directory, arguments)) end

--- Runs make, which has to fail with a message that contains text.
local function refuses(directory, arguments, text)
  local ok, output = run(make_command(directory, arguments))
  assert.is_false(ok, arguments)
  assert.truthy(output:find(text, 1, true), output)
end

local function exists(path) return lfs.attributes(path, "mode") ~= nil end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

describe("make", function()
  local work

  before_each(function() work = must("mktemp -d"):gsub("\n", "") end)
  after_each(function() must("rm -rf " .. quoted(work)) end)

  -- A copy of the sources; a built one also has the objects and results of this build.
  local function copy(name, is_built)
    local path = work .. "/" .. name
    must(("mkdir %s && cp -a %s %s"):format(quoted(path), sources, quoted(path)))
    if is_built then
      must(("cd %s && mkdir -p build/obj/release && cp -a %s/tidetable %s/bin build && " ..
        "cp -a %s/obj/release/csrc %s/obj/release/flags build/obj/release"):format(
        quoted(path), build, build, build, build))
    end
    return path
  end

  --- Creates a program in the directory work/bin, which precedes others of its name in PATH.
  local function fake(name, script)
    lfs.mkdir(work .. "/bin")
    write(work .. "/bin/" .. name, "#!/bin/sh\n" .. script .. "\n")
    must("chmod +x " .. quoted(work .. "/bin/" .. name))
  end

  it("prints what it would do in a clean copy, and does nothing", function()
    local path = copy "clean"
    local output = make(path, "-n all test lint install install-tools uninstall demo bench fuzz")
    assert.truthy(output:find("csrc/base/buffer.c", 1, true))
    assert.is_false(exists(path .. "/build"))
  end)

  it("lists the targets of every makefile", function()
    local help = make(".", "help")
    for _, target in ipairs { "all", "install", "uninstall", "test", "cover", "valgrind", "fuzz",
        "bench", "rock" } do
      assert.truthy(("\n" .. help):find("\n" .. target .. " ", 1, true), target)
    end
  end)

  it("installs and removes, under a prefix of any characters that can work", function()
    local path, prefix = copy("built", true), work .. "/it's 50 % a&b|c $(d) `e`"
    local settings = "BUILD=build PREFIX=" .. quoted((prefix:gsub("%$", "$$")))
    lfs.mkdir(prefix)
    local output = make(path, settings .. " install install-tools")
    assert.is_nil(output:find("  cc ", 1, true), output)
    local command = quoted(prefix .. "/bin/tidetable")
    assert.truthy(must("cd / && env -u LUA_PATH -u LUA_CPATH " .. command .. " --version"):find(
      "^tidetable %d"))
    assert.truthy(exists(prefix .. "/share/man/man1/tidetable.1"))
    assert.truthy(read(prefix .. "/share/bash-completion/completions/tidetable"):find(
      "complete ", 1, true))

    make(path, settings .. " uninstall")
    assert.are.equal("", must("find " .. quoted(prefix) .. " -not -type d"))
    assert.is_false(exists(prefix .. "/share/lua/5.4/tidetable"))
    assert.is_false(exists(prefix .. "/lib/lua/5.4/tidetable"))
  end)

  it("removes the modules of an older version, but not the other part's", function()
    local path, stage = copy("built", true), work .. "/stage"
    local settings = ("BUILD=build PREFIX=/usr DESTDIR=%s "):format(quoted(stage))
    local modules = stage .. "/usr/share/lua/5.4/tidetable"
    make(path, settings .. "install install-tools")
    write(modules .. "/old.lua", "")
    write(modules .. "/cli/old.lua", "")
    make(path, settings .. "install")
    assert.is_false(exists(modules .. "/old.lua"))
    assert.is_true(exists(modules .. "/cli/old.lua"))
    assert.is_true(exists(modules .. "/cli/main.lua"))
    make(path, settings .. "install-tools")
    assert.is_false(exists(modules .. "/cli/old.lua"))
    assert.is_true(exists(modules .. "/init.lua"))
  end)

  it("refuses directories that cannot work", function()
    for _, bad in ipairs { ";", "?", "\\", '"' } do
      for _, target in ipairs { "install", "install-tools", "uninstall" } do
        refuses(".", target .. " PREFIX=" .. quoted("/a" .. bad .. "b"), "must not contain " .. bad)
      end
    end
    refuses(".", "install PREFIX=here", "must be absolute paths")
    refuses(".", "install-tools PREFIX=/usr INST_BINDIR=bin", 'INST_BINDIR = "bin"')
    refuses(".", "BUILD='a b'", "BUILD must be one word")
    refuses(".", "BUILD='a;b'", "BUILD must not contain ;")
    local path = copy "a;b"
    refuses(path, "all", "the path of the sources must not contain ;")
  end)

  it("builds in a directory with a space", function()
    local path = copy("a b", true)
    make(path, "BUILD=build all")
    assert.truthy(must(quoted(path .. "/build/bin/tidetable") .. " --version"):find("^tidetable"))
  end)

  it("checks for argparse before it installs the command", function()
    fake("lua", ("exec %s -e 'package.preload.argparse = error' \"$@\""):format(lua))
    refuses(".", ("install-tools LUA=%s PREFIX=%s"):format(quoted(work .. "/bin/lua"),
      quoted(work .. "/prefix")), "no module argparse; type: make setup-tools")
    assert.is_false(exists(work .. "/prefix"))
  end)

  it("leaves no files of root in the build directory of another user", function()
    if must("id -u") ~= "0\n" then return pending("only root can give files away") end
    local path = copy("built", true)
    must(("chown -R 65534:65534 %s"):format(quoted(path)))
    must(("rm %s/build/bin/tidetable"):format(quoted(path)))
    make(path, "BUILD=build install install-tools PREFIX=" .. quoted(work .. "/prefix"))
    assert.is_true(exists(path .. "/build/bin/tidetable"))
    assert.are.equal("", must("find " .. quoted(path) .. " -user root"))
  end)

  it("names the compiler and the headers that are missing", function()
    local path = copy "clean"
    refuses(path, "CC=no-such-compiler", "missing: a C compiler (no-such-compiler)")
    refuses(path, "CC=no-such-compiler", "make setup-build")
    refuses(path, "LUA_INCDIR=/nonexistent", "missing: lua.h\n")
    refuses(path, "CPPFLAGS=-nostdinc", "missing: stdio.h, lua.h, lmdb.h\n")
    refuses(path, "CFLAGS=-no-such-flag", "no-such-flag")
  end)

  it("names the missing packages and the command that installs them", function()
    fake("dpkg-query", "exit 1")
    fake("id", "echo 1000")
    fake("sudo", "exit 1")
    local ok, output = run(("PATH=%s:$PATH sh tools/setup.sh build"):format(quoted(work .. "/bin")))
    assert.is_false(ok)
    assert.truthy(output:find("missing packages: gcc ", 1, true), output)
    assert.truthy(output:find("\n  sudo apt-get update && sudo apt-get install gcc ", 1, true),
      output)
  end)

  it("asks for a repository if there is none", function()
    refuses(copy "clean", "demo", "make demo REPO=")
  end)

  -- The test compiles one object, which is sufficient to show the effect of a setting.
  local function object_of(path)
    for name in lfs.dir(path) do
      if name:find("%.c$") then return path .. "/" .. name:gsub("c$", "o") end
    end
  end

  it("compiles again when a setting of the binding changes, with the user's flags", function()
    local path = copy "clean"
    local object = "build/obj/release/" .. object_of "csrc/lua"
    local include = make(path, "-pn | sed -n 's/^LUA_INCDIR := //p'"):gsub("\n", "")
    must(("cp -r %s %s/include"):format(quoted(include), quoted(work)))
    local own = "BUILD=build LUA_INCDIR=" .. quoted(include) .. " "
    local other = "BUILD=build LUA_INCDIR=" .. quoted(work .. "/include") .. " "
    assert.truthy(make(path, own .. object):find("  cc ", 1, true))
    assert.is_nil(make(path, own .. object):find("  cc ", 1, true))
    assert.truthy(make(path, other .. object):find("  cc ", 1, true))
    local output = make(path, other .. "V=1 CPPFLAGS=-DUSER CFLAGS=-O0 WERROR=-Werror " .. object)
    assert.truthy(output:find(" -DUSER -O0 ", 1, true), output)
    assert.is_nil(output:find("warning", 1, true), output)
  end)

  it("treats warnings as errors in tests only", function()
    local path = copy "clean"
    assert.is_nil(make(path, "-n all"):find("-Werror", 1, true))
    for _, target in ipairs { "everything", "unit", "spec", "slices", "fuzz-small" } do
      assert.truthy(make(path, "-n " .. target):find("-Werror", 1, true), target)
    end
  end)

  it("produces the same bytes in every directory", function()
    local object = "build/obj/release/" .. object_of "csrc/base"
    local one, two = copy "one", copy "another one"
    make(one, "BUILD=build " .. object)
    make(two, "BUILD=build " .. object)
    assert.is_true(read(one .. "/" .. object) == read(two .. "/" .. object))
  end)
end)

describe("the library", function()
  it("refuses a core of another version", function()
    local ok, output = run(lua .. [[ -e '
      package.preload["tidetable.core"] = function() return { version = "9.9" } end
      require "tidetable"']])
    assert.is_false(ok)
    assert.truthy(output:find("the Lua modules are version %d[%d.]+, the core is version 9.9"),
      output)
  end)
end)

describe("the rocks", function()
  it("have a correct description, license, home page and issue tracker", function()
    for _, name in ipairs { "tidetable", "tidetable-tools" } do
      local rock = {}
      local path = "rockspec/" .. name .. "-scm-1.rockspec"
      assert(loadfile(path, "t", rock))()
      local description = rock.description
      assert.is_nil(description.detailed:find "index")
      assert.are.equal("MIT", description.license)
      assert.are.equal(description.homepage .. "/issues", description.issues_url)
    end
  end)
end)
