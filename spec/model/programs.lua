-- programs.lua - saves, loads, shrinks and prints programs of item_runs.lua.
local attributes = require "spec.model.attributes"
local runs = require "spec.model.item_runs"
local shrink = require "spec.model.shrink"
local simpler = require "spec.model.simpler"

local programs = {}

--- Number of repetitions for shrinking.
local BUDGET = 3000

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) ~= type(b) then return type(a) == "number" end
    return a < b
  end)
  return keys
end

local function source_of(value)
  if type(value) ~= "table" then return ("%q"):format(value):gsub("\\\n", "\\n") .. "" end
  local list = {}
  for _, key in ipairs(sorted_keys(value)) do
    -- Values cache their text as a third element, which is left out of the file.
    if key == 3 and attributes.is_kind[value[1]] then break end
    local name = type(key) == "number" and "" or key:find "^%a%w*$" and key .. " = "
      or ("[%q] = "):format(key)
    list[#list + 1] = name .. source_of(value[key])
  end
  return "{ " .. table.concat(list, ", ") .. " }"
end

--- Returns a program as the text of a Lua file.
function programs.source(program)
  local list = {}
  for i, entry in ipairs(program) do list[i] = "  " .. source_of(entry) .. ",\n" end
  return "return {\n" .. table.concat(list) .. "}\n"
end

--- Writes a program to a file, which `load` reads.
function programs.save(path, program, what)
  local file = assert(io.open(path, "w"))
  assert(file:write(("-- %s - %s\n"):format(path:match "[^/]*$", what), programs.source(program)))
  assert(file:close())
end

--- Loads the program of a file.
function programs.load(path)
  return assert(loadfile(path, "t", {}))()
end

--- Returns a smaller program that fails. replay: returns the text of the difference, nil if there
--- is none.
function programs.shrink(program, replay)
  return shrink(program, function(smaller) return replay(smaller) ~= nil end, simpler, BUDGET)
end

--- Returns the number of requests.
function programs.count(program)
  local count = 0
  for _, entry in ipairs(program) do count = count + (entry.transaction and #entry or 1) end
  return count
end

local function described(program)
  local list = {}
  for i, entry in ipairs(program) do
    list[#list + 1] = ("%d %s"):format(i, entry.transaction
      and ("transaction, %s, %s"):format(entry.transaction, entry.ending) or runs.described(entry))
    for _, request in ipairs(entry) do list[#list + 1] = "  " .. runs.described(request) end
  end
  return table.concat(list, "\n")
end

--- Shrinks a failing program and saves it. Returns a text with its requests and the command that
--- repeats it. target: of make.
function programs.explain(program, replay, target, seed)
  if not replay(program) then
    return "the program does not fail when it is repeated: repeat the seed"
  end
  local small = programs.shrink(program, replay)
  local folder = os.getenv("TIDETABLE_BUILD") or "."
  local path = ("%s/%s-%d.lua"):format(folder, target, seed)
  programs.save(path, small, ("a program of SEED=%d that fails"):format(seed))
  return ("shrunk from %d requests to %d: %s\n%s\nmake %s PROGRAM=%s"):format(
    programs.count(program), programs.count(small), replay(small), described(small), target, path)
end

return programs
