-- shrink.lua - reduces a failing program to a small one: delta debugging.
--
-- A program is a list. Chunks are dropped, half of the list first and single entries last; then
-- each entry is replaced by simpler ones.

--- Returns the list without `count` elements from `first` on.
local function without(list, first, count)
  local rest = table.move(list, 1, first - 1, 1, {})
  return table.move(list, first + count, #list, first, rest)
end

--- Returns the list with the elements of `replacement` in the place of one.
local function replaced(list, i, replacement)
  local new = table.move(list, 1, i - 1, 1, {})
  table.move(replacement, 1, #replacement, i, new)
  return table.move(list, i + 1, #list, i + #replacement, new)
end

--- Drops chunks of this size, from the end on. Returns the program and whether it is shorter.
local function drop_chunks(program, size, fails)
  local is_shorter, first = false, #program - size + 1
  while first > 1 - size do
    local from = math.max(first, 1)
    local count = math.min(first + size - 1, #program) - from + 1
    local shorter = without(program, from, count)
    if #shorter > 0 and fails(shorter) then program, is_shorter = shorter, true end
    first = first - size
  end
  return program, is_shorter
end

local function drop(program, fails)
  local size = #program // 2
  while size > 0 do
    local is_shorter
    program, is_shorter = drop_chunks(program, size, fails)
    if size > 1 or not is_shorter then size = size // 2 end
  end
  return program
end

local function simplify_one(program, i, fails, simpler)
  for _, replacement in ipairs(simpler(program[i])) do
    local new = replaced(program, i, replacement)
    if fails(new) then return new end
  end
end

local function simplify(program, fails, simpler)
  local i = 1
  while i <= #program do
    local new = simplify_one(program, i, fails, simpler)
    if new then program = new else i = i + 1 end
  end
  return program
end

--- Returns a smaller program for which `fails` still returns true.
--- simpler: returns for an entry the lists of entries that may replace it, the simplest first;
--- budget: the number of calls of `fails`.
return function(program, fails, simpler, budget)
  local calls = 0
  local function still_fails(new)
    calls = calls + 1
    return calls <= budget and fails(new)
  end
  local former
  repeat
    former = program
    program = simplify(drop(program, still_fails), still_fails, simpler)
  until program == former or calls > budget
  return program
end
