-- differences_spec.lua - doc/differences.md lists the rules of the comparison with dynalite.
local rules = require "spec.dynalite.rules"

describe("doc/differences.md", function()
  it("lists each rule of spec/dynalite/rules.lua, and no other", function()
    local file = assert(io.open "doc/differences.md")
    local section = file:read("a"):match "\n## dynalite\n(.*)"
    file:close()
    local listed, expected = {}, rules.names()
    for name in section:gmatch "\n| ([^|]+) |" do listed[#listed + 1] = name end
    assert.equal("rule", table.remove(listed, 1))
    table.sort(listed)
    table.sort(expected)
    assert.same(expected, listed)
  end)
end)
