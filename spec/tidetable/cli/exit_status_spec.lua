-- exit_status_spec.lua - every exit status has a meaning that the manual page shows.
local exit_status = require "tidetable.cli.exit_status"

it("has a meaning for each value, in order", function()
  local values = {}
  for _, value in pairs(exit_status) do
    if math.type(value) then values[#values + 1] = value end
  end
  table.sort(values)
  local described = {}
  for i, meaning in ipairs(exit_status.meanings) do described[i] = meaning[1] end
  assert.same(values, described)
end)

it("is that of the shell after a signal", function()
  assert.equal(exit_status.INTERRUPTED, exit_status.of_signal(nil))
  assert.equal(exit_status.INTERRUPTED, exit_status.of_signal(2))
  assert.equal(exit_status.TERMINATED, exit_status.of_signal(15))
  assert.equal(exit_status.HUNG_UP, exit_status.of_signal(1))
end)
