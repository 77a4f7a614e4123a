-- options.lua - tables of options: known names, durations, sizes.
--
-- An option that nobody knows is a mistake in the program, so it raises, and
-- names the known one that is nearest.

local options = {}

--- Where our own files are, as debug.getinfo says it; nil in a bundle.
local ours = debug and debug.getinfo(1, "S").source:match "^(@.*)options%.lua$"
options.source = ours

local function is_ours(info)
  return info.what == "C" or info.source:sub(1, #ours) == ours
end

--- Number of levels of the stack in which the caller is looked for (as in csrc/lua/lua_failure.c).
local LEVELS_MAX = 200

--- Raises a misuse, blamed on the line that called us: the nearest one that is
--- not our own.
---@param text string
function options.misuse(text)
  local level = 2
  if ours then
    local info = debug.getinfo(level, "S")
    while info and level < LEVELS_MAX and is_ours(info) do
      level = level + 1
      info = debug.getinfo(level, "S")
    end
  end
  error(text, level)
end

local misuse = options.misuse

--- Raises: a method was called with a dot, so that its object is missing.
---@param name string    the method's
---@param object string  what the message calls the object: "db", "stream"
function options.no_self(name, object)
  misuse(("%s: call it with a colon: %s:%s(...)"):format(name, object, name))
end

--- Has the methods of a class see to that, but those that do so themselves.
---@param class table
---@param object string
---@param but table<string, true>|nil
function options.methods(class, object, but)
  for name, method in pairs(class) do
    if type(method) == "function" and name:sub(1, 2) ~= "__" and not (but and but[name]) then
      class[name] = function(self, ...)
        if getmetatable(self) ~= class then
          options.no_self(name, object)
        end
        return method(self, ...)
      end
    end
  end
end

--- How many letters two words differ by (insertions, deletions, exchanges).
local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local best = math.min(row[j] + 1, row[j - 1] + 1, diagonal + (same and 0 or 1))
      diagonal, row[j] = row[j], best
    end
  end
  return row[#b]
end

--- However its letters are written: "eventName", "EVENT_NAME" and "event_name" are one word.
local function plain(word)
  return (word:lower():gsub("[_-]", ""))
end

--- The longest name that is compared: the comparison takes time by the product of lengths.
local NAME_MAX = 255

--- The known word nearest to a name, if one is near.
---@param name string
---@param known table<string, any>  its keys are the words
---@return string|nil
function options.nearest(name, known)
  if #name > NAME_MAX then
    return nil
  end
  local best, least
  local wanted = plain(name)
  for word in pairs(known) do
    local d = distance(wanted, plain(word))
    if not least or d < least or (d == least and word < best) then
      best, least = word, d
    end
  end
  if best and least <= math.max(2, #name // 3) then
    return best
  end
end

local function all_known(known)
  local names = {}
  for name in pairs(known) do
    names[#names + 1] = name
  end
  table.sort(names)
  return #names > 0 and "known are " .. table.concat(names, ", ") or "there are none"
end

--- The end of a message about a name that nobody knows: the nearest one, or all.
---@param name any
---@param known table<string, any>
---@return string
function options.hint(name, known)
  local near = type(name) == "string" and options.nearest(name, known)
  return near and (" (did you mean %q?)"):format(near) or "; " .. all_known(known)
end

--- A text for a message, whose end may be left out.
local function shortened(text)
  return #text > 60 and text:sub(1, 60) .. "..." or text
end

--- What was given, for a message: a value where it is short, else its type.
local function shown(value)
  if type(value) == "string" and #value <= 60 then
    return ("%q"):format(value)
  elseif type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  end
  return type(value)
end

--- Checks a table of options against what is known: `known` maps each name to
--- its Lua type, a list of types, or a function that says what is wrong.
--- Raises. Returns the options, an empty table for nil.
---@param given table|nil
---@param known table<string, string|string[]|fun(value: any): string|nil>
---@param what string      begins the message: "put", "open"
---@return table
function options.check(given, known, what)
  if given == nil then
    return {}
  end
  if type(given) ~= "table" then
    misuse(("%s: options are a table, got %s"):format(what, type(given)))
  end
  for name, value in next, given do
    local expected = known[name]
    if not expected then
      misuse(("%s: unknown option %q%s"):format(what, shortened(tostring(name)),
        options.hint(name, known)))
    end
    local wrong
    if type(expected) == "function" then
      wrong = expected(value)
    elseif type(expected) == "string" then
      wrong = type(value) ~= expected and expected
    else
      wrong = table.concat(expected, " or ")
      for _, one in ipairs(expected) do
        if type(value) == one then
          wrong = nil
        end
      end
    end
    if wrong then
      misuse(("%s: option %q must be %s, got %s"):format(what, name, wrong, shown(value)))
    end
  end
  return given
end

--- Raises unless an argument is what a check of options.check takes.
---@param what string   begins the message: "next"
---@param name string   the argument's
---@param check fun(value: any): string|nil
---@param value any
function options.argument(what, name, check, value)
  local wrong = check(value)
  if wrong then
    misuse(("%s: %s must be %s, got %s"):format(what, name, wrong, shown(value)))
  end
end

--- Raises where one option was given without the other, which alone gives it a meaning.
---@param given table  what check returned
---@param name string
---@param other string
---@param what string   as for check
function options.goes_with(given, name, other, what)
  if given[name] ~= nil and not given[other] then
    misuse(("%s: option %q goes with %q"):format(what, name, other))
  end
end

--- Whether a table has the places 1 to n and nothing else: whoever says more, as in
--- { ">=", 1, 5 }, means something else.
---@param t table
---@param n integer
---@return boolean
function options.is_tuple(t, n)
  local count = 0
  for place in next, t do
    if math.type(place) ~= "integer" or place < 1 or place > n then
      return false
    end
    count = count + 1
  end
  return count == n
end

--- Raises unless it can be the path of a file.
---@param path any
---@param what string  as for check
function options.path(path, what)
  if type(path) ~= "string" then
    misuse(what .. ": a path expected, got " .. type(path))
  end
  if path == "" or path:find("\0", 1, true) then
    misuse(what .. ": a path has at least one byte, and no NUL")
  end
end

--- For options.check: one of these strings.
---@param words string[]
function options.one_of(words)
  return function(value)
    for _, word in ipairs(words) do
      if value == word then
        return nil
      end
    end
    local all = '"' .. table.concat(words, '", "') .. '"'
    return (all:gsub(', ("[^"]*")$', " or %1"))
  end
end

--- For options.check: an integer from `least` on.
---@param least integer
function options.integer_from(least)
  return function(value)
    if math.type(value) ~= "integer" or value < least then
      return ("an integer from %d"):format(least)
    end
  end
end

--- For options.check: a duration in seconds, a number from 0; math.huge: no limit.
function options.seconds(value)
  if type(value) ~= "number" or not (value >= 0 and value <= math.huge) then
    return "a number of seconds from 0"
  end
end

--- For options.check: a time in seconds since 1970.
function options.time(value)
  if type(value) ~= "number" or not (value >= 0 and value < 1e12) then
    return "a number of seconds since 1970"
  end
end

--- The longest text of a number with a unit. Longer ones are refused unread: a pattern is
--- matched in one C call, which Ctrl-C can't interrupt.
local QUANTITY_MAX = 64

--- The value of "1.5 GiB" in the unit of which `units` has multiples; nil for any other text.
local function with_unit(text, units)
  if #text > QUANTITY_MAX then
    return nil
  end
  local number, unit = text:match("^%s*([%d.]+)%s*(%a+)%s*$")
  if number and units[unit] and number:find("^%d+%.?%d*$") then
    return tonumber(number) * units[unit]
  end
end

local unit_ms = { ms = 1, s = 1000, m = 60000, h = 3600000, d = 86400000 }

--- A duration in ms: seconds, or a number with ms, s, m, h, d. nil: it is none.
---@param value any
---@return integer|nil
function options.duration_ms(value)
  local ms
  if type(value) == "number" then
    ms = value * 1000
  elseif type(value) == "string" then
    ms = with_unit(value, unit_ms)
  end
  if ms and ms >= 1 and ms < 2 ^ 53 then
    return math.floor(ms + 0.5)
  end
end

local unit_bytes = { B = 1, KiB = 2 ^ 10, MiB = 2 ^ 20, GiB = 2 ^ 30, TiB = 2 ^ 40 }

--- A size in bytes: an integer, or a number with B, KiB, MiB, GiB, TiB.
---@param value any
---@return integer|nil
function options.bytes(value)
  local bytes
  if math.type(value) == "integer" then
    bytes = value
  elseif type(value) == "string" then
    bytes = with_unit(value, unit_bytes)
  end
  if bytes and bytes >= 1 and bytes < 2 ^ 53 then
    return math.floor(bytes + 0.5)
  end
end

local DAY_MS = 86400000

local retention_options = {
  age = { "string", "number" },
  bytes = { "string", "number" },
  count = options.integer_from(1),
}

--- A retention in the core's terms. Raises.
---@param value string|number|table|nil  nil: 24 hours
---@param what string
---@return integer age_ms, integer bytes, integer count  0: no limit
function options.retention(value, what)
  if value == nil then
    return DAY_MS, 0, 0
  end
  if type(value) ~= "table" then
    value = { age = value }
  end
  options.check(value, retention_options, what .. ": retention")
  local age = value.age == nil and DAY_MS or options.duration_ms(value.age)
  if not age then
    misuse(('%s: a retention\'s age is seconds or a number with ms, s, m, h or d, got %q')
      :format(what, shortened(tostring(value.age))))
  end
  local bytes = value.bytes == nil and 0 or options.bytes(value.bytes)
  if not bytes then
    misuse(('%s: a retention\'s bytes are an integer or a number with KiB, MiB or GiB, got %q')
      :format(what, shortened(tostring(value.bytes))))
  end
  return age, bytes, value.count or 0
end

return options
