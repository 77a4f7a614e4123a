-- completion_spec.lua - `tidetable completion`, as doc/tools.md describes it.
local command = require "spec.tidetable.cli.command"
local helper = require "spec.tidetable.helper"
local main = require "tidetable.cli.main"

helper.setup(before_each, after_each)

-- Returns the completions that one bash offers for the last word of each line.
local function offered(lines)
  local script = helper.path("completion.bash")
  assert(os.execute(("unset LD_PRELOAD; %s completion bash >%s"):format(command.line, script)))
  local asked = { ([[
    source %s
    tidetable() { %s "$@"; }
    completes=$(complete -p tidetable | sed 's/.*-F \([a-z_]*\).*/\1/')
    ask() {
      COMP_WORDS=(tidetable "$@"); COMP_CWORD=$#; COMPREPLY=()
      $completes
      echo "${COMPREPLY[@]}"
    }
  ]]):format(script, command.line) }
  for i, line in ipairs(lines) do
    local words = {}
    for k, word in ipairs(line) do words[k] = command.quote(word) end
    asked[i + 1] = "ask " .. table.concat(words, " ")
  end
  local ran = command.shell("bash -c " .. command.quote(table.concat(asked, "\n")))
  assert.equal("", ran.err)
  local answers = {}
  for answer in ran.out:gmatch("([^\n]*)\n") do answers[#answers + 1] = answer end
  assert.equal(#lines, #answers)
  return answers
end

describe("completion", function()
  it("of bash has every command and every option", function()
    local lines, expected = {}, {}
    local function ask(word, ...)
      lines[#lines + 1], expected[#expected + 1] = { ... }, word
    end
    local parser, commands = main.parser()
    for name in pairs(commands) do ask(name, name:sub(1, -2)) end
    for _, each in ipairs(parser._commands) do
      for option in each:get_help():gmatch("\n   [^\n]*%-%-([%w-]+)") do
        ask("--" .. option, each._name, "--" .. option)
      end
    end
    for i, answer in ipairs(offered(lines)) do
      assert.truthy((" " .. answer .. " "):find(" " .. expected[i] .. " ", 1, true),
        table.concat(lines[i], " "))
    end
    assert.are.same({ "truncate", "auto always never", "TRIM_HORIZON" },
      offered { { "tr" }, { "--color", "" }, { "tail", "--from", "TR" } })
  end)

  it("of bash has the tables of a database", function()
    local db = helper.open()
    for _, name in ipairs { "orders", "ordinals", "files" } do
      assert(db:create_table { name = name, partition_key = "id" })
    end
    db:close()
    local path = helper.path()
    assert.are.same({ "orders ordinals", "files orders ordinals", "" }, offered {
      { "tail", path, "ord" }, { "describe", path, "" },
      { "tail", helper.path("completion.bash"), "" },
    })
    assert.are.same({ "orders ordinals", "orders ordinals", "files", "", "", "" }, offered {
      { "tail", path, "-f", "ord" }, { "scan", "--limit", "5", path, "--reverse", "ord" },
      { "export", "-o", helper.path("completion.bash"), path, "fil" },
      { "tail", path, "-n", "ord" }, { "get", path, "orders", "ord" }, { "tail", "-n", path, "" },
    })
  end)

  it("exists for zsh and fish too, and for no other shell", function()
    assert.truthy(command.must({ "completion", "zsh" }):find("#compdef tidetable", 1, true))
    assert.truthy(command.must({ "completion", "fish" }):find("complete -c tidetable", 1, true))
    command.refuses(2, "must be one of 'bash', 'zsh', 'fish'", { "completion", "csh" })
  end)
end)
