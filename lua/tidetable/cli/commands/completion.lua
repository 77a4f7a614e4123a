-- completion.lua - `tidetable completion`: what a shell needs to complete its words.

local completion = {
  name = "completion",
  summary = "Write a shell's completion script for this command.",
  description = [[
For bash, zsh or fish, made of what --help says. In bash the tables of a database are
completed too. make install-tools installs the one for bash.]],
  examples = {
    { "tidetable completion bash >~/.bash_completion", "for one's own bash" },
  },
}

function completion.setup(command)
  command:argument("shell", "The shell."):choices { "bash", "zsh", "fish" }
end

--- Behind argparse's own for bash: where it knows nothing, and the word before is
--- a file, the tables in it.
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
