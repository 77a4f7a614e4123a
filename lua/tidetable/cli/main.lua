-- main.lua - the command `tidetable`: parses the command line and runs one command.

local argparse = require "argparse"
local command_line = require "tidetable.cli.command_line"
local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local exit_status = require "tidetable.cli.exit_status"
local library_error = require "tidetable.cli.library_error"
local tidetable = require "tidetable"

local main = {}

--- The commands in the groups and in the order of the help: title of the group, then names. Each
--- command is a module of tidetable.cli.commands that returns a tidetable.cli.Command.
---@type { [1]: string, [integer]: string }[]
main.commands = {
  { "Inspect", "tables", "describe", "stats", "diff" },
  { "Tables", "create", "alter", "truncate", "drop" },
  { "Items", "get", "query", "scan", "put", "update", "delete", "import", "export" },
  { "Streams", "tail", "consumers", "run", "replicate" },
  { "Database file", "sweep", "check", "backup", "compact" },
  { "Shell", "completion" },
}

--- Options that can be given before or after the name of any command.
---@type tidetable.cli.Option[]
main.options = {
  {
    "--color", "When to use colors: 'auto' (on a terminal), 'always' or 'never'.",
    value = "WHEN", choices = { "auto", "always", "never" }, default = "auto",
  },
  { "--version", "Show the version and exit." },
  { "-h --help", "Show this help message and exit." },
}

local HELP_WIDTH = 80

--- Raised to end the command with a text on standard output: the help or the version.
local TextAnswer = {}

local function end_with_text(text)
  error(setmetatable({ text = text }, TextAnswer), 0)
end

--- Adds the option --help after all others.
local function add_help(parser)
  parser:add_help { action = function()
    end_with_text(parser:get_help())
  end }
end

--- Adds the commands to the parser. Returns them by name.
local function add_commands(parser)
  local commands = {}
  for _, group in ipairs(main.commands) do
    local added = {}
    for i = 2, #group do
      local command = require("tidetable.cli.commands." .. group[i])
      added[#added + 1] = command_line.add(parser, command)
      add_help(added[#added])
      commands[command.name] = command
    end
    parser:group(group[1], table.unpack(added))
  end
  return commands
end

--- Returns the parser of the command line, and its commands by name.
---@return table parser  argparse's
---@return table<string, tidetable.cli.Command> commands
function main.parser()
  local parser = argparse("tidetable", "Inspect and maintain a tidetable database: show and change "
    .. "items, follow streams, check and copy the file.")
    :command_target "command"
    :help_max_width(HELP_WIDTH)
    :usage_max_width(HELP_WIDTH)
    :help_description_margin(18)
    :epilog "'tidetable COMMAND --help' describes a command."
  command_line.add_option(parser, main.options[1])
  command_line.add_option(parser, main.options[2]):action(function()
    end_with_text(tidetable._VERSION)
  end)
  add_help(parser)
  local commands = add_commands(parser)
  parser.error = function(at, message)
    local problem, tip = message:match "^(.-)\n(.*)$"
    console.misused(problem or message, tip, at)
  end
  return parser, commands
end

-- Failing --------------------------------------------------------------------

--- Writes the usage, and how to get the help, to standard error.
local function show_usage(parser, name)
  if parser then
    io.stderr:write(parser:get_usage(), "\n")
  end
  io.stderr:write(("see '%s --help'\n"):format(name))
end

--- Returns true for the error of Ctrl-C and other signals, from a signal handler or from the
--- library.
local function is_interrupt(err)
  return type(err) == "string" and err:find "interrupted!$" ~= nil
    or type(err) == "table" and err.code == "INTERRUPTED"
end

--- Returns the name of the command that a parser belongs to: the beginning of its usage.
local function name_of(parser, name)
  return parser and parser:get_usage():match "^Usage: ([%l ]*%l)" or name
end

--- Reports an error and returns the exit status. The error is a string if memory is exhausted,
--- because Lua calls no message handler then.
local function status_of(err, out, name)
  if err == console.OUTPUT_CLOSED then
    return exit_status.OUTPUT_CLOSED
  elseif type(err) == "string" then
    out:complain(name, err)
    return exit_status.FAILED
  elseif getmetatable(err) == TextAnswer then
    out:write(err.text, "\n")
    out.flush()
    return exit_status.SUCCESS
  elseif console.is_failure(err) then
    name = name_of(err.parser, name)
    out:complain(name, err.message, err.hint)
    if err.is_usage then
      show_usage(err.parser, name)
      return exit_status.MISUSED
    end
    return err.status or exit_status.FAILED
  elseif err.is_interrupt then
    return exit_status.of_signal(core.received_signal())
  end
  out:complain(name, err.bug, "this is a bug in tidetable: please report it", err.trace)
  return exit_status.FAILED
end

--- Returns a message handler for xpcall. It leaves errors that end a command unchanged, turns an
--- error of the library into a failure, and adds a traceback to any other error: a bug.
local function message_handler(subject)
  return function(err)
    if err == console.OUTPUT_CLOSED or console.is_failure(err)
        or getmetatable(err) == TextAnswer then
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

--- Runs the command of a command line. Never raises and never exits: the launcher does. Everything
--- that the command opened is closed when it returns.
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
    return status or exit_status.SUCCESS
  end, message_handler(function()
    return args.database or name
  end))
  if ok then
    return result
  end
  local reported, status = pcall(status_of, result, out, name)
  if reported then
    return status
  end
  return status_of(status, out, name) -- the answer could not be written
end

return main
