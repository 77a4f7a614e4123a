-- tidy_spec.lua - the architecture and the layout of the sources, as a test.
--
-- Each folder of csrc/ ("room") lists the rooms from which it may include, so a new dependency is a
-- change of this table, which a review sees. The other rules about the text of files are functions
-- below, one for each rule.
local lfs = require "lfs"
local source = require "spec.source"

local may_include = {
  base = {},
  codec = { "base" },
  expr = { "base", "codec" },
  os = { "base" },
  lmdb_file = { "base", "os" },
  lmdb = { "base", "os", "lmdb_file" },
  stream = { "base", "codec", "lmdb", "lmdb_file", "os" },
  table = { "base", "codec", "expr", "lmdb", "lmdb_file", "os", "stream" },
  check = { "base", "codec", "lmdb", "lmdb_file", "os", "stream", "table" },
  api = { "tide.h", "tide_comparison.h", "tide_consumer.h", "tide_projection.h", "tide_replica.h",
    "base", "codec", "expr", "lmdb", "lmdb_file", "os", "stream", "table", "check" },
  lua = { "tide.h", "tide_comparison.h", "tide_consumer.h", "tide_projection.h", "tide_replica.h",
    "base", "codec", "os/clock.h", "os/descriptor.h", "os/fault_point.h", "os/input.h",
    "os/output.h", "os/process.h", "os/program.h", "os/signal_pipe.h",
    "os/temporary_directory.h", "os/terminal.h", "os/timer.h" },
  -- tide.h itself and tide_*.h.
  [""] = { "tide.h", "base", "codec", "check/report.h", "expr/kind.h", "lmdb/durability.h",
    "os/wakeup_kind.h" },
}

-- Headers that only some files may include: calls of the system can fail, and differ between
-- systems.
local system = { "csrc/os/", "csrc/lmdb_file/", "csrc/lmdb/" }
local restricted = {
  ["lmdb.h"] = "csrc/lmdb/internal.h",
  ["lua.h"] = "csrc/lua/",
  ["lauxlib.h"] = "csrc/lua/",
  ["lualib.h"] = "csrc/lua/",
  ["luaconf.h"] = "csrc/lua/",
  ["time.h"] = system,
  ["fcntl.h"] = system,
  ["sys/epoll.h"] = system,
  ["sys/eventfd.h"] = system,
  ["sys/inotify.h"] = system,
  ["sys/mman.h"] = system,
  ["sys/stat.h"] = system,
  ["sys/syscall.h"] = system,
  ["linux/futex.h"] = system,
}

-- Functions that code must not call, and the file that may ("": none).
local c_calls = {
  malloc = "csrc/base/memory.c", calloc = "csrc/base/memory.c", realloc = "csrc/base/memory.c",
  free = "csrc/base/memory.c", strdup = "csrc/base/memory.c", strndup = "csrc/base/memory.c",
  strcpy = "", strcat = "", sprintf = "", vsprintf = "", strtok = "", atoi = "", alloca = "",
}
local lua_calls = { "load", "loadstring", "loadfile", "dofile", "io.popen", "os.execute" }

-- Written in halves, so that the rule does not find this file.
local unfinished = { "TO" .. "DO", "FIX" .. "ME", "XX" .. "X" }

local widest, longest, tab = 100, 800, 8
local function_max = 45       -- lines of code that a function may have

local function has(list, wanted)
  for _, each in ipairs(list) do
    if each == wanted then return true end
  end
  return false
end

local function columns(line)
  local wide = line:gsub("()\t", function(at) return (" "):rep(tab - (at - 1) % tab) end)
  return utf8.len(wide) or #wide
end

local is_c, is_lua, lines_of = source.is_c, source.is_lua, source.lines_of

local function places(allowed) return type(allowed) == "table" and allowed or { allowed } end

local function lies_in(path, allowed)
  for _, place in ipairs(places(allowed)) do
    if path:sub(1, #place) == place then return true end
  end
  return false
end

local function is_ours(path) return path:find("^csrc/") and is_c(path) end
local function name_of(path) return path:match("[^/]*$") end
local function is_make(path) return path == "Makefile" or path:find("%.mk$") ~= nil end
local function is_shell(path) return path == ".ci/run" or path:find("%.sh$") ~= nil end

-- A rule takes a file (path, text, lines) and `report(line number, text)`.
local rules = {}

function rules.includes(file, report)
  if not is_ours(file.path) then return end
  local room = file.path:match("^csrc/([^/]+)/") or ""
  if not may_include[room] then return report(1, "no such room: " .. room) end
  for number, line in ipairs(file.lines) do
    local mark, header = line:match('^%s*#%s*include%s*([<"])([^>"]+)[>"]')
    if header then
      local allowed = restricted[header]
      local target = header:match("^(.+)/") or header
      if allowed and not lies_in(file.path, allowed) then
        report(number, ("only %s may include %s"):format(table.concat(places(allowed), " and "),
          header))
      elseif mark == '"' and target ~= room and not has(may_include[room], target)
          and not has(may_include[room], header) then
        report(number, ("%s must not be included in %s"):format(header,
          room == "" and "csrc/" or room .. "/"))
      end
    end
  end
end

function rules.first_line(file, report)
  local name, first = name_of(file.path), file.lines[1] or ""
  if is_c(file.path) and first:sub(1, #name + 6) ~= "/* " .. name .. " - " then
    report(1, ("should begin with /* %s - what it is"):format(name))
  elseif is_make(file.path) or is_shell(file.path) then
    if first:find("^#!") then first = file.lines[2] or "" end
    if first:sub(1, #name + 5) ~= "# " .. name .. " - " then
      report(1, ("should begin with # %s - what it is"):format(name))
    end
  elseif is_lua(file.path) then
    if first:find("^#!") or first:find("^%-%-%-@meta") then first = file.lines[2] or "" end
    if not first:gsub("^%-+", "--"):find("-- " .. name .. " - ", 1, true) then
      report(1, ("should begin with -- %s - what it is"):format(name))
    end
  end
end

function rules.shape(file, report)
  for number, line in ipairs(file.lines) do
    if columns(line) > widest then
      report(number, ("%d columns, not %d"):format(columns(line), widest))
    end
    if line:find("%s$") then report(number, "trailing blanks") end
    if is_lua(file.path) and line:find("\t") then report(number, "a tab in Lua") end
    if is_c(file.path) and line:find("^  ") and not line:find("^%s+%*") then
      report(number, "not indented with tabs")
    end
  end
  if #file.lines > longest then
    report(#file.lines, ("%d lines, not %d"):format(#file.lines, longest))
  end
  if file.text:sub(-1) ~= "\n" then report(#file.lines, "no newline at the end") end
end

-- Limits the length of functions, except in specs, where it would count a whole `describe`.
function rules.function_length(file, report)
  if not is_ours(file.path) and not file.path:find("^lua/.*%.lua$") then return end
  for _, one in ipairs(source.functions(file.path, file.text)) do
    if one.code > function_max then
      report(one.line, ("%s: %d lines of code, not %d"):format(one.name, one.code, function_max))
    end
  end
end

function rules.unfinished_marks(file, report)
  for number, line in ipairs(file.lines) do
    for _, word in ipairs(unfinished) do
      if line:find("%f[%w_]" .. word .. "%f[^%w_]") then report(number, word) end
    end
  end
end

function rules.forbidden_c_calls(file, report)
  if not is_ours(file.path) then return end
  for number, line in ipairs(source.code_of(file.path, file.text)) do
    for word in line:gmatch("%f[%w_]([%a_]%w*)%s*%(") do
      local home = c_calls[word]
      if home and home ~= file.path then
        report(number, home == "" and word .. "() is not allowed" or
          ("only %s may call %s()"):format(home, word))
      end
    end
  end
end

-- Runs the scripts of `tidetable run`.
local runs_scripts = "lua/tidetable/run/script.lua"

-- The library must not run data as code, nor a shell.
function rules.forbidden_lua_calls(file, report)
  if not file.path:find("^lua/") or not is_lua(file.path) or file.path == runs_scripts then
    return
  end
  for number, line in ipairs(file.lines) do
    local code = line:gsub("%-%-.*", ""):gsub('"[%w_]+"', '""')
    for _, word in ipairs(lua_calls) do
      local at = code:find("%f[%w_.:]" .. word:gsub("%.", "%%.") .. "%f[^%w_]%s*[%(\"'{]")
      if at then report(number, word .. "() is not allowed") end
    end
  end
end

-- Modules that a program can require; a folder ends with "/". Only these have a page each.
local public_modules = { "tidetable", "wait", "json", "testing", "loop/", "dynamodb/json" }

local function is_public(module)
  for _, name in ipairs(public_modules) do
    if module == name or name:sub(-1) == "/" and module:sub(1, #name) == name then return true end
  end
  return false
end

-- Files that must exist for a file: a unit test for each file of the rooms that are tested alone, a
-- spec for each module, and a page for each public module.
local function companions(file)
  local room, unit = file.path:match("^csrc/([^/]+)/([^/]+)%.c$")
  if has({ "base", "codec", "expr", "os", "lmdb_file", "lmdb" }, room) then
    return { "spec/unit/test_" .. unit .. ".c" }
  end
  local module = file.path:match("^lua/tidetable/(.+)%.lua$")
  if module and not file.lines[1]:find("^%-%-%-@meta") then
    if module == "init" then module = "tidetable" end
    local spec = "spec/tidetable/" .. module .. "_spec.lua"
    return { spec, is_public(module) and "doc/modules/" .. module .. ".md" or nil }
  end
  return {}
end

local function violations(root)
  local found, paths = {}, { "Makefile", ".ci/run" }
  for _, folder in ipairs { "csrc", "lua", "spec", "bench", "examples", "rockspec", "tools" } do
    source.walk(root, folder, paths)
  end
  for _, path in ipairs(paths) do
    local known = is_c(path) or is_lua(path) or is_make(path) or is_shell(path)
      or path:find("%.rockspec$")
    if known and lfs.attributes(root .. "/" .. path) then
      local text = source.read(root, path)
      local file = { path = path, text = text, lines = lines_of(text) }
      local function report(line, what)
        found[#found + 1] = ("%s:%d: %s"):format(path, line, what)
      end
      for _, rule in pairs(rules) do rule(file, report) end
      for _, companion in ipairs(companions(file)) do
        if not lfs.attributes(root .. "/" .. companion) then
          report(1, "has no " .. companion)
        end
      end
    end
  end
  table.sort(found)
  return found
end

describe("the source tree", function()
  it("follows the rules", function()
    local found = violations(".")
    if #found > 0 then
      error(("%d violations of the rules:\n  %s"):format(#found,
        table.concat(found, "\n  ")), 0)
    end
  end)

  -- Checks each rule with a file that breaks it.
  it("is rejected if a rule is broken", function()
    local root = os.tmpname()
    os.remove(root)
    local made = {}
    local function put(path, text)
      local at = root
      lfs.mkdir(at)
      for folder in path:gmatch("([^/]+)/") do
        at = at .. "/" .. folder
        lfs.mkdir(at)
        made[#made + 1] = at
      end
      local file = assert(io.open(root .. "/" .. path, "wb"))
      file:write(text)
      file:close()
      made[#made + 1] = root .. "/" .. path
    end

    put("csrc/base/a.c", '/* a.c - up. */\n#include "base/a.h"\n#include "codec/key.h"\n')
    put("csrc/stream/b.c", '/* b.c - doors. */\n#include <lmdb.h>\n#include "b.h"\n')
    put("csrc/lua/c.c", '/* c.c - guest. */\n#include "tide.h"\n#include "lmdb/store.h"\n')
    put("csrc/attic/d.c", "/* d.c - lost. */\n")
    put("csrc/codec/e.c", "/* wrong.c - name */\n    int x;\nvoid f(void) { free (0); }\n")
    put("csrc/tide.h", '/* tide.h - face. */\n#include "table/write.h"\n#include "lua/x.h"\n')
    put("lua/tidetable/f.lua", "-- f.lua - words\n\tlocal x = 1 \nload('x')\ndownload(x)\n")
    put("csrc/codec/g.c", "/* g.c - far too much. */\nstatic int much(int a,\n\tint b)\n{\n" ..
      ("\ta++;\n\n"):rep(46) .. "}\n")
    put("lua/tidetable/cli/i.lua", "-- i.lua - a part of the command\n")
    put("lua/tidetable/loop/j.lua", "-- j.lua - an event loop\n")
    put("lua/tidetable/h.lua", "-- h.lua - the same\nlocal function few()\nend\n" ..
      "function M.much(a)\n" .. ("  a()\n"):rep(46) .. "end\n")
    put("spec/i.mk", "# j.mk - another name\n")
    put("tools/k.sh", "#!/bin/sh\n# what it does\n")
    put("spec/unit/test_a.c", "/* test_a.c - long */\n" .. ("x\n"):rep(800) .. ("y"):rep(101))
    put("spec/unit/test_e.c", "/* test_e.c - not */\n/* " .. unfinished[1] .. " */\n")

    local found = violations(root)
    for last = #made, 1, -1 do os.remove(made[last]) end
    os.remove(root)
    assert.are.same({
      'csrc/attic/d.c:1: no such room: attic',
      'csrc/base/a.c:3: codec/key.h must not be included in base/',
      'csrc/codec/e.c:1: should begin with /* e.c - what it is',
      'csrc/codec/e.c:2: not indented with tabs',
      'csrc/codec/e.c:3: only csrc/base/memory.c may call free()',
      'csrc/codec/g.c:1: has no spec/unit/test_g.c',
      'csrc/codec/g.c:2: much: 46 lines of code, not 45',
      'csrc/lua/c.c:3: lmdb/store.h must not be included in lua/',
      'csrc/stream/b.c:2: only csrc/lmdb/internal.h may include lmdb.h',
      'csrc/stream/b.c:3: b.h must not be included in stream/',
      'csrc/tide.h:2: table/write.h must not be included in csrc/',
      'csrc/tide.h:3: lua/x.h must not be included in csrc/',
      'lua/tidetable/cli/i.lua:1: has no spec/tidetable/cli/i_spec.lua',
      'lua/tidetable/f.lua:1: has no spec/tidetable/f_spec.lua',
      'lua/tidetable/f.lua:2: a tab in Lua',
      'lua/tidetable/f.lua:2: trailing blanks',
      'lua/tidetable/f.lua:3: load() is not allowed',
      'lua/tidetable/h.lua:1: has no spec/tidetable/h_spec.lua',
      'lua/tidetable/h.lua:4: M.much: 46 lines of code, not 45',
      'lua/tidetable/loop/j.lua:1: has no doc/modules/loop/j.md',
      'lua/tidetable/loop/j.lua:1: has no spec/tidetable/loop/j_spec.lua',
      'spec/i.mk:1: should begin with # i.mk - what it is',
      'spec/unit/test_a.c:802: 101 columns, not 100',
      'spec/unit/test_a.c:802: 802 lines, not 800',
      'spec/unit/test_a.c:802: no newline at the end',
      'spec/unit/test_e.c:2: ' .. unfinished[1],
      'tools/k.sh:1: should begin with # k.sh - what it is',
    }, found)
  end)
end)
