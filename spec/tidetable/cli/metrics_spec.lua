-- metrics_spec.lua - the text exposition format of metrics.
local exposition = require "spec.tidetable.cli.exposition"
local metrics = require "tidetable.cli.metrics"

local function metric(name, samples, help)
  return { name = name, kind = name:find "_total$" and "counter" or "gauge",
    help = help or "Help.", samples = samples }
end

describe("the text", function()
  it("has HELP, TYPE and the samples of each metric, in the given order", function()
    assert.equal([[
# HELP z_total Handled records.
# TYPE z_total counter
z_total{b="1",a="2"} 3
z_total{b="0",a="2"} 4
# HELP a_bytes Size.
# TYPE a_bytes gauge
a_bytes 0.5
]], metrics.text {
      metric("z_total", { { labels = { { "b", "1" }, { "a", "2" } }, value = 3 },
        { labels = { { "b", "0" }, { "a", "2" } }, value = 4 } }, "Handled records."),
      metric("a_bytes", { { labels = {}, value = 0.5 } }, "Size."),
    })
  end)

  it("has no metrics without samples", function()
    assert.equal("", metrics.text {})
    assert.equal("", metrics.text { metric("a", {}) })
    local _, order = exposition.parse(metrics.text { metric("a", {}),
      metric("b", { { labels = {}, value = 1 } }), metric("c", {}) })
    assert.same({ "b" }, order)
  end)

  it("has escaped help texts", function()
    local text = metrics.text { metric("a", { { labels = {}, value = 1 } }, 'a \\ "b"\nc') }
    assert.matches('# HELP a a \\\\ "b"\\nc\n', text, 1, true)
    assert.equal('a \\ "b"\nc', exposition.parse(text).a.help)
  end)
end)

describe("a label value", function()
  local function written(value)
    local text = metrics.text { metric("a", { { labels = { { "l", value } }, value = 1 } }) }
    return text:match '{(.*)} 1\n$', exposition.parse(text).a.samples[1].labels.l
  end

  it("is escaped, and reads back unchanged", function()
    for value, line in pairs {
      [""] = 'l=""', ["plain ~"] = 'l="plain ~"', ['say "hi"'] = [[l="say \"hi\""]],
      ["a\\b"] = [[l="a\\b"]], ["a\nb"] = [[l="a\nb"]], ["\\n"] = [[l="\\n"]],
      ["\\\"\n"] = [[l="\\\"\n"]], ["a=1,b={}"] = 'l="a=1,b={}"', ["größe 漢 🌊"] = 'l="größe 漢 🌊"',
    } do
      local got, read = written(value)
      assert.equal(line, got)
      assert.equal(value, read)
    end
  end)

  it("has visible forms of invalid and control characters", function()
    for value, visible in pairs {
      ["caf\xe9"] = "caf\\xE9", ["\xff\xfe"] = "\\xFF\\xFE", ["\xed\xa0\x80"] = "\\xED\\xA0\\x80",
      ["ü\xc3"] = "ü\\xC3", ["\27[2J"] = "\\u{1B}[2J", ["\0\r\t\127"] = "\\u{0}\\u{D}\\u{9}\\u{7F}",
      ["\u{9b}"] = "\\u{9B}", ["\u{202e}"] = "\\u{202E}", ["\27\n\xff"] = "\\u{1B}\n\\xFF",
    } do
      assert.equal(visible, select(2, written(value)))
    end
  end)

  it("of any bytes gives a valid text", function()
    local special = { "\\", '"', "\n", "}", ",", "\\n" }
    local seed = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()
    math.randomseed(seed)
    for _ = 1, 2000 do
      local parts = {}
      for i = 1, math.random(0, 20) do
        parts[i] = math.random(3) > 1 and string.char(math.random(0, 255))
          or special[math.random(8)] or utf8.char(math.random(0, 0x2fff))
      end
      local value = table.concat(parts)
      local ok, err = pcall(written, value)
      if not ok then error(("SEED=%d: %q: %s"):format(seed, value, err)) end
    end
  end)
end)

it("a number has all its digits", function()
  local function written(value)
    return metrics.text { metric("a", { { labels = {}, value = value } }) }:match " (%S+)\n$"
  end
  for text, value in pairs {
    ["0"] = 0, ["-1"] = -1, ["9223372036854775807"] = math.maxinteger, ["0.1"] = 0.1,
    ["86400"] = 86400.0, ["0.30000000000000004"] = 0.1 + 0.2, ["12.345"] = 12.345,
    ["1.5e+300"] = 1.5e300, ["+Inf"] = math.huge, ["-Inf"] = -math.huge, NaN = 0 / 0,
  } do
    assert.equal(text, written(value))
  end
end)

-- The parser has to reject what Prometheus rejects, otherwise the other specs prove nothing.
it("the parser of the specs rejects invalid texts", function()
  local head = "# HELP a Help.\n# TYPE a gauge\n"
  assert(exposition.parse(head .. 'a{b="c"} 1\na{b="d"} 1\n'))
  for _, text in ipairs {
    head .. "a 1", head .. "a 1 1700000000000\n", head .. "a 1\na 2\n", head, "a 1\n",
    "# HELP a Help.\na 1\n", "# TYPE a gauge\na 1\n", head .. head .. "a 1\n",
    head .. 'a{b="\\x"} 1\n', head .. 'a{b="c"x="d"} 1\n', head .. 'a{b="c} 1\n',
    head .. 'a{b="c",b="d"} 1\n', head .. 'a{1="c"} 1\n', head .. 'a{b="\xff"} 1\n',
    head .. 'a{b="\27"} 1\n', head .. "a one\n", head .. "\na 1\n", head .. "b 1\n",
    head .. "a 1\n# HELP b Help.\n# TYPE b gauge\nb 1\na{c=\"d\"} 1\n",
    "# HELP a_total Help.\n# TYPE a_total gauge\na_total 1\n",
    "# HELP a Help.\n# TYPE a counter\na 1\n",
  } do
    assert.is_false(pcall(exposition.parse, text), text)
  end
end)
