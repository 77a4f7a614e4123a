-- tail.lua - `tidetable tail`: the changes of a table, or of all, as they come.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local display = require "tidetable.cli.display"
local json = require "tidetable.dynamodb.json"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local record_view = require "tidetable.cli.record_view"
local time_argument = require "tidetable.cli.time_argument"

local tail = {
  name = "tail",
  summary = "Show changes, of a table or of all tables, and follow them.",
  description = [[
Shows the last ten records, like tail; with -f it goes on with whatever comes, until Ctrl-C.
On a terminal a record is a line: its sequence number, time, event, table and key, and what has
changed. In a pipe it is a JSON object.

With -f it ends with status 3 after the last record of a table's stream that was disabled or
whose table was deleted, and with status 4 when the database's file is removed or replaced.

A position says where to begin instead, and all from there on is shown. LATEST is behind the
last change, so it follows. When records of the range have been trimmed, that is an error, and
it says which are lost.]],
  examples = {
    { "tidetable tail -f shop.tide orders", "the last ten changes, and all that come" },
    { "tidetable tail shop.tide --time 10m -t", "the last ten minutes, by transactions" },
    { "tidetable tail -x -n 1 shop.tide orders", "the last change with all that is in it" },
    { "tidetable tail shop.tide --from TRIM_HORIZON | jq .keys",
      "every change there is, as JSON lines" },
    { "tidetable tail shop.tide -f --after 1234", "on from where another one ended" },
  },
}

local DEFAULT_LAST = 10

-- argparse would put all positions on one line, however long.
local USAGE = [[
Usage: tidetable tail [-n N | --from POSITION | --after NUMBER | --at NUMBER |
       --time TIME] [-f | --no-follow] [--limit N] [-t] [-x] [--label LABEL]
       [--format FORMAT] [--max-size SIZE] [-h] <database> [<table>]
]]

function tail.setup(command)
  command:usage((USAGE:gsub("\n$", "")))
  arguments.database(command)
  command:argument("table", "The table; without it, all tables in one total order."):args "?"
  command:mutex(
    command:option("-n", ("Begin with the last N records. (default: %d)"):format(DEFAULT_LAST))
      :target "last":argname "N":convert(arguments.integer_from(0)),
    command:option("--from", "TRIM_HORIZON: the oldest record there is. LATEST: only what comes.")
      :argname "POSITION":choices { "TRIM_HORIZON", "LATEST" },
    command:option("--after", "Behind this sequence number."):argname "NUMBER"
      :convert(arguments.integer_from(0)),
    command:option("--at", "At this sequence number."):argname "NUMBER"
      :convert(arguments.integer_from(0)),
    command:option("--time", "At a time: 10m (ago), 11:30, '2026-01-31 11:30', seconds since 1970.")
      :argname "TIME":convert(time_argument.parse))
  command:mutex(
    command:flag("-f --follow", "Go on with what comes."),
    command:flag("--no-follow", "End when all is shown, also with --from LATEST."))
  command:option("--limit", "End after this many records, or transactions with -t.")
    :argname "N":convert(arguments.integer_from(1))
  command:flag("-t --transactions", "Group the records by transaction.")
  command:flag("-x --expanded", "Show all of each record, an attribute a line, as text.")
  command:option("--label", "An older stream of the table, also when the table is gone.")
    :argname "LABEL"
  arguments.format(command)
end

-- The last few -----------------------------------------------------------------

--- How many records there are behind `low` and through `high`, counted up to
--- `most`; nil when some of them are trimmed.
local function count_between(stream, low, high, most)
  local count = 0
  local ok, err = pcall(function()
    for record in stream:records { after = low, limit = most } do
      if record.sequence_number > high then
        break
      end
      count = count + 1
    end
  end)
  if ok then
    return count
  elseif type(err) ~= "table" or err.code ~= "TRIMMED" then
    error(err, 0)
  end
end

--- How many records of those there are to skip, so that the last n are left.
local function surplus(stream, n)
  local count = 0
  for _ in stream:records { from = "TRIM_HORIZON" } do
    count = count + 1
  end
  return math.max(count - n, 0)
end

--- The position behind which there are just n records. A stream is read forwards
--- only, and its numbers have gaps: so it is looked for from the end in steps that
--- double, then by halving.
---@return table position
---@return integer skip  records to pass over
local function last_position(stream, head, n)
  n = math.min(n, head)          -- so many numbers there are
  local low, low_is_trimmed      -- behind it there are too many
  local high, behind = head, 0   -- behind it there are so many: too few
  local step = n
  while behind < n and (not low or high - low > 1) do
    local at = low and low + (high - low) // 2 or math.max(high - step, 0)
    local count = count_between(stream, at, high, n - behind + 1)
    if not count or behind + count > n then
      low, low_is_trimmed = at, not count
    elseif at == 0 and behind + count < n then
      return { from = "TRIM_HORIZON" }, 0
    else
      high, behind, step = at, behind + count, step * 2
    end
  end
  if behind < n and low_is_trimmed then
    return { from = "TRIM_HORIZON" }, surplus(stream, n)
  end
  return { after = high }, 0
end

-- Where to begin -----------------------------------------------------------------

local function check_arguments(args)
  if args.label and not args.table then
    console.misused "--label is of a table: say which"
  elseif args.expanded and (args.format or "text") ~= "text" then
    console.misused(("--expanded is text: not with --format %s"):format(args.format))
  end
end

--- The stream, without a position yet.
local function open_stream(db, args)
  if args.label then
    return library_error.check(args.database, db:stream { table = args.table, label = args.label })
  elseif args.table then
    local stream, err, code = open.table(db, args.table):stream()
    if code == "NOT_FOUND" then
      library_error.fail(args.database,
        { message = ("the table %s has no stream"):format(args.table) },
        "its changes are not captured: table:enable_stream { ... } begins one")
    end
    return library_error.check(args.database, stream, err, code)
  end
  return library_error.check(args.database, db:stream())
end

local function position_of(stream, args, head)
  if args.from or args.after or args.at or args.time then
    return { from = args.from, after = args.after, at = args.at, time = args.time }, 0, true
  end
  return last_position(stream, head, args.last or DEFAULT_LAST)
end

-- Failing ------------------------------------------------------------------------

--- The command that goes on behind a gap.
local function again(args, err)
  local words = { "tidetable tail", display.word(args.database) }
  words[#words + 1] = args.table
  if args.label then
    words[#words + 1] = "--label " .. args.label
  end
  words[#words + 1] = ("--after %d"):format(err.last)
  return table.concat(words, " ")
end

--- What to do after the end of a stream whose table has another one.
local function hint_of_end(args, err)
  return err.message:find("is now", 1, true) and ("to follow that one: tidetable tail -f %s %s "
    .. "--from TRIM_HORIZON"):format(display.word(args.database), args.table) or nil
end

local function fail(args, err)
  local what = args.table or "all tables"
  if err.code == "TRIMMED" and err.first then
    console.fail(("%s: the records %d to %d of %s are trimmed, and lost to this reader"):format(
      args.database, err.first, err.last, what), "to go on behind them: " .. again(args, err))
  elseif err.code == "AHEAD" then
    library_error.fail(args.database, err, "--from LATEST begins at the last change there is")
  elseif err.code == "STREAM_ENDED" then
    library_error.fail(args.database, err, hint_of_end(args, err))
  end
  library_error.fail(args.database, err)
end

--- The same stream with its own place at the position.
local function place(db, args, position)
  if args.table then
    position.table, position.label = args.table, args.label
  end
  local stream, err = db:stream(position)
  if not stream then
    fail(args, err)
  end
  return stream
end

--- The last few records by transactions: all of the first one's, which is not to
--- look like a smaller one.
local function whole(db, args, position, skip)
  local stream <close> = place(db, args, position)
  for _ = 1, skip do
    stream:next()
  end
  local first = stream:next()
  if first then
    return { at = first.transaction_id }, 0
  end
  return position, skip
end

-- Showing ------------------------------------------------------------------------

local function transaction_tree(group, form)
  local records = {}
  for i, record in ipairs(group) do
    records[i] = json.encode_record(record, form)
  end
  return ('{"transaction_id":%d,"created_at":%.3f,"last_sequence_number":%d,"records":[%s]}\n')
    :format(group.transaction_id, group.created_at, group.last_sequence_number,
      table.concat(records, ","))
end

--- What shows an array of records, or with -t of transactions.
local function shower(db, args, out)
  local format = args.expanded and "text" or arguments.format_of(args, out)
  if format == "text" then
    local view = record_view.new(out, db, { table_name = args.table, is_expanded = args.expanded })
    return function(batch)
      for _, each in ipairs(batch) do
        view:prepare(args.transactions and each or { each })
      end
      for _, each in ipairs(batch) do
        (args.transactions and view.show_transaction or view.show)(view, each)
      end
    end
  end
  local form = format == "json" and "plain" or format
  return function(batch)
    for _, each in ipairs(batch) do
      out:write(args.transactions and transaction_tree(each, form)
        or json.encode_record(each, form) .. "\n")
    end
  end
end

-- How long to wait before looking whether somebody still reads; how many are
-- shown together.
local PAUSE, TOGETHER = 1, 50

--- What there is, up to so many and no further than the sequence number
--- `through`; when there is nothing, waits a while for one. The end of the stream is an
--- error to a follower only.
---@return table[] batch, table|nil err
local function next_batch(stream, transactions, most, through, seconds)
  local read = transactions and stream.next_transaction or stream.next
  local number = transactions and "last_sequence_number" or "sequence_number"
  local batch = {}
  while #batch < most do
    local given, err = read(stream, #batch == 0 and seconds or 0)
    if not given then
      return batch, err
    elseif given[number] > through then
      break
    end
    batch[#batch + 1] = given
  end
  return batch
end

--- Shows what there is, and what comes.
local function show_all(stream, args, out, show, through)
  local left, seconds = args.limit or math.huge, 0
  while left > 0 do
    local batch, err = next_batch(stream, args.transactions, math.min(left, TOGETHER), through,
      seconds)
    left = left - #batch
    show(batch)
    if err and (args.follow or err.code ~= "STREAM_ENDED") then
      fail(args, err)
    elseif #batch == 0 and not args.follow then
      return
    end
    seconds = 0
    if #batch < TOGETHER and args.follow then
      out.flush()
      out.check_reader()
      seconds = PAUSE
    end
  end
end

function tail.run(args, out)
  check_arguments(args)
  args.follow = args.follow or args.from == "LATEST" and not args.no_follow
  local db <close> = open.database(args)
  local head = library_error.check(args.database, db:info()).sequence_number
  local position, skip, is_given = position_of(open_stream(db, args), args, head)
  if args.transactions and not is_given then
    position, skip = whole(db, args, position, skip)
  end
  local stream <close> = place(db, args, position)
  for _ = 1, skip do
    stream:next()
  end
  show_all(stream, args, out, shower(db, args, out), args.follow and math.maxinteger or head)
end

return tail
