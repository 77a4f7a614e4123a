-- command_line_spec.lua - what a declaration of arguments and options becomes.
local argparse = require "argparse"
local command_line = require "tidetable.cli.command_line"

local copy = {
  name = "copy", summary = "Copy a file.",
  description = "Line one\nof a paragraph.\n\nAnother one.",
  examples = { { "tidetable copy a b", "copies a" } },
  arguments = {
    { "from", "The file." },
    { "how", "In which way.", choices = { "fast", "slow" } },
    { "to", "Its copies.", args = "+" },
  },
  options = {
    { "-f --force", "Do it." },
    { "--at", "Start there.", value = "N", convert = tonumber, exclusive = "start" },
    { "--time", "Start then.", value = "TIME", target = "when", exclusive = "start" },
    { "--size", "Its size.", value = "SIZE", default = 5 },
    { "--kind", "Its kind.", value = "KIND", choices = { "a", "b" }, shown_default = "a" },
  },
}

local function parser()
  local made = argparse "tidetable"
  made.error = function(_, message) error(message, 0) end
  return made, command_line.add(made, copy)
end

local function parse(...)
  return (parser():parse { "copy", ... })
end

describe("a declaration", function()
  it("becomes a parser", function()
    local args = parse("a", "fast", "b", "c", "-f", "--time", "12")
    assert.equal("a", args.from)
    assert.same({ "b", "c" }, args.to)
    assert.equal("fast", args.how)
    assert.is_true(args.force)
    assert.equal("12", args.when)
    assert.equal(5, args.size)
    assert.is_nil(args.kind)
    assert.equal(7, parse("a", "slow", "b", "--at", "7").at)
    assert.error_matches(function() parse("a", "slow", "b", "--at", "7", "--time", "8") end,
      "can not be used together")
    assert.error_matches(function() parse("a", "slow", "b", "--kind", "c") end, "must be one of")
    assert.error_matches(function() parse("a", "quick", "b") end, "must be one of")
  end)

  it("becomes a usage text with lines of at most 80 columns", function()
    assert.equal("Usage: tidetable copy [-f] [--at N | --time TIME] [--size SIZE] [--kind KIND]\n"
      .. "       [-h] <from> {fast,slow} <to> ...", command_line.usage(copy, "Usage: "))
    for args, shown in pairs { ["?"] = "[<x>]", ["*"] = "[<x>] ...", ["0-2"] = "[<x>] [<x>]" } do
      assert.equal("tidetable c [-h] " .. shown, command_line.usage({ name = "c", options = {},
        arguments = { { "x", "X.", args = args } } }, ""))
    end
  end)

  it("becomes a help with defaults, paragraphs and examples", function()
    local _, added = parser()
    local help = added:get_help()
    assert.truthy(help:find("\n\nCopy a file.\n\nLine one of a paragraph.\n\nAnother one.\n", 1,
      true), help)
    assert.truthy(help:find("Its size. (default: 5)\n", 1, true), help)
    assert.truthy(help:find("Its kind. (default: a)\n", 1, true), help)
    assert.truthy(help:find("Examples:\n   tidetable copy a b\n      copies a", 1, true), help)
  end)

  it("assigns the last word to an argument after one of several words", function()
    local declared = { name = "change", summary = "Change it.", options = {},
      arguments = { { "file", "The file." }, { "key", "Its key.", args = "+" },
        { "how", "In which way." } } }
    local new = argparse "tidetable"
    local added = command_line.add(new, declared)
    local args = new:parse { "change", "f", "a", "b", "c" }
    assert.same({ "f", { "a", "b" }, "c" }, { args.file, args.key, args.how })
    args = new:parse { "change", "f", "a", "c" }
    assert.same({ "f", { "a" }, "c" }, { args.file, args.key, args.how })
    args = new:parse { "change", "f", "a" }
    assert.same({ { "a" } }, { args.key, args.how })
    assert.equal("tidetable change [-h] <file> <key> ... <how>",
      command_line.usage(declared, ""))
    assert.truthy(added:get_help():find("In which way.", 1, true))
  end)

  it("yields the names of options, and groups of exclusive options", function()
    assert.same({ "-f", "--force" }, command_line.names(copy.options[1]))
    local groups = command_line.groups(copy.options)
    assert.equal(4, #groups)
    assert.equal(2, #groups[2])
  end)
end)
