-- mutate.lua - the commit path with one line broken: does a fast test notice?
--
--     lua5.4 spec/mutate.lua DIRECTORY [PAGE [FILE ...]]
--
-- The repository is copied to DIRECTORY and built there. Then each statement of each file is
-- taken out, each condition on one line turned round, one at a time, and the tests run until one
-- fails. A mutant that no test kills has survived: it is said, and it has to be explained on PAGE
-- (a table row with its file and its text). One that does not compile is no mutant. A FILE may be
-- a part of one, as csrc/lmdb/txn.c:1-99: several copies then share the work.
local directory, page = arg[1], arg[2]
local files = { table.unpack(arg, 3) }
if #files == 0 then
  files = {
    "csrc/table/write.c", "csrc/table/transaction.c", "csrc/stream/log.c", "csrc/lmdb/txn.c",
  }
end

-- The likeliest to notice come first; before them all comes the unit's own test.
local tests = {
  "test_tide", "test_txn", "test_gate", "test_log", "test_feed", "test_reading", "test_retention",
  "test_snapshot", "test_store", "test_wake", "test_define", "test_write", "test_stamp",
  "test_jump", "test_sweep", "test_transaction", "test_engine", "fault_tide", "fault_store",
  "test_damaged_rows", "fault_tide_store",
}
local specs = { "table_spec", "stream_spec", "stream_retention_spec" }

local patience = 60 -- seconds; a mutant that never ends is dead too
local make = "make -s -C '" .. directory .. "' LIMIT=" .. patience .. " WERROR= "
  .. "WARNINGS=-Werror=return-type CFLAGS='-O0 -U_FORTIFY_SOURCE' "

local function run(command)
  return (os.execute(command .. " >'" .. directory .. "/mutate.log' 2>&1"))
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
end

local function compiles(source)
  return run(make .. "build/obj/release/" .. source:gsub("%.c$", ".o"))
end

local function fails(test)
  local program = "build/unit/" .. test
  return not run(make .. program)
    or not run(("timeout %d '%s/%s'"):format(patience, directory, program))
end

local function has(list, name)
  for _, each in ipairs(list) do
    if each == name then return true end
  end
  return false
end

-- The name of the test that fails, or nothing.
local function killer(source)
  local own = source and source:gsub("^.*/(.*)%.c$", "test_%1")
  if has(tests, own) and fails(own) then return own end
  for _, test in ipairs(tests) do
    if test ~= own and fails(test) then return test end
  end
  for _, spec in ipairs(specs) do
    if not run(make .. "spec SPEC=spec/tidetable/" .. spec .. ".lua") then return spec end
  end
  return nil
end

local function balanced(text)
  local _, open = text:gsub("%(", "")
  local _, close = text:gsub("%)", "")
  return open == close
end

-- What may be done to a line: a list of { what, the line then }. An assert says what can't be:
-- without it nothing is different.
local function mutations(line)
  local found = {}
  local indent, code = line:match("^(\t+)(.*)$")
  if not code or code:find("^/?%*") or code:find("^assert%(") then return found end
  if code:find(";$") and balanced(code) and not code:find("^for ") then
    found[#found + 1] = { "delete", indent .. ";" }
  end
  for _, word in ipairs { "if", "while" } do
    local before, condition, behind = code:match("^(.-%f[%w]" .. word .. " )(%b())(.*)$")
    if condition then
      found[#found + 1] = { "negate", indent .. before .. "(!" .. condition .. ")" .. behind }
    end
  end
  local value = code:match("^return ([^;]*);$")
  if value and value:find("%?") then
    found[#found + 1] = { "negate", (line:gsub("return (.-) %?", "return !(%1) ?")) }
  end
  return found
end

local function lines_of(text)
  local lines = {}
  for line in text:gmatch("([^\n]*)\n") do lines[#lines + 1] = line end
  return lines
end

local function explained_on(path)
  local known = {}
  local file = path and io.open(path)
  if not file then return known end
  for text in file:lines() do
    local source, code = text:match("^| `(csrc/[^`]+)` | `(.-)` |")
    if source then
      local key = source .. "\0" .. code:gsub("\\|", "|")
      known[key] = (known[key] or 0) + 1
    end
  end
  file:close()
  return known
end

local known = explained_on(page)
local sum = { killed = 0, survived = 0, explained = 0, broken = 0 }

-- A row explains one mutant, though others may have the same text.
local function is_explained(key)
  local rows = known[key] or 0
  known[key] = rows - 1
  return rows > 0
end

local function try(source, lines, number, mutation)
  local what, mutant = mutation[1], mutation[2]
  local changed = { table.unpack(lines) }
  changed[number] = mutant
  write(directory .. "/" .. source, table.concat(changed, "\n") .. "\n")
  if not compiles(source) then
    sum.broken = sum.broken + 1
    return
  end
  local by = killer(source)
  local text = what .. ": " .. lines[number]:gsub("^%s+", "")
  if by then
    sum.killed = sum.killed + 1
  elseif is_explained(source .. "\0" .. text) then
    sum.explained = sum.explained + 1
  else
    sum.survived = sum.survived + 1
    print(("%s:%d: survived: %s"):format(source, number, text))
    io.stdout:flush()
  end
end

assert(os.execute(("mkdir -p '%s' && git ls-files -z | xargs -0 cp --parents -t '%s'"):format(
  directory, directory)))
local first = killer()
if first then
  print("without a change " .. first .. " fails already:")
  io.write(read(directory .. "/mutate.log"))
  os.exit(1)
end
for _, file in ipairs(files) do
  local source, from, to = file:match("^(.*):(%d+)%-(%d+)$")
  source = source or file
  local whole = read(directory .. "/" .. source)
  local lines = lines_of(whole)
  for number = tonumber(from) or 1, math.min(tonumber(to) or #lines, #lines) do
    for _, mutation in ipairs(mutations(lines[number])) do try(source, lines, number, mutation) end
  end
  write(directory .. "/" .. source, whole)
  print(("%s: so far %d killed, %d survived, %d explained, %d that do not compile"):format(
    file, sum.killed, sum.survived, sum.explained, sum.broken))
  io.stdout:flush()
end
os.exit(sum.survived == 0)
