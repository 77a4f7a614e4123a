-- metrics.lua - writes metrics in Prometheus' text exposition format, version 0.0.4.
--
--     # HELP tidetable_table_items Items of the table.
--     # TYPE tidetable_table_items gauge
--     tidetable_table_items{database="shop.tide",table="orders"} 3
--
-- The text is UTF-8. Samples have no timestamps, since node_exporter's textfile collector rejects
-- files with timestamps.

local json_text = require "tidetable.dynamodb.json_text"

local metrics = {}

---@class tidetable.cli.Sample
---@field labels [string, string][]  name and value of each label; a value can be any bytes
---@field value number

---@class tidetable.cli.Metric
---@field name string            letters, digits and "_"; different for each metric of a list
---@field kind "counter"|"gauge"
---@field help string            one sentence
---@field samples tidetable.cli.Sample[]  the labels of each differ from those of the others

--- Escapes a character of a label value that a terminal would interpret or not show. A line feed
--- is not changed, because the format has an escape for it.
local function visible_character(char)
  if char ~= "\n" and json_text.is_treacherous(char) then
    return ("\\u{%X}"):format(utf8.codepoint(char))
  end
end

--- Returns a text as valid UTF-8, in which invalid bytes, control characters, and invisible and
--- direction-changing characters are escaped: \xFF, \u{202E}.
local function visible(s)
  if not s:find "[^ -~]" then
    return s
  end
  local parts, at = {}, 1
  while at <= #s do
    local _, bad = utf8.len(s, at)
    local last = bad and bad - 1 or #s
    parts[#parts + 1] = s:sub(at, last):gsub(utf8.charpattern, visible_character)
    parts[#parts + 1] = bad and ("\\x%02X"):format(s:byte(bad))
    at = last + 2
  end
  return table.concat(parts)
end

local ESCAPES = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

local function labels_text(labels)
  if #labels == 0 then
    return ""
  end
  local parts = {}
  for i, label in ipairs(labels) do
    parts[i] = ('%s="%s"'):format(label[1], visible(label[2]):gsub('[\\"\n]', ESCAPES))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- Formats a number. A float has as many digits as identify it.
local function number_text(value)
  if math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif value ~= value then
    return "NaN"
  elseif value == math.huge or value == -math.huge then
    return value > 0 and "+Inf" or "-Inf"
  end
  local short = ("%.15g"):format(value)
  return tonumber(short) == value and short or ("%.17g"):format(value)
end

--- Returns the text of metrics and their samples, in the given order; "" if there are no samples.
--- A metric without samples is left out.
---@param list tidetable.cli.Metric[]
---@return string
function metrics.text(list)
  local lines = {}
  for _, metric in ipairs(list) do
    if #metric.samples > 0 then
      lines[#lines + 1] = ("# HELP %s %s\n"):format(metric.name,
        metric.help:gsub("[\\\n]", ESCAPES))
      lines[#lines + 1] = ("# TYPE %s %s\n"):format(metric.name, metric.kind)
    end
    for _, sample in ipairs(metric.samples) do
      lines[#lines + 1] = ("%s%s %s\n"):format(metric.name, labels_text(sample.labels),
        number_text(sample.value))
    end
  end
  return table.concat(lines)
end

return metrics
