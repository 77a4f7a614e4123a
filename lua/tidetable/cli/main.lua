-- main.lua - the command `tidetable`: takes its words apart, runs one command.
--
-- Exit statuses: 0 it went well; 1 it failed, or found damage; 2 the command
-- line is wrong; 3 the stream that it followed ended; 4 the database's file was
-- removed or replaced; 130 it was interrupted; 141 its output was not read.

local argparse = require "argparse"
local console = require "tidetable.cli.console"
local library_error = require "tidetable.cli.library_error"
local tidetable = require "tidetable"

local main = {}

--- The commands, each a module of its own, in the order that help shows them.
---@type { [1]: string, [integer]: string }[]
main.commands = {
  {
    "What is there",
    "tables",
    "describe",
    "stats",
  },
  {
    "Items",
    "get",
    "query",
    "scan",
    "put",
    "delete",
    "import",
    "export",
  },
  {
    "Changes",
    "tail",
    "trim",
  },
  {
    "The file",
    "check",
    "backup",
    "compact",
  },
  {
    "The command",
    "completion",
  },
}

local FAILED, MISUSED, INTERRUPTED, ABANDONED = 1, 2, 130, 141
local HELP_WIDTH = 80

---@class tidetable.cli.Command
---@field name string
---@field summary string          one line, for the list of commands
---@field description string|nil  more of it, for the command's own help
---@field examples string[][]|nil { command line, what it does }
---@field setup fun(command: table)  adds arguments and options to argparse's command
---@field run fun(args: table, console: tidetable.cli.Console): integer|nil  a status

local function epilog_of(command)
  if not command.examples then
    return nil
  end
  local lines = { "Examples:" }
  for _, example in ipairs(command.examples) do
    lines[#lines + 1] = "   " .. example[1]
    lines[#lines + 1] = "      " .. example[2]
  end
  return table.concat(lines, "\n")
end

--- Paragraphs, each on a line of its own: argparse breaks them where they have
--- to be broken.
local function paragraphs(description)
  return (description:gsub("(%S)\n(%S)", "%1 %2"):gsub("%s+$", ""))
end

--- Raised to end with a text that was asked for.
local Answer = {}

local function answer(answered)
  error(setmetatable({ text = answered }, Answer), 0)
end

--- Its option --help, behind all others.
local function add_help(parser)
  parser:add_help { action = function()
    answer(parser:get_help())
  end }
end

local function add_command(parser, command)
  local added = parser:command(command.name)
    :summary(command.summary)
    :description(paragraphs(command.summary .. "\n\n" .. (command.description or "")))
  added:help_description_margin(27)
  local epilog = epilog_of(command)
  if epilog then
    added:epilog(epilog)
  end
  command.setup(added)
  add_help(added)
  return added
end

--- The parser of the command line, and its commands by name.
---@return table parser  argparse's
---@return table<string, tidetable.cli.Command> commands
function main.parser()
  local parser = argparse("tidetable", "DynamoDB's tables and Streams in a file: "
    .. "look at a database, follow its changes, keep it in order.")
    :command_target "command"
    :help_max_width(HELP_WIDTH)
    :usage_max_width(HELP_WIDTH)
    :help_description_margin(18)
    :epilog "'tidetable COMMAND --help' says all about a command."
  parser:option("--color", "When to use colours.", "auto")
    :argname "WHEN":choices { "auto", "always", "never" }
  parser:flag("--version", "Show the version and exit."):action(function()
    answer(tidetable._VERSION)
  end)
  add_help(parser)
  local commands = {}
  for _, group in ipairs(main.commands) do
    local added = {}
    for i = 2, #group do
      local command = require("tidetable.cli.commands." .. group[i])
      added[#added + 1] = add_command(parser, command)
      commands[command.name] = command
    end
    parser:group(group[1], table.unpack(added))
  end
  parser.error = function(at, message)
    local problem, tip = message:match "^(.-)\n(.*)$"
    console.misused(problem or message, tip, at)
  end
  return parser, commands
end

-- Failing --------------------------------------------------------------------

--- How the command is called, and who says more.
local function show_usage(parser, name)
  if parser then
    io.stderr:write(parser:get_usage(), "\n")
  end
  io.stderr:write(("'%s --help' says more\n"):format(name))
end

--- Lua's own handler of Ctrl-C raises this, wherever it finds the program.
local function is_interrupt(err)
  return type(err) == "string" and err:find "interrupted!$" ~= nil
    or type(err) == "table" and err.code == "INTERRUPTED"
end

--- The name of the command whose parser it is: what its usage begins with.
local function name_of(parser, name)
  return parser and parser:get_usage():match "^Usage: ([%l ]*%l)" or name
end

--- Says what went wrong, and with which status to end. It is a text where memory has run
--- out: Lua calls no handler then.
local function status_of(err, out, name)
  if err == console.ABANDONED then
    return ABANDONED
  elseif type(err) == "string" then
    out:complain(name, err)
    return FAILED
  elseif getmetatable(err) == Answer then
    out:write(err.text, "\n")
    out.flush()
    return 0
  elseif console.is_failure(err) then
    name = name_of(err.parser, name)
    out:complain(name, err.message, err.hint)
    if err.is_usage then
      show_usage(err.parser, name)
      return MISUSED
    end
    return err.status or FAILED
  elseif err.is_interrupt then
    return INTERRUPTED
  end
  out:complain(name, err.bug, "this is a mistake in tidetable itself: please report it",
    err.trace)
  return FAILED
end

--- An error of the library stays what it is; a mistake of ours gets the place.
local function keep_trace(subject)
  return function(err)
    if err == console.ABANDONED or console.is_failure(err) or getmetatable(err) == Answer then
      return err
    elseif is_interrupt(err) then
      return { is_interrupt = true }
    elseif type(err) == "table" and err.code and err.message then
      local _, failure = pcall(library_error.fail, subject(), err)
      return failure
    end
    return { bug = tostring(err), trace = debug.traceback(nil, 2) }
  end
end

--- Runs the command that these words say.
---@param words string[]
---@return integer status
function main.run(words)
  local out, args = console.new(), {}
  local name = "tidetable"
  local ok, result = xpcall(function()
    local parser, commands = main.parser()
    args = parser:parse(words)
    name = name .. " " .. args.command
    out = console.new(args.color)
    local status = commands[args.command].run(args, out)
    out.flush()
    return status or 0
  end, keep_trace(function()
    return args.database or name
  end))
  if ok then
    return result
  end
  local ended, status = pcall(status_of, result, out, name)
  if ended then
    return status
  end
  return status_of(status, out, name) -- what an answer can't be written to
end

return main
