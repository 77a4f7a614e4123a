-- receiver.lua - the target of a replication in this process: applies frames to a replica.

local core = require "tidetable.core"
local wait = require "tidetable.wait"

local receivers = {}

--- The receiver of a replication's frames: a database (this module), or a pipe.
---@class tidetable.replica.Receiver
---@field start fun(self): string|nil, tidetable.error|nil, tidetable.code|nil  the start message
---@field apply fun(self, frames: string, replication: tidetable.Replication): string|nil,
---  tidetable.error|nil, tidetable.code|nil  returns nothing, or the remaining frames and an
---  error
---@field check fun(self): boolean|nil, tidetable.error|nil, tidetable.code|nil  PROMOTED
---@field where fun(self): integer|nil, boolean|tidetable.error, tidetable.code|nil  position, and
---  true while it is copying
---@field close fun(self)

---@class tidetable.replica.LocalReceiver : tidetable.replica.Receiver
---@field target tidetable.Database
---@field name string
---@field tables string[]  names of the tables, in byte order; empty: all
---@field opts tidetable.ReplicateOptions
---@field position integer
---@field has_ended boolean  the end of the source was received
local Receiver = {}
Receiver.__index = Receiver

--- Returns a receiver.
---@param target tidetable.Database
---@param name string
---@param tables string[]  names of the tables, in byte order; empty: all
---@param opts tidetable.ReplicateOptions
---@return tidetable.replica.LocalReceiver
function receivers.new(target, name, tables, opts)
  return setmetatable({ target = target, name = name, tables = tables, opts = opts, position = 0,
    has_ended = false, settings = #tables > 0 and { tables = tables } or {} }, Receiver)
end

function Receiver:start()
  return core.replica_start(self.target.core, self.name, self.tables)
end

--- Applies frames in one or more commits.
---@param frames string
---@param replication table  its fields position, head and is_copying are set
---@return string|nil rest, tidetable.error|nil err, tidetable.code|nil code
function Receiver:apply(frames, replication)
  local offset, opts = 0, self.opts
  while offset < #frames do
    local done, position, head, is_copying, has_ended = wait.try(self.target, core.replica_apply,
      self.target.core, self.name, self.settings, frames, offset, opts.adopt or false,
      opts.skip or false, opts.strict or false, opts.lose or 0, self.tables)
    if not done then
      return frames:sub(offset + 1), position, head
    end
    offset, self.position, replication.is_copying = done, position, is_copying
    self.has_ended = self.has_ended or has_ended
    replication.position = position
    replication.head = head > 0 and head or math.max(replication.head, position)
  end
end

function Receiver:check()
  local start, err, code = self:start()
  return start and true or nil, err, code
end

function Receiver:where()
  local found, err, code = core.replica(self.target.core, self.name)
  if not found and code ~= "NOT_FOUND" then
    return nil, err, code
  end
  local copying = not found
  for _, each in ipairs(found and found.tables or {}) do
    copying = copying or each.state == "COPYING" or each.state == "WAITING"
  end
  return found and found.position or 0, copying
end

function Receiver.close() end

return receivers
