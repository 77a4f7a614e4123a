-- git_history.lua - the history of a git repository as a table, and its stream in use.
--
--   lua5.4 examples/git_history.lua [REPO [DATABASE]]
--
-- This process, the loader, replays the commits of HEAD, oldest first, along first parents. Each
-- commit is one transaction on the table `files`, which after each commit equals the repository's
-- tree. A second process, git_history/follower.lua, reads the changes from the stream as they are
-- made and updates three tables: `churn`, the amount of changes in each directory; `authors`, the
-- authors of each file; `removed`, the deleted files.
--
-- At the end it verifies that the table equals git's tree, that the stream's records alone give the
-- same table, and that the follower's tables agree with git's log. The exit status is 0 if all
-- three are true, 1 if one is not or an error occurs, 2 if the repository cannot be read.
--
-- The database is removed at the end, unless DATABASE is given or KEEP=1 is set. Started again with
-- the same database, after a crash or with new commits, it continues.
--
-- Names: git's paths are bytes, and a key of type S must be UTF-8. So "%" is stored as "%25", and
-- in a path that is not UTF-8 each byte from 128 on as "%XX".
local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. package.path

local tidetable = require "tidetable"
local git = require "git_history.git"
local progress = require "git_history.progress"
local proof = require "git_history.proof"

local thousands = progress.thousands
local KEEP = os.getenv("KEEP") == "1"

-- Retention that keeps every record until the proofs are made.
local CAPTURED = { view_type = "NEW_AND_OLD_IMAGES", retention = "3650d" }

local TABLES = {
  { name = "files", partition_key = "path", stream = CAPTURED },
  { name = "head", partition_key = "name", stream = CAPTURED }, -- one item: the loader's position
  { name = "churn", partition_key = "directory" },
  { name = "authors", partition_key = "path", sort_key = "author" },
  { name = "removed", partition_key = "path" },
  { name = "followers", partition_key = "name" }, -- the follower's position
}

local function create_tables(db)
  for _, spec in ipairs(TABLES) do
    if not db:table(spec.name) then assert(db:create_table(spec)) end
  end
end

-- Stores one commit, or a part of a very large one, and the loader's position, in one transaction.
---@param step git_history.step
local function store(db, step)
  assert(db:transact(function(tx)
    local files = tx:table("files")
    for _, change in ipairs(step.changes) do
      local key = { path = change.path }
      if change.removed then
        files:delete(key)
      else
        local before = files:get(key)
        files:put {
          path = change.path, mode = change.mode, blob = change.blob,
          size = change.size, grown = (change.size or 0) - (before and before.size or 0),
          author = step.author, time = step.time,
        }
      end
    end
    tx:table("head"):put {
      name = "HEAD", number = step.number, part = step.part, complete = step.complete,
      commit = step.commit, author = step.author, time = step.time,
    }
    return true
  end))
end

-- Replays the commits that are not in the database. Returns the tally of the whole log, for the
-- proof, and the number of new commits.
---@param repo git_history.repository
---@return git_history.tally tally
---@return integer new
local function replay(db, repo)
  local head = assert(db:table "head"):get { name = "HEAD" } or { number = 0, part = 0 }
  local followers = assert(db:table "followers")
  local bar <close> = progress.new(repo.commits)
  local tally, new = proof.tally(), 0

  local function is_known(step)
    local number = step.number
    if number > repo.commits or number == head.number and step.commit ~= head.commit then
      error("this database is of another repository, or its history was rewritten", 0)
    end
    return number < head.number or number == head.number and step.part <= head.part
  end

  if head.number > 0 then is_known(head) end
  for step in repo:steps() do
    tally:add(step)
    if not is_known(step) then
      store(db, step)
      new = new + (step.complete and 1 or 0)
    end
    bar:show(step.number, function()
      local follower = followers:get { name = "derived" }
      local behind = step.number - (follower and follower.number or 0)
      return ("%s to follow"):format(thousands(behind))
    end)
  end
  return tally, new
end

-- Returns the id of this process, as the parent of a shell. It is determined before the follower
-- starts, because a process whose parent was killed gets another parent.
local function own_process_id()
  local pipe <close> = assert(io.popen("echo $PPID"))
  return assert(pipe:read("l"), "the shell does not say whose child it is")
end

-- Starts the second process with the same Lua. Returns a pipe from its standard output.
local function start_follower(database, commits)
  local first = 0
  while arg[first - 1] do first = first - 1 end
  local words = { arg[first], here .. "/git_history/follower.lua", database, tostring(commits),
    own_process_id() }
  for i, word in ipairs(words) do words[i] = git.quote(word) end
  return assert(io.popen(table.concat(words, " "), "r"))
end

-- Creates a temporary directory, removed by <close>.
local function temporary_directory()
  local pipe <close> = assert(io.popen("mktemp -d"))
  local directory = assert(pipe:read("l"), "mktemp made no directory")
  return setmetatable({ path = directory }, { __close = function()
    if KEEP then return end
    for _, suffix in ipairs { "", "-lock", "-wake" } do
      os.remove(directory .. "/history.tide" .. suffix)
    end
    os.remove(directory)
  end })
end

local function print_busiest(db)
  local directories = {}
  for sum in assert(db:table "churn"):scan() do directories[#directories + 1] = sum end
  table.sort(directories, function(a, b)
    if a.changes ~= b.changes then return a.changes > b.changes end
    return a.directory < b.directory
  end)
  print("\n  changes    bytes added  bytes removed  directory")
  for i = 1, math.min(5, #directories) do
    local sum = directories[i]
    print(("%9s %14s %14s  %s"):format(thousands(sum.changes), thousands(sum.bytes_added),
      thousands(sum.bytes_removed), sum.directory:gsub("%c", "?")))
  end
end

local function prove(db, repo, tally)
  local all_hold = true
  local function say(holds, sentence)
    print((holds and "  holds  " or "  FAILS  ") .. sentence)
    all_hold = all_hold and holds
  end
  print("\nproof")
  say(proof.tree(db, repo))
  say(proof.records(db, tally))
  say(proof.derived(db, tally))
  return all_hold
end

local function replay_and_prove(repo, database)
  -- Changes lost in a power cut can be replayed, so commits need not wait for the disk.
  local db <close> = assert(tidetable.open(database, { durability = "none" }))
  create_tables(db)

  local began = progress.now()
  local follower = start_follower(database, repo.commits)
  local tally, new = replay(db, repo)
  local loaded = progress.now()
  local said = follower:read("a")
  if not follower:close() then error("the follower failed", 0) end
  local followed = progress.now()

  local seconds = math.max(loaded - began, 0.01)
  print(("loader    %s commits in %.2f s: %s a second"):format(thousands(new), seconds,
    thousands(new / seconds)))
  print(("follower  %s; done %.2f s later"):format(said:match("%C*"), followed - loaded))
  print_busiest(db)
  return prove(db, repo, tally)
end

local function main(path, given)
  path = path or "."
  local repo, problem = git.open(path)
  if not repo then
    io.stderr:write("git_history: ", problem, "\n")
    return 2
  end
  print(path .. (repo.head and " at " .. repo.head or ": no commit yet")
    .. (repo.shallow and ", a shallow clone: what is older than that is not there" or ""))

  local directory <close> = not given and temporary_directory() or nil
  local database = given or directory.path .. "/history.tide"
  local ok, proven = pcall(replay_and_prove, repo, database)
  if not ok then io.stderr:write("git_history: ", tostring(proven), "\n") end
  if ok and (given or KEEP) then print("\nthe database is " .. database) end
  return ok and proven and 0 or 1
end

os.exit(main(...))
