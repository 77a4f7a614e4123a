-- exit_status.lua - exit statuses of the command and when each is returned.

local exit_status = {
  SUCCESS = 0,
  FAILED = 1,
  MISUSED = 2,
  STREAM_ENDED = 3,
  FILE_GONE = 4,
  CONDITION_FAILED = 5,
  RUN_CRASHES = 3,
  RUN_DATABASE = 4,
  RUN_PARKED = 5,
  PROMOTED = 6,
  HUNG_UP = 129,
  INTERRUPTED = 130,
  OUTPUT_CLOSED = 141,
  TERMINATED = 143,
}

--- Returns the exit status after a signal, as the shell shows it.
---@param number integer|nil  nil: Ctrl-C
---@return integer
function exit_status.of_signal(number)
  return number and 128 + number or exit_status.INTERRUPTED
end

--- Each status and its meaning, in the words of the manual page. 'x' is literal text.
---@type { [1]: integer, [2]: string }[]
exit_status.meanings = {
  { 0, "Success." },
  { 1, "Failure; 'check' found damage; 'diff' found a difference; 'run': a consumer has ended with "
    .. "an error." },
  { 2, "Invalid command line; 'diff' failed; 'run': the script is not valid." },
  { 3, "'tail -f': the table's stream has ended, because it was disabled or its table was "
    .. "deleted." },
  { 3, "'run': a worker ended again and again without progress ('--crash-limit'), or was killed "
    .. "before it was ready." },
  { 4, "'tail -f', 'stats --watch' and 'consumers --watch': the database file was removed, renamed "
    .. "or replaced." },
  { 4, "'run': the database can't be opened or used, or its file was removed, renamed or "
    .. "replaced." },
  { 5, "'run --once': all changes were processed, and records are parked." },
  { 5, "The stored item does not satisfy '--condition'. Nothing was written." },
  { 6, "'replicate': the replica was promoted." },
  { 129, "Ended by SIGHUP: the terminal was closed." },
  { 130, "Interrupted by Ctrl-C; 'run': ended by a second signal." },
  { 141, "The reader of the output closed it, as in 'tidetable tail shop.tide | head -1'. No "
    .. "message is written." },
  { 143, "Ended by SIGTERM." },
}

return exit_status
