-- completion.lua - `tidetable completion`: writes the completion script of a shell.

local command_line = require "tidetable.cli.command_line"

local completion = {
  name = "completion",
  summary = "Write the completion script of a shell.",
  description = [[
The script completes commands, options and their values. In bash it also completes the names of
tables after the name of a database file. 'make install-tools' installs the script for bash.]],
  examples = {
    { "tidetable completion bash >~/.bash_completion", "install it for one user of bash" },
  },
  arguments = { { "shell", "Name of the shell.", choices = { "bash", "zsh", "fish" } } },
  options = {},
}

--- Extends argparse's script for bash: if that has no completion, the word is not the value of an
--- option and the only argument before it is a file, completes the names of the tables in the file.
--- %s are the options without a value.
local TABLES = [=[
_tidetable_and_tables() {
    local cur="${COMP_WORDS[COMP_CWORD]}" database="" flags=" %s " word i
    _tidetable
    [[ ${#COMPREPLY[@]} = 0 && "$cur" != -* ]] || return
    for ((i = 2; i < COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        if [[ "$word" = -* ]]; then
            [[ "$flags" = *" $word "* ]] || ((++i))
        elif [[ -n "$database" || ! -f "$word" ]]; then
            return
        else
            database="$word"
        fi
    done
    if [[ -n "$database" && $i = "$COMP_CWORD" ]]; then
        COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" tables "$database" 2>/dev/null)" -- "$cur"))
    fi
}

complete -F _tidetable_and_tables -o bashdefault -o default tidetable
]=]

--- Returns the names of all options without a value.
local function flags_of(commands, options)
  local names, is_known = {}, {}
  local function add(declared)
    for _, option in ipairs(declared) do
      for _, name in ipairs(option.value and {} or command_line.names(option)) do
        if not is_known[name] then
          names[#names + 1], is_known[name] = name, true
        end
      end
    end
  end
  add(options)
  for _, each in pairs(commands) do
    add(each.options)
  end
  table.sort(names)
  return table.concat(names, " ")
end

function completion.run(args, out)
  local main = require "tidetable.cli.main"
  local parser, commands = main.parser()
  out:write(parser["get_" .. args.shell .. "_complete"](parser), "\n")
  if args.shell == "bash" then
    out:write((TABLES:gsub("%%s", flags_of(commands, main.options))))
  end
end

return completion
