-- ending.lua - the error that ended the last run of a consumer, which is kept in the file.

local core = require "tidetable.core"
local wait = require "tidetable.wait"

local endings = {}

--- Maximum length of the text in the file: the code, a blank and the message.
local TEXT_MAX = 255

--- Errors that are kept. CONSUMER_GONE is none of them, because nothing is left to keep it.
local kept = {
  SOURCE_GONE = true, STREAM_GAP = true, TRIMMED = true, CORRUPT = true, BATCH_FAILED = true,
  PARKED_FULL = true, LOOP = true, NOT_FOUND = true, VALIDATION = true,
}

--- Returns the text, shortened to TEXT_MAX bytes between two characters.
local function shortened(text)
  local last = math.min(#text, TEXT_MAX)
  while last < #text and last > 0 and text:byte(last + 1) & 0xc0 == 0x80 do
    last = last - 1
  end
  return text:sub(1, last)
end

--- Keeps the error that ends a run, if it is one of those that are kept and the worker has not lost
--- the consumer to another one. A failure to do so is ignored, because the error is returned, too.
---@param worker tidetable.Worker
---@param err tidetable.error
---@param code tidetable.code
function endings.note(worker, err, code)
  if kept[code] and worker.joined_epoch then
    pcall(wait.try, worker.database, core.consumer_end, worker.database.core, worker.id,
      worker.joined_epoch, shortened(code .. " " .. err.message))
  end
end

---@class tidetable.ConsumerEnd
---@field code tidetable.code
---@field message string          its first 255 bytes, with the code

--- Returns the error that ended the last run; nil if none is kept.
---@param row table  as core.consumer_describe returns it
---@return tidetable.ConsumerEnd|nil
function endings.of(row)
  if row.ended then
    local code, message = row.ended:match "^(%S+) ?(.*)$"
    return { code = code, message = message }
  end
end

return endings
