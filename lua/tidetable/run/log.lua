-- log.lua - the log of `tidetable run`: the only writer of standard error.
--
-- A line is written completely or not at all, without waiting. While standard error is not read,
-- lines are dropped and counted; the number is written when the pipe has room again.
--
--     text   2026-01-31T11:30:00.123Z warning totals/1 attempt 2 failed: ...
--     json   {"time":"...","level":"warning","processor":"totals","worker":1,"message":"..."}

local core = require "tidetable.core"
local json_text = require "tidetable.dynamodb.json_text"

local logs = {}

local ERRORS = 2
--- Maximum number of bytes that wait to be written.
local WAITING_MAX = 256 * 1024
--- Maximum number of bytes of a message.
local MESSAGE_MAX = 64 * 1024
--- Seconds to wait for a reader at the end of the program, and between two attempts.
local FINISH, PAUSE = 1, 0.01
--- Number of lines that are kept for the live view.
local KEPT = 200

---@class tidetable.run.Log
---@field is_json boolean
---@field waiting string     bytes to be written
---@field dropped integer    number of lines since the last notice
---@field dropped_total integer
---@field kept string[]      last lines, as text without the date
---@field is_silent boolean  lines are only kept: the live view shows them
local Log = {}
Log.__index = Log

--- The fields of a line besides its message.
---@class tidetable.run.LogFields
---@field processor string|nil
---@field worker integer|nil
---@field pid integer|nil
---@field stream "stdout"|"stderr"|nil  of a line that a worker or its program has printed

---@param format "text"|"json"
---@return tidetable.run.Log
function logs.new(format)
  return setmetatable({ is_json = format == "json", waiting = "", dropped = 0,
    dropped_total = 0, kept = {}, is_silent = false }, Log)
end

--- Returns a time of the wall clock as text, in UTC.
local function time_text(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(seconds))
    .. (".%03dZ"):format(math.floor(seconds * 1000) % 1000)
end

--- Replaces bytes that are not UTF-8 and control characters except tabs, because a line must not
--- contain line feeds, nor commands for the terminal.
local function printable(text)
  if not text:find "[^\t -~]" then
    return text
  end
  local parts, at = {}, 1
  while at <= #text do
    local _, bad = utf8.len(text, at)
    local last = bad and bad - 1 or #text
    parts[#parts + 1] = text:sub(at, last):gsub("[%c\127]", function(char)
      return char == "\t" and char or ("\\x%02X"):format(char:byte())
    end)
    parts[#parts + 1] = bad and ("\\x%02X"):format(text:byte(bad))
    at = last + 2
  end
  return table.concat(parts)
end

local function subject_of(fields)
  local subject = fields.processor or "-"
  if fields.worker then
    subject = ("%s/%d"):format(subject, fields.worker)
  end
  return subject .. (fields.stream and " " .. fields.stream or "")
end

--- Returns the lines of a message in the format "text".
local function text_lines(time, level, fields, message)
  local lines = {}
  for line in (message:gsub("\n+$", "") .. "\n"):gmatch "([^\n]*)\n" do
    lines[#lines + 1] = ("%s %-7s %s %s\n"):format(time, level, subject_of(fields),
      printable(line))
  end
  return lines
end

local ORDER = json_text.order { "time", "level", "processor", "worker", "pid", "stream",
  "message" }

local function json_line(time, level, fields, message)
  local tree = { time = time, level = level, processor = fields.processor,
    worker = fields.worker, pid = fields.pid, stream = fields.stream,
    message = utf8.len(message) and message or printable(message) }
  return { json_text.encode(tree, ORDER) .. "\n" }
end

--- Writes what can be written without waiting.
function Log:flush()
  local written = 0
  while written < #self.waiting do
    local count = core.descriptor_write(ERRORS, self.waiting, written)
    if not count then
      self.waiting, written = "", 0          -- the reader has closed it
      break
    elseif count == written then
      break
    end
    written = count
  end
  self.waiting = self.waiting:sub(written + 1)
  if self.dropped > 0 and #self.waiting < WAITING_MAX / 2 then
    local count = self.dropped
    self.dropped = 0
    self:write("warning", {}, ("%d log lines were dropped: they were not read"):format(count))
  end
end

--- Keeps a line for the live view, without its date and line feed.
local function keep(self, line)
  self.kept[#self.kept + 1] = line:sub(12, 19) .. line:sub(25, -2):gsub("\t", "  ")
  if #self.kept > KEPT then
    table.remove(self.kept, 1)
  end
end

--- Writes the rest before the end of the program; waits for a reader, at most a second.
function Log:finish()
  local deadline = core.elapsed() + FINISH
  self:flush()
  while self.waiting ~= "" and core.elapsed() < deadline do
    local timer <close> = assert(core.timer(PAUSE))
    core.timer_sleep(timer)
    self:flush()
  end
end

--- Adds a message. A message of several lines becomes several lines in the format "text".
---@param level "info"|"warning"|"error"
---@param fields tidetable.run.LogFields
---@param message string
function Log:write(level, fields, message)
  if #message > MESSAGE_MAX then
    message = message:sub(1, MESSAGE_MAX) .. "..."
  end
  local time = time_text(core.time())
  local text = text_lines(time, level, fields, message)
  for _, line in ipairs(text) do
    keep(self, line)
  end
  if self.is_silent then
    return
  end
  for _, line in ipairs(self.is_json and json_line(time, level, fields, message) or text) do
    if #self.waiting + #line > WAITING_MAX then
      self.dropped, self.dropped_total = self.dropped + 1, self.dropped_total + 1
    else
      self.waiting = self.waiting .. line
    end
  end
  self:flush()
end

return logs
