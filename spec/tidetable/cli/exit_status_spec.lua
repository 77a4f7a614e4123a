-- exit_status_spec.lua - every exit status has a meaning that the manual page shows.
local exit_status = require "tidetable.cli.exit_status"

it("has a meaning for each value, in order", function()
  local values = {}
  for name, value in pairs(exit_status) do
    if name ~= "meanings" then values[#values + 1] = value end
  end
  table.sort(values)
  local described = {}
  for i, meaning in ipairs(exit_status.meanings) do described[i] = meaning[1] end
  assert.same(values, described)
end)
