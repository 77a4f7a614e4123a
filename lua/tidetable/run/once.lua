-- once.lua - `tidetable run --once`: processes the existing changes in the order of the pipeline,
-- then ends.

local exit_status = require "tidetable.cli.exit_status"
local kinds = require "tidetable.run.kind"

local once = {}

--- Seconds between two checks whether a processor has ended.
local INTERVAL = 0.2

--- Waits until a worker of the processor has created or opened the consumer. Returns it; nil if the
--- runtime stops.
local function await_consumer(self, processor)
  while not self.is_stopping do
    for _, slot in ipairs(processor.slots) do
      if slot.is_ready then
        return self.db:consumer(processor.name)
      end
    end
    self.changed:wait(INTERVAL)
  end
end

--- Number of checks, after an error, in which a worker may report that its consumer has ended.
local LOOKS = 10

--- Returns true if the processor has passed the change and, if it has something to build, has built
--- it; false if not yet; nil, err on failure.
local function has_reached(self, processor, consumer, target)
  local is_built = kinds[processor.kind].is_built
  local done, err = consumer:wait_for(target, INTERVAL)
  if done and is_built then
    done, err = is_built(self.db, processor.name)
    if done == false then
      self.changed:wait(INTERVAL)
    end
  end
  return done, err
end

--- Waits until the processor has passed the change. Returns nil if the runtime stops.
local function await_position(self, processor, consumer, target)
  local looks = 0
  while not self.is_stopping do
    local done, err = has_reached(self, processor, consumer, target)
    if done then
      return true
    elseif done == nil and looks == LOOKS then
      self:fail("consumer", ("processor %s: %s"):format(processor.name, err.message))
    elseif done == nil then
      looks = looks + 1
      self.changed:wait(INTERVAL)
    end
  end
end

--- Waits until no parked record is marked for replay. One that fails again is no longer marked.
local function await_replays(self, consumer)
  while not self.is_stopping do
    local about = consumer:describe()
    if not about or about.replays == 0 then
      return
    end
    self.changed:wait(INTERVAL)
  end
end

local function await_slots(self, processor)
  for _, slot in ipairs(processor.slots) do
    slot:stop()
  end
  while true do
    local is_running = false
    for _, slot in ipairs(processor.slots) do
      is_running = is_running or slot.state ~= "stopped"
    end
    if not is_running then
      return
    end
    self.changed:wait(1)
  end
end

--- Runs one processor after the other, each up to the last change at its start and through its
--- replays, so that each one handles what the ones before it have written.
---@param self tidetable.run.Supervisor
function once.work(self)
  local has_parked = false
  for _, processor in ipairs(self.processors) do
    local target = self.db:info().sequence_number
    self:start_processor(processor)
    local consumer = await_consumer(self, processor)
    if not consumer or not await_position(self, processor, consumer, target) then
      break
    end
    await_replays(self, consumer)
    await_slots(self, processor)
    local about = consumer:describe()
    has_parked = has_parked or about ~= nil and about.parked > 0
    self.log:write("info", { processor = processor.name },
      ("done: all changes up to %d were processed"):format(target))
  end
  if not self.failure and has_parked then
    self.status = exit_status.RUN_PARKED
  end
  self:stop()
end

return once
