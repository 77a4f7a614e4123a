rockspec_format = "3.0"
package = "tidetable-tools"
version = "scm-1"

source = {
  url = "git+https://github.com/tidetable/tidetable.git",
}

description = {
  summary = "The command line of tidetable",
  detailed = [[
    The command `tidetable`: looks at a database of tidetable, follows its
    changes, and keeps it in order.
  ]],
  homepage = "https://github.com/tidetable/tidetable",
  license = "MIT",
  labels = { "database", "dynamodb", "streams", "commandline" },
}

supported_platforms = { "linux" }

dependencies = { "lua >= 5.4, < 5.6", "tidetable", "argparse >= 0.7" }

-- Lua alone: nothing is built. LuaRocks wraps the command, so that it finds its modules; what a
-- shell completes, the command says itself.
build = {
  type = "make",
  build_pass = false,
  install_target = "install-tools",
  install_variables = {
    BUILD = "build/rock",
    LUA = "$(LUA)",
    INST_LUADIR = "$(LUADIR)",
    INST_BINDIR = "$(BINDIR)",
    INST_MANDIR = "$(PREFIX)/doc/man",
    INST_COMPLETIONS = "",
    COMMAND_LUADIR = "",
    COMMAND_LIBDIR = "",
  },
}

test = { type = "command", command = "make test" }
