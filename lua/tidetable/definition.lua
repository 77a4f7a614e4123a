-- definition.lua - reads, compares and changes the definition of a table.

local core = require "tidetable.core"
local options = require "tidetable.options"
local stream = require "tidetable.stream.stream"
local wait = require "tidetable.wait"

local definitions = {}

--- Returns the definition of a table, in the form that create_table takes.
function definitions.of(handle)
  local description, err, code = handle:describe()
  if not description then
    return nil, err, code
  end
  local has_stream = description.stream
  return {
    name = description.name,
    partition_key = description.partition_key,
    sort_key = description.sort_key,
    ttl = description.ttl,
    stream = has_stream and {
      view_type = has_stream.view_type,
      retention = has_stream.retention,
      hold = has_stream.hold,
    } or nil,
  }
end

--- Returns the name and type of a key as text; "none" if there is no key.
local function key_text(key)
  if key == nil then
    return "none"
  elseif type(key) == "string" then
    return key .. " (S)"
  end
  return ("%s (%s)"):format(key[1], key[2] or "S")
end

local function return_invalid(text)
  return core.invalid(text)
end

--- Returns the view type and the retention of a definition's stream as arguments for the core; view
--- 0: no stream.
local function stream_settings(given, what)
  if not given then
    return { 0, 0, 0, 0, 0, 0 }
  end
  return { stream.settings(given ~= true and given or nil, what) }
end

--- Returns the wanted definition of a stream. Missing fields are taken from the present one.
local function merged_stream(wanted, present)
  if not wanted or not present then
    return wanted
  elseif wanted == true then
    return present
  end
  return {
    view_type = wanted.view_type or present.view_type,
    retention = wanted.retention or present.retention,
    hold = wanted.hold or present.hold,
  }
end

local function disable_and_enable(handle, has, wanted)
  local database, name = handle.database, handle.name
  if has[1] ~= 0 then
    local ok, err, code = wait.try(database, core.disable_stream, database.core, name)
    if not ok then
      return nil, err, code
    end
  end
  if wanted[1] == 0 then
    return true
  end
  return wait.try(database, core.enable_stream, database.core, name, table.unpack(wanted, 1, 6))
end

--- Returns true if an argument differs. A cap of holds that is not given (0) is unchanged.
local function differs(has, wanted, i)
  return has[i] ~= wanted[i] and not (i > 4 and wanted[i] == 0)
end

local function change_stream(handle, has, wanted)
  if has[1] ~= wanted[1] then
    return disable_and_enable(handle, has, wanted)
  end
  for i = 2, 6 do
    if differs(has, wanted, i) then
      local id, err, code = core.stream_of(handle.database.core, handle.name)
      if not id then
        return nil, err, code
      end
      return wait.try(handle.database, core.set_retention, handle.database.core, id,
        table.unpack(wanted, 2, 6))
    end
  end
  return true
end

--- Checks the option ttl: the name of an attribute, or false.
function definitions.check_ttl(value)
  if value == false or type(value) == "string" and #value >= 1 and #value <= 255 then
    return nil
  end
  return "the name of an attribute (1 to 255 bytes), or false"
end

--- Sets the time-to-live attribute, if it differs.
local function change_ttl(handle, has, wanted)
  if (has or "") == wanted then
    return true
  end
  return wait.try(handle.database, core.set_ttl, handle.database.core, handle.name, wanted)
end

local alter_options = { stream = { "table", "boolean" }, ttl = definitions.check_ttl }

--- Changes the stream and ttl that are given; a field that is nil is not changed.
function definitions.alter(handle, given)
  options.check(given, alter_options, "alter")
  if given == nil or given.stream == nil and given.ttl == nil then
    options.misuse "alter: expected a table with stream or ttl"
  end
  stream_settings(given.stream, "alter: stream")   -- raises an error if they are invalid
  local present, err, code = definitions.of(handle)
  local ok = present
  if ok and given.ttl ~= nil then
    ok, err, code = change_ttl(handle, present.ttl, given.ttl or "")
  end
  if not ok then
    return nil, err, code
  elseif given.stream == nil then
    return true
  end
  return change_stream(handle, stream_settings(present.stream, "alter: stream"),
    stream_settings(merged_stream(given.stream, present.stream), "alter: stream"))
end

local function check_same_keys(existing, wanted)
  for _, name in ipairs { "partition_key", "sort_key" } do
    if key_text(existing[name]) ~= key_text(wanted[name]) then
      return return_invalid(("%s: %s is %s, not %s"):format(wanted.name, name,
        key_text(existing[name]), key_text(wanted[name])))
    end
  end
  return true
end

local function same_stream(a, b)
  for i = 2, 6 do
    if a[1] ~= 0 and differs(a, b, i) then
      return false
    end
  end
  return a[1] == b[1]
end

--- Returns the handle if the table has the wanted definition. If stream or ttl differ, changes them
--- first if may_alter is true, otherwise returns VALIDATION.
function definitions.ensure(handle, wanted, may_alter)
  local existing, err, code = definitions.of(handle)
  local ok = existing
  if ok then
    ok, err, code = check_same_keys(existing, wanted)
  end
  if not ok then
    return nil, err, code
  end
  local has = stream_settings(existing.stream, "ensure_table: stream")
  local stream_wanted = stream_settings(wanted.stream, "ensure_table: stream")
  local same_ttl = (existing.ttl or false) == (wanted.ttl or false)
  if same_stream(has, stream_wanted) and same_ttl then
    return handle
  elseif not may_alter then
    return return_invalid(("%s: the %s differs from the definition; alter = true changes it")
      :format(wanted.name, same_ttl and "stream" or "ttl"))
  end
  ok, err, code = change_ttl(handle, existing.ttl, wanted.ttl or "")
  if ok then
    ok, err, code = change_stream(handle, has, stream_wanted)
  end
  if not ok then
    return nil, err, code
  end
  return handle
end

return definitions
