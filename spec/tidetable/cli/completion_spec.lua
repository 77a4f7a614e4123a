-- completion_spec.lua - what doc/modules/cli/completion.md promises.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local main = require "tidetable.cli.main"

helper.setup(before_each, after_each)

-- What bash offers for the last of these words.
local function offered(script, ...)
  local words = {}
  for i, word in ipairs { ... } do words[i] = command.quote(word) end
  local ran = command.shell(("bash -c %s"):format(command.quote(([[
    source %s
    COMP_WORDS=(tidetable %s); COMP_CWORD=%d
    _tidetable
    echo "${COMPREPLY[@]}"
  ]]):format(script, table.concat(words, " "), #words))))
  assert.equal("", ran.err)
  return (ran.out:gsub("\n$", ""))
end

describe("completion", function()
  it("of bash knows every command and every option", function()
    local script = helper.path("completion.bash")
    assert(os.execute(("unset LD_PRELOAD; %s completion bash >%s"):format(command.line, script)))
    local _, commands = main.parser()
    for name in pairs(commands) do
      assert.truthy((" " .. offered(script, name:sub(1, -2)) .. " "):find(" " .. name .. " ", 1,
        true), name)
      local help = command.must { name, "--help" }
      for option in help:gmatch("\n   [^\n]*%-%-([%w-]+)") do
        assert.truthy((" " .. offered(script, name, "--" .. option) .. " ")
          :find(" --" .. option .. " ", 1, true), name .. " --" .. option)
      end
    end
    assert.equal("trim", offered(script, "tr"))
    assert.equal("auto always never", offered(script, "--color", ""))
    assert.equal("TRIM_HORIZON", offered(script, "tail", "--from", "TR"))
  end)

  it("is there for zsh and fish too, and for nobody else", function()
    assert.truthy(command.must({ "completion", "zsh" }):find("#compdef tidetable", 1, true))
    assert.truthy(command.must({ "completion", "fish" }):find("complete -c tidetable", 1, true))
    command.refuses(2, "must be one of 'bash', 'zsh', 'fish'", { "completion", "csh" })
  end)
end)
