rockspec_format = "3.0"
package = "tidetable-tools"
version = "scm-1"

source = {
  url = "git+https://github.com/tidetable/tidetable.git",
}

description = {
  summary = "The command line of tidetable",
  detailed = [[
    The command `tidetable` shows the tables, items and changes of a database,
    follows its streams, runs stream processors, imports and exports items,
    checks and copies the file.
  ]],
  homepage = "https://github.com/tidetable/tidetable",
  issues_url = "https://github.com/tidetable/tidetable/issues",
  license = "MIT",
  labels = { "database", "dynamodb", "streams", "commandline" },
}

supported_platforms = { "linux" }

dependencies = { "lua >= 5.4, < 5.6", "tidetable", "argparse >= 0.7", "cqueues" }

-- Nothing is compiled. LuaRocks wraps the command, so that it finds its modules. The completion is
-- left out: `tidetable completion` prints it. Without directories to copy LuaRocks installs the
-- license and the README; the manual page is installed by make.
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
  copy_directories = {},
}

test = { type = "command", command = "make test" }
