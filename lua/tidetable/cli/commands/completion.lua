-- completion.lua - `tidetable completion`: writes the completion script of a shell.

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

--- Extends argparse's script for bash: if that has no completion and the previous word is a file,
--- completes the names of the tables in the file.
local TABLES = [=[
_tidetable_and_tables() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
    _tidetable
    if [[ ${#COMPREPLY[@]} = 0 && "$cur" != -* && -f "$prev" ]]; then
        COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" tables "$prev" 2>/dev/null)" -- "$cur"))
    fi
}

complete -F _tidetable_and_tables -o bashdefault -o default tidetable
]=]

function completion.run(args, out)
  local parser = require("tidetable.cli.main").parser()
  out:write(parser["get_" .. args.shell .. "_complete"](parser), "\n")
  if args.shell == "bash" then
    out:write(TABLES)
  end
end

return completion
