-- command.lua - runs the command in a process of its own, in a pipe or on a terminal.
local helper = require "spec.tidetable.helper"

local command = {}

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

command.quote = quote

-- The sanitizers are loaded for Lua only, because some programs of the shell fail with them.
local preload = os.getenv("LD_PRELOAD")

--- Lua and the command as words of the shell.
command.lua = (preload and "env LD_PRELOAD=" .. quote(preload) .. " " or "")
  .. (os.getenv("LUA") or "lua5.4")
command.line = command.lua .. " "
  .. quote((os.getenv("TIDETABLE_BUILD") or "build") .. "/bin/tidetable")

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

local function quoted(words)
  local all = {}
  for i, word in ipairs(words) do all[i] = quote(word) end
  return table.concat(all, " ")
end

--- Sets or unsets all variables that affect the output, so that the user's have no effect.
local function environment(given)
  local variables = { "env -u NO_COLOR -u COLUMNS -u LINES -u LC_ALL -u LC_CTYPE" }
  for name, value in pairs { LANG = "C.UTF-8", TERM = "xterm", TZ = "UTC" } do
    if not given or given[name] == nil then variables[#variables + 1] = name .. "=" .. value end
  end
  for name, value in pairs(given or {}) do
    variables[#variables + 1] = name .. "=" .. quote(value)
  end
  return table.concat(variables, " ")
end

---@class spec.ran
---@field status integer
---@field out string
---@field err string

--- Runs a line of the shell in which $TIDETABLE is the command.
---@param line string
---@param variables table<string, string>|nil
---@return spec.ran
function command.shell(line, variables)
  local errors = helper.path("errors.txt")
  local script = ("unset LD_PRELOAD; { %s ; } 2>%s"):format(
    line:gsub("%$TIDETABLE", function()
      return environment(variables) .. " " .. command.line
    end), quote(errors))
  local pipe = assert(io.popen(script))
  local out = pipe:read("a")
  local _, _, status = pipe:close()
  return { status = status, out = out, err = read(errors) }
end

--- Runs the command with arguments; its input and output are pipes or files.
---@param words string[]
---@param variables table<string, string>|nil
---@return spec.ran
function command.run(words, variables)
  return command.shell("$TIDETABLE " .. quoted(words) .. " </dev/null", variables)
end

--- Runs the command. Raises an error unless it exits with status 0 and writes nothing to standard
--- error.
---@return string out
function command.must(words, variables)
  local ran = command.run(words, variables)
  if ran.status ~= 0 or ran.err ~= "" then
    error(("%s: status %d: %s"):format(table.concat(words, " "), ran.status, ran.err), 2)
  end
  return ran.out
end

--- Runs the command. Raises an error unless it exits with `status` and standard error contains
--- `message`.
---@return spec.ran
function command.refuses(status, message, words, variables)
  local ran = command.run(words, variables)
  if ran.status ~= status or not ran.err:find(message, 1, true) then
    error(("%s: status %d, not %d: %s"):format(table.concat(words, " "), ran.status, status,
      ran.err), 2)
  end
  return ran
end

-- Terminals ------------------------------------------------------------------

--- Returns true if there are pseudo-terminals, and `script` of util-linux.
---@return boolean
function command.has_terminals()
  local pipe = assert(io.popen("unset LD_PRELOAD; script -qec 'test -t 1 && echo yes' /dev/null"
    .. " 2>/dev/null </dev/null"))
  local said = pipe:read("a")
  pipe:close()
  return said:find("yes", 1, true) ~= nil
end

--- Runs the command on a terminal. Returns its output and errors together, and the status.
---@param words string[]
---@param given { columns: integer|nil, rows: integer|nil, enough: string|nil }|nil  enough: a
---pattern; once it is on the screen, Ctrl-C
---@param variables table<string, string>|nil
---@return string screen   with the terminal's line ends made plain
---@return integer status
function command.terminal(words, given, variables)
  given = given or {}
  local inside = ("stty cols %d rows %d; echo $$; exec %s %s %s"):format(given.columns or 80,
    given.rows or 24, environment(variables), command.line, quoted(words))
  local pipe = assert(io.popen(("unset LD_PRELOAD; script -qefc %s /dev/null </dev/null")
    :format(quote(inside))))
  local pid = pipe:read("l"):match("%d+")
  local screen = ""
  while given.enough and not screen:find(given.enough) do
    screen = screen .. assert(pipe:read(1), "it ended too early")
  end
  if given.enough then os.execute("kill -INT " .. pid) end
  screen = (screen .. pipe:read("a")):gsub("\r\n", "\n"):gsub("^%^D\b\b", "")
  local _, _, status = pipe:close()
  return screen, status
end

--- Returns a text without colors.
function command.plain(text)
  return (text:gsub("\27%[[%d;]*m", ""))
end

--- Returns `it`, or a function that defines a pending test if there is no terminal.
function command.on_terminal(it, pending)
  if command.has_terminals() then return it end
  return function(name)
    pending(name .. " (no pseudo-terminal, or no `script` of util-linux)")
  end
end

return command
