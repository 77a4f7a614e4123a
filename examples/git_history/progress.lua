-- progress.lua - a progress line on the terminal, with the expected time.
--
-- It is written to standard error, if that is a terminal.
local progress = {}

---@class git_history.progress
---@field total integer
---@field began? number  when the first step was done
---@field shown number   when the line was last written
---@field silent boolean
---@field plain boolean
local bar = {}
bar.__index = bar

local WIDTH = 20  -- columns of the bar
local PAUSE = 0.1 -- seconds between two lines

--- Monotonic time in seconds, to the hundredth.
---@return number
function progress.now()
  local file <close> = io.open("/proc/uptime")
  return file and file:read("n") or os.time()
end

--- Formats 1234567 as "1,234,567".
---@param number number
---@return string
function progress.thousands(number)
  local text = ("%.0f"):format(number)
  local rest
  repeat
    text, rest = text:gsub("^(-?%d+)(%d%d%d)", "%1,%2")
  until rest == 0
  return text
end

local function minutes(seconds)
  return ("%.0f:%02.0f"):format(seconds // 60, seconds % 60 // 1)
end

--- Creates a bar for `total` steps; closing removes it.
---@param total integer
---@return git_history.progress
function progress.new(total)
  return setmetatable({
    total = total, shown = 0, silent = not os.execute("test -t 2"),
    plain = (os.getenv("NO_COLOR") or "") ~= "" or os.getenv("TERM") == "dumb",
  }, bar)
end

--- Shows that `done` steps are done, followed by the result of `note`.
---@param done integer
---@param note fun(): string
function bar:show(done, note)
  if self.silent then return end
  local now = progress.now()
  self.began = self.began or now
  if now - self.shown < PAUSE or now == self.began then return end
  self.shown = now
  local part = done / math.max(self.total, 1)
  local full = math.floor(part * WIDTH)
  local line, rest = ("="):rep(full), ("-"):rep(WIDTH - full)
  if not self.plain then
    line, rest = "\27[32m" .. line .. "\27[0m", "\27[2m" .. rest .. "\27[0m"
  end
  local rate = done / (now - self.began)
  local left = minutes((self.total - done) / math.max(rate, 0.001))
  io.stderr:write(("\r%s%s %4.0f%%  %s/%s  %s/s  %s left, %s \27[K"):format(line, rest, part * 100,
    progress.thousands(done), progress.thousands(self.total), progress.thousands(rate), left,
    note()))
  io.stderr:flush()
end

function bar:__close()
  if not self.silent then io.stderr:write("\r\27[K") end
end

return progress
