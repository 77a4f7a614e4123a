-- stats.lua - `tidetable stats`: shows statistics of the file, its readers, tables and streams.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local database_metrics = require "tidetable.cli.database_metrics"
local describe = require "tidetable.cli.commands.describe"
local display = require "tidetable.cli.display"
local library_error = require "tidetable.cli.library_error"
local metrics = require "tidetable.cli.metrics"
local open = require "tidetable.cli.open_database"
local watch = require "tidetable.cli.watch"

local stats = {
  name = "stats",
  summary = "Show statistics of the file, its readers, tables and streams.",
  description = [[
Shows how full the file is, how many reader slots are used, how many commits the oldest snapshot
is behind the last one (pages that it uses cannot be reused, so the file grows), the number of
items of each table that was counted last, and the size of each stream and of the records of
changes of tables. The streams of deleted tables are included as long as they can be read.

'--metrics' writes these statistics and the state of the consumers as metrics for Prometheus.]],
  examples = {
    { "tidetable stats shop.tide", "show the current statistics" },
    { "tidetable stats shop.tide --watch", "update them every second" },
    { "tidetable stats shop.tide --json | jq .info.free_bytes", "extract one number" },
    { "tidetable stats shop.tide --metrics", "write metrics for Prometheus" },
  },
  arguments = { arguments.DATABASE },
  options = {
    { "-w --watch", "Repeat until Ctrl-C, and show the changes per second." },
    watch.INTERVAL,
    { "--json", "Show a JSON object; with '--watch' one per line.", exclusive = "format" },
    { "--metrics", "Write metrics in the text format of Prometheus. Not together with '--watch'.",
      exclusive = "format" },
    arguments.COUNT,
    arguments.MAX_SIZE,
  },
}

-- Gathering --------------------------------------------------------------------

--- Returns the creation time of the oldest visible record; nil if there is none or it is damaged.
local function oldest_of(db, stream)
  local handle <close> = db:stream { table = stream.table_name, label = stream.label }
  local record = handle and handle:next()
  return record and record.created_at
end

---@class tidetable.cli.Stats
---@field info tidetable.Info
---@field tables string[]   names
---@field items table<string, integer>  number of items of each table that was counted
---@field descriptions tidetable.TableDescription[]
---@field streams tidetable.StreamDescription[]  with oldest_created_at
---@field table_changes tidetable.TableChanges
---@field elapsed number    monotonic time of the statistics, in seconds

---@return tidetable.cli.Stats
local function read_stats(db, path)
  local found = {
    info = library_error.check(path, db:info()), tables = {}, items = {}, descriptions = {},
    streams = library_error.check(path, db:list_streams()), elapsed = core.elapsed(),
    table_changes = library_error.check(path, db:stream({ tables = true }):describe())
      .table_changes,
  }
  for i, each in ipairs(open.tables(db)) do
    local name = each.description.name
    found.tables[i], found.items[name] = name, each.description.items
    found.descriptions[i] = each.description
  end
  for _, stream in ipairs(found.streams) do
    stream.oldest_created_at = oldest_of(db, stream)
  end
  table.sort(found.streams, function(a, b)
    if a.table_name ~= b.table_name then
      return a.table_name < b.table_name
    end
    return a.label < b.label
  end)
  return found
end

-- Changes per second -------------------------------------------------------------

local HISTORY = 40
local BLOCKS = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }

--- Changes per second between successive updates.
---@class tidetable.cli.ChangeRate
local ChangeRate = {}
ChangeRate.__index = ChangeRate

local function new_change_rate()
  return setmetatable({ rates = {} }, ChangeRate)
end

function ChangeRate:add(found)
  if self.elapsed and found.elapsed > self.elapsed then
    local rate = (found.info.sequence_number - self.sequence_number)
      / (found.elapsed - self.elapsed)
    table.insert(self.rates, rate)
    if #self.rates > HISTORY then
      table.remove(self.rates, 1)
    end
  end
  self.elapsed, self.sequence_number = found.elapsed, found.info.sequence_number
end

--- Returns the last rates as a bar chart of one line; the highest rate is a full block.
function ChangeRate:blocks()
  local most, shown = math.max(1, table.unpack(self.rates)), {}
  for i, rate in ipairs(self.rates) do
    shown[i] = BLOCKS[math.max(math.ceil(rate / most * #BLOCKS), 1)]
  end
  return table.concat(shown)
end

-- Showing ------------------------------------------------------------------------

local function file_line(out, info)
  local free = info.free_bytes // info.page_bytes
  local shown = ("%s of %s; %s free (%s of %s pages)"):format(display.bytes(info.file_bytes),
    display.bytes(info.max_bytes), display.bytes(info.free_bytes), display.count(free),
    display.count(info.file_bytes // info.page_bytes))
  if info.max_bytes == info.max_size then
    return shown
  end
  return shown .. out:paint("yellow", ("; limited by the address space, max_size is %s")
    :format(display.bytes(info.max_size)))
end

local function readers_line(out, info)
  local shown = ("%s of %s slots"):format(display.count(info.readers),
    display.count(info.readers_max))
  if not info.oldest_reader_pid then
    return shown .. "; no snapshots"
  end
  local lag = info.oldest_reader_lag
  return ("%s; the oldest snapshot is %s, held by process %d"):format(shown,
    lag == 0 and "at the last commit" or out:paint("yellow", ("%s behind"):format(
      display.counted(lag, "commit"))), info.oldest_reader_pid)
end

local function rate_line(out, changes)
  local rate = changes.rates[#changes.rates]
  if not rate then
    return "..."
  end
  return ("%s/s  %s"):format(display.count(rate), out.is_unicode
    and out:paint("cyan", changes:blocks()) or "")
end

local function fact_lines(out, found, changes)
  local info, rows = found.info, {}
  local function add(name, value)
    rows[#rows + 1] = { out:paint("dim", name), value }
  end
  add("file", file_line(out, info))
  add("readers", readers_line(out, info))
  local clock = describe.clock(info.retention_clock_lead)
  if clock then
    add("clock", out:paint("yellow", clock))
  end
  add("tables", ("%s, %s"):format(display.counted(found.table_changes.count, "change"),
    display.bytes(found.table_changes.bytes)))
  add("changes", ("last sequence number %d"):format(info.sequence_number))
  if changes then
    add("rate", rate_line(out, changes))
  end
  return display.grid(rows)
end

local function items_of(found, name)
  return found.items[name] and display.count(found.items[name]) or "-"
end

local function stream_row(out, found, stream, is_there)
  local name = display.safe(stream.table_name)
  local state = stream.view_type
  if not is_there then
    state = out:paint("red", "table deleted")
  elseif stream.status ~= "ENABLED" then
    state = out:paint("dim", "disabled")
  end
  local oldest = stream.oldest_created_at
  return {
    out:paint(is_there and "bold" or "dim", name), items_of(found, stream.table_name), state,
    display.count(stream.count), display.bytes(stream.bytes),
    oldest and (display.ago(oldest) or "0s") or "-",
    describe.retention(stream.retention),
  }
end

local TITLES = { "TABLE", "ITEMS", "STREAM", "RECORDS", "SIZE", "OLDEST", "RETENTION" }
local AT_THE_RIGHT = { [2] = true, [4] = true, [5] = true, [6] = true }

--- Returns the lines of the streams, and of the tables that have none.
local function stream_lines(out, found)
  local rows, there, has_stream = { {} }, {}, {}
  for i, title in ipairs(TITLES) do
    rows[1][i] = out:paint("dim", title)
  end
  for _, name in ipairs(found.tables) do
    there[name] = true
  end
  for _, stream in ipairs(found.streams) do
    has_stream[stream.table_name] = true
    rows[#rows + 1] = stream_row(out, found, stream, there[stream.table_name])
  end
  for _, name in ipairs(found.tables) do
    if not has_stream[name] then
      rows[#rows + 1] = { out:paint("bold", name), items_of(found, name),
        out:paint("dim", "none") }
    end
  end
  if #rows == 1 then
    return { out:paint("dim", "no tables") }
  end
  return display.grid(rows, AT_THE_RIGHT)
end

---@return string[]
local function lines_of(out, path, found, changes)
  local lines = { out:paint("bold", display.safe(path))
    .. (changes and out:paint("dim", "  " .. display.time(os.time())) or ""), "" }
  local facts = fact_lines(out, found, changes)
  table.move(facts, 1, #facts, #lines + 1, lines)
  lines[#lines + 1] = ""
  local streams = stream_lines(out, found)
  return table.move(streams, 1, #streams, #lines + 1, lines)
end

local function tree_of(found)
  return { info = found.info, tables = found.tables, streams = found.streams,
    table_changes = found.table_changes,
    items = next(found.items) and found.items }
end

local ORDER = {
  "info", "tables", "items", "streams", "table_changes", "path", "database_id", "incarnation",
  "sequence_number", "table_name", "label", "status", "view_type", "retention", "count", "bytes",
}

local function show_repeatedly(db, args, out)
  local changes = new_change_rate()
  watch.run(db, args, out, function(is_first)
    local found = read_stats(db, args.database)
    changes:add(found)
    if args.json then
      out:json(tree_of(found), ORDER)
    elseif out.can_move then
      out:redraw(lines_of(out, args.database, found, changes), is_first)
    else
      out:lines(lines_of(out, args.database, found, changes))
      out:line ""
    end
  end)
end

--- Returns the metrics of a database. Ends the command if it can't be read.
---@param db tidetable.Database
---@param path string
---@return tidetable.cli.Metric[]
function stats.metrics(db, path)
  local found = read_stats(db, path)
  return database_metrics.list {
    path = path, info = found.info, descriptions = found.descriptions, streams = found.streams,
    table_changes = found.table_changes,
    consumers = open.consumers(db), wall_clock = core.wall_clock(db.core),
  }
end

function stats.run(args, out)
  watch.check(args)
  if args.metrics and args.watch then
    console.misused "option '--watch' can not be used together with option '--metrics'"
  end
  local db <close> = open.to_describe(args)
  if args.count then
    open.tables(db, true)
  end
  if args.watch then
    show_repeatedly(db, args, out)
  elseif args.metrics then
    out:write(metrics.text(stats.metrics(db, args.database)))
  elseif args.json then
    out:json(tree_of(read_stats(db, args.database)), ORDER)
  else
    out:lines(lines_of(out, args.database, read_stats(db, args.database)))
  end
end

return stats
