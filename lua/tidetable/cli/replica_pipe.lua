-- replica_pipe.lua - replication through pipes: both ends of `tidetable replicate`.
--
-- The source writes frames (csrc/codec/frame.h). The target reads them from standard input and
-- writes lines to standard output:
--
--   position TEXT      first line: the start message for the source, in base64 for URLs
--   applied NUMBER     after each commit: the position in the source
--
-- With --via the source runs the target's command and reads these lines, so it keeps records until
-- they are applied. In a plain pipe these lines are not read.

local base64 = require "tidetable.dynamodb.base64"
local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local display = require "tidetable.cli.display"
local exit_status = require "tidetable.cli.exit_status"
local library_error = require "tidetable.cli.library_error"
local wait = require "tidetable.wait"

local replica_pipe = {}

--- Bytes of input after which a target applies the frames.
local BATCH = 8 * 1024 * 1024

--- Maximum number of bytes of a line that the command of --via writes: the position of a replica
--- with many tables.
local LINE_MAX = 16 * 1024 * 1024

local COMMAND_HINT = "the command must be: tidetable replicate - TARGET"

local to_url, from_url = { ["+"] = "-", ["/"] = "_" }, { ["-"] = "+", ["_"] = "/" }

--- Encodes the start message for the source as one word.
---@param start string  bytes of core.replica_start
---@return string
function replica_pipe.encode(start)
  return (base64.encode(start):gsub("[+/]", to_url):gsub("=", ""))
end

--- Returns the bytes of such a word; nil if it is damaged.
---@param text string
---@return string|nil
function replica_pipe.decode(text)
  local padded = text:gsub("[-_]", from_url) .. ("="):rep(-#text % 4)
  local start = base64.decode(padded)
  return start and pcall(core.start_position, start) and start or nil
end

-- A plain pipe ---------------------------------------------------------------

--- Writes frames to standard output.
---@class tidetable.cli.OutReceiver : tidetable.replica.Receiver
local OutReceiver = {}
OutReceiver.__index = OutReceiver

--- Returns a receiver that writes to standard output.
---@param start string
---@param out tidetable.cli.Console
---@return tidetable.cli.OutReceiver
function replica_pipe.output(start, out)
  return setmetatable({ given = start, out = out }, OutReceiver)
end

function OutReceiver:start()
  return self.given
end

function OutReceiver:apply(frames)
  self.out:write(frames)
  self.out.flush()
end

function OutReceiver:check()
  self.out.check_reader()
  return true
end

function OutReceiver:finish(last)
  self:apply(last)
  return exit_status.SUCCESS
end

function OutReceiver.close() end

-- The command of --via -------------------------------------------------------

--- Runs the target's command and communicates with it.
---@class tidetable.cli.ViaReceiver : tidetable.replica.Receiver
---@field command string
---@field process userdata|nil
---@field input userdata    where the command reads
---@field output userdata   where it writes
---@field lines string      output that was read and not used yet
---@field position integer  that it has acknowledged
local ViaReceiver = {}
ViaReceiver.__index = ViaReceiver

--- Starts the command.
---@param command string  of the shell
---@return tidetable.cli.ViaReceiver
function replica_pipe.via(command)
  local theirs, input = library_error.check(command, core.pipe())
  local output, their_output = library_error.check(command, core.pipe())
  local process = library_error.check(command, core.start_process("/bin/sh",
    { "sh", "-c", command }, { theirs, their_output, 2 }, {}))
  core.descriptor_close(theirs)
  core.descriptor_close(their_output)
  return setmetatable({ command = command, process = process, input = input, output = output,
    lines = "", position = 0 }, ViaReceiver)
end

--- Waits for the end of the command. Returns its exit status, 128 and the signal after a signal.
function ViaReceiver:wait_for_end()
  core.descriptor_close(self.input)
  while true do
    local status, signal = core.process_poll(self.process)
    if status then
      self.process = nil
      return signal ~= 0 and 128 + signal or status
    end
    wait.pause(nil, 0.01)
  end
end

--- Ends this command because the other one has ended too early.
function ViaReceiver:fail()
  local status = self:wait_for_end()
  console.fail(("--via: the command ended with status %d before the replication did")
    :format(status), nil, status == exit_status.PROMOTED and status or exit_status.FAILED)
end

--- Returns the next line of the command; nil at the end of its output.
function ViaReceiver:line()
  local parts, bytes, piece = {}, 0, self.lines
  while true do
    local at = piece:find("\n", 1, true)
    parts[#parts + 1], bytes = at and piece:sub(1, at - 1) or piece, bytes + #piece
    if at then
      self.lines = piece:sub(at + 1)
      return table.concat(parts)
    elseif bytes > LINE_MAX then
      console.fail(("--via: the command wrote a line of more than %s"):format(
        display.bytes(LINE_MAX)), COMMAND_HINT)
    end
    piece = library_error.check(self.command,
      core.read_input(core.descriptor_number(self.output)))
    if piece == "" then
      return nil
    end
  end
end

--- Ends the command of --via because of a line that no target writes.
local function fail_line(expected, line)
  console.fail(("--via: expected %s, got '%s'"):format(expected, display.safe(line:sub(1, 60))),
    COMMAND_HINT)
end

function ViaReceiver:start()
  while not self.given do
    local line = self:line()
    if not line then
      self:fail()
    end
    local text = line:match "^position (%S+)$"
    self.given = text and replica_pipe.decode(text)
    if not self.given then
      fail_line("the position of the target", line)
    end
  end
  return self.given
end

--- Writes frames, and waits until the target has applied them.
function ViaReceiver:apply(frames, replication)
  local written = 0
  while written < #frames do
    local now, _, code = core.descriptor_write(self.input, frames, written)
    if not now then
      if code == "STORE" then
        self:fail()
      end
      return frames:sub(written + 1), _, code
    end
    written = now
  end
  local wanted = core.sender_state(replication.sender)
  while self.position < wanted do
    local line = self:line()
    if not line then
      self:fail()
    end
    local number = line:match "^applied (%d+)$"
    self.position = number and math.tointeger(tonumber(number))
    if not self.position then
      fail_line("'applied NUMBER'", line)
    end
  end
  replication.position = self.position
  self.given = nil
end

--- Notices that the command has ended while nothing is sent.
function ViaReceiver:check()
  local status, signal = core.process_poll(self.process)
  if status then
    self.process = nil
    status = signal ~= 0 and 128 + signal or status
    console.fail(("--via: the command ended with status %d"):format(status), nil,
      status == exit_status.PROMOTED and status or exit_status.FAILED)
  end
  return true
end

--- Sends the end, and waits for that of the command. Returns its status.
function ViaReceiver:finish(last)
  core.descriptor_write(self.input, last)
  return self:wait_for_end()
end

function ViaReceiver:close()
  if self.process and not core.process_poll(self.process) then
    core.descriptor_close(self.input)
    core.process_signal(self.process, "SIGTERM", true)
    self.process = nil
  end
end

ViaReceiver.__close = ViaReceiver.close

-- The target -----------------------------------------------------------------

--- Reads the available input; without frames in hand, waits for some. Returns it, and true at the
--- end of the input.
local function read_more(has_frames)
  local parts, bytes = {}, 0
  while bytes < BATCH do
    local piece, err, code = core.read_input(0, (has_frames or bytes > 0) and 0 or nil)
    if not piece and code == "TIMEOUT" then
      break
    end
    library_error.check("standard input", piece, err)
    if piece == "" then
      return table.concat(parts), true
    end
    parts[#parts + 1], bytes = piece, bytes + #piece
  end
  return table.concat(parts), false
end

--- Applies standard input until its end. Fails if the source has not announced the end.
---@param receiver tidetable.replica.LocalReceiver
---@param out tidetable.cli.Console
---@param path string  of the target
---@param view tidetable.cli.AdoptionView|nil  shows what is applied
function replica_pipe.receive(receiver, out, path, view)
  local state = { position = 0, head = 0 }
  out:write("position ", replica_pipe.encode(library_error.check(path, receiver:start())), "\n")
  out.flush()
  local input, is_new = "", not core.replica(receiver.target.core, receiver.name)
  local more, at_end
  repeat
    more, at_end = read_more(false)
    input = input .. more
    local whole = library_error.check("standard input", core.whole_frames(input, is_new))
    if whole > 0 then
      local rest, err = receiver:apply(input:sub(1, whole), state)
      if view then
        view:show(state.is_copying ~= false)
      end
      if rest then
        library_error.fail(path, err)
      end
      input, is_new = input:sub(whole + 1), false
      out:write(("applied %d\n"):format(state.position))
      out.flush()
    end
  until at_end or receiver.has_ended
  if not receiver.has_ended then
    console.fail(("%s: the input ended before its end was announced: the replica is at %d")
      :format(path, receiver.position), "start the replication again: it continues there")
  end
end

return replica_pipe
