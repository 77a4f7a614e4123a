-- exec.lua - hands batches to a program, as events of AWS Lambda, and reads its answers.
--
--     to its standard input     {"Records":[...]} and a line feed, for each batch
--     from its standard output  one line with a JSON object (answer.lua); with answer_fd = 3 from
--                               descriptor 3
--
-- The program is a child of the worker, and is restarted after its end or a wrong answer. It shares
-- the worker's standard error. Delivery is at least once.

local answers = require "tidetable.run.answer"
local channels = require "tidetable.run.channel"
local core = require "tidetable.core"
local cqueues = require "cqueues"
local responses = require "tidetable.consumer.response"

local execs = {}

--- Maximum length of an answer.
local ANSWER_MAX = 1024 * 1024
--- Time reserved to end a program that does not answer, before the library interrupts the handler:
--- a part of handler_limit, and its maximum in seconds.
local RESERVE, RESERVE_MAX = 0.1, 1
--- Default of handler_limit.
local HANDLER_LIMIT = 60
--- Seconds that a program has to end after the end of its standard input.
local END_GRACE = 2
--- Seconds between two checks whether a program has ended.
local POLL_INTERVAL = 0.005
--- Maximum number of seconds of one wait for a program. Then its end is looked for, because another
--- process may keep its pipes open.
local LOOK_INTERVAL = 0.1
--- Seconds that a program has to end after it has closed its output in a batch.
local DEATH_GRACE = 0.2
--- Account in the name of the stream.
local ACCOUNT = "000000000000"

--- Checks the fields of a definition that describe the program.
---@param definition table
---@return true|nil, string|nil message
function execs.validate(definition)
  local answer_fd = definition.answer_fd
  if type(definition.exec) ~= "string" or definition.exec == "" or definition.exec:find "%z" then
    return nil, '"exec" must be a command'
  elseif definition.handler ~= nil then
    return nil, '"handler" and "exec" exclude each other'
  elseif answer_fd ~= nil and answer_fd ~= 1 and answer_fd ~= 3 then
    return nil, '"answer_fd" must be 1 or 3'
  elseif definition.mode == "locked" then
    return nil, 'mode = "locked" is not possible with "exec": a program does not run under the'
      .. ' write lock'
  end
  return true
end

---@class tidetable.run.Exec
---@field command string
---@field answers_at integer       descriptor of its answers
---@field seconds number           time for an answer, from the first byte of the request
---@field context tidetable.run.Context
---@field incarnation string
---@field process userdata|nil     nil: not running
---@field ended { status: integer, signal: integer }|nil  how the process has ended
---@field input tidetable.run.Channel|nil
---@field output tidetable.run.Channel|nil
---@field buffered string          bytes of answers that were not read
---@field answered integer         number of batches that this process has answered
---@field handled table<string, true>  records before the first failed one of the last answer
local Exec = {}
Exec.__index = Exec

---@param db tidetable.Database
---@param definition table
---@param context tidetable.run.Context
---@return tidetable.run.Exec
function execs.new(db, definition, context)
  local limit = definition.handler_limit or HANDLER_LIMIT
  return setmetatable({
    command = definition.exec, answers_at = definition.answer_fd or 1, context = context,
    seconds = limit - math.min(limit * RESERVE, RESERVE_MAX),
    incarnation = db:info().incarnation, buffered = "", answered = 0, handled = {},
  }, Exec)
end

-- The process -----------------------------------------------------------------

--- Starts the program. Raises an error if that fails.
function Exec:start()
  local child_in, input = core.pipe()
  local output, child_out = core.pipe()
  if not child_in or not output then
    error(input or child_out, 0)
  end
  local descriptors = { child_in, self.answers_at == 1 and child_out or 1, 2,
    self.answers_at == 3 and child_out or nil }
  local process, err = core.start_process("/bin/sh", { "sh", "-c", self.command }, descriptors, {})
  core.descriptor_close(child_in)
  core.descriptor_close(child_out)
  if not process then
    error(err, 0)
  end
  self.process, self.ended, self.buffered, self.answered = process, nil, "", 0
  self.input, self.output = channels.new(input), channels.new(output)
end

function Exec:close_channels()
  if self.input then
    self.input:close()
    self.output:close()
    self.input, self.output = nil, nil
  end
end

--- Sleeps for a moment, in the event loop or in this thread.
local function nap(in_loop)
  if in_loop then
    cqueues.sleep(POLL_INTERVAL)
  else
    local timer <close> = assert(core.timer(POLL_INTERVAL))
    core.timer_sleep(timer)
  end
end

--- Returns true if the program has ended, and kills the rest of its group then.
function Exec:has_ended()
  if not self.ended then
    local status, signal = core.process_poll(self.process)
    self.ended = status ~= false and { status = status, signal = signal } or nil
  end
  return self.ended ~= nil
end

--- Waits until the program has ended, at most `seconds`; then kills it with its group. Returns how
--- it ended, and whether with status 0.
---@param seconds number
---@return string, boolean
function Exec:reap(seconds)
  local deadline = core.elapsed() + seconds
  while not self:has_ended() do
    if core.elapsed() >= deadline then
      core.process_signal(self.process, "SIGKILL", true)
    end
    nap(seconds > 0)             -- a killed one ends at once, and an error must not yield
  end
  local status, signal = self.ended.status, self.ended.signal
  self.process = nil
  self:close_channels()
  return signal > 0 and ("was ended by signal %d"):format(signal)
    or ("exited with status %d"):format(status), signal == 0 and status == 0
end

--- Kills the program.
function Exec:kill()
  if self.process then
    core.process_signal(self.process, "SIGKILL", true)
    self:reap(0)
  end
end

--- Ends the program: its standard input reaches its end.
function Exec:close()
  if self.process then
    self.input:close()
    self:reap(END_GRACE)
  end
end

--- Starts the program unless it runs and has written nothing after its last answer.
function Exec:ensure()
  if self.process then
    local late = self.buffered ~= "" and self.buffered or self.output:try_read()
    if late and late ~= "" then
      self.context.report("warning", ("the program has written after its answer, and is started "
        .. "again: %s"):format(answers.quote(late)))
      self:kill()
    elseif late == "" or self:has_ended() then
      self:reap(END_GRACE)       -- it has ended or closed its output since its last answer
    end
  end
  if not self.process then
    self:start()
  end
end

-- A batch ---------------------------------------------------------------------

--- Identifies a record in the file.
local function id_of(record)
  return record.id
end

--- Returns the records that the program has not handled according to its last answer.
function Exec:unhandled(records)
  local rest = {}
  for _, record in ipairs(records) do
    if not self.handled[id_of(record)] then
      rest[#rest + 1] = record
    end
  end
  return rest
end

--- Returns the request as one line, without its line feed.
function Exec:request(records)
  local parts, region, incarnation = {}, self.context.region, self.incarnation
  for i, record in ipairs(records) do
    parts[i] = core.json_record(record, "dynamodb", incarnation, region, ACCOUNT)
  end
  return '{"Records":[' .. table.concat(parts, ",") .. "]}"
end

--- Writes a part of the request. Returns true; false after the deadline; nil if the program has
--- ended or no longer reads; nil, problem if it answers before the end.
function Exec:write(request, deadline)
  local written = 0
  while true do
    local count = self.input:try_write(request, written)
    if not count then
      return nil
    end
    local early = self.output:try_read()
    if early and early ~= "" then
      return nil, "it answered before the whole batch was written: " .. answers.quote(early)
    elseif early == "" then
      return nil
    elseif count == #request then
      return true
    end
    local left = deadline - core.elapsed()
    if left <= 0 then
      return false
    elseif count == written and self:has_ended() then
      return nil
    elseif count == written then
      cqueues.poll({ pollfd = self.input.number, events = "w" },
        { pollfd = self.output.number, events = "r" },
        math.min(left, LOOK_INTERVAL))
    end
    written = count
  end
end

--- Waits for output. Returns it; "" at its end and after the end of the program, even if another
--- process keeps the pipe open; nil after the deadline.
function Exec:read(deadline)
  while true do
    local had_ended = self:has_ended()      -- before the read: it has written nothing after it
    local now = core.elapsed()
    local bytes = self.output:read(had_ended and now or math.min(deadline, now + LOOK_INTERVAL))
    if bytes or had_ended or core.elapsed() >= deadline then
      return bytes or had_ended and "" or nil
    end
  end
end

--- Reads a line. Returns it; false after the deadline; nil at the end; nil, problem.
function Exec:read_line(deadline)
  local parts, len = {}, 0
  while true do
    local bytes = self:read(deadline)
    if not bytes then
      return false
    elseif bytes == "" then
      return nil, len > 0 and "its answer has no line feed: " .. answers.quote(table.concat(parts))
        or nil
    end
    local at = bytes:find("\n", 1, true)
    local part = at and bytes:sub(1, at - 1) or bytes
    parts[#parts + 1], len = part, len + #part
    if len > ANSWER_MAX then
      return nil, ("its answer is longer than %d bytes"):format(ANSWER_MAX)
    elseif at then
      self.buffered = bytes:sub(at + 1)
      return table.concat(parts)
    end
  end
end

--- Sends a batch. Returns the answer; nil, problem, whether it is a death. A program that has ended
--- with status 0 after an answer may have done so before this batch: then the problem is nil.
function Exec:exchange(records)
  local deadline = core.elapsed() + self.seconds
  local done, problem = self:write(self:request(records), deadline)
  if done then                   -- an answer before the line feed of the request is wrong
    done = self.input:write("\n", deadline)
  end
  local line = done
  if done then
    line, problem = self:read_line(deadline)
  end
  if line then
    return line
  elseif problem then
    self:kill()
    return nil, problem, false
  elseif line == false then
    self:kill()
    return nil, ("gave no answer within %g s"):format(self.seconds), true
  end
  local has_answered = self.answered > 0
  local how, is_success = self:reap(DEATH_GRACE)
  if has_answered and is_success then
    return nil, nil
  end
  return nil, how .. " without an answer", true
end

--- Reads the answer. Returns the index of the first failed record in `records`, 0 if none failed;
--- nil, problem.
function Exec:judge(line, records)
  local index, problem = answers.read(line, records)
  if index and self.buffered ~= "" then
    index, problem = nil, "a second line"
    line = self.buffered:match "^[^\n]*"
  end
  if not index then
    self:kill()
    return nil, ("wrong answer of the program: %s: %s"):format(problem, answers.quote(line))
  end
  self.answered = self.answered + 1
  return index
end

--- Returns the result of the handler for an answer whose first failed record is records[index].
function Exec:partial(records, index)
  for i = 1, index - 1 do
    self.handled[id_of(records[i])] = true
  end
  return { batch_item_failures = { records[index].sequence_number } }
end

--- Handles a batch: returns what a handler returns.
function Exec:handle(records)
  local rest = self:unhandled(records)
  if #rest == 0 then
    return nil                   -- the records before the first failed one of the last answer
  end
  local line, problem, is_death
  for _ = 1, 2 do
    self:ensure()
    line, problem, is_death = self:exchange(rest)
    if line or problem then
      break
    end
  end
  if is_death or not line and not problem then
    return responses.death("the program " .. (problem or "ended without an answer"))
  elseif problem then
    return nil, "wrong answer of the program: " .. problem
  end
  local index
  index, problem = self:judge(line, rest)
  if not index then
    return nil, problem
  elseif index > 0 then
    return self:partial(rest, index)
  end
  self.handled = {}
  return nil
end

--- Returns the handler of the consumer. An error in it, such as the end of handler_limit, ends the
--- program.
---@return tidetable.Handler
function Exec:handler()
  return function(records)
    local is_done = false
    local _ <close> = setmetatable({}, { __close = function()
      if not is_done then
        self:kill()
      end
    end })
    local first, second = self:handle(records)
    is_done = true
    return first, second
  end
end

return execs
