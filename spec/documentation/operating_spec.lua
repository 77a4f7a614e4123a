-- operating_spec.lua - the commands of doc/operating.md, one after the other on one database, and
-- the facts in its tables.
local assert = require "luassert"
local database_metrics = require "tidetable.cli.database_metrics"
local exit_status = require "tidetable.cli.exit_status"
local helper = require "spec.tidetable.helper"
local pages = require "spec.documentation.pages"
local testing = require "tidetable.testing"
local transcripts = require "spec.tidetable.cli.transcripts"
local worker_metrics = require "tidetable.run.worker_metrics"

local PAGE, UNIT = "doc/operating.md", "examples/systemd/tidetable-run@.service"
local PATIENCE = 60                    -- seconds

local page = pages.read(PAGE)

local directory

after_each(function()
  transcripts.run(directory, "test ! -f run.pid || kill -9 $(cat run.pid) 2>&-")
end)

helper.setup(before_each, after_each)

before_each(function()
  directory = transcripts.directory()
  assert(os.execute("cp -r examples/pipeline " .. directory))
end)

--- Replaces the directory, and numbers that depend on how the changes were divided into batches.
local function masked(text)
  return (text:gsub(directory:gsub("%p", "%%%0"), "/srv/shop"):gsub("process %d+", "process N")
    :gsub("records %d+ to %d+", "records N to N"):gsub("%d+ KiB", "N KiB")
    :gsub("%d+ records", "N records"):gsub("sequence number %d+", "sequence number N")
    :gsub("up to %d+ were", "up to N were"))
end

--- Returns true for a command that only reads: its output may take a while to come true.
local function only_reads(line)
  return line:find "^grep " or line:find "^tidetable .* | grep " or line:find "^curl "
end

--- Runs a command until its output is that of the page. Returns the last output.
local function run(line, expected)
  if line:find "^curl " and not transcripts.has_program "curl" then return expected end
  local out = transcripts.run(directory, line)
  if masked(out) ~= masked(expected) and only_reads(line) then
    pcall(testing.eventually, function()
      out = transcripts.run(directory, line)
      return masked(out) == masked(expected)
    end, PATIENCE)
  end
  return out
end

it("each command of the page has the output that the page shows", function()
  local count = 0
  for _, each in ipairs(transcripts.of(page)) do
    local out = run(each.line, each.output)
    if masked(out) ~= masked(each.output) then
      local log = transcripts.run(directory, "tail -50 run.log")
      assert.equal(masked("$ " .. each.line .. "\n" .. each.output),
        masked("$ " .. each.line .. "\n" .. out) .. "\nlog:\n" .. log)
    end
    count = count + 1
  end
  assert.is_true(count > 25)
end)

it("each metric of the page exists", function()
  local names, count = {}, 0
  for _, group in ipairs(database_metrics.groups) do
    for _, declared in ipairs(group.metrics) do names[database_metrics.name(declared)] = true end
  end
  for _, metric in ipairs(worker_metrics.list { given = { database = "" }, processors = {},
      script = { generation = 1 }, log = { dropped_total = 0 } }) do
    names[metric.name] = true
  end
  for name in page:gmatch "%f[%w_]tidetable_[%w_]+" do
    assert.is_true(names[name], name)
    count = count + 1
  end
  assert.is_true(count > 7)
end)

it("each exit status of run is in the table", function()
  local listed = {}
  for status in pages.section(PAGE, "Stopping"):gmatch "\n| (%d+) |" do
    listed[#listed + 1] = math.tointeger(status)
  end
  local expected = { exit_status.SUCCESS, exit_status.FAILED, exit_status.MISUSED,
    exit_status.RUN_CRASHES, exit_status.RUN_DATABASE, exit_status.RUN_PARKED,
    exit_status.INTERRUPTED }
  assert.same(expected, listed)
end)

describe("the unit", function()
  local unit = pages.read(UNIT)

  it("has the settings that the page explains", function()
    local count = 0
    for row in pages.section(PAGE, "Starting"):gmatch "\n| (`[^|]+) |" do
      for setting in row:gmatch "`([^`]+)`" do
        assert.is_truthy(unit:find("\n" .. setting, 1, true), setting)
        count = count + 1
      end
    end
    assert.equal(7, count)
  end)

  it("has a valid command, which stops in time", function()
    local words = assert(unit:match "\nExecStart=/usr/local/bin/(tidetable run [^\n]+)\n")
    words = words:gsub("/srv/%%i/processors.lua", "pipeline/pipeline.lua"):gsub("/srv/%%i/%%i",
      "shop")
    transcripts.run(directory, "lua5.4 pipeline/shop.lua shop.tide")
    local out, status = transcripts.run(directory, words .. " --check")
    assert.equal(0, status, out)
    local stop, kill = words:match "%-%-stop%-timeout (%d+)", unit:match "\nTimeoutStopSec=(%d+)\n"
    assert.is_true(tonumber(kill) > tonumber(stop))
  end)

  it("is valid for systemd", function()
    if not transcripts.has_program "systemd-analyze" then
      return pending "systemd-analyze is not installed here"
    end
    local copy = directory .. "/tidetable-run@root.service"
    local file <close> = assert(io.open(copy, "w"))
    assert(file:write((unit:gsub("/usr/local/bin/tidetable", directory .. "/bin/tidetable"))))
    file:close()
    local out, status = transcripts.run(directory, "systemd-analyze verify --man=no " .. copy)
    assert.equal("0 ", status .. " " .. out)
  end)
end)
