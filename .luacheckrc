-- .luacheckrc - which Lua is meant, and where.
std = "lua54"
max_line_length = 100
exclude_files = { "build", "lua_modules", ".luarocks" }
include_files = { "**/*.lua", "rockspec/*.rockspec", ".busted", ".luacheckrc" }

-- A to-be-closed variable is used by being closed: `local _guard <close> = ...`.
ignore = { "211/_.*" }

files["spec"].std = "+busted"
files["rockspec"].std = "+rockspec"
files[".luacheckrc"].std = "+luacheckrc"
