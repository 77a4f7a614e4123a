-- ending.lua - the error that ended the last run of a consumer, which is stored in the file.

local core = require "tidetable.core"
local wait = require "tidetable.wait"

local endings = {}

--- Maximum length in bytes of the text in the file: the code, a space and the message.
local TEXT_MAX = 255

--- Errors that are stored. CONSUMER_GONE is not, because the consumer no longer exists.
local stored = {
  SOURCE_GONE = true, STREAM_GAP = true, TRIMMED = true, CORRUPT = true, BATCH_FAILED = true,
  PARKED_FULL = true, LOOP = true, NOT_FOUND = true, VALIDATION = true,
}

--- Returns the text truncated to at most TEXT_MAX bytes, at the end of a UTF-8 character.
local function shortened(text)
  local last = math.min(#text, TEXT_MAX)
  while last < #text and last > 0 and text:byte(last + 1) & 0xc0 == 0x80 do
    last = last - 1
  end
  return text:sub(1, last)
end

--- Stores the error that ended a run, if its code is one of `stored` and the worker's range has no
--- later owner. A failure is ignored, because run returns the error anyway.
---@param worker tidetable.Worker
---@param err tidetable.error
---@param code tidetable.code
function endings.note(worker, err, code)
  if stored[code] and worker.joined_epoch then
    pcall(wait.try, worker.database, core.consumer_end, worker.database.core, worker.id,
      worker.joined_epoch, worker.first, shortened(code .. " " .. err.message))
  end
end

---@class tidetable.ConsumerEnd
---@field code tidetable.code
---@field message string          truncated: code and message have at most 255 bytes

--- Returns the error that ended the last run; nil if none is stored.
---@param row table  as core.consumer_describe returns it
---@return tidetable.ConsumerEnd|nil
function endings.of(row)
  if row.ended then
    local code, message = row.ended:match "^(%S+) ?(.*)$"
    return { code = code, message = message }
  end
end

return endings
