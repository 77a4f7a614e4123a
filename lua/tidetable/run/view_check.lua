-- view_check.lua - `tidetable run --check-views`: compares the views of a script with their
-- sources.
--
-- The functions of the views are code of the script, so they run in a child process. Reports:
--
--     difference   name of the view, text: a line with "-" is a row of the view, "+" a computed one
--     compared     name, number of differences, rows, items
--     failed       name, message

local definitions = require "tidetable.run.definition"
local exit_status = require "tidetable.cli.exit_status"
local json = require "tidetable.json"
local kinds = require "tidetable.run.kind"
local loaders = require "tidetable.run.loader"
local scripts = require "tidetable.run.script"
local tidetable = require "tidetable"

local view_checks = {}

-- In the child process ----------------------------------------------------------

--- Returns a line for a row.
local function line_of(sign, row)
  local text, err = json.encode(row)
  return sign .. (text or tostring(err)) .. "\n"
end

local function text_of(difference)
  if difference.is_state then
    return line_of("*", difference.row or difference.key)
  end
  return (difference.row and line_of("-", difference.row) or "")
    .. (difference.expected and line_of("+", difference.expected) or "")
end

local function compare(control, db, definition)
  local ok, report, err = pcall(kinds.of(definition).compare, db, definition)
  if not ok or not report then
    err = ok and err or report
    local message = type(err) == "table" and err.message or tostring(err)
    local prefix = ("view %s: "):format(definition.name)
    control:send("failed", definition.name,
      message:sub(1, #prefix) == prefix and message or prefix .. message)
    return
  end
  for _, difference in ipairs(report.differences) do
    control:send("difference", definition.name, text_of(difference))
  end
  control:send("compared", definition.name, report.count, report.rows, report.items)
end

--- Compares the views of a script that the loader has accepted.
---@param control tidetable.run.Control
---@param script tidetable.run.Script
---@param given table<string, string>  database and its options
---@return integer status
function view_checks.run(control, _, script, given)
  local result = scripts.run(script, function() end)
  local db <close>, err = tidetable.open(given.database, loaders.open_options(given))
  for _, definition in ipairs(definitions.check(result) or {}) do
    if db and kinds.of(definition).compare then
      compare(control, db, definition)
    elseif not db then
      control:send("failed", definition.name, err.message)
    end
  end
  return 0
end

-- In the supervisor -------------------------------------------------------------

--- Returns the handler of the reports, which prints them and counts the views in `counts`.
local function printer(out, counts)
  local shown
  return function(name, fields)
    local view = fields[1]
    if name == "difference" then
      if view ~= shown then
        out:line(("@@ %s @@"):format(view))
      end
      shown = view
      out:write(fields[2])
    elseif name == "compared" then
      local differences = math.tointeger(tonumber(fields[2]))
      counts.compared = counts.compared + 1
      counts.different = counts.different + (differences > 0 and 1 or 0)
      out:line(("%s: %s, %s rows, %s items of the source"):format(view, differences == 0
        and "equal" or ("%d %s"):format(differences, differences == 1 and "difference"
        or "differences"), fields[3], fields[4]))
    elseif name == "failed" then
      counts.failed = counts.failed + 1
      out:complain("tidetable run", fields[2])
    end
  end
end

--- Returns a function for Supervisor:run. Status: 0 if all views are equal to their sources, 1 if
--- one is not, 4 if one could not be compared.
---@param out table  the console
---@return fun(self: tidetable.run.Supervisor)
function view_checks.work(out)
  return function(self)
    local has_views = false
    for _, definition in ipairs(self.accepted.definitions) do
      has_views = has_views or kinds[definition.kind].compare ~= nil
    end
    if not has_views then
      self:fail("script", ("%s: the script defines no view"):format(self.given.script))
      return
    end
    local counts = { compared = 0, different = 0, failed = 0 }
    local process, err = self:run_child("compare", printer(out, counts), math.huge)
    if not process then
      self:fail("database", err.message)
      return
    elseif self.was_interrupted then
      self.status = exit_status.INTERRUPTED
    elseif (process.signal or 0) > 0 or process.status ~= 0 then
      self:fail("script", ("%s: the functions of the views ended their process, which %s"):format(
        self.given.script, process:end_text()))
    elseif counts.failed > 0 then
      self.status = exit_status.RUN_DATABASE
    elseif counts.different > 0 then
      self.status = exit_status.FAILED
    end
    self:stop()
  end
end

return view_checks
