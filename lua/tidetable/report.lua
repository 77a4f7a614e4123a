-- report.lua - checks waited for, and what they found: the core's lines as tables.

local core = require "tidetable.core"
local wait = require "tidetable.wait"

local report = {}

--- One thing that is wrong with a file.
---@class tidetable.Finding
---@field invariant integer  its number in doc/invariants.md
---@field tree string|nil    "meta", "items", "tails", "parts", "log" or "free list"
---@field table string|nil   the table's name
---@field key string|nil     the item's key, the record's number: for people
---@field page integer|nil   the file's page, where it is known
---@field message string     a sentence that says all of it

local line = "^(%d+)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(%d+)\t([^\n]*)$"

local function some(text)
  return text ~= "" and text or nil
end

--- Reads one line of the core's text.
---@param text string
---@return tidetable.Finding
local function finding(text)
  local invariant, tree, name, key, page, message = text:match(line)
  return {
    invariant = math.tointeger(invariant), tree = some(tree), table = some(name),
    key = some(key), page = page ~= "0" and math.tointeger(page) or nil, message = message,
  }
end

local calls = { result = core.check_result, wait = core.check_wait, pollfd = core.check_pollfd }

--- Makes the core's report one for users, in place.
local function readable(made)
  made.findings, made.problems = {}, {}
  for text in made.text:gmatch("[^\n]+") do
    local found = finding(text)
    made.findings[#made.findings + 1] = found
    made.problems[#made.problems + 1] = ("%d: %s"):format(found.invariant, found.message)
  end
  made.text = nil
  made.ok = made.problem_count == 0
  return made
end

--- Checks, and waits for it.
---@param database table  what `wait` it has
---@param start fun(...): userdata|nil  core.check, core.check_file
---@param ... any
---@return tidetable.Report|nil, tidetable.error|nil err, tidetable.code|nil code
function report.of(database, start, ...)
  local made, err, code = wait.work(database, calls, nil, start, ...)
  return made and readable(made), err, code
end

return report
