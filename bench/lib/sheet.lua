-- sheet.lua - the results of the peers as a table, for a terminal and as Markdown.

local bench = require "bench"
local contenders = require "contenders"

local sheet = {}

local scales = { us = 1000, ns = 1, MB = 1024, B = 1 }

local function median(series)
  if series and #series > 0 then
    return (bench.median(series))
  end
end

--- Returns the contender with the smallest median of a row, baselines excluded.
local function best(of, list)
  local least, winner
  for _, contender in ipairs(list) do
    local number = not contender.is_baseline and median(of[contender.id])
    if number and (not least or number < least) then
      least, winner = number, contender
    end
  end
  return winner
end

function sheet.headline(said)
  return ("%s; %s\n%d items, %d changes before, %d rounds; load average %s%s"):format(
    said.machine, said.disk, said.items, said.changes, said.rounds, said.load_line,
    said.is_noisy and "\nthe machine is busy: these figures are preliminary" or "")
end

local function head_of(list)
  local head = {}
  for i, contender in ipairs(list) do head[i] = contenders.full_name(contender) end
  return head
end

--------------------------------------------------------------------------------
-- The terminal
--------------------------------------------------------------------------------

local function lines_of(rows, list, results)
  local lines = { { "", "", table.unpack(head_of(list)) } }
  for _, row in ipairs(rows) do
    local line = { row.title, row.unit }
    for i, contender in ipairs(list) do
      line[i + 2] = bench.show(results[row.id][contender.id], scales[row.unit])
    end
    lines[#lines + 1] = line
  end
  return lines
end

--- Returns the table for a terminal, with median [least..most] of each contender.
function sheet.as_text(rows, list, results)
  local lines, width = lines_of(rows, list, results), {}
  for _, line in ipairs(lines) do
    for i, cell in ipairs(line) do width[i] = math.max(width[i] or 0, #cell) end
  end
  local text = {}
  for n, line in ipairs(lines) do
    local cells = {}
    for i, cell in ipairs(line) do cells[i] = cell .. (" "):rep(width[i] - #cell) end
    text[n] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return table.concat(text, "\n") .. "\n"
end

--- Returns as text in how many rows this library is faster than SQLite, and the other ratios.
local function verdict_on(contender, rows, results)
  local ahead, asked, behind = 0, 0, {}
  for _, row in ipairs(rows) do
    local mine = median(results[row.id][contender.id])
    local theirs = median(results[row.id].sqlite)
    if mine and theirs then
      asked, ahead = asked + 1, ahead + (mine <= theirs and 1 or 0)
      if mine > theirs then
        behind[#behind + 1] = ("  behind by %.2fx: %s"):format(mine / theirs,
          row.title:match "^%s*(.*)$")
      end
    end
  end
  table.insert(behind, 1, ("%s: ahead of SQLite (C) in %d of %d rows"):format(
    contenders.full_name(contender), ahead, asked))
  return asked > 0 and table.concat(behind, "\n") or nil
end

function sheet.verdict(rows, list, results)
  local verdicts = {}
  for _, contender in ipairs(list) do
    verdicts[#verdicts + 1] = contender.is_ours and verdict_on(contender, rows, results) or nil
  end
  return #verdicts > 0 and table.concat(verdicts, "\n") or "SQLite took no part"
end

--------------------------------------------------------------------------------
-- Markdown
--------------------------------------------------------------------------------

local function escaped(text)
  return (text:gsub("^%s+", "&nbsp; "))
end

local function row_of(row, list, results)
  local winner = best(results[row.id], list)
  local cells = { ("%s, %s"):format(escaped(row.title), row.unit) }
  for _, contender in ipairs(list) do
    local cell = bench.show(results[row.id][contender.id], scales[row.unit])
    local middle, spread = cell:match "^(%S+) (%[.*%])$"
    if middle and contender == winner then
      cell = ("**%s** %s"):format(middle, spread)
    end
    cells[#cells + 1] = cell
  end
  return "| " .. table.concat(cells, " | ") .. " |"
end

function sheet.as_markdown(said, rows, list, results, skipped)
  local lines = {
    ("Measured on %s (%s): %d items, %d rounds."):format(said.machine, said.disk, said.items,
      said.rounds),
  }
  if said.is_noisy then
    lines[#lines + 1] = ("**Preliminary**: the machine was busy (load average %s before), so "
      .. "this is to be measured again."):format(said.load_line:match "^%S+")
  end
  for _, text in ipairs(skipped) do lines[#lines + 1] = text .. "." end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "| | " .. table.concat(head_of(list), " | ") .. " |"
  lines[#lines + 1] = ("|---"):rep(#list + 1) .. "|"
  for _, row in ipairs(rows) do lines[#lines + 1] = row_of(row, list, results) end
  return table.concat(lines, "\n")
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

--- Returns the output of bench/shares.c as a Markdown table.
function sheet.shares_as_markdown(shares)
  local lines = { "| bytes | item | record |", "|---|---|---|" }
  for what, item, record in shares:gmatch "([^\t\n]+)\t([^\t\n]*)\t([^\t\n]*)" do
    lines[#lines + 1] = ("| %s | %s | %s |"):format(what, item, record)
  end
  return table.concat(lines, "\n")
end

--- Replaces the text between two marks of a document.
function sheet.write(path, mark, text)
  local first_mark, last_mark = "<!-- " .. mark .. " -->", "<!-- /" .. mark .. " -->"
  local document = read(path)
  local _, from = document:find(first_mark, 1, true)
  local to = document:find(last_mark, 1, true)
  assert(from and to and from < to, path .. " should have the marks " .. first_mark .. " and "
    .. last_mark)
  local file <close> = assert(io.open(path, "w"))
  file:write(document:sub(1, from), "\n", text, "\n", document:sub(to))
end

return sheet
