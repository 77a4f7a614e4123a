-- builds_spec.lua - builds that must fail with a message: other machines, LMDBs and Luas.
--
-- Nothing is linked. The headers of other versions are created here and contain only the version.

local compiler = os.getenv "CC" or "cc"
local folder

--- Compiles a file of csrc/ and returns the compiler's messages as one line.
local function compile(path, flags)
  local command = ("%s -std=c11 -D_GNU_SOURCE -Icsrc %s -fsyntax-only -x c %s 2>&1"):format(
    compiler, flags, path)
  local pipe <close> = assert(io.popen(command))
  local output = pipe:read "a"
  return pipe:close() == true, output
end

local function refused(why, path, flags)
  local ok, output = compile(path, flags)
  assert.is_false(ok)
  assert.is_truthy(output:find(why, 1, true), output)
end

local function header(name, text)
  local file <close> = assert(io.open(folder .. "/" .. name, "w"))
  file:write(text)
end

local function lmdb(major, minor, patch)
  header("lmdb.h", ([[
#include_next <lmdb.h>
#undef MDB_VERSION_MAJOR
#undef MDB_VERSION_MINOR
#undef MDB_VERSION_PATCH
#define MDB_VERSION_MAJOR %d
#define MDB_VERSION_MINOR %d
#define MDB_VERSION_PATCH %d
]]):format(major, minor, patch))
  return "-I" .. folder
end

local function lua(number)
  header("lua.h", ("#define LUA_VERSION_NUM %d\ntypedef struct lua_State lua_State;\n")
    :format(number))
  header("lauxlib.h", '#include "lua.h"\n')
  return "-I" .. folder
end

describe("a build", function()
  if not os.execute(compiler .. " --version >/dev/null 2>&1") then
    it("stops", function() pending("no compiler: " .. compiler) end)
    return
  end

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)

  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  it("stops on 32 bits", function()
    refused("tidetable needs a 64-bit machine", "csrc/lmdb_file/format.c",
      "-U__SIZEOF_POINTER__ -D__SIZEOF_POINTER__=4")
  end)

  it("stops with LMDB 1.0 and its development line", function()
    for _, version in ipairs { { 1, 0, 0 }, { 0, 10, 0 }, { 0, 9, 70 }, { 0, 9, 90 } } do
      refused("this lmdb.h is of LMDB 1.0", "csrc/lmdb/version.c", lmdb(table.unpack(version)))
    end
  end)

  it("stops with an LMDB that is too old", function()
    refused("tidetable needs LMDB 0.9.24 or later", "csrc/lmdb/version.c", lmdb(0, 9, 23))
  end)

  it("accepts every LMDB 0.9 since 0.9.24", function()
    for _, patch in ipairs { 24, 26, 31, 36, 69 } do
      local ok, output = compile("csrc/lmdb/version.c", lmdb(0, 9, patch))
      assert.is_true(ok, output)
    end
  end)

  it("stops with another Lua", function()
    for _, number in ipairs { 501, 503, 506 } do
      for _, file in ipairs { "lua_arithmetic", "lua_path", "lua_kind" } do
        refused("tidetable is written for Lua 5.4 and 5.5", "csrc/lua/" .. file .. ".c",
          lua(number))
      end
    end
  end)
end)
