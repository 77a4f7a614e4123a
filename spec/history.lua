-- history.lua - generates a git history of any length.
--
--   git init -q big
--   lua5.4 spec/history.lua 5000 [SEED] | git -C big fast-import --quiet
--   git -C big symbolic-ref HEAD refs/heads/main
--
-- Equal seeds give equal histories. COMMITS counts those of `main` by first parents; one in twelve
-- merges a short branch. Files are added, changed, renamed, removed, made executable; some are
-- symbolic links or submodules, or have unusual names.
local commits = math.tointeger(tonumber(arg[1]))
if not commits or commits < 1 then
  io.stderr:write("usage: history.lua COMMITS [SEED]\n")
  os.exit(2)
end
math.randomseed(math.tointeger(tonumber(arg[2])) or 1)
local random = math.random

local function words(text)
  local list = {}
  for word in text:gmatch("%S+") do list[#list + 1] = word end
  return list
end

local folders = words [[
  src/core src/core/arith src/net src/net/http src/store src/store/pages src/ui src/ui/widgets
  tests tests/core tests/net tests/store doc doc/guide doc/reference tools third_party/zlib po
]]
local nouns = words [[
  buffer cache clock codec cursor error event field frame handle index key layout lease list lock
  log map node page parser path peer pool query queue record route scan schema signal socket
  stack stream table timer token tree value view window worker
]]
local verbs = words "add bound check close drop fix guard keep merge move read split test trim"
local suffixes = words ".c .h .c .h .lua .md .txt .po"
local odd_names = { "two blanks ", "caf\xe9", "new\nline", 'quo"ted', "50%", "naïve", "-dash" }
local authors = {}
for first in ("Ann Bo Cai Dee Eli Fay Gus Hal Ida Jörg Kei Lou Mia Noé Ola Pia"):gmatch("%S+") do
  for last in ("Ash Brook Cole"):gmatch("%S+") do authors[#authors + 1] = first .. " " .. last end
end

local function one_of(list) return list[random(#list)] end

-- Chooses a few elements of a list much more often than the rest, as in real histories.
local function favourite(list) return list[1 + math.floor(#list * random() ^ 3)] end

local now, mark = 1200000000, 0
local main_files, at, order = {}, {}, {} -- path -> file; path -> index in `order`; paths

local function add_path(path)
  order[#order + 1] = path
  at[path] = #order
end

local function drop_path(path)
  local last = table.remove(order)
  if last ~= path then
    order[at[path]], at[last] = last, at[path]
  end
  at[path] = nil
end

local function new_path()
  local name = one_of(nouns) .. (random(4) == 1 and "_" .. one_of(nouns) or "") .. one_of(suffixes)
  if random(200) == 1 then name = one_of(odd_names) end
  local path = one_of(folders) .. "/" .. name
  if random(3) == 1 then path = one_of(folders) .. "/" .. one_of(nouns) .. "/" .. name end
  return not main_files[path] and path or path .. "." .. #order
end

local function quoted(path)
  return '"' .. path:gsub('[\0-\31"\\\128-\255]', function(c)
    return ("\\%03o"):format(c:byte())
  end) .. '"'
end

local function blob(text)
  mark = mark + 1
  io.write("blob\nmark :", mark, "\ndata ", #text, "\n", text, "\n")
  return ":" .. mark
end

local function content(path, file)
  local lines = {}
  for line = 1, file.lines do
    lines[line] = ("%s %d.%d"):format(path, line, line % 7 == file.edits % 7 and file.edits or 0)
  end
  return table.concat(lines, "\n") .. "\n"
end

local function store(path, file)
  if file.mode == "160000" then
    file.blob = ("%040x"):format(random(1, math.maxinteger))
  elseif file.mode == "120000" then
    file.blob = blob(one_of(nouns) .. file.edits)
  else
    file.blob = blob(content(path, file))
  end
  return ("M %s %s %s"):format(file.mode, file.blob, quoted(path))
end

local function add(ops)
  local path, kind = new_path(), random(300)
  local mode = kind == 1 and "160000" or kind < 5 and "120000" or kind < 15 and "100755"
    or "100644"
  local file = { mode = mode, lines = random(5, 80), edits = 0 }
  main_files[path] = file
  add_path(path)
  ops[#ops + 1] = store(path, file)
end

local function change(ops)
  local path = favourite(order)
  local file = main_files[path]
  file.edits = file.edits + 1
  if random(60) == 1 and file.mode:sub(1, 3) == "100" then
    file.mode = file.mode == "100644" and "100755" or "100644"
    ops[#ops + 1] = ("M %s %s %s"):format(file.mode, file.blob, quoted(path))
    return
  end
  file.lines = math.max(1, file.lines + random(-5, 6))
  ops[#ops + 1] = store(path, file)
end

local function remove(ops)
  local path = one_of(order)
  main_files[path] = nil
  drop_path(path)
  ops[#ops + 1] = "D " .. quoted(path)
end

local function rename(ops)
  local from, to = one_of(order), new_path()
  main_files[to], main_files[from] = main_files[from], nil
  drop_path(from)
  add_path(to)
  ops[#ops + 1] = "D " .. quoted(from)
  ops[#ops + 1] = ("M %s %s %s"):format(main_files[to].mode, main_files[to].blob, quoted(to))
end

-- Changes of one commit; on a branch only changes that merge without conflicts.
local function work(gentle)
  local ops = {}
  if random(80) == 1 then return ops end
  for _ = 1, 1 + math.floor(8 * random() ^ 3) do
    local what = random(100)
    if #order < 20 or what <= 14 then add(ops)
    elseif what <= 90 or gentle then change(ops)
    elseif what <= 95 then remove(ops)
    else rename(ops)
    end
  end
  return ops
end

local function commit(branch, ops, parents)
  now = now + random(60, 40000)
  mark = mark + 1
  local text = ("%s %s\n"):format(one_of(verbs), one_of(nouns))
  local author = favourite(authors)
  io.write("commit refs/heads/", branch, "\nmark :", mark, "\n")
  io.write("committer ", author, " <", author:gsub("%W", "."), "@example.org> ", now, " +0000\n")
  io.write("data ", #text, "\n", text)
  for i, parent in ipairs(parents) do io.write(i == 1 and "from :" or "merge :", parent, "\n") end
  for _, op in ipairs(ops) do io.write(op, "\n") end
  io.write("\n")
  return mark
end

local tip
for number = 1, commits do
  if number > 1 and number < commits and random(12) == 1 then
    local branch, all = tip, {}
    for _ = 1, random(3) do
      local ops = work(true)
      table.move(ops, 1, #ops, #all + 1, all)
      branch = commit("topic", ops, { branch })
    end
    tip = commit("main", all, { tip, branch })
  else
    tip = commit("main", work(false), { tip })
  end
end
