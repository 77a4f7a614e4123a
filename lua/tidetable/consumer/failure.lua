-- failure.lua - the failures that a worker of a consumer distinguishes.

local failures = {}

--- Failures of the library that are no attempt of a handler: the batch waits until they are over.
---@type table<string, true>
failures.temporary = {
  FULL = true, DISK_FULL = true, BUSY = true, NO_MEMORY = true, READERS_FULL = true,
}

--- Failures after which the worker ends.
---@type table<string, true>
failures.final = {
  CONSUMER_GONE = true, SOURCE_GONE = true, STREAM_GAP = true, TRIMMED = true, CORRUPT = true,
  CLOSED = true, FORKED = true, UNKNOWN_OUTCOME = true, FILE_GONE = true, FILE_REPLACED = true,
  STORE = true, READ_ONLY = true,
}

return failures
