-- input_kind.lua - recognizes input that import cannot read, and names the remedy.
--
-- Compressed files and UTF-16 are recognized by their first bytes. CSV is recognized
-- by a first line that is not JSON and contains a delimiter.

local console = require "tidetable.cli.console"
local line_reader = require "tidetable.cli.line_reader"

local input_kind = {}

--- First bytes of a compressed file, its kind and the program that decompresses it.
local COMPRESSED = {
  { "\x1f\x8b", "gzip", "gunzip -c" },
  { "\x28\xb5\x2f\xfd", "zstd", "zstd -dc" },
  { "\xfd7zXZ\0", "xz", "xz -dc" },
  { "BZh", "bzip2", "bunzip2 -c" },
}

--- First bytes of UTF-16 and its name for iconv. Without a byte order mark the first character,
--- which is ASCII, contains a zero byte.
local UTF_16 = {
  { "^\xff\xfe", "UTF-16" }, { "^\xfe\xff", "UTF-16" },
  { "^[^%z]%z", "UTF-16LE" }, { "^%z[^%z]", "UTF-16BE" },
}

--- Returns false if more bytes are needed to recognize the kind.
local function is_enough(piece)
  if #piece >= 6 then
    return true
  end
  for _, each in ipairs(COMPRESSED) do
    if #piece < #each[1] and each[1]:sub(1, #piece) == piece then
      return false
    end
  end
  return #piece >= 2
end

--- Returns a message and a hint for a compressed file or UTF-16; nil for other input.
local function problem_of(piece)
  for _, each in ipairs(COMPRESSED) do
    if piece:sub(1, #each[1]) == each[1] then
      return ("compressed with %s"):format(each[2]),
        ("use %s FILE | tidetable import ... -"):format(each[3])
    end
  end
  for _, each in ipairs(UTF_16) do
    if piece:find(each[1]) then
      return "encoded in UTF-16",
        ("use iconv -f %s -t UTF-8 FILE | tidetable import ... -"):format(each[2])
    end
  end
end

--- Returns true if the first line may be the header of CSV.
local function is_csv_like(piece)
  local line = piece:gsub("^" .. line_reader.MARK, ""):match "^%s*([^\r\n]*)"
  return not line:find "^[%[{]" and line:find "[,;\t]" ~= nil and line:find "%c" == line:find "\t"
    and utf8.len(line) ~= nil
end

--- Ends the command if the input is of a kind that cannot be read. Reads its first piece.
---@param source tidetable.cli.LineReader
---@param is_csv boolean|nil  the option --csv is given
function input_kind.check(source, is_csv)
  local piece = source:peek(is_enough)
  if not piece then
    return
  end
  local problem, hint = problem_of(piece)
  if not problem and not is_csv and is_csv_like(piece) then
    problem, hint = "not JSON", "if it is CSV, use --csv"
  end
  if problem then
    console.fail(("%s: %s"):format(source.name, problem), hint)
  end
end

return input_kind
