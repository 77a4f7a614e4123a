-- git.lua - reads from git: the history step by step, and a commit's tree.
--
-- git's output is read as a stream, so a long history takes no more memory than a short one. git's
-- names are bytes and those of a table text: see `git.text`.
local git = {}

---@class git_history.change     what one commit did to one file
---@field path string            as text
---@field removed boolean
---@field mode string            "100644", "100755", "120000" symbolic link, "160000" submodule
---@field blob string            the content's id; of a submodule, its commit
---@field size integer?          of the content, in bytes; nil for a submodule

---@class git_history.step       a commit, or a part of one with very many changes
---@field number integer         of the commit, from 1
---@field part integer           of the step in its commit, from 1
---@field complete boolean       whether this is the commit's last part
---@field commit string
---@field author string          as text
---@field time integer
---@field changes git_history.change[]

---@class git_history.repository
---@field path string
---@field head string            the commit that HEAD was when the repository was opened
---@field commits integer        number of commits from the root to `head`, along first parents
---@field shallow boolean        true if older history is missing
local repository = {}
repository.__index = repository

local PART = 5000      -- maximum number of files in a step, because transactions are limited
local READ_AHEAD = 4000 -- number of changed files whose sizes are requested together

-- Settings of the user's git that would change the output read here.
local SETTINGS = "-c log.showRoot=true -c log.showSignature=false -c log.diffMerges=separate"
-- If git runs this program in a hook, it sets variables that name its own repository.
local ELSEWHERE = "env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE -u GIT_COMMON_DIR "
  .. "GIT_NO_LAZY_FETCH=1 "

--- Encodes bytes as UTF-8 text for a key or an attribute of type S: "%" as "%25", and if the bytes
--- are not UTF-8, each byte from 128 on as "%XX".
---@param bytes string
---@return string
function git.text(bytes)
  local pattern = utf8.len(bytes) and "%%" or "[%%\128-\255]"
  return (bytes:gsub(pattern, function(c) return ("%%%02X"):format(c:byte()) end))
end

--- Decodes the text.
---@param text string
---@return string bytes
function git.bytes(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- Quotes a word for the shell.
---@param word string
---@return string
function git.quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function start(path, command)
  local line = ELSEWHERE .. "git -C " .. git.quote(path) .. " " .. SETTINGS .. " " .. command
  return assert(io.popen(line, "r"))
end

local function finish(pipe, command)
  local ok, how, code = pipe:close()
  if not ok then
    error(("git %s ended with %s %d"):format(command:match("^%S+"), how, code), 0)
  end
end

-- Returns a short command's output without the last newline, and true if it succeeded.
local function ask(path, command)
  local pipe = start(path, command .. " 2>&1")
  local said = pipe:read("a"):gsub("\n$", "")
  return said, pipe:close() == true
end

-- Iterates over the NUL-terminated fields of a pipe.
local function fields(pipe)
  local block, at = "", 1
  return function()
    local stop = block:find("\0", at, true)
    while not stop do
      local more = pipe:read(65536)
      if not more then return nil end
      block, at = block:sub(at) .. more, 1
      stop = block:find("\0", 1, true)
    end
    local field = block:sub(at, stop - 1)
    at = stop + 1
    return field
  end
end

--- Opens the repository that contains a path, with or without work tree. Without a commit it has no
--- `head`.
---@param path string
---@return git_history.repository?
---@return string? problem
function git.open(path)
  if not os.execute("command -v git >/dev/null") then
    return nil, "git is not installed"
  end
  local said, ok = ask(path, "rev-parse --git-dir")
  if not ok then return nil, said end
  local self = setmetatable({ path = path, commits = 0 }, repository)
  self.shallow = ask(path, "rev-parse --is-shallow-repository") == "true"
  said, ok = ask(path, "rev-parse --quiet --verify 'HEAD^{commit}'")
  if ok then
    self.head = said
    self.commits = assert(tonumber((ask(path, "rev-list --count --first-parent " .. said))))
  elseif ask(path, "rev-list --all --max-count=1") ~= "" then
    return nil, "HEAD is no commit (" .. ask(path, "symbolic-ref HEAD") .. ")"
  end
  return self
end

-- Steps from the log, without sizes. A commit has three fields, each change two.
local function read_log(self)
  local function new_step(number, part, commit, author, time)
    return {
      number = number, part = part, complete = false, commit = commit, author = author,
      time = time, changes = {},
    }
  end
  local command = "log --first-parent -m --reverse --raw -z --no-abbrev --no-renames --no-color "
    .. "--no-relative --ignore-submodules=none --encoding=UTF-8 "
    .. "--format='commit %H%x00%an%x00%at' " .. self.head
  local pipe = start(self.path, command)
  local next_field = fields(pipe)
  local number, step = 0, nil

  local field = next_field()
  while field do
    local commit = field:match("^commit (%x+)$")
    local mode, blob, status = field:match("^\n?:%d+ (%d+) %x+ (%x+) (%a)")
    if commit then
      if step then
        step.complete = true
        coroutine.yield(step)
      end
      number = number + 1
      local author, time = git.text(next_field()), math.tointeger(tonumber(next_field()))
      step = new_step(number, 1, commit, author == "" and "nobody" or author, time or 0)
    elseif mode then
      if #step.changes == PART then
        coroutine.yield(step)
        step = new_step(number, step.part + 1, step.commit, step.author, step.time)
      end
      step.changes[#step.changes + 1] = {
        path = git.text(next_field()), removed = status == "D", mode = mode, blob = blob,
      }
    elseif field ~= "" then
      error(("git log said what we don't understand: %q"):format(field), 0)
    end
    field = next_field()
  end
  finish(pipe, command)
  if step then
    step.complete = true
    coroutine.yield(step)
  end
end

-- Adds the sizes, which are not in the log; git reports many at once quickly. (--numstat would give
-- added and removed lines, but git must compare the contents: at least twice as slow.)
local function add_sizes(self, steps)
  local name = os.tmpname()
  local _remove <close> = setmetatable({}, { __close = function() os.remove(name) end })
  local file <close> = assert(io.open(name, "w"))
  local wanted = {}
  for _, step in ipairs(steps) do
    for _, change in ipairs(step.changes) do
      if not change.removed and change.mode ~= "160000" then
        wanted[#wanted + 1] = change
        file:write(change.blob, "\n")
      end
    end
  end
  assert(file:close())

  local command = "cat-file --batch-check='%(objectsize)' <" .. git.quote(name)
  local pipe = start(self.path, command)
  for _, change in ipairs(wanted) do
    change.size = math.tointeger(tonumber(pipe:read("l"))) -- nil in a partial clone
  end
  finish(pipe, command)
end

--- Iterates over the history, oldest commit first.
---@return fun(): git_history.step?
function repository:steps()
  return coroutine.wrap(function()
    if not self.head then return end
    local steps, changes = {}, 0
    local function pass_on()
      add_sizes(self, steps)
      for _, step in ipairs(steps) do coroutine.yield(step) end
      steps, changes = {}, 0
    end
    for step in coroutine.wrap(function() read_log(self) end) do
      steps[#steps + 1] = step
      changes = changes + #step.changes
      if changes >= READ_AHEAD or #steps >= READ_AHEAD then pass_on() end
    end
    pass_on()
  end)
end

--- Returns all files of `head`, by their path as text.
---@return table<string, { mode: string, blob: string }>
function repository:tree()
  local tree = {}
  if self.head then
    local command = "ls-tree -r -z --full-tree " .. self.head
    local pipe = start(self.path, command)
    for field in fields(pipe) do
      local mode, blob, path = field:match("^(%d+) %a+ (%x+)\t(.*)$")
      tree[git.text(path)] = { mode = mode, blob = blob }
    end
    finish(pipe, command)
  end
  return tree
end

return git
