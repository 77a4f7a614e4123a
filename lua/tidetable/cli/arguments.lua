-- arguments.lua - arguments and options that several commands take.

local options = require "tidetable.options"

local arguments = {}

--- The argument DATABASE, and the option --max-size.
---@param command table  argparse's
function arguments.database(command)
  command:argument("database", "The database's file.")
  command:option("--max-size", "Where the file stops growing, and how much address space it "
    .. "takes; default: 64 GiB, or what there is room for.")
    :argname "SIZE":convert(arguments.size)
end

--- The option --busy-timeout, for commands that write.
---@param command table  argparse's
function arguments.busy_timeout(command)
  command:option("--busy-timeout", "Seconds to wait for another process that writes.", 5)
    :argname "SECONDS":convert(arguments.seconds)
end

--- The option --format, for commands that show items or records.
---@param command table  argparse's
function arguments.format(command)
  command:option("--format", "How it is shown: text (on a terminal), json (in a pipe), or "
    .. "dynamodb, which is DynamoDB's JSON.")
    :argname "FORMAT":choices { "text", "json", "dynamodb" }:show_default(false)
end

--- Which of them it is.
---@param args table
---@param out tidetable.cli.Console
---@return "text"|"json"|"dynamodb"
function arguments.format_of(args, out)
  return args.format or out.is_terminal and "text" or "json"
end

--- For argparse's convert: bytes, also in KiB, MiB or GiB.
---@param words string
---@return string|integer|nil, string|nil
function arguments.size(words)
  if options.bytes(words) then
    return words
  end
  local bytes = math.tointeger(tonumber(words))
  if bytes and bytes > 0 then
    return bytes
  end
  return nil, ("'%s' is no size: 512 MiB, for example"):format(words)
end

--- For argparse's convert: seconds, a number from 0.
---@param words string
---@return number|nil, string|nil
function arguments.seconds(words)
  local seconds = tonumber(words)
  if options.seconds(seconds) then
    return nil, ("'%s' is no number of seconds"):format(words)
  end
  return seconds
end

--- For argparse's convert: an integer from `least` on.
---@param least integer
---@return fun(words: string): integer|nil, string|nil
function arguments.integer_from(least)
  return function(words)
    local number = words:find "^%d+$" and math.tointeger(tonumber(words))
    if not number or number < least then
      return nil, ("'%s' is no integer from %d on"):format(words, least)
    end
    return number
  end
end

return arguments
