-- store_spec.lua - calls of the library while the store fails, once at each request to the store.
local LUA = os.getenv("LUA") or "lua5.4"
local BUILD = assert(os.getenv("TIDETABLE_BUILD"))

describe("a store that fails", function()
  it("is reported by each call, which leaves no lock and changes nothing", function()
    local path = os.tmpname()
    os.remove(path)
    local pipe = assert(io.popen(("%s spec/fault/store_calls.lua %s/fault/failing.so %s.tide 2>&1"
      ):format(LUA, BUILD, path)))
    local output = pipe:read("a")
    local ok = pipe:close()
    for _, suffix in ipairs { "", "-lock", "-wake" } do os.remove(path .. ".tide" .. suffix) end
    assert.is_true(ok, output)
    assert.is_truthy(output:find("optimistic\t%d"), output)
  end)
end)
