-- store_spec.lua - the library when the store below it fails, at each call of it once.
local LUA = os.getenv("LUA") or "lua5.4"
local BUILD = assert(os.getenv("TIDETABLE_BUILD"))

describe("a store that fails", function()
  it("is said by each call, which leaves no lock and nothing half-done", function()
    local path = os.tmpname()
    os.remove(path)
    local pipe = assert(io.popen(("%s spec/fault/store_calls.lua %s/fault/failing.so %s.tide 2>&1"
      ):format(LUA, BUILD, path)))
    local said = pipe:read("a")
    local ok = pipe:close()
    for _, suffix in ipairs { "", "-lock", "-wake" } do os.remove(path .. ".tide" .. suffix) end
    assert.is_true(ok, said)
    assert.is_truthy(said:find("optimistic\t%d"), said)
  end)
end)
