-- watch.lua - the options --watch and --interval: repeats a display until Ctrl-C.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local library_error = require "tidetable.cli.library_error"

local watch = {}

--- Default interval, in seconds.
local INTERVAL = 1

--- Returns an interval: a number of seconds greater than 0.
---@param text string
---@return number|nil, string|nil
local function interval(text)
  local seconds, problem = arguments.seconds(text)
  if seconds == 0 then
    return nil, ("'%s': expected a number of seconds greater than 0"):format(text)
  end
  return seconds, problem
end

---@type tidetable.cli.Option
watch.INTERVAL = {
  "--interval", "Seconds between two updates. Requires '--watch'.",
  value = "SECONDS", convert = interval, shown_default = INTERVAL,
}

--- Ends the command if --interval is given without --watch.
---@param args table
function watch.check(args)
  if args.interval and not args.watch then
    console.misused "--interval requires --watch"
  end
end

--- Calls `show` every --interval seconds. Ends the command if the database file was removed or
--- replaced.
---@param db tidetable.Database
---@param args table
---@param out tidetable.cli.Console
---@param show fun(is_first: boolean)
function watch.run(db, args, out, show)
  local is_first = true
  while true do
    show(is_first)
    is_first = false
    out.flush()
    out.pause(args.interval or INTERVAL)
    library_error.check(args.database, core.check_name(db.core))
  end
end

return watch
