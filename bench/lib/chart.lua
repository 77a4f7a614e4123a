-- chart.lua - the results of the peers as an SVG picture: a panel of bars for each row.
--
-- Each panel has its own linear scale, which starts at zero: bars can be compared within a panel,
-- not between panels. The colours follow the reader's light or dark colour scheme, and the
-- texts can be selected and searched.

local bench = require "bench"
local contenders = require "contenders"

local chart = {}

-- The contender that is drawn as an outline, and the one that ratios are relative to.
local ground, ours = "lmdb", "tidetable"

local width, margin, gap = 1050, 32, 28
local columns, head, foot = 3, 94, 64
local title_height, bar_step, bar_height, panel_gap = 26, 19, 11, 24
local name_width, label_width = 102, 88

local panel_width = (width - 2 * margin - (columns - 1) * gap) // columns
local bar_room = panel_width - name_width - label_width

local style = [[
svg { color-scheme: light dark }
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans",
  sans-serif; fill: #1f2933; font-size: 11px }
.ground { fill: #fbfaf7; stroke: #e4e0d6 }
.headline { font-size: 19px; font-weight: 650 }
.under, .foot, .ratio { fill: #6b7480 }
.under { font-size: 12.5px }
.title { font-size: 13px; font-weight: 600 }
.name { text-anchor: end; fill: #4a5560 }
.axis { stroke: #c9c5ba }
.mine { font-weight: 650; fill: #0b6e69 }
.bar { fill: #b4bcc6 }
.bar.first { fill: #0f8f88 }
.bar.core { fill: #7cc4bf }
.bar.raw { fill: none; stroke: #b4bcc6 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9ec }
  .ground { fill: #14191f; stroke: #2a323b }
  .under, .foot, .ratio { fill: #98a3af }
  .name { fill: #b8c1cb }
  .axis { stroke: #3d4751 }
  .mine { fill: #4fd6cb }
  .bar { fill: #56626f }
  .bar.first { fill: #2fb9ae }
  .bar.core { fill: #1d6b66 }
  .bar.raw { fill: none; stroke: #6d7a88 }
}]]

local function escaped(text)
  return (text:gsub("[&<>\"]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;",
    ['"'] = "&quot;" }))
end

local function text(x, y, class, said)
  return ('<text x="%g" y="%g" class="%s">%s</text>'):format(x, y, class, said)
end

--- Formats a duration with three significant digits.
local function duration(ns)
  local number, unit = ns, "ns"
  for _, larger in ipairs { "µs", "ms", "s" } do
    if number >= 999.5 then
      number, unit = number / 1000, larger
    end
  end
  local format = number >= 99.95 and "%.0f" or number >= 9.995 and "%.1f" or "%.2f"
  return format:format(number) .. " " .. unit
end

local function times(ratio)
  return (ratio >= 9.95 and "%.0f×" or ratio >= 0.095 and "%.1f×" or "%.2f×"):format(ratio)
end

--------------------------------------------------------------------------------
-- A panel
--------------------------------------------------------------------------------

local classes = { tidetable = "bar first", tidetable_c = "bar core", lmdb = "bar raw" }

local function name_of(contender)
  return contender.is_ours and contenders.full_name(contender) or contender.name
end

local function bar(x, y, entry, most, mine)
  local contender, number = entry.contender, entry.number
  local long = math.max(2, number / most * bar_room)
  -- Half of a stroke is outside of its rectangle.
  local inset = contender.id == ground and 0.5 or 0
  local label = escaped(duration(number))
  if mine and contender.id ~= ours then
    label = label .. ('<tspan class="ratio" dx="6">%s</tspan>'):format(times(number / mine))
  end
  local middle = y + bar_height - 2
  return table.concat({
    text(x + name_width - 8, middle, contender.is_ours and "name mine" or "name",
      escaped(name_of(contender))),
    ('<rect x="%g" y="%g" width="%.1f" height="%g" rx="1.5" class="%s"/>'):format(
      x + name_width + inset, y + inset, math.max(1, long - 2 * inset), bar_height - 2 * inset,
      classes[contender.id] or "bar"),
    text(x + name_width + long + 6, middle, contender.is_ours and "mine" or "value", label),
  }, "\n")
end

--- Returns the contenders that have results, in the order of the list, and the greatest median.
local function entries_of(row, list, results)
  local entries, most = {}, 0
  for _, contender in ipairs(list) do
    local series = results[row.id][contender.id]
    if series and #series > 0 then
      local number = bench.median(series)
      entries[#entries + 1] = { contender = contender, number = number }
      most = math.max(most, number)
    end
  end
  return entries, most
end

local function panel(x, y, row, list, results)
  local entries, most = entries_of(row, list, results)
  local mine = entries[1] and entries[1].contender.id == ours and entries[1].number
  local parts = { text(x, y + 13, "title", escaped(row.chart)) }
  for i, entry in ipairs(entries) do
    parts[#parts + 1] = bar(x, y + title_height + (i - 1) * bar_step, entry, most, mine)
  end
  local axis = x + name_width - 0.5
  parts[#parts + 1] = ('<path class="axis" d="M%g %gV%g"/>'):format(axis,
    y + title_height - 3, y + title_height + (#entries - 1) * bar_step + bar_height + 3)
  return table.concat(parts, "\n")
end

--------------------------------------------------------------------------------
-- The picture
--------------------------------------------------------------------------------

local function shown(rows)
  local found = {}
  for _, row in ipairs(rows) do
    if row.chart then found[#found + 1] = row end
  end
  return found
end

local function heading(said)
  return table.concat({
    text(margin, 40, "headline", "The same work, by tidetable and by others"),
    text(margin, 62, "under", ("Time an operation takes: shorter is better. %s items of 200 bytes,"
      .. " each change captured with both images. Medians of %d rounds."):format(
      tostring(said.items):reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""),
      said.rounds)),
  }, "\n")
end

local function footing(said, height)
  local machine = said.machine:match "^[^,]*,[^,]*"
  return table.concat({
    text(margin, height - 40, "foot", "LuaSQL is used from Lua, the others from C. "
      .. "× is beside tidetable from Lua. Each panel has a scale of its own."),
    text(margin, height - 22, "foot", escaped(machine .. (said.is_noisy
      and ". Preliminary: the machine was busy." or ". Settings and spread: doc/bench.md."))),
  }, "\n")
end

local function picture(said, rows, list, results)
  local panels = shown(rows)
  local panel_height = title_height + #list * bar_step + panel_gap
  local height = head + (#panels + columns - 1) // columns * panel_height + foot - panel_gap // 2
  local parts = {
    ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
      .. 'role="img">'):format(width, height, width, height),
    "<title>The same work, by tidetable and by others</title>",
    "<style>" .. style .. "</style>",
    ('<rect x="0.5" y="0.5" width="%d" height="%d" rx="10" class="ground"/>'):format(width - 1,
      height - 1),
    heading(said),
  }
  for i, row in ipairs(panels) do
    parts[#parts + 1] = panel(margin + (i - 1) % columns * (panel_width + gap),
      head + (i - 1) // columns * panel_height, row, list, results)
  end
  parts[#parts + 1] = footing(said, height)
  parts[#parts + 1] = "</svg>\n"
  return table.concat(parts, "\n")
end

--- Writes the picture. Each row with a `chart` becomes a panel with that title.
function chart.write(path, said, rows, list, results)
  local file <close> = assert(io.open(path, "w"))
  file:write(picture(said, rows, list, results))
end

return chart
