-- program.lua - programs of `--exec` in the specs: started, driven and killed by the spec itself.
local core = require "tidetable.core"
local json = require "tidetable.dynamodb.json"
local json_text = require "tidetable.dynamodb.json_text"

local programs = {}

--- Time after which a program is ended by SIGALRM, so that no test hangs.
local SECONDS = 120

local Program = {}
Program.__index = Program

--- Starts a program. Its standard error goes to a file.
---@param words string[]  the command
---@param errors string   path of the file, to which is appended
function programs.start(words, errors)
  local command = { "/bin/sh", "-c", 'exec 2>>"$0"; exec "$@"', errors }
  table.move(words, 1, #words, #command + 1, command)
  local program, pid, output = core.start_program(command, SECONDS)
  assert(program, pid)
  return setmetatable({ program = program, pid = pid, output = output, errors = errors }, Program)
end

--- Sends a line. Returns false if the program has ended. `ending`: default "\n".
function Program:send(text, ending)
  return core.send_program(self.program, text .. (ending or "\n"))
end

--- Returns its next line, nil at the end.
function Program:line() return self.output:read "l" end

--- Sends a line and returns the answer, decoded; nil if the program ended.
function Program:ask(text)
  local answer = self:send(text) and self:line()
  return answer and assert(json_text.decode(answer)) or nil
end

--- Closes its standard input and waits for its end. Returns the rest of its output, and its exit
--- status or "signal n".
function Program:wait()
  core.close_input(self.program)
  local output = self.output:read "a"
  local status, signal = core.wait_program(self.program)
  self.ended = true
  return output, signal ~= 0 and "signal " .. signal or status
end

function Program:kill()
  if not self.ended then
    os.execute("kill -9 " .. self.pid)
    return self:wait()
  end
end

--- Returns what it has written to standard error.
function Program:error_text()
  local file <close> = assert(io.open(self.errors))
  return file:read "a"
end

--- Returns records of a stream as an event of Lambda, on one line: those of GetRecords, with the
--- ARN of the stream, and userIdentity in lower case.
function programs.event(db, records)
  local list = {}
  for i, record in ipairs(records) do
    local tree = json.record_tree(record, "dynamodb", db:info())
    tree.eventSourceARN = ("arn:aws:dynamodb:local:000000000000:table/%s/stream/%s"):format(
      record.table_name, record.stream_label)
    if tree.userIdentity then
      tree.userIdentity = { type = "Service", principalId = "dynamodb.amazonaws.com" }
    end
    list[i] = tree
  end
  return json_text.encode { Records = list }
end

return programs
