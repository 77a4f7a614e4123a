-- simpler.lua - simpler requests and transactions, for shrinking programs.
local requests = require "spec.model.item_requests"

local is_key = { p = true, s = true, n = true, t = true, id = true }

local function copy(value)
  if type(value) ~= "table" then return value end
  local new = {}
  for key, each in pairs(value) do new[key] = copy(each) end
  return new
end

local function without(list, i)
  local rest = copy(list)
  table.remove(rest, i)
  return rest
end

local values, conditions, operands

--- Appends f(replacement) for each simpler form of one member.
local function add_each(list, members, simpler, f)
  for key, member in pairs(members) do
    for _, each in ipairs(simpler(member)) do
      local new = copy(members)
      new[key] = each
      list[#list + 1] = f(new)
    end
  end
end

-- Values -------------------------------------------------------------------------------------

--- Returns the first half of a string or binary. A string ends with a whole character.
local function first_half(kind, bytes)
  local count = #bytes // 2
  while kind == "S" and bytes:find("^[\x80-\xbf]", count + 1) do count = count - 1 end
  return bytes:sub(1, count)
end

local function add_dropped(list, value, is_kept)
  for key in pairs(value[2]) do
    if not is_kept or not is_kept[key] then
      local members = copy(value[2])
      if math.type(key) then table.remove(members, key) else members[key] = nil end
      list[#list + 1] = { value[1], members }
    end
  end
end

--- Returns the simpler forms of a value.
function values(value, is_kept)
  local kind, list = value[1], {}
  if kind == "M" or kind == "L" then
    if not is_kept and next(value[2]) then list[1] = { kind, {} } end
    add_dropped(list, value, is_kept)
    local inner = copy(value[2])
    for key in pairs(is_kept or {}) do inner[key] = nil end
    add_each(list, inner, values, function(new)
      for key in pairs(is_kept or {}) do new[key] = value[2][key] end
      return { kind, new }
    end)
  elseif kind == "SS" or kind == "NS" or kind == "BS" then
    if #value[2] > 1 then add_dropped(list, value) end
  elseif (kind == "S" or kind == "B") and #value[2] > 1 then
    list = { { kind, "" }, { kind, "x" }, { kind, first_half(kind, value[2]) } }
  elseif kind == "N" and #value[2] > 1 then
    list = { { "N", "0" }, { "N", "1" } }
  end
  return list
end

-- Expressions --------------------------------------------------------------------------------

local function paths(path)
  return #path > 1 and { table.move(path, 1, #path - 1, 1, {}) } or {}
end

--- Returns the simpler forms of an operand.
function operands(tree)
  local list = {}
  if tree.kind == "value" then
    for _, each in ipairs(values(tree.value)) do
      list[#list + 1] = { kind = "value", value = each }
    end
  elseif tree.kind == "path" then
    for _, each in ipairs(paths(tree.path)) do list[#list + 1] = { kind = "path", path = each } end
  elseif tree.kind == "size" then
    list[1] = tree.of
    for _, each in ipairs(operands(tree.of)) do list[#list + 1] = { kind = "size", of = each } end
  else
    for _, each in ipairs(tree) do list[#list + 1] = each end
    for i, each in ipairs(tree) do
      for _, new in ipairs(tree.kind == "if_not_exists" and i == 1 and {} or operands(each)) do
        local other = copy(tree)
        other[i] = new
        list[#list + 1] = other
      end
    end
  end
  return list
end

local is_logic = { ["and"] = true, ["or"] = true, ["not"] = true }

--- Returns the simpler forms of a condition.
function conditions(tree)
  local list = {}
  local simpler = is_logic[tree.kind] and conditions or operands
  for i, each in ipairs(tree) do
    if is_logic[tree.kind] then list[#list + 1] = each end
    if is_logic[tree.kind] and #tree > 2 or tree.kind == "in" and i > 1 and #tree > 2 then
      list[#list + 1] = without(tree, i)
    end
  end
  for i, each in ipairs(tree) do
    local is_name = tree.name == "attribute_type" and i == 2
    for _, new in ipairs(is_name and {} or simpler(each)) do
      local other = copy(tree)
      other[i] = new
      list[#list + 1] = other
    end
  end
  return list
end

local function actions(action)
  local list = {}
  for _, path in ipairs(paths(action.path)) do
    list[#list + 1] = { section = action.section, path = path, value = action.value }
  end
  if action.value then
    for _, value in ipairs(operands(action.value)) do
      list[#list + 1] = { section = action.section, path = action.path, value = value }
    end
  end
  return list
end

--- Returns the function that simplifies a list by dropping or simplifying its elements.
local function lists(simpler, least)
  return function(list)
    local all = {}
    for i in ipairs(#list > least and list or {}) do all[#all + 1] = without(list, i) end
    add_each(all, list, simpler, function(new) return new end)
    return all
  end
end

-- Requests -----------------------------------------------------------------------------------

local simpler_parts = {
  update = lists(actions, 0), condition = conditions, filter = conditions,
  projection = lists(paths, 1),
}

local dropped = { "fault", "unused", "condition", "filter", "projection", "start_key", "limit",
  "count", "descending" }

local neutral = { returns = "NONE", on_failure = "NONE" }

local function simpler_requests(request)
  local list = {}
  local function add(field, value)
    local new = copy(request)
    new[field] = value
    list[#list + 1] = { requests.print(new, "plain") }
  end
  for _, field in ipairs(dropped) do
    if request[field] ~= nil then add(field, nil) end
  end
  for field, value in pairs(neutral) do
    if request[field] and request[field] ~= value then add(field, value) end
  end
  for part, simpler in pairs(simpler_parts) do
    for _, each in ipairs(request[part] and simpler(request[part]) or {}) do add(part, each) end
  end
  if request.range and request.range[2] then add("range", { request.range[1] }) end
  if request.operation == "put" then
    for _, each in ipairs(values(request.item, is_key)) do add("item", each) end
  end
  return list
end

local function simpler_transactions(entry)
  local list = { table.move(entry, 1, #entry, 1, {}) }
  for i = 1, #entry > 1 and #entry or 0 do list[#list + 1] = { without(entry, i) } end
  if entry.ending ~= "commit" then
    local new = copy(entry)
    new.ending = "commit"
    list[#list + 1] = { new }
  end
  for i, request in ipairs(entry) do
    for _, each in ipairs(simpler_requests(request)) do
      local new = copy(entry)
      new[i] = each[1]
      list[#list + 1] = { new }
    end
  end
  return list
end

--- Returns the lists of entries that may replace an entry of a program.
return function(entry)
  return entry.transaction and simpler_transactions(entry) or simpler_requests(entry)
end
