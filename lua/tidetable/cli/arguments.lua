-- arguments.lua - arguments and options that several commands declare, and conversions of values.

local annotations = require "tidetable.annotation"
local options = require "tidetable.options"

local arguments = {}

-- Conversions: argparse's `convert` calls them with the text of a value. They return the value, or
-- nil and a message.

--- Returns a size for tidetable.open: a number of bytes, or a text with KiB, MiB or GiB.
---@param text string
---@return string|integer|nil, string|nil
function arguments.size(text)
  if options.bytes(text) then
    return text
  end
  local bytes = math.tointeger(tonumber(text))
  if bytes and bytes > 0 then
    return bytes
  end
  return nil, ("'%s': invalid size, expected for example 512 MiB"):format(text)
end

--- Returns a number of seconds, 0 or more.
---@param text string
---@return number|nil, string|nil
function arguments.seconds(text)
  local seconds = tonumber(text)
  if options.seconds(seconds) then
    return nil, ("'%s': invalid number of seconds"):format(text)
  end
  return seconds
end

--- Returns a conversion to an integer of at least `least`, and at most `most`.
---@param least integer
---@param most integer|nil  nil: no limit
---@return fun(text: string): integer|nil, string|nil
function arguments.integer_from(least, most)
  return function(text)
    local number = text:find "^%d+$" and math.tointeger(tonumber(text))
    if not number or number < least or number > (most or number) then
      return nil, ("'%s': expected an integer %s"):format(text,
        most and ("from %d to %d"):format(least, most) or ("of at least %d"):format(least))
    end
    return number
  end
end

--- Returns a sequence number: an integer, or the 21 digits of DynamoDB's form (json.wire_number).
---@param text string
---@return integer|nil, string|nil
function arguments.sequence_number(text)
  local digits = text:match "^1(%d+)$"
  return arguments.integer_from(0)(digits and #digits == 20 and digits or text)
end

--- Returns an origin of changes.
---@param text string
---@return string|nil, string|nil
function arguments.origin(text)
  local expected = annotations.origin(text)
  if expected then
    return nil, ("'%s': expected %s"):format(text, expected)
  end
  return text
end

--- Returns a duration: a number of seconds, or a text with ms, s, m, h or d.
---@param text string
---@return string|number|nil, string|nil
function arguments.duration(text)
  local duration = tonumber(text) or text
  if not options.duration_ms(duration) then
    return nil, ("'%s': invalid duration, expected for example 7d"):format(text)
  end
  return duration
end

--- Returns a key attribute { name, type } of NAME, for a text, or NAME:TYPE.
---@param text string
---@return string[]|nil, string|nil
function arguments.key_attribute(text)
  local name, kind = text:match "^(.+):([SNB])$"
  if not name and (text == "" or text:find(":", 1, true)) then
    return nil, ("'%s': expected NAME or NAME:TYPE, where TYPE is S, N or B"):format(text)
  end
  return { name or text, kind or "S" }
end

--- Returns types by name of NAME:TYPE,NAME:TYPE.
---@param text string
---@return table<string, string>|nil, string|nil
function arguments.types(text)
  local types = {}
  for each in (text .. ","):gmatch "(.-)," do
    local name, kind = each:match "^(.+):([SNB])$"
    if not name or types[name] then
      return nil, ("'%s': expected NAME:TYPE,..., where TYPE is S, N or B"):format(text)
    end
    types[name] = kind
  end
  return types
end

--- Returns the delimiter of CSV: a character of ASCII, or \t for a tab.
---@param text string
---@return string|nil, string|nil
function arguments.delimiter(text)
  local delimiter = text == "\\t" and "\t" or text
  if not delimiter:find '^[\t !#-~]$' or delimiter:find "%w" then
    return nil, ("'%s': expected one character, such as ; or \\t"):format(text)
  end
  return delimiter
end

-- Declarations (command_line.lua) --------------------------------------------

---@type tidetable.cli.Argument
arguments.DATABASE = { "database", "Database file." }

---@type tidetable.cli.Argument
arguments.TABLE = { "table", "Name of the table." }

---@type tidetable.cli.Argument
arguments.KEY = { "key", "NAME=VALUE for each key attribute, or the key as JSON.", args = "+" }

---@type tidetable.cli.Option
arguments.MAX_SIZE = {
  "--max-size", "Maximum size of the file, and address space to reserve: bytes, or a number with "
    .. "KiB, MiB or GiB; a command that writes records it. Default: the recorded size, 64 GiB in a "
    .. "new file, or less if the address space is limited.",
  value = "SIZE", convert = arguments.size,
}

--- For commands that show the number of items.
---@type tidetable.cli.Option
arguments.COUNT = {
  "--count", "Count the items first. The number is kept in the file with its time.",
}

--- For commands that write.
---@type tidetable.cli.Option
arguments.BUSY_TIMEOUT = {
  "--busy-timeout", "Seconds to wait while another process writes.",
  value = "SECONDS", convert = arguments.seconds, default = 5,
}

--- For commands that show items or records.
---@type tidetable.cli.Option
arguments.FORMAT = {
  "--format", "Output format: 'text' (default on a terminal), 'json' (default otherwise) or "
    .. "'dynamodb' (DynamoDB's JSON).",
  value = "FORMAT", choices = { "text", "json", "dynamodb" },
}

-- Expressions (expression_options.lua reads them). doc/expressions.md describes the language.

---@type tidetable.cli.Option
arguments.FILTER = {
  "--filter", "Only items that satisfy this condition.", value = "EXPR",
}

---@type tidetable.cli.Option
arguments.PROJECTION = {
  "--projection", "Only these attributes of each item.", value = "EXPR",
}

---@type tidetable.cli.Option
arguments.CONDITION = {
  "--condition", "Write only if the stored item satisfies this condition; if not, the status is 5.",
  value = "EXPR",
}

---@type tidetable.cli.Option
arguments.NAMES = {
  "--names", [[Attribute names of the placeholders in the expressions: '{"#s":"status"}'.]],
  value = "JSON",
}

---@type tidetable.cli.Option
arguments.VALUES = {
  "--values", [[Values of the placeholders in the expressions: '{":s":"open"}'.]],
  value = "JSON",
}

--- For commands that change items.
---@type tidetable.cli.Option
arguments.CONTEXT = {
  "--context", [[Context of the change, an object of at most 4,096 bytes that is stored in its ]]
    .. [[stream record: '{"user":"ann"}'.]],
  value = "JSON",
}

---@type tidetable.cli.Option
arguments.ORIGIN = {
  "--origin", "Origin of the change, a tag of at most 64 characters that is stored in its stream "
    .. "record. Consumers can ignore records by their origin.",
  value = "TAG", convert = arguments.origin,
}

-- Segments (item_listing.segment reads them).

local SEGMENTS_MAX = 1000000

---@type tidetable.cli.Option
arguments.SEGMENT = {
  "--segment", "Only the items of this segment of the table, from 0. Requires '--total-segments'.",
  value = "N", convert = arguments.integer_from(0, SEGMENTS_MAX - 1),
}

---@type tidetable.cli.Option
arguments.TOTAL_SEGMENTS = {
  "--total-segments", "Number of segments that the table is divided into.",
  value = "N", convert = arguments.integer_from(1, SEGMENTS_MAX),
}

--- Options of several commands, which the manual page describes once.
---@type tidetable.cli.Option[]
arguments.COMMON = {
  arguments.FORMAT, arguments.BUSY_TIMEOUT, arguments.MAX_SIZE, arguments.FILTER,
  arguments.PROJECTION, arguments.CONDITION, arguments.NAMES, arguments.VALUES,
  arguments.CONTEXT, arguments.ORIGIN,
}

--- Returns the format that --format or the kind of output selects.
---@param args table
---@param out tidetable.cli.Console
---@return "text"|"json"|"dynamodb"
function arguments.format_of(args, out)
  return args.format or out.is_terminal and "text" or "json"
end

return arguments
