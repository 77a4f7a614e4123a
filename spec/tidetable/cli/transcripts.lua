-- transcripts.lua - runs the command lines that a page shows after "$", in a directory of the test,
-- and reads the output that it shows for each.
local command = require "spec.tidetable.cli.command"
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local lfs = require "lfs"

local transcripts = {}

local function write_program(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write("#!/bin/sh\nexec ", text, ' "$@"\n'))
  file:close()
  assert(os.execute("chmod +x " .. command.quote(path)))
end

--- Makes a directory with the programs `tidetable` and `lua5.4` in its folder `bin`. Returns its
--- path.
function transcripts.directory()
  local path = helper.path "pages"
  lfs.mkdir(path)
  lfs.mkdir(path .. "/bin")
  write_program(path .. "/bin/tidetable", "env -u NO_COLOR -u LC_ALL -u LC_CTYPE LANG=C.UTF-8 "
    .. "TERM=xterm TZ=UTC " .. command.line)
  write_program(path .. "/bin/lua5.4", (command.lua:gsub("%S+$", core.program_path())))
  return path
end

--- Runs a line in a directory. Returns standard output and error together, and the status.
---@param path string
---@param line string
---@return string out, integer status
function transcripts.run(path, line)
  local pipe = assert(io.popen(("unset LD_PRELOAD; cd %s && PATH=$PWD/bin:$PATH HOME=$PWD "
    .. "bash -c %s 2>&1 </dev/null"):format(command.quote(path), command.quote(line))))
  local out = pipe:read "a"
  local _, _, status = pipe:close()
  return out, status
end

--- Returns the command lines of a page and the output that the page shows for each.
---@param text string
---@return { line: string, output: string }[]
function transcripts.of(text)
  local found, current = {}, nil
  for line in text:gmatch "([^\n]*)\n" do
    local indented = line:match "^    (.*)$"
    local asked = indented and indented:match "^%$ (.*)$"
    if asked then
      current = { line = asked, output = "" }
      found[#found + 1] = current
    elseif indented and current then
      current.output = current.output .. indented .. "\n"
    else
      current = nil
    end
  end
  return found
end

--- Returns true if a program is installed.
---@param name string
---@return boolean|nil
function transcripts.has_program(name)
  return (os.execute("command -v " .. name .. " >/dev/null"))
end

return transcripts
