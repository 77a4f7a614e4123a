-- copy_progress.lua - progress of a backup or a compaction: one progress bar for each phase.

local progress_bar = require "tidetable.cli.progress_bar"

local copy_progress = {}

---@class tidetable.cli.CopyProgress
---@field bar tidetable.cli.ProgressBar|nil  of the current phase
local CopyProgress = {}
CopyProgress.__index = CopyProgress

---@param out tidetable.cli.Console
---@return tidetable.cli.CopyProgress  `local progress <close> = ...`
function copy_progress.new(out)
  return setmetatable({ out = out }, CopyProgress)
end

--- Shows the progress of a phase: the `progress` callback of db:backup and tidetable.compact.
---@param phase string
---@param done integer
---@param total integer  0 if unknown
function CopyProgress:show(phase, done, total)
  if phase ~= self.phase then
    self:close()
    self.phase = phase
    self.bar = progress_bar.new(self.out, phase, total > 0 and total or nil)
  end
  self.bar.total = total > 0 and total or nil
  self.bar:show(done)
end

--- Removes the bar from the terminal.
function CopyProgress:close()
  if self.bar then
    self.bar:close()
  end
end

CopyProgress.__close = CopyProgress.close

return copy_progress
