-- report.lua - db:check and tidetable.check: waits for a check, and parses the core's findings.

local core = require "tidetable.core"
local wait = require "tidetable.wait"

local report = {}

--- One problem of a file.
---@class tidetable.Finding
---@field invariant integer  its number in doc/invariants.md
---@field tree string|nil    "meta", "catalog", "items", "tails", "parts", "log" or "free list"
---@field table string|nil   name of the table
---@field key string|nil     the item's key or the record's number, as text
---@field page integer|nil   page number; nil if unknown
---@field message string     complete description

--- One line of the core's report: invariant, tree, table, key, page (0: unknown), message.
local LINE = "^(%d+)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(%d+)\t([^\n]*)$"

local function nil_if_empty(text)
  return text ~= "" and text or nil
end

--- Parses one line of the core's report.
---@param text string
---@return tidetable.Finding
local function parse_finding(text)
  local invariant, tree, name, key, page, message = text:match(LINE)
  return {
    invariant = math.tointeger(invariant), tree = nil_if_empty(tree), table = nil_if_empty(name),
    key = nil_if_empty(key), page = page ~= "0" and math.tointeger(page) or nil, message = message,
  }
end

local calls = { result = core.check_result, wait = core.check_wait, pollfd = core.check_pollfd }

--- Replaces the text of the core's result with the fields findings, problems and ok.
local function parse_result(result)
  result.findings, result.problems = {}, {}
  for text in result.text:gmatch("[^\n]+") do
    local found = parse_finding(text)
    result.findings[#result.findings + 1] = found
    result.problems[#result.problems + 1] = ("%d: %s"):format(found.invariant, found.message)
  end
  result.text = nil
  result.ok = result.problem_count == 0
  return result
end

--- Starts a check and waits for its report.
---@param database tidetable.WaitContext
---@param start fun(...): userdata|nil  core.check, core.check_file
---@param ... any
---@return tidetable.Report|nil, tidetable.error|nil err, tidetable.code|nil code
function report.of(database, start, ...)
  local result, err, code = wait.work(database, calls, nil, start, ...)
  return result and parse_result(result), err, code
end

return report
