rockspec_format = "3.0"
package = "tidetable"
version = "scm-1"

source = {
  url = "git+https://github.com/tidetable/tidetable.git",
}

description = {
  summary = "DynamoDB tables and Streams as an embedded database",
  detailed = [[
    Tables and items with DynamoDB's types and rules, stored in one LMDB file,
    and a stream of every change: any process can read it in commit order, live
    or later, until the retention ends.
  ]],
  homepage = "https://github.com/tidetable/tidetable",
  issues_url = "https://github.com/tidetable/tidetable/issues",
  license = "MIT",
  labels = { "database", "dynamodb", "streams", "lmdb" },
}

supported_platforms = { "linux" }

dependencies = { "lua >= 5.4, < 5.6" }

external_dependencies = {
  LMDB = { header = "lmdb.h", library = "lmdb" },
}

-- The Makefile sets flags that the builtin build has not: one exported symbol, and a module that
-- stays mapped. Both passes get the same settings, or the second would build again. The rock has a
-- build directory of its own. LuaRocks' CFLAGS contain an -O level: ours follow and override it.
local settings = {
  BUILD = "build/rock",
  CFLAGS_FIRST = "$(CFLAGS)",
  LIBFLAG = "$(LIBFLAG)",
  LUA = "$(LUA)",
  LUA_INCDIR = "$(LUA_INCDIR)",
  LMDB_INCDIR = "$(LMDB_INCDIR)",
  LMDB_LIBDIR = "$(LMDB_LIBDIR)",
  INST_LIBDIR = "$(LIBDIR)",
  INST_LUADIR = "$(LUADIR)",
  INST_DOCDIR = "$(PREFIX)/doc",
}

build = { type = "make", variables = settings }

test = { type = "command", command = "make test" }
