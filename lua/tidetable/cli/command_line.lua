-- command_line.lua - turns the declaration of a command into an argparse command and a usage text.
--
-- A command declares its arguments and options once, in tables. The parser, the
-- help, the shell completion, the manual page and the tables of doc/tools.md are
-- made from these (spec/command_pages.lua).

local command_line = {}

---@class tidetable.cli.Command
---@field name string
---@field summary string          one sentence, for the list of commands
---@field description string|nil  paragraphs, for the command's own help
---@field examples string[][]|nil { command line, what it does }
---@field arguments tidetable.cli.Argument[]
---@field options tidetable.cli.Option[]
---@field run fun(args: table, out: tidetable.cli.Console): integer|nil  returns an exit status;
---   nil is success

---@class tidetable.cli.Argument
---@field [1] string            name
---@field [2] string            description
---@field args string|nil       how many: "?", "*", "+", "0-2"; default: one
---@field choices string[]|nil

---@class tidetable.cli.Option
---@field [1] string            names, separated by blanks: "-f --follow"
---@field [2] string            description; 'x' is literal text
---@field value string|nil      name of its value; nil: a flag
---@field choices string[]|nil  of the value
---@field convert (fun(text: string): any, string|nil)|nil
---@field default any           value if it is not given
---@field shown_default any     default that the command applies itself
---@field target string|nil     field of args; default: its first long name
---@field repeats boolean|nil   it can be given several times; the field is an array
---@field exclusive string|nil  options with the same value here exclude each other

local WIDTH = 80

--- Returns the names of an option: { "-f", "--follow" }.
---@param option tidetable.cli.Option
---@return string[]
function command_line.names(option)
  local names = {}
  for name in option[1]:gmatch "%S+" do
    names[#names + 1] = name
  end
  return names
end

--- Returns the description of an option with its default.
---@param option tidetable.cli.Option
---@return string
function command_line.description(option)
  local default = option.shown_default or option.default
  return option[2] .. (default and (" (default: %s)"):format(default) or "")
end

--- Returns arrays of options: those that exclude each other together, each other one alone.
---@param options tidetable.cli.Option[]
---@return tidetable.cli.Option[][]
function command_line.groups(options)
  local groups = {}
  for _, option in ipairs(options) do
    local last = groups[#groups]
    if option.exclusive and last and last[1].exclusive == option.exclusive then
      last[#last + 1] = option
    else
      groups[#groups + 1] = { option }
    end
  end
  return groups
end

--- How often an argument is given, for the usage text.
local USAGE_OF_COUNT = {
  ["?"] = "[<%s>]", ["*"] = "[<%s>] ...", ["+"] = "<%s> ...", ["0-2"] = "[<%s>] [<%s>]",
}

local function argument_usage(argument)
  if argument.choices then
    return "{" .. table.concat(argument.choices, ",") .. "}"
  end
  local name = argument[1]
  return (USAGE_OF_COUNT[argument.args] or "<%s>"):format(name, name)
end

--- Returns the parts of the usage text between which a line may end.
local function usage_parts(command)
  local parts = {}
  for _, group in ipairs(command_line.groups(command.options)) do
    for i, option in ipairs(group) do
      local value = option.value and " " .. option.value or ""
      parts[#parts + 1] = (i == 1 and "[" or "") .. command_line.names(option)[1] .. value
        .. (i == #group and "]" or " |")
    end
  end
  parts[#parts + 1] = "[-h]"
  for _, argument in ipairs(command.arguments) do
    parts[#parts + 1] = argument_usage(argument)
  end
  return parts
end

--- Returns the usage text in lines of at most 80 columns.
---@param command tidetable.cli.Command
---@param first string  begins the text; later lines are indented by 7 columns
---@return string
function command_line.usage(command, first)
  local lines = { first .. "tidetable " .. command.name }
  for _, part in ipairs(usage_parts(command)) do
    if #lines[#lines] + 1 + #part > WIDTH then
      lines[#lines + 1] = (" "):rep(6)
    end
    lines[#lines] = lines[#lines] .. " " .. part
  end
  return table.concat(lines, "\n")
end

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

--- Joins the lines of each paragraph: argparse breaks them at the width of the help.
local function paragraphs(description)
  return (description:gsub("(%S)\n(%S)", "%1 %2"):gsub("%s+$", ""))
end

--- Adds an option to a parser of argparse.
---@param parser table
---@param option tidetable.cli.Option
---@return table  argparse's option
function command_line.add_option(parser, option)
  local description = command_line.description(option)
  if not option.value then
    return parser:flag(option[1], description)
  end
  local added = parser:option(option[1], description):argname(option.value):show_default(false)
  if option.repeats then
    added:count "*"
  end
  for _, property in ipairs { "default", "choices", "convert", "target" } do
    if option[property] ~= nil then
      added[property](added, option[property])
    end
  end
  return added
end

local function add_argument(parser, argument)
  local added = parser:argument(argument[1], argument[2])
  if argument.args then
    added:args(argument.args)
  end
  if argument.choices then
    added:choices(argument.choices)
  end
  return added
end

--- Adds an argument of several words and the argument after it. argparse stores all words in the
--- first of them, so the last word is moved to the second.
local function add_argument_and_last(parser, argument, last)
  add_argument(parser, argument):action(function(result, target, words)
    result[last[1]] = words[2] and table.remove(words)
    result[target] = words
  end)
  parser:argument(last[1], last[2]):args("?"):action(function() end)
end

--- Adds the arguments of a command. Only the last argument but one, or the last, can have several
--- words.
local function add_arguments(parser, declared)
  for i, argument in ipairs(declared) do
    local previous = declared[i - 1]
    if argument.args == "+" and declared[i + 1] then
      add_argument_and_last(parser, argument, declared[i + 1])
    elseif not (previous and previous.args == "+") then
      add_argument(parser, argument)
    end
  end
end

--- Adds a command to the parser of argparse.
---@param parser table
---@param command tidetable.cli.Command
---@return table  argparse's command
function command_line.add(parser, command)
  local added = parser:command(command.name)
    :summary(command.summary)
    :description(paragraphs(command.summary .. "\n\n" .. (command.description or "")))
    :usage(command_line.usage(command, "Usage: "))
  added:help_description_margin(27)
  local epilog = epilog_of(command)
  if epilog then
    added:epilog(epilog)
  end
  add_arguments(added, command.arguments)
  for _, group in ipairs(command_line.groups(command.options)) do
    local options = {}
    for i, option in ipairs(group) do
      options[i] = command_line.add_option(added, option)
    end
    if #options > 1 then
      added:mutex(table.unpack(options))
    end
  end
  return added
end

return command_line
