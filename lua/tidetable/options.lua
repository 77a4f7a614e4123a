-- options.lua - checks options and arguments, and raises the errors of misuse.
--
-- An unknown option is a mistake in the program: it raises an error that names the most similar
-- known option.

local options = {}

--- Directory of the library's files, as in the field `source` of debug.getinfo; nil if the library
--- is not loaded from files.
local library_directory = debug and debug.getinfo(1, "S").source:match "^(@.*)options%.lua$"
options.source = library_directory

local function is_library_file(info)
  return info.what == "C" or info.source:sub(1, #library_directory) == library_directory
end

--- Number of stack levels that are searched for the caller (as in csrc/lua/lua_failure.c).
local LEVELS_MAX = 200

--- Raises an error whose position is the nearest line of the stack outside the library.
---@param text string
function options.misuse(text)
  local level = 2
  if library_directory then
    local info = debug.getinfo(level, "S")
    while info and level < LEVELS_MAX and is_library_file(info) do
      level = level + 1
      info = debug.getinfo(level, "S")
    end
  end
  error(text, level)
end

local misuse = options.misuse

--- Raises the error of a method that was called with a dot instead of a colon.
---@param name string    name of the method
---@param object string  name of the object in the message: "db", "stream"
function options.no_self(name, object)
  misuse(("%s: call it with a colon: %s:%s(...)"):format(name, object, name))
end

--- Wraps the methods of a class in functions that call no_self if `self` is not an object of the
--- class.
---@param class table
---@param object string  as for no_self
---@param except table<string, true>|nil  methods that test `self` themselves
function options.methods(class, object, except)
  for name, method in pairs(class) do
    if type(method) == "function" and name:sub(1, 2) ~= "__" and not (except and except[name]) then
      class[name] = function(self, ...)
        if getmetatable(self) ~= class then
          options.no_self(name, object)
        end
        return method(self, ...)
      end
    end
  end
end

--- Returns the Damerau-Levenshtein distance of two words (optimal string alignment): insertions,
--- deletions, substitutions, and exchanges of neighbours.
local function distance(a, b)
  local above, row = {}, {}      -- the rows of the matrix before this one, and this one
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local before = above
    above, row = row, { [0] = i }
    for j = 1, #b do
      local is_same = a:byte(i) == b:byte(j)
      local best = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (is_same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, before[j - 2] + 1)
      end
      row[j] = best
    end
  end
  return row[#b]
end

--- Returns a word without case and separators: "eventName", "EVENT_NAME" and "event_name" are
--- equal.
function options.normalized(word)
  return (word:lower():gsub("[_-]", ""))
end

--- Longest name that is compared: the time of a comparison grows with the product of the lengths.
local NAME_MAX = 255

--- Returns the known word that is most similar to a name; nil if none is similar.
---@param name string
---@param known table<string, any>  the words are the keys
---@param most integer|nil  greatest distance; default: a third of the name's length, at least 2
---@return string|nil
function options.nearest(name, known, most)
  if #name > NAME_MAX then
    return nil
  end
  local best, least
  local wanted = options.normalized(name)
  for word in pairs(known) do
    local d = distance(wanted, options.normalized(word))
    if not least or d < least or (d == least and word < best) then
      best, least = word, d
    end
  end
  if best and least <= (most or math.max(2, #name // 3)) then
    return best
  end
end

local function list_known(known)
  local names = {}
  for name in pairs(known) do
    names[#names + 1] = name
  end
  table.sort(names)
  return "known: " .. (#names > 0 and table.concat(names, ", ") or "none")
end

--- Returns the end of a message about an unknown name: the most similar known name, or all.
---@param name any
---@param known table<string, any>
---@return string
function options.hint(name, known)
  local near = type(name) == "string" and options.nearest(name, known)
  return near and (" (did you mean %q?)"):format(near) or "; " .. list_known(known)
end

--- Returns a text for a message, cut off after 60 bytes.
local function shortened(text)
  return #text > 60 and text:sub(1, 60) .. "..." or text
end

--- Returns the text of a value for a message; its type if the text is long.
local function value_text(value)
  if type(value) == "string" and #value <= 60 then
    return ("%q"):format(value)
  elseif type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  end
  return type(value)
end

--- Checks a table of options. Raises an error for an unknown option or a wrong value. Returns the
--- options, an empty table for nil.
---@param opts table|nil
---@param known table<string, string|string[]|fun(value: any): string|nil>  maps each name to a Lua
---       type, a list of types, or a function that returns what is expected if the value is wrong
---@param subject string  begins the message: "put", "open"
---@return table
function options.check(opts, known, subject)
  if opts == nil then
    return {}
  end
  if type(opts) ~= "table" then
    misuse(("%s: options must be a table, got %s"):format(subject, type(opts)))
  end
  for name, value in next, opts do
    local expected = known[name]
    if not expected then
      misuse(("%s: unknown option %q%s"):format(subject, shortened(tostring(name)),
        options.hint(name, known)))
    end
    local wrong
    if type(expected) == "function" then
      wrong = expected(value)
    elseif type(expected) == "string" then
      wrong = type(value) ~= expected and expected
    else
      wrong = table.concat(expected, " or ")
      for _, kind in ipairs(expected) do
        if type(value) == kind then
          wrong = nil
        end
      end
    end
    if wrong then
      misuse(("%s: option %q must be %s, got %s"):format(subject, name, wrong, value_text(value)))
    end
  end
  return opts
end

--- Raises an error if an argument is wrong.
---@param subject string   begins the message: "next"
---@param name string   name of the argument
---@param check fun(value: any): string|nil  as for options.check
---@param value any
function options.argument(subject, name, check, value)
  local wrong = check(value)
  if wrong then
    misuse(("%s: %s must be %s, got %s"):format(subject, name, wrong, value_text(value)))
  end
end

--- Raises an error if one option is given without another that it depends on.
---@param opts table   result of options.check
---@param name string   name of the option
---@param other string  name of the option that it requires
---@param subject string   begins the message
function options.requires(opts, name, other, subject)
  if opts[name] ~= nil and not opts[other] then
    misuse(("%s: option %q requires option %q"):format(subject, name, other))
  end
end

--- Returns true if the keys of a table are 1 to n and no others: { ">=", 1, 5 } is not a tuple of
--- 2.
---@param t table
---@param n integer
---@return boolean
function options.is_tuple(t, n)
  local count = 0
  for index in next, t do
    if math.type(index) ~= "integer" or index < 1 or index > n then
      return false
    end
    count = count + 1
  end
  return count == n
end

--- Raises an error if the value cannot be the path of a file.
---@param path any
---@param subject string  begins the message
function options.path(path, subject)
  if type(path) ~= "string" then
    misuse(subject .. ": expected a path, got " .. type(path))
  end
  if path == "" or path:find("\0", 1, true) then
    misuse(subject .. ": path must not be empty or contain a NUL byte")
  end
end

--- Returns a check for options.check: one of these strings.
---@param words string[]
---@return fun(value: any): string|nil
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

--- Returns a check for options.check: an integer that is at least `least`, and at most `most`.
---@param least integer
---@param most integer|nil  nil: no limit
---@return fun(value: any): string|nil
function options.integer_from(least, most)
  return function(value)
    if math.type(value) ~= "integer" or value < least or value > (most or value) then
      return ("an integer from %d"):format(least) .. (most and (" to %d"):format(most) or "")
    end
  end
end

--- A check for options.check: a duration in seconds, at least 0; math.huge: no limit.
---@param value any
---@return string|nil
function options.seconds(value)
  if type(value) ~= "number" or not (value >= 0 and value <= math.huge) then
    return "a number of seconds from 0"
  end
end

--- A check for options.check: a time in seconds since 1970.
---@param value any
---@return string|nil
function options.time(value)
  if type(value) ~= "number" or not (value >= 0 and value < 1e12) then
    return "a number of seconds since 1970"
  end
end

--- Longest text of a number with a unit. A longer one is refused without matching it: a match is
--- one C call, which Ctrl-C cannot interrupt.
local QUANTITY_MAX = 64

--- Returns the value of a number with a unit, such as "1.5 GiB"; nil for any other text.
---@param text string
---@param units table<string, number>  factor of each unit
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

--- Returns a duration in milliseconds, rounded; nil if the value is not a duration of at least 1
--- ms.
---@param value any  seconds, or a string with ms, s, m, h or d
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

--- Returns a size in bytes, rounded; nil if the value is not a size of at least 1 byte.
---@param value any  an integer, or a string with B, KiB, MiB, GiB or TiB
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

--- Returns an age in ms. Raises an error if it is not one, or less than `least`.
local function age_ms(value, least, subject)
  local age = options.duration_ms(value)
  if not age or age < least then
    misuse(("%s: age must be seconds or a string with ms, s, m, h or d, got %q")
      :format(subject, shortened(tostring(value))))
  end
  return age
end

--- Returns a number of bytes. Raises an error if it is not one.
local function byte_count(value, subject)
  return options.bytes(value)
    or misuse(("%s: bytes must be an integer or a string with KiB, MiB or GiB, got %q")
      :format(subject, shortened(tostring(value))))
end

--- Checks a retention and returns it as arguments for the core. Raises an error if it is wrong.
---@param value string|number|table|nil  an age, or { age, bytes, count }; nil: 24 hours
---@param subject string  begins the message
---@return integer age_ms, integer bytes, integer count  0: no limit
function options.retention(value, subject)
  if value == nil then
    return DAY_MS, 0, 0
  end
  if type(value) ~= "table" then
    value = { age = value }
  end
  subject = subject .. ": retention"
  options.check(value, retention_options, subject)
  return value.age == nil and DAY_MS or age_ms(value.age, 0, subject),
    value.bytes == nil and 0 or byte_count(value.bytes, subject), value.count or 0
end

local hold_options = { age = retention_options.age, bytes = retention_options.bytes }

--- Checks the caps of holds and returns them as arguments for the core. Raises an error if one is
--- invalid.
---@param value table|nil  { age, bytes }
---@param subject string  begins the message
---@return integer age_ms, integer bytes  0: not specified
function options.hold(value, subject)
  subject = subject .. ": hold"
  value = options.check(value, hold_options, subject)
  return value.age == nil and 0 or age_ms(value.age, 1, subject),
    value.bytes == nil and 0 or byte_count(value.bytes, subject)
end

return options
