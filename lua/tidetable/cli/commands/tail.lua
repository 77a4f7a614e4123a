-- tail.lua - `tidetable tail`: shows the records of a stream, or of all streams, and follows them.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local display = require "tidetable.cli.display"
local expression_options = require "tidetable.cli.expression_options"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"
local json = require "tidetable.dynamodb.json"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local record_view = require "tidetable.cli.record_view"
local time_argument = require "tidetable.cli.time_argument"

local DEFAULT_LAST = 10

local tail = {
  name = "tail",
  summary = "Show stream records, and follow new ones.",
  description = [[
Without a position the last ten records are shown. With a position (--from, --after, --at, --time)
all records from there are shown. With -f the command then waits for new records until Ctrl-C.

With a key only the records of that item are shown, with --filter only records that satisfy a
condition. The attributes in a condition are the fields of a record: keys, old_image, new_image,
event_name, table_name, sequence_number, created_at and others. No word is reserved. With
--projection the images contain only the attributes that it names; --filter sees all of them.

With --tables the records of all tables are shown together with those of changes of the tables
themselves: CREATE_TABLE, ALTER_TABLE, DELETE_TABLE and TRUNCATE_TABLE, with the definition of the
table. They always satisfy the condition.

On a terminal each record is a line with its sequence number, time, event, table, key and changed
attributes. In a pipe or file it is a JSON object.

With -f the command ends with status 3 after the last record of a stream that was disabled or
whose table was deleted, and with status 4 if the database file is removed or replaced. If
requested records have been trimmed, the command fails with status 1 and reports the sequence
numbers that are lost.]],
  examples = {
    { "tidetable tail -f shop.tide orders", "show the last ten records, and follow" },
    { "tidetable tail shop.tide --time 10m -t", "show the last ten minutes by transaction" },
    { "tidetable tail -x -n 1 shop.tide orders", "show all of the last record" },
    { "tidetable tail shop.tide --from TRIM_HORIZON | jq .keys",
      "extract the key of every record" },
    { "tidetable tail -f shop.tide orders customer=ann placed_at=1", "follow one item" },
    { "tidetable tail -f shop.tide --filter 'event_name = :e' "
      .. [[--values '{":e":"REMOVE"}']], "follow the removals from all tables" },
    { "tidetable tail shop.tide -f --after 1234", "continue after the last record that was read" },
    { "tidetable tail shop.tide --tables --from TRIM_HORIZON | jq 'select(.definition)'",
      "show how the tables were created and changed" },
  },
  arguments = {
    arguments.DATABASE,
    { "table", "Name of the table; none: all tables, in commit order.", args = "?" },
    { "key", "Only records of one item: NAME=VALUE for each key attribute, or the key as JSON.",
      args = "*" },
  },
  options = {
    {
      "-n", "Start with the last N records; with '-t' at the beginning of a transaction.",
      value = "N", convert = arguments.integer_from(0), target = "last",
      shown_default = DEFAULT_LAST, exclusive = "position",
    },
    {
      "--from", "'TRIM_HORIZON': start at the oldest record. 'LATEST': show new records only; "
        .. "implies '-f' unless '--no-follow' is given.",
      value = "POSITION", choices = { "TRIM_HORIZON", "LATEST" }, exclusive = "position",
    },
    {
      "--after", "Start after this sequence number.",
      value = "NUMBER", convert = arguments.sequence_number, exclusive = "position",
    },
    {
      "--at", "Start at this sequence number, or at the next one that exists.",
      value = "NUMBER", convert = arguments.sequence_number, exclusive = "position",
    },
    {
      "--time", "Start at a time: '10m' (ago), '11:30', '2026-01-31 11:30', with 'Z' in UTC, or "
        .. "seconds since 1970.",
      value = "TIME", convert = time_argument.parse, exclusive = "position",
    },
    { "-f --follow", "Wait for new records until Ctrl-C.", exclusive = "follow" },
    { "--no-follow", "Stop after the existing records, also with '--from LATEST'.",
      exclusive = "follow" },
    {
      "--limit", "Stop after N records, or N transactions with '-t'.",
      value = "N", convert = arguments.integer_from(1),
    },
    { "-t --transactions", "Group the records by transaction." },
    { "-x --expanded", "Show all of each record as text, one attribute per line." },
    {
      "--label", "Read the stream with this label: an older stream of the table, or a stream of a "
        .. "deleted table.",
      value = "LABEL",
    },
    { "--tables", "Also the changes of tables themselves. Not together with a table." },
    { "--filter", "Only records that satisfy this condition on their fields.", value = "EXPR" },
    { "--projection", "Only these attributes of each image.", value = "EXPR" },
    arguments.NAMES,
    arguments.VALUES,
    arguments.FORMAT,
    arguments.MAX_SIZE,
  },
}

-- The records to show --------------------------------------------------------

--- Returns the key of the item whose records are shown; nil: all items.
local function key_of(db, args)
  if #args.key == 0 then
    return nil
  end
  local _, description = open.described(db, args.table)
  return item_argument.key(args.key, description, item_writer.form(args.format))
end

--- Returns the options of db:stream that select records and attributes of their images.
---@return tidetable.SelectionOptions
local function selection_of(db, args)
  return expression_options.read(args, item_writer.form(args.format),
    { key = key_of(db, args), tables = args.tables })
end

--- Returns true if the arguments select records.
local function selects(args)
  return args.filter ~= nil or #args.key > 0
end

--- Calls db:stream with these options and the selection. Ends the command if the filter reads an
--- image that the stream does not contain.
local function open_selection(db, selection, given)
  for name, value in pairs(selection) do
    given[name] = value
  end
  local ok, stream, err, code = pcall(db.stream, db, given)
  if ok then
    return stream, err, code
  end
  local reads = type(stream) == "string" and stream:match "the filter (reads .*)"
  if not reads then
    error(stream, 0)
  end
  console.misused("--filter: " .. reads)
end

-- The last n records -----------------------------------------------------------

--- Counts the records after `low` up to and including `high`, at most `most`. Returns nil if some
--- of them are trimmed.
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

--- Returns the number of existing records up to `head` minus n, at least 0.
local function count_before_last(stream, head, n)
  local count = 0
  for record in stream:records { from = "TRIM_HORIZON" } do
    if record.sequence_number > head then
      break
    end
    count = count + 1
  end
  return math.max(count - n, 0)
end

--- Finds the position after which there are exactly n records. A stream is read forwards only, and
--- sequence numbers have gaps, so this is a galloping search from the end: steps that double, then
--- a binary search.
---@return table position
---@return integer skip  number of records to skip after the position
local function last_position(stream, head, n)
  n = math.min(n, head)          -- there are at most `head` records
  local low, low_is_trimmed      -- position with more than n records after it
  local high, after_high = head, 0  -- position with fewer than n records after it; their number
  local step = n
  while after_high < n and (not low or high - low > 1) do
    local at = low and low + (high - low) // 2 or math.max(high - step, 0)
    local count = count_between(stream, at, high, n - after_high + 1)
    if not count or after_high + count > n then
      low, low_is_trimmed = at, not count
    elseif at == 0 and after_high + count < n then
      return { from = "TRIM_HORIZON" }, 0
    else
      high, after_high, step = at, after_high + count, step * 2
    end
  end
  if after_high < n and low_is_trimmed then
    return { from = "TRIM_HORIZON" }, count_before_last(stream, head, n)
  end
  return { after = high }, 0
end

--- Returns the sequence numbers of the records after `low` up to and including `high`; nil if some
--- of them are trimmed.
local function numbers_between(stream, low, high)
  local numbers = {}
  local ok, err = pcall(function()
    for record in stream:records { after = low } do
      if record.sequence_number > high then
        break
      end
      numbers[#numbers + 1] = record.sequence_number
    end
  end)
  if ok then
    return numbers
  elseif type(err) ~= "table" or err.code ~= "TRIMMED" then
    error(err, 0)
  end
end

--- Number of sequence numbers that the first step of last_selected reads.
local FIRST_STEP = 1000

--- Finds the position of the last n records that the filter selects. Reads a range before `head`
--- that quadruples with each step, because the number of records that the filter leaves out is
--- unknown.
---@return table position
---@return integer skip  number of records to skip after the position
local function last_selected(stream, head, n)
  if n == 0 then
    return { after = head }, 0
  end
  local step = math.max(math.min(n, head), FIRST_STEP)
  while step < head do
    local found = numbers_between(stream, head - step, head)
    if not found then
      break
    elseif #found >= n then
      return { at = found[#found - n + 1] }, 0
    end
    step = step > head // 4 and head or step * 4
  end
  return { from = "TRIM_HORIZON" }, count_before_last(stream, head, n)
end

-- The starting position ----------------------------------------------------------

local function check_arguments(args)
  if args.label and not args.table then
    console.misused "--label: requires a table"
  elseif args.tables and args.table then
    console.misused "--tables: cannot be combined with a table"
  elseif args.tables and args.format == "dynamodb" then
    console.misused "--tables: cannot be combined with --format dynamodb"
  elseif args.expanded and (args.format or "text") ~= "text" then
    console.misused(("--expanded: cannot be combined with --format %s"):format(args.format))
  end
end

--- Returns the stream that the arguments name, at its default position.
local function open_stream(db, args, selection)
  if args.label then
    return library_error.check(args.database, open_selection(db, selection,
      { table = args.table, label = args.label }))
  elseif args.table then
    open.table(db, args.table)
    local stream, err, code = open_selection(db, selection, { table = args.table })
    if code == "NOT_FOUND" then
      library_error.fail(args.database,
        { message = ("table %s: no stream"):format(args.table) },
        "table:enable_stream { ... } creates one")
    end
    return library_error.check(args.database, stream, err, code)
  end
  return library_error.check(args.database, open_selection(db, selection, {}))
end

local function position_of(stream, args, head)
  if args.from or args.after or args.at or args.time then
    return { from = args.from, after = args.after, at = args.at, time = args.time }, 0, true
  end
  local find = selects(args) and last_selected or last_position
  return find(stream, head, args.last or DEFAULT_LAST)
end

-- Failing ------------------------------------------------------------------------

--- Returns the command line that continues after the trimmed records.
local function continue_command(args, err)
  local words = { "tidetable tail", display.word(args.database) }
  words[#words + 1] = args.table
  for _, word in ipairs(args.key) do
    words[#words + 1] = display.word(word)
  end
  for _, name in ipairs { "label", "filter", "projection", "names", "values" } do
    if args[name] then
      words[#words + 1] = ("--%s %s"):format(name, display.word(args[name]))
    end
  end
  if args.tables then
    words[#words + 1] = "--tables"
  end
  words[#words + 1] = ("--after %d"):format(err.last)
  return table.concat(words, " ")
end

--- Returns the hint for a stream that has ended, if its table has a newer one.
local function hint_of_end(args, err)
  return err.message:find("is now", 1, true)
    and ("to follow the new stream: tidetable tail -f %s %s --from TRIM_HORIZON"):format(
      display.word(args.database), args.table) or nil
end

local function fail_reading(args, err)
  local what = args.table or "all tables"
  if err.code == "TRIMMED" and err.first then
    console.fail(("%s: records %d to %d of %s have been trimmed and are lost"):format(
      args.database, err.first, err.last, what), "to continue after them: "
      .. continue_command(args, err))
  elseif err.code == "AHEAD" then
    library_error.fail(args.database, err, "--from LATEST starts after the last record")
  elseif err.code == "STREAM_ENDED" then
    library_error.fail(args.database, err, hint_of_end(args, err))
  end
  library_error.fail(args.database, err)
end

--- Returns the stream that the arguments name, at the position.
local function open_at(db, args, selection, position)
  if args.table then
    position.table, position.label = args.table, args.label
  end
  local stream, err = open_selection(db, selection, position)
  if not stream then
    fail_reading(args, err)
  end
  return stream
end

--- Moves the position back to the beginning of a transaction, so that its first records are shown
--- too.
local function start_of_transaction(db, args, selection, position, skip)
  local stream <close> = open_at(db, args, selection, position)
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

--- Returns a function that shows an array of records, or of transactions with -t.
local function batch_writer(db, args, out)
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

-- Seconds to wait before checking whether the reader has closed the output.
local PAUSE = 1

-- Maximum number of records that are read before they are shown.
local BATCH = 50

--- Reads at most `most` records, up to and including the sequence number `through`. If there are
--- none, waits for `seconds`.
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

--- Shows the existing records, and with --follow the new ones.
local function show_all(stream, args, out, show, through)
  local left, seconds = args.limit or math.huge, 0
  while left > 0 do
    local batch, err = next_batch(stream, args.transactions, math.min(left, BATCH), through,
      seconds)
    left = left - #batch
    show(batch)
    if err and (args.follow or err.code ~= "STREAM_ENDED") then
      fail_reading(args, err)
    elseif #batch == 0 and not args.follow then
      return
    end
    seconds = 0
    if #batch < BATCH and args.follow then
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
  local selection = selection_of(db, args)
  local position, skip, is_given = position_of(open_stream(db, args, selection), args, head)
  if args.transactions and not is_given then
    position, skip = start_of_transaction(db, args, selection, position, skip)
  end
  local stream <close> = open_at(db, args, selection, position)
  for _ = 1, skip do
    stream:next()
  end
  show_all(stream, args, out, batch_writer(db, args, out), args.follow and math.maxinteger or head)
end

return tail
