-- script.lua - the text of a script with its modules, and its execution.
--
-- The loader (loader.lua) reads the files. The text that it has read is what every worker executes,
-- so files that change later have no effect until the next reload.

local options = require "tidetable.options"

local scripts = {}

--- A script and the Lua modules that it has required.
---@class tidetable.run.Script
---@field path string
---@field text string
---@field modules table<string, { path: string, text: string }>  by name
---@field is_complete boolean  no module is added: the text comes from the loader

local function read_file(path)
  local file, err = io.open(path, "rb")
  if not file then
    return nil, err
  end
  local text
  text, err = file:read "a"
  file:close()
  return text, err
end

--- Reads the file of a script.
---@param path string
---@return tidetable.run.Script|nil, string|nil message
function scripts.read(path)
  local text, err = read_file(path)
  if not text then
    return nil, err
  end
  return { path = path, text = text, modules = {}, is_complete = false }
end

--- Modules of the library are always those of the running version.
local function is_of_library(name)
  return name == "tidetable" or name:find "^tidetable%."
end

--- Returns a searcher for `require` that adds modules to the script, and finds those that it has.
local function searcher_of(script, warn)
  return function(name)
    local module = script.modules[name]
    if is_of_library(name) then
      return nil
    elseif not module then
      local path = package.searchpath(name, package.path)
      local text = path and read_file(path)
      if not text then
        return nil
      elseif script.is_complete then
        warn(("module %s was not required when the script was loaded: it is read from %s now")
          :format(name, path))
      end
      module = { path = path, text = text }
      script.modules[name] = module
    end
    local chunk, err = load(module.text, "@" .. module.path, "t")
    if not chunk then
      error(("error loading module '%s':\n\t%s"):format(name, err), 0)
    end
    return chunk, module.path
  end
end

--- Adds the directory of the script to the path of its modules.
local function add_directory(path)
  local directory = path:match "^(.*)/[^/]*$" or "."
  if not directory:find "[;?]" then
    package.path = ("%s/?.lua;%s/?/init.lua;%s"):format(directory, directory, package.path)
  end
end

--- Returns an error with a traceback that ends at the function that calls the script.
local function trace(err)
  local meta = getmetatable(err)
  local text
  if type(err) == "string" or meta and (type(meta) ~= "table" or meta.__tostring) then
    text = tostring(err)                       -- the metatables of the library are protected
  else
    text = ("error object of type %s"):format(type(err))
  end
  local lines, at = { text, "stack traceback:" }, 2
  local info = debug.getinfo(at, "Slf")
  while info and info.func ~= scripts.run do
    local is_inside = options.source
      and info.source:sub(1, #options.source) == options.source
    if info.what ~= "C" and not is_inside then
      lines[#lines + 1] = ("\t%s:%d: in %s"):format(info.short_src, info.currentline,
        info.what == "main" and "main chunk" or
        ("function <%s:%d>"):format(info.short_src, info.linedefined))
    end
    at = at + 1
    info = debug.getinfo(at, "Slf")
  end
  return #lines > 3 and table.concat(lines, "\n") or text     -- the text contains the first place
end

scripts.trace = trace

--- Executes the script. Returns its result; nil, message if it has a syntax error or raises an
--- error.
---@param script tidetable.run.Script
---@param warn fun(text: string)
---@return any result, string|nil message
function scripts.run(script, warn)
  add_directory(script.path)
  table.insert(package.searchers, 2, searcher_of(script, warn))
  local text = script.text:gsub("^#[^\n]*", "")
  local chunk, err = load(text, "@" .. script.path, "t")
  if not chunk then
    return nil, err
  end
  local ok, result = xpcall(chunk, trace, script.path)
  if not ok then
    return nil, result
  end
  return result
end

return scripts
