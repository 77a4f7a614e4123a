rockspec_format = "3.0"
package = "tidetable"
version = "scm-1"

source = {
  url = "git+https://github.com/tidetable/tidetable.git",
}

description = {
  summary = "DynamoDB tables and Streams as an embedded database",
  detailed = [[
    Tables, items and indexes with DynamoDB's types and rules, in one file over
    LMDB, and a stream of every change: read it back in order, from this
    process or another, at any time within its retention.
  ]],
  homepage = "https://github.com/tidetable/tidetable",
  license = "MIT",
  labels = { "database", "dynamodb", "streams", "lmdb" },
}

supported_platforms = { "linux" }

dependencies = { "lua >= 5.4, < 5.6" }

external_dependencies = {
  LMDB = { header = "lmdb.h", library = "lmdb" },
}

-- The Makefile, because its flags matter: one exported symbol, and a module that stays mapped.
build = {
  type = "make",
  -- The same for build and install, or install would find other flags and build again. Warnings
  -- stop only ourselves; what we build for development stays as it is.
  variables = {
    BUILD = "build/rock",
    WERROR = "",
    CFLAGS = "$(CFLAGS)",
    LIBFLAG = "$(LIBFLAG)",
    LUA = "$(LUA)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LMDB_INCDIR = "$(LMDB_INCDIR)",
    LMDB_LIBDIR = "$(LMDB_LIBDIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_LUADIR = "$(LUADIR)",
  },
}

test = { type = "command", command = "make test" }
