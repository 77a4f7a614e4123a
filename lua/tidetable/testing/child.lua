-- child.lua - Lua code in a child process: a fresh Lua that finds the same modules.

local core = require "tidetable.core"
local members = require "tidetable.members"
local options = require "tidetable.options"

local misuse = options.misuse

local children = {
  is_child = false,   -- true in a process that this module has started
}

--- A Lua process that runs some code.
---@class tidetable.testing.Child
---@field pid integer
---@field package core userdata
---@field package output file*
---@field package directory userdata  contains the code
---@field package ended boolean
local Child = {}
Child.__index = Child
Child.__name = "tidetable.testing.child"
Child.ended = false

local DEFAULT_SECONDS = 60

local known_options = {
  lua = "string", command = "table", seconds = options.integer_from(1, 1000000),
}

--- How a child runs. The array part has the arguments of the code: strings and numbers.
---@class tidetable.testing.ChildOptions
---@field [integer] string|number
---@field lua string|nil        the Lua program; default: the program that runs this process
---@field command string[]|nil  words in front of the Lua program, which run it
---@field seconds integer|nil   after this time the child gets SIGALRM; default 60

--- Splits the options into the arguments and the named ones.
local function split(opts)
  local arguments, named = {}, {}
  if type(opts) ~= "table" then
    misuse("child: expected a table of arguments and options, got " .. type(opts))
  end
  for i, value in ipairs(opts) do
    if type(value) ~= "string" and type(value) ~= "number" then
      misuse(("child: argument %d must be a string or a number, got %s"):format(i, type(value)))
    end
    arguments[i] = math.type(value) == "float" and ("%.17g"):format(value) or tostring(value)
  end
  for name, value in pairs(opts) do
    if not (math.type(name) == "integer" and arguments[name]) then
      named[name] = value
    end
  end
  return arguments, options.check(named, known_options, "child")
end

--- Returns the text of a Lua file. A function must have no upvalues except _ENV, because their
--- values stay in this process.
local function file_text(code)
  if type(code) == "string" then
    return code
  elseif type(code) ~= "function" then
    misuse("child: expected a string of Lua code or a function, got " .. type(code))
  end
  for i = 1, math.huge do
    local name = debug.getupvalue(code, i)
    if not name then
      return string.dump(code)
    elseif name ~= "_ENV" or i > 1 then
      misuse(("child: the function uses the local variable %q of another function;"
        .. " pass arguments, and call require in the function"):format(name))
    end
  end
end

-- The names after this line are those of the child.
local PRELUDE = [[package.path = %q package.cpath = %q io.stdout:setvbuf "line"
require "tidetable.testing.child".is_child = true]]

local function must(value, err)
  if not value then
    error(err, 0)
  end
  return value
end

local function write_file(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

--- Starts Lua code in a child process. Raises all failures.
---@param code string|function
---@param opts tidetable.testing.ChildOptions|nil
---@return tidetable.testing.Child
function children.start(code, opts)
  local arguments, named = split(opts or {})
  local text = file_text(code)
  local directory, path = core.temporary_directory()
  must(directory, path)
  path = path .. "/child.lua"
  write_file(path, text)
  local words = table.move(named.command or {}, 1, #(named.command or {}), 1, {})
  words[#words + 1] = named.lua or must(core.program_path(), "child: option lua is missing")
  words[#words + 1] = "-e"
  words[#words + 1] = PRELUDE:format(package.path, package.cpath)
  words[#words + 1] = path
  table.move(arguments, 1, #arguments, #words + 1, words)
  local program, pid, output = core.start_program(words, named.seconds or DEFAULT_SECONDS)
  must(program, pid)
  return setmetatable({ core = program, pid = pid, output = output, directory = directory }, Child)
end

--- Returns the next line of the child's output (standard output and standard error); nil at the
--- end.
---@return string|nil
function Child:line()
  return not self.ended and self.output:read "l" or nil
end

--- Sends a line to the child's standard input. Returns false if the child has ended.
---@param text string|nil  default: an empty line
---@return boolean
function Child:send(text)
  return not self.ended and core.send_program(self.core, (text or "") .. "\n")
end

---@class tidetable.testing.ChildEnd
---@field output string     what the child has written and was not read
---@field status integer|nil  exit status; nil if a signal ended it
---@field signal integer|nil  number of the signal that ended it

--- Closes the child's standard input and waits for its end. May be called once.
---@return tidetable.testing.ChildEnd
function Child:wait()
  if self.ended then
    misuse "wait: the end of the child was returned already, or it was closed"
  end
  core.close_input(self.core)
  local output = self.output:read "a"
  self.output:close()
  local status, signal = core.wait_program(self.core)
  self.ended = true
  core.remove_directory(self.directory)
  if signal ~= 0 then
    return { output = output, signal = signal }
  end
  return { output = output, status = status }
end

--- Kills the child (SIGKILL). Does nothing if it has ended.
function Child:kill()
  core.kill_program(self.core)
end

--- Kills the child and waits for its end. Calling it twice is allowed.
function Child:close()
  if not self.ended then
    self:kill()
    self:wait()
  end
end

Child.__close = Child.close

options.methods(Child, "child")
members.guard(Child, "child", { "pid" })

return children
