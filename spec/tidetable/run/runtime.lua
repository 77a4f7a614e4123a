-- runtime.lua - starts `tidetable run` in the specs, reads its log, and waits for its end.
local assert = require "luassert"
local core = require "tidetable.core"
local helper = require "spec.tidetable.helper"
local json_text = require "tidetable.dynamodb.json_text"

local runtime = {}

local COMMAND = (os.getenv "TIDETABLE_BUILD" or "build") .. "/bin/tidetable"
--- Seconds after which a test fails that waits for something.
local PATIENCE = 60

local running = {}

--- Gives each test its own directory, and kills the commands that it left running.
function runtime.setup(before_each, after_each)
  helper.setup(before_each, after_each)
  after_each(function()
    for _, each in ipairs(running) do each:kill() end
    running = {}
  end)
end

--- Writes a file in the directory of the test. Returns its path.
function runtime.write(name, text)
  local path = helper.path(name)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
  return path
end

--- Creates the database of the test with the tables `orders`, which has a stream, and `effects`.
function runtime.database(options)
  local db = helper.open(options)
  local stream = { view_type = "NEW_AND_OLD_IMAGES" }
  local orders = assert(db:create_table { name = "orders", partition_key = "id", stream = stream })
  local effects = assert(db:create_table { name = "effects", partition_key = "id" })
  return db, orders, effects
end

--- Puts the items `first` to `last` with the attribute n.
function runtime.put(orders, first, last)
  for i = first, last do assert(orders:put { id = tostring(i), n = i }) end
end


--- Sleeps for a moment: a timer of the core, which any signal may end early.
local function pause()
  local timer = core.timer(0.01)
  core.timer_sleep(timer)
  core.timer_end(timer)
end

runtime.pause = pause

--- A command that runs.
local Run = {}
Run.__index = Run

--- Starts `tidetable run` with the database of the test. words: further arguments. changes: of the
--- environment.
function runtime.start(words, changes)
  local output, input = core.pipe()
  local errors, error_input = core.pipe()
  assert(output and errors)
  local all = { "lua", COMMAND, "run", helper.path(), "--log-format", "json", "--durability",
    "none" }
  table.move(words, 1, #words, #all + 1, all)
  local process, pid = core.start_process(core.program_path(), all, { false, input, error_input },
    changes or {})
  assert(process, pid)
  core.descriptor_close(input)
  core.descriptor_close(error_input)
  local self = setmetatable({ process = process, pid = pid, output = output, errors = errors,
    out = "", rest = "", lines = {}, raw = {} }, Run)
  running[#running + 1] = self
  return self
end

--- Reads the output of the command.
function Run:read()
  local bytes = core.descriptor_read(self.output)
  while bytes and bytes ~= "" do
    self.out, bytes = self.out .. bytes, core.descriptor_read(self.output)
  end
  bytes = core.descriptor_read(self.errors)
  while bytes and bytes ~= "" do
    self.rest = self.rest .. bytes
    local from, at = 1, self.rest:find("\n", 1, true)
    while at do
      local line = self.rest:sub(from, at - 1)
      self.raw[#self.raw + 1] = line
      self.lines[#self.lines + 1] = json_text.decode(line) or { message = line, level = "raw" }
      from, at = at + 1, self.rest:find("\n", at + 1, true)
    end
    self.rest = self.rest:sub(from)
    bytes = core.descriptor_read(self.errors)
  end
  if not self.status then
    local status, signal = core.process_poll(self.process)
    if status ~= false then self.status, self.signal = status, signal end
  end
end

--- Waits until f returns a true value, and returns it. what: for the message.
function Run:wait_until(what, f)
  local deadline = core.elapsed() + PATIENCE
  while true do
    self:read()
    local value = f()
    if value then return value end
    if core.elapsed() > deadline or self.status then
      self:read()
      value = f()
      if value then return value end
      error(("waited in vain for %s; status %s; the log:\n%s"):format(what, self.status,
        table.concat(self.raw, "\n")), 2)
    end
    pause()
  end
end

--- Waits for a line of the log whose message contains the text. Returns it. from: number of lines
--- that are skipped.
function Run:wait_for(text, from)
  return self:wait_until(("%q"):format(text), function()
    for i = (from or 0) + 1, #self.lines do
      if self.lines[i].message:find(text, 1, true) then return self.lines[i] end
    end
  end)
end

--- Returns the number of lines whose message contains the text.
function Run:count(text)
  local count = 0
  for _, line in ipairs(self.lines) do
    if line.message:find(text, 1, true) then count = count + 1 end
  end
  return count
end

function Run:ready() return self:wait_for "ready: " end

function Run:signal(name) core.process_signal(self.process, name, false) end

--- Waits for the end. Returns the exit status; nil, number of the signal.
function Run:wait()
  local deadline = core.elapsed() + PATIENCE
  while not self.status do
    if core.elapsed() > deadline then
      error("the command does not end; the log:\n" .. table.concat(self.raw, "\n"), 2)
    end
    self:read()
    pause()
  end
  self:read()
  if self.signal > 0 then return nil, self.signal end
  return self.status
end

--- Checks the exit status and that the log has this text.
function Run:ends(status, text)
  local got = self:wait()
  if got ~= status or text and self:count(text) == 0 then
    error(("status %s, not %s%s; the log:\n%s"):format(got, status,
      text and " with " .. text or "", table.concat(self.raw, "\n")), 2)
  end
end

--- Stops the command and checks that it ends well.
function Run:stop()
  self:signal "SIGTERM"
  self:ends(0)
end

function Run:kill()
  if not self.status then core.process_signal(self.process, "SIGKILL", true) end
end

--- Returns the pids of the worker processes: children of the command.
function Run:workers()
  local pids = {}
  local file = io.open(("/proc/%d/task/%d/children"):format(self.pid, self.pid))
  local text = file and file:read "a" or ""
  if file then file:close() end
  for pid in text:gmatch "%d+" do pids[#pids + 1] = math.tointeger(pid) end
  return pids
end

--- Starts `tidetable run` with a script of this text, as runtime.start does.
function runtime.start_script(text, ...)
  return runtime.start { runtime.write("p.lua", text), ... }
end

--- Sends a signal with the program kill.
function runtime.signal(pid, name)
  local process = assert(core.start_process("kill", { "kill", "-" .. name, tostring(pid) }, {}, {}))
  while core.process_poll(process) == false do pause() end
end

--- Returns true if a process exists and is no zombie.
function runtime.exists(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  local text = file and file:read "a"
  if file then file:close() end
  return text ~= nil and text:match "^.*%) (%S)" ~= "Z"
end

--- A script whose handler counts each record in the item of the record in `effects`. before: code
--- at the start of the handler, with the locals `records` and `tx`.
function runtime.counting(name, options, before)
  return ([[return { name = %q, source = "orders", %s, handler = function(records, tx)
    %s
    for _, record in ipairs(records) do
      tx:table "effects":update({ id = record.keys.id }, "ADD n ?", { 1 })
    end
  end }]]):format(name, options or "batch_size = 10", before or "")
end

--- Returns the number of items of `effects`, and of those that are not 1.
function runtime.effects(effects)
  local count, wrong = 0, 0
  for item in effects:scan() do
    count = count + 1
    if item.n ~= 1 then wrong = wrong + 1 end
  end
  return count, wrong
end

--- Waits until each of the items 1 to `count` was counted once.
function Run:counted(effects, count)
  self:wait_until(count .. " effects", function()
    return (runtime.effects(effects)) >= count
  end)
  assert.same({ count, 0 }, { runtime.effects(effects) })
end

return runtime
