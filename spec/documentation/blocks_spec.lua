-- blocks_spec.lua - the Lua blocks of the documentation compile, and run.
--
-- spec/examples_spec.lua runs the program of the README and compares its whole output.
-- spec/tidetable/cli/pages_spec.lua runs the examples of doc/tools.md.
local lfs = require "lfs"
local pages = require "spec.documentation.pages"

local root = lfs.currentdir()

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- The sanitizers are loaded only for Lua, because some programs of the shell fail with them.
local function output_of(command)
  local pipe = assert(io.popen("unset LD_PRELOAD\n" .. command))
  local text = pipe:read("a")
  pipe:close()
  return text
end

-- Passes package.path on, because busted sets it only for itself.
local function run_blocks(page, directory)
  local preload = os.getenv("LD_PRELOAD")
  return output_of(("cd %s && timeout 60 env %s LUA_PATH=%s LUA_CPATH=%s %s %s %s %s 2>&1"):format(
    quote(directory), preload and "LD_PRELOAD=" .. quote(preload) or "",
    quote(root .. "/lua/?.lua;" .. root .. "/lua/?/init.lua;;"),
    quote((os.getenv("TIDETABLE_BUILD") or root .. "/build") .. "/?.so;;"),
    os.getenv("LUA") or "lua5.4", quote(root .. "/spec/documentation/blocks.lua"), quote(root),
    quote(page)))
end

describe("the Lua blocks of", function()
  for _, page in ipairs(pages.all()) do
    local runs = page ~= "README.md" and page ~= "doc/tools.md"
    local blocks = pages.blocks(page)
    if #blocks > 0 then
      it(page .. " compile", function()
        for _, block in ipairs(blocks) do
          assert(load(block.text, ("=%s:%d"):format(page, block.line), "t"))
        end
      end)
    end
    local count = 0
    for _, block in ipairs(blocks) do count = count + (block.is_fragment and 0 or 1) end
    if count > 0 and runs then
      it(page .. " run, and print what is said there", function()
        local directory = output_of("mktemp -d"):match("%C+")
        local said = run_blocks(page, directory)
        output_of("rm -rf " .. quote(directory))
        assert.are.equal(count .. " blocks ran\n", said)
      end)
    end
  end
end)
