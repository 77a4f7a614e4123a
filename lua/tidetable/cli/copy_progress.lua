-- copy_progress.lua - how far a copy is: a line on the terminal for each phase.

local progress_bar = require "tidetable.cli.progress_bar"

local copy_progress = {}

--- The progress of a copy: a line on the terminal for each phase.
---@class tidetable.cli.CopyProgress
local CopyProgress = {}
CopyProgress.__index = CopyProgress

---@param out tidetable.cli.Console
---@return tidetable.cli.CopyProgress  `local phases <close> = ...`
function copy_progress.new(out)
  return setmetatable({ out = out }, CopyProgress)
end

--- What db:backup and tidetable.compact call.
function CopyProgress:show(phase, done, total)
  if phase ~= self.phase then
    self:close()
    self.phase = phase
    self.bar = progress_bar.new(self.out, phase, total > 0 and total or nil)
  end
  self.bar.total = total > 0 and total or nil
  self.bar:show(done)
end

--- Takes the line away.
function CopyProgress:close()
  if self.bar then
    self.bar:close()
  end
end

CopyProgress.__close = CopyProgress.close

return copy_progress
