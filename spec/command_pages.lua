-- command_pages.lua - generates the parts of the pages that repeat the command's declarations.
--
-- doc/tools.md and doc/tidetable.1 have generated parts between two comments:
--
--     <!-- generated: NAME -->      .\" generated: NAME
--     <!-- end -->                  .\" end
--
-- They are made from the declarations of the commands (lua/tidetable/cli/). A spec
-- compares them with the files; spec/generate_docs.lua rewrites the files.

local arguments = require "tidetable.cli.arguments"
local command_line = require "tidetable.cli.command_line"
local database_metrics = require "tidetable.cli.database_metrics"
local exit_status = require "tidetable.cli.exit_status"
local main = require "tidetable.cli.main"

local command_pages = {}

local MARKDOWN, MANUAL = "doc/tools.md", "doc/tidetable.1"

--- Files with generated parts.
command_pages.files = { MARKDOWN, MANUAL }

local function sentence(text)
  return (text:gsub("^%l", string.upper))
end

--- Replaces 'x', a literal text, by f(x).
local function replace_literals(text, f)
  return ((" " .. text .. " "):gsub("([%s(])'([^']+)'(%f[%s.,:;)])", function(before, literal, _)
    return before .. f(literal)
  end):sub(2, -2))
end

--- Calls f with each command, in the order of the help.
local function each_command(f)
  local _, commands = main.parser()
  for _, group in ipairs(main.commands) do
    for i = 2, #group do f(commands[group[i]], group[1]) end
  end
end

local function is_common(option)
  for _, common in ipairs(arguments.COMMON) do
    if option == common then return true end
  end
  return false
end

--- Returns the options of a command that other commands do not have.
local function own_options(command)
  local own = {}
  for _, option in ipairs(command.options) do
    if not is_common(option) then own[#own + 1] = option end
  end
  return own
end

-- Markdown -------------------------------------------------------------------

local function code(text)
  return "`" .. text .. "`"
end

local function markdown(text)
  return (replace_literals(text, code):gsub("|", "\\|"))
end

local function markdown_names(option)
  local names = command_line.names(option)
  for i, name in ipairs(names) do
    names[i] = code(name .. (i == #names and option.value and " " .. option.value or ""))
  end
  return table.concat(names, ", ")
end

local function option_table(options)
  local lines = { "| option | meaning |", "|---|---|" }
  for _, option in ipairs(options) do
    lines[#lines + 1] = ("| %s | %s |"):format(markdown_names(option),
      markdown(command_line.description(option)))
  end
  return lines
end

local in_markdown = {}

function in_markdown.commands()
  local lines = { "| command | |", "|---|---|" }
  each_command(function(command)
    lines[#lines + 1] = ("| [%s](#%s) | %s |"):format(command.name, command.name, command.summary)
  end)
  return lines
end

function in_markdown.general_options()
  return option_table(main.options)
end

function in_markdown.common_options()
  return option_table(arguments.COMMON)
end

function in_markdown.statuses()
  local lines = { "| status | meaning |", "|---|---|" }
  for _, meaning in ipairs(exit_status.meanings) do
    lines[#lines + 1] = ("| %d | %s |"):format(meaning[1], markdown(meaning[2]))
  end
  return lines
end

--- The metrics of `stats --metrics`, each with its labels except `database`.
function in_markdown.metrics()
  local lines = { "| metric | labels | meaning |", "|---|---|---|" }
  for _, group in ipairs(database_metrics.groups) do
    for _, declared in ipairs(group.metrics) do
      local labels = database_metrics.labels(group, declared)
      table.remove(labels, 1)
      for i, label in ipairs(labels) do labels[i] = code(label) end
      lines[#lines + 1] = ("| %s | %s | %s |"):format(code(database_metrics.name(declared)),
        table.concat(labels, ", "), declared[2])
    end
  end
  return lines
end

each_command(function(command)
  in_markdown[command.name] = function()
    local lines = {}
    for line in command_line.usage(command, ""):gmatch "[^\n]+" do
      lines[#lines + 1] = "    " .. line
    end
    local own = own_options(command)
    if #own > 0 then
      lines[#lines + 1] = ""
      table.move(option_table(own), 1, #own + 2, #lines + 1, lines)
    end
    return lines
  end
end)

-- The manual page, in mdoc ---------------------------------------------------

--- Escapes a text of the manual page. A dash of an option is a minus.
local function mdoc(text)
  text = text:gsub("\\", "\\e")
  text = replace_literals(text, function(literal) return "\\fB" .. literal .. "\\fP" end)
  return (text:gsub("%f[-]%-%-?%f[%w]", function(dashes) return ("\\-"):rep(#dashes) end))
end

--- Appends paragraphs of a description, each sentence on a separate line.
local function put_paragraphs(lines, text)
  for paragraph in (text .. "\n\n"):gmatch "(.-)\n\n" do
    lines[#lines + 1] = ".Pp"
    local joined = mdoc(paragraph:gsub("\n", " ")):gsub("([.)]) (%u)", "%1\n%2")
    lines[#lines + 1] = joined
  end
end

local function flag(name)
  return "Fl " .. name:sub(2)
end

local function mdoc_option(name, option)
  return flag(name) .. (option.value and " Ar " .. option.value or "")
end

local function mdoc_argument(argument)
  if argument.choices then
    return ".Cm " .. table.concat(argument.choices, " | ")
  end
  return (({ ["?"] = ".Op Ar %s", ["*"] = ".Op Ar %s ...", ["+"] = ".Ar %s ...",
    ["0-2"] = ".Op Ar %s\n.Op Ar %s" })[argument.args] or ".Ar %s"):format(argument[1], argument[1])
end

local function put_synopsis(lines, command)
  lines[#lines + 1] = ".Nm"
  lines[#lines + 1] = ".Cm " .. command.name
  for _, group in ipairs(command_line.groups(command.options)) do
    local shown = {}
    for i, option in ipairs(group) do
      shown[i] = mdoc_option(command_line.names(option)[1], option)
    end
    lines[#lines + 1] = ".Op " .. table.concat(shown, " | ")
  end
  for _, argument in ipairs(command.arguments) do lines[#lines + 1] = mdoc_argument(argument) end
end

local function put_options(lines, options)
  if #options == 0 then return end
  lines[#lines + 1] = ".Bl -tag -width indent"
  for _, option in ipairs(options) do
    local names = command_line.names(option)
    for i, name in ipairs(names) do names[i] = name:sub(2) end
    lines[#lines + 1] = ".It Fl " .. table.concat(names, " , ")
      .. (option.value and " Ar " .. option.value or "")
    lines[#lines + 1] = mdoc(command_line.description(option))
  end
  lines[#lines + 1] = ".El"
end

local function put_examples(lines, command)
  for _, example in ipairs(command.examples or {}) do
    lines[#lines + 1] = ".Pp"
    lines[#lines + 1] = mdoc(sentence(example[2])) .. ":"
    lines[#lines + 1] = ".Bd -literal -offset indent"
    lines[#lines + 1] = "$ " .. example[1]:gsub("\\", "\\e")
    lines[#lines + 1] = ".Ed"
  end
end

local in_manual = {}

function in_manual.general_options()
  local lines = {}
  put_options(lines, main.options)
  return lines
end

function in_manual.common_options()
  local lines = {}
  put_options(lines, arguments.COMMON)
  return lines
end

function in_manual.commands()
  local lines = {}
  each_command(function(command)
    lines[#lines + 1] = ".Ss " .. command.name
    put_synopsis(lines, command)
    put_paragraphs(lines, command.summary .. "\n\n" .. (command.description or ""))
    put_options(lines, own_options(command))
    put_examples(lines, command)
  end)
  return lines
end

function in_manual.statuses()
  local lines = { ".Bl -tag -width indent" }
  for _, meaning in ipairs(exit_status.meanings) do
    lines[#lines + 1] = (".It %d"):format(meaning[1])
    lines[#lines + 1] = mdoc(meaning[2])
  end
  lines[#lines + 1] = ".El"
  return lines
end

-- Files ----------------------------------------------------------------------

local marks = {
  [MARKDOWN] = { "<!%-%- generated: ([%w_]+) %-%->", "<!-- end -->", in_markdown },
  [MANUAL] = { '%.\\" generated: ([%w_]+)', '.\\" end', in_manual },
}

--- Returns a text with its generated parts made again, and the names of the parts.
---@param path string  one of command_pages.files
---@param text string
---@return string text, table<string, true> names
function command_pages.generate(path, text)
  local first, last, parts = table.unpack(marks[path])
  local lines, names, is_generated = {}, {}, false
  for line in text:gmatch "([^\n]*)\n" do
    local name = line:match("^" .. first .. "$")
    if line == last then is_generated = false end
    if not is_generated then lines[#lines + 1] = line end
    if name then
      names[name], is_generated = true, true
      local blank = path == MARKDOWN and { "" } or {}
      table.move(blank, 1, #blank, #lines + 1, lines)
      local part = (parts[name] or error("no such part: " .. name))()
      table.move(part, 1, #part, #lines + 1, lines)
      table.move(blank, 1, #blank, #lines + 1, lines)
    end
  end
  assert(not is_generated, path .. ": a generated part has no end")
  return table.concat(lines, "\n") .. "\n", names
end

--- Returns the names of all parts that a file must have.
---@param path string
---@return table<string, true>
function command_pages.parts(path)
  local names = {}
  for name in pairs(marks[path][3]) do names[name] = true end
  return names
end

return command_pages
