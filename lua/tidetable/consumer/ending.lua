-- ending.lua - the error that ended the last run of a consumer, which is stored in the file.

local core = require "tidetable.core"
local wait = require "tidetable.wait"

local endings = {}

--- Maximum length in bytes of the text in the file: the code, "@" and the time in milliseconds
--- since 1970, a space and the message.
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
      worker.joined_epoch, worker.first, shortened(("%s@%d %s"):format(code,
        math.floor(core.wall_clock(worker.database.core) * 1000 + 0.5), err.message)))
  end
end

---@class tidetable.ConsumerEnd
---@field code tidetable.code
---@field message string          truncated: the text in the file has at most 255 bytes
---@field at number|nil            time, in seconds since 1970

--- Returns the error that ended the last run; nil if none is stored.
---@param row table  as core.consumer_describe returns it
---@return tidetable.ConsumerEnd|nil
function endings.of(row)
  if row.ended then
    local code, at, message = row.ended:match "^([%u_]+)@?(%d*) ?(.*)$"
    return { code = code, message = message, at = at ~= "" and at / 1000 or nil }
  end
end

return endings
