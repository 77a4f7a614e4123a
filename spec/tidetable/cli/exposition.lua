-- exposition.lua - a strict parser of Prometheus' text exposition format, for the specs.
--
-- Text that Prometheus or node_exporter's textfile collector would reject or ignore is an error. So
-- is text that does not follow the conventions for names.
local exposition = {}

local UNESCAPED = { ["\\"] = "\\", ['"'] = '"', n = "\n" }

local function unescape(text, allowed)
  return (text:gsub("\\(.?)", function(char)
    assert(char ~= "" and allowed:find(char, 1, true), "invalid escape: " .. text)
    return UNESCAPED[char]
  end))
end

--- Parses a label at `at`. Returns its name and value, and the position after it.
local function label(line, at)
  local name, first = line:match('^([%a_][%w_]*)="()', at)
  assert(name, "expected a label: " .. line)
  local last = first
  while line:sub(last, last) ~= '"' do
    assert(last <= #line, "the value of a label has no end: " .. line)
    last = last + (line:sub(last, last) == "\\" and 2 or 1)
  end
  return name, unescape(line:sub(first, last - 1), '\\"n'), last + 1
end

--- Parses a sample. Returns its name, its labels by name, its value, and the names of the labels in
--- the order of the line.
local function sample(line)
  local name, at = line:match "^([%a_:][%w_:]*)()"
  assert(name, "expected a name: " .. line)
  local labels, order = {}, {}
  if line:sub(at, at) == "{" then
    repeat
      local key, value, after = label(line, at + 1)
      assert(labels[key] == nil, "two values of a label: " .. line)
      labels[key], order[#order + 1], at = value, key, after
      assert(line:find("^[,}]", at), "expected , or }: " .. line)
    until line:sub(at, at) == "}"
    at = at + 1
  end
  local text = line:match("^ (%S+)$", at)
  assert(text, "expected a blank, a value and the end of the line: " .. line)
  local special = ({ NaN = 0 / 0, ["+Inf"] = math.huge, ["-Inf"] = -math.huge })[text]
  return name, labels, assert(special or text:find "^[-+%d.e]+$" and tonumber(text), line), order
end

local function identity_of(labels)
  local parts = {}
  for name, value in pairs(labels) do parts[#parts + 1] = ("%q=%q"):format(name, value) end
  table.sort(parts)
  return table.concat(parts, ",")
end

local function add_comment(families, order, line)
  local word, name, rest = line:match "^# (%u+) ([%a_:][%w_:]*) (.+)$"
  assert(word == "HELP" or word == "TYPE", "expected HELP or TYPE: " .. line)
  if word == "HELP" then
    assert(not families[name], "a second HELP: " .. line)
    families[name] = { help = unescape(rest, "\\n"), samples = {}, known = {} }
    order[#order + 1] = name
  else
    local family = assert(families[name], "TYPE without HELP: " .. line)
    assert(order[#order] == name and not family.kind, "TYPE at the wrong place: " .. line)
    assert(rest == "counter" or rest == "gauge", line)
    assert((rest == "counter") == (name:find "_total$" ~= nil), "not the name of a " .. line)
    family.kind = rest
  end
end

---@class spec.MetricFamily
---@field help string
---@field kind string
---@field samples { labels: table<string, string>, value: number, order: string[] }[]

--- Parses a text. Returns the families by name, and the names in the order of the text. Raises an
--- error if the text is not valid.
---@param text string
---@return table<string, spec.MetricFamily> families, string[] order
function exposition.parse(text)
  assert(utf8.len(text), "not UTF-8")
  assert(text == "" or text:sub(-1) == "\n", "the last line has no end")
  local families, order = {}, {}
  for line in text:gmatch "([^\n]*)\n" do
    assert(not line:find "%c", "a control character: " .. line)
    if line:sub(1, 1) == "#" then
      add_comment(families, order, line)
    else
      local name, labels, value, names = sample(line)
      local family = assert(families[name], "no HELP and TYPE: " .. line)
      assert(family.kind and order[#order] == name, "not after its TYPE: " .. line)
      local identity = identity_of(labels)
      assert(not family.known[identity], "a second sample: " .. line)
      family.known[identity] = true
      table.insert(family.samples, { labels = labels, value = value, order = names })
    end
  end
  for name, family in pairs(families) do assert(#family.samples > 0, name .. ": no samples") end
  return families, order
end

--- Returns the value of the only sample that has these labels among others; nil if there is none.
---@param families table<string, spec.MetricFamily>
---@param name string
---@param labels table<string, string>|nil
---@return number|nil
function exposition.value(families, name, labels)
  local found
  for _, each in ipairs((families[name] or { samples = {} }).samples) do
    local fits = true
    for key, value in pairs(labels or {}) do fits = fits and each.labels[key] == value end
    if fits then
      assert(not found, name .. ": several samples")
      found = each.value
    end
  end
  return found
end

return exposition
