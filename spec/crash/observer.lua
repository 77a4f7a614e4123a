-- observer.lua - logs the state of a counter that it reads, on request.
--
--   observer.lua LOG DATABASE MODE [ROUND]    MODE: "write" or "read"
--
-- It reads once, or whenever the number in the file ROUND has changed. Log: "1 7 12 7": the
-- round, the item's n, and sequence number and n of the stream's last record.
local child = require "spec.crash.child"
local counted = require "spec.crash.counted"
local system = require "system"
local tidetable = require "tidetable"

local path, mode, round_file = table.unpack(arg, 2)
local log = child.log(arg[1])
local db = assert(tidetable.open(path, { read_only = mode == "read", create = false }))

local function log_state(round)
  log:write(("%d %s\n"):format(round, counted.state(db)))
end

local function current_round()
  local file <close> = io.open(round_file)
  return file and file:read("n") or 0
end

if not round_file then
  log_state(0)
  return
end

local round = current_round()
log:write("ready\n")
while true do
  local now = current_round()
  if now ~= round then
    round = now
    log_state(round)
  end
  system.sleep(0.001)
end
