-- mutate.lua - mutation testing of the commit path, which finds broken lines that no fast test
-- detects.
--
--     lua5.4 spec/mutate.lua DIRECTORY LIST [FILE ...]
--
-- The repository is copied to DIRECTORY and built there. Then each statement of each file is
-- deleted and each condition on one line is negated, one at a time, and the tests run until one
-- fails. A mutant that no test detects is printed, unless it is in LIST (spec/mutants.txt). Mutants
-- that do not compile are not counted. A FILE may be a part of one, for example
-- csrc/table/write.c:1-99, so that several copies can share the work.
local exceptions = require "spec.exceptions"

local directory, list = arg[1], arg[2]
local files = { table.unpack(arg, 3) }
if #files == 0 then
  files = {
    "csrc/table/write.c", "csrc/table/transaction.c", "csrc/stream/log.c", "csrc/lmdb/txn.c",
  }
end

-- The tests that detect most mutants come first, after the file's own unit test.
local tests = {
  "test_tide", "test_txn", "test_gate", "test_log", "test_feed", "test_get", "test_retention",
  "test_snapshot", "test_store", "test_shared_page", "test_define", "test_write",
  "test_file_header", "test_jump", "test_sweep", "test_transaction", "test_environment",
  "fault_tide", "fault_store", "test_damaged_rows", "fault_tide_store",
}
local specs = {
  "table_spec", "stream/position_spec", "stream/reader_spec", "stream/stream_spec",
  "stream/retention_spec",
}

local time_limit = 60 -- seconds; a mutant that runs longer counts as detected
local make = "make -s -C '" .. directory .. "' LIMIT=" .. time_limit .. " WERROR= "
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
    or not run(("timeout %d '%s/%s'"):format(time_limit, directory, program))
end

local function has(names, name)
  for _, each in ipairs(names) do
    if each == name then return true end
  end
  return false
end

-- Returns the name of the first test that fails, or nil.
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

-- Returns the mutations of a line: a list of { name, mutated line }. Asserts are left out, because
-- nothing changes without them.
local function mutations(line)
  local found = {}
  local indent, code = line:match("^(\t+)(.*)$")
  if not code or code:find("^/?%*") or code:find("^assert%(") then return found end
  if code:find(";$") and balanced(code) and not code:find("^for ") then
    found[#found + 1] = { "delete", indent .. ";" }
  end
  for _, word in ipairs { "if", "while" } do
    local before, condition, after = code:match("^(.-%f[%w]" .. word .. " )(%b())(.*)$")
    if condition then
      found[#found + 1] = { "negate", indent .. before .. "(!" .. condition .. ")" .. after }
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

local listed = exceptions.read(list)
local sum = { killed = 0, survived = 0, listed = 0, broken = 0 }

local function try(source, lines, number, name, mutation)
  local what, mutant = mutation[1], mutation[2]
  local changed = { table.unpack(lines) }
  changed[number] = mutant
  write(directory .. "/" .. source, table.concat(changed, "\n") .. "\n")
  if not compiles(source) then
    sum.broken = sum.broken + 1
    return
  end
  local text = ("%s: %s: %s"):format(name, what, exceptions.normalized(lines[number]))
  if killer(source) then
    sum.killed = sum.killed + 1
  elseif exceptions.take(listed, text) then
    sum.listed = sum.listed + 1
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
  print("without a mutation " .. first .. " fails already:")
  io.write(read(directory .. "/mutate.log"))
  os.exit(1)
end
for _, file in ipairs(files) do
  local source, from, to = file:match("^(.*):(%d+)%-(%d+)$")
  source = source or file
  local whole = read(directory .. "/" .. source)
  local lines, names = lines_of(whole), exceptions.function_names(source, whole)
  for number = tonumber(from) or 1, math.min(tonumber(to) or #lines, #lines) do
    for _, mutation in ipairs(mutations(lines[number])) do
      try(source, lines, number, names[number] or "", mutation)
    end
  end
  write(directory .. "/" .. source, whole)
  print(("%s: so far %d killed, %d survived, %d listed, %d that do not compile"):format(
    file, sum.killed, sum.survived, sum.listed, sum.broken))
  io.stdout:flush()
end
os.exit(sum.survived == 0)
