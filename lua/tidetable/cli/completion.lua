-- completion.lua - `tidetable completion`: what a shell needs to complete its words.

local completion = {
  name = "completion",
  summary = "Write a shell's completion script for this command.",
  description = [[
For bash, zsh or fish, made of what --help says. make install-tools installs the one for
bash.]],
  examples = {
    { "tidetable completion bash >~/.bash_completion", "for one's own bash" },
  },
}

function completion.setup(command)
  command:argument("shell", "The shell."):choices { "bash", "zsh", "fish" }
end

function completion.run(args, out)
  local parser = require("tidetable.cli.main").parser()
  out:write(parser["get_" .. args.shell .. "_complete"](parser), "\n")
end

return completion
