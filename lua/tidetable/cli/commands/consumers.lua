-- consumers.lua - `tidetable consumers`: lists consumers, pauses, moves and deletes them; shows,
-- replays and discards parked records.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local display = require "tidetable.cli.display"
local item_argument = require "tidetable.cli.item_argument"
local item_writer = require "tidetable.cli.item_writer"
local json = require "tidetable.dynamodb.json"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local options = require "tidetable.options"
local time_argument = require "tidetable.cli.time_argument"
local types = require "tidetable.types"
local watch = require "tidetable.cli.watch"

local consumers = {
  name = "consumers",
  summary = "List the consumers of a database, and change them.",
  description = [[
Without a consumer the command lists all of them with the number of waiting records, the age of the
oldest one, and the numbers of its workers and parked records. With a consumer it shows the state of
this consumer and its workers, or performs an action.

'pause' stops the delivery of records in all programs until 'resume'. 'seek' sets the position
(--from, --after, --at, --time). 'delete' deletes the consumer. 'parked' shows its parked records.
'replay' marks parked records, which the consumer's program then handles again, the oldest of each
key first. 'discard' removes parked records. Without --table, --key and --limit these actions
apply to all parked records. A consumer with by = "transaction" parks whole transactions: the
actions apply to the transactions that have one of the records, and --limit counts transactions.

'seek', 'delete', 'replay' and 'discard' ask for confirmation on a terminal; elsewhere they require
--yes. 'replay' and 'discard' show the number of records or transactions.]],
  examples = {
    { "tidetable consumers shop.tide", "list the consumers and their lag" },
    { "tidetable consumers shop.tide --watch", "update the list every second" },
    { "tidetable consumers shop.tide mail", "show one consumer" },
    { "tidetable consumers shop.tide mail --watch", "show it every second, with its workers" },
    { "tidetable consumers shop.tide mail pause", "pause one consumer" },
    { "tidetable consumers shop.tide mail seek --time 1h --yes",
      "handle the changes of the last hour again" },
    { "tidetable consumers shop.tide mail parked", "show the parked records" },
    { "tidetable consumers shop.tide mail replay --key customer=ann --yes",
      "replay the parked records of one key" },
  },
  arguments = {
    arguments.DATABASE,
    { "consumer", "Name of a consumer. Default: list all consumers.", args = "?" },
    { "action", "Action. Default: show the consumer.", args = "?", choices = {
      "pause", "resume", "seek", "delete", "parked", "replay", "discard" } },
  },
  options = {
    { "-w --watch", "Repeat until Ctrl-C, and show the records handled per second." },
    watch.INTERVAL,
    {
      "--from", "'seek' to the oldest record ('TRIM_HORIZON'), after the last change ('LATEST'), "
        .. "or to a snapshot of the tables ('SNAPSHOT').",
      value = "POSITION", choices = { "TRIM_HORIZON", "LATEST", "SNAPSHOT" },
      exclusive = "position",
    },
    {
      "--after", "'seek' to the record after this sequence number.",
      value = "NUMBER", convert = arguments.sequence_number, exclusive = "position",
    },
    {
      "--at", "'seek' to this sequence number, or to the next one that exists.",
      value = "NUMBER", convert = arguments.sequence_number, exclusive = "position",
    },
    {
      "--time", "'seek' to a time: '10m' (ago), '11:30', '2026-01-31 11:30', with 'Z' in UTC, or "
        .. "seconds since 1970.",
      value = "TIME", convert = time_argument.parse, exclusive = "position",
    },
    { "--table", "Table of the parked records. Required with '--key' if the consumer reads several "
      .. "tables.", value = "TABLE" },
    { "--key", "Only parked records of this partition key: NAME=VALUE.", value = "KEY" },
    { "--limit", "At most N parked records or transactions.", value = "N",
      convert = arguments.integer_from(1) },
    { "--discard", "'seek' and 'delete' also remove the parked records." },
    { "--yes", "Do not ask for confirmation." },
    { "--json", "Show JSON objects, one per line." },
    arguments.FORMAT,
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

-- Showing ----------------------------------------------------------------------

--- Returns the state of a consumer and its style.
local function state_of(about)
  if about.is_paused then
    return "paused", "yellow"
  elseif about.ended then
    return about.ended.code, "red"
  elseif about.is_copying then
    return "snapshot", "cyan"
  elseif not about.is_running then
    return "no worker", "dim"
  elseif about.attempts > 0 then
    return "retrying", "yellow"
  end
  return "running", "green"
end

local function source_text(source)
  return display.safe(type(source) == "table" and table.concat(source, ", ") or source)
end

local function age_text(seconds)
  return seconds and display.duration(seconds) or "-"
end

local TITLES = { "CONSUMER", "SOURCE", "STATE", "WORKERS", "WAITING", "SIZE", "OLDEST", "HANDLED",
  "PARKED" }
--- Title of the last column of a list with --watch.
local RATE = "PER SECOND"
local FIRST_AT_THE_RIGHT = 4

--- Returns the number of living workers as text, and its style. The text says so if some shards
--- have no living worker.
local function workers_text(workers)
  local alive, free = 0, false
  for _, worker in ipairs(workers) do
    alive = alive + (worker.is_alive and 1 or 0)
    free = free or worker.first ~= nil and not worker.is_alive
  end
  if alive > 0 and free then
    return ("%d, some shards have none"):format(alive), "yellow"
  end
  return display.count(alive), ""
end

--- Returns the columns of a consumer. rate: records handled in a second; nil: unknown.
local function row_of(out, about, rate)
  local state, style = state_of(about)
  local workers, workers_style = workers_text(about.workers)
  local lag = about.lag
  return {
    out:paint("bold", display.safe(about.name)), source_text(about.source),
    out:paint(style, state), out:paint(workers_style, workers), display.count(lag.records),
    display.bytes(lag.bytes), age_text(lag.records > 0 and lag.seconds or nil),
    display.count(about.records),
    out:paint(about.parked > 0 and "yellow" or "", display.count(about.parked)),
    rate and display.count(math.floor(rate + 0.5)),
  }
end

--- Returns the lines of a list. rates: records handled in a second by the name of the consumer;
--- nil: they are not shown.
---@return string[]
local function lines_of(out, list, rates)
  if #list == 0 then
    return { out:paint("dim", "no consumers") }
  end
  local rows, at_the_right = { {} }, {}
  for i, title in ipairs(TITLES) do
    rows[1][i] = out:paint("dim", title)
    at_the_right[i] = i >= FIRST_AT_THE_RIGHT
  end
  if rates then
    rows[1][#TITLES + 1], at_the_right[#TITLES + 1] = out:paint("dim", RATE), true
  end
  for i, about in ipairs(list) do
    rows[i + 1] = row_of(out, about, rates and (rates[about.name] or 0))
  end
  local lines = display.grid(rows, at_the_right)
  for _, about in ipairs(list) do
    if about.warning then
      lines[#lines + 1] = out:paint("yellow", ("%s: %s"):format(display.safe(about.name),
        display.safe(about.warning)))
    end
  end
  return lines
end

--- Fields of a description in the order of the JSON output.
local ORDER = {
  "name", "source", "position", "last_sequence_number", "lag", "is_paused", "has_owner", "ended",
  "attempts", "records", "batches", "failures", "gaps", "takeovers", "parked", "workers",
  "settings",
}

--- Prepares a description for the JSON output, and returns it. The values of the filter's `?` are
--- then the list settings.positions.
local function json_tree(about)
  local tree, positions = {}, {}
  for name, value in pairs(about.settings) do
    if math.type(name) then
      positions[name] = json.tree(value, "plain")
    else
      tree[name] = value
    end
  end
  tree.values = tree.values and assert(json.item_tree(tree.values, "plain"))
  tree.positions = #positions > 0 and positions or nil
  about.settings = tree
  return about
end

local function show_list(args, out, list)
  if args.json or not out.is_terminal and not args.watch then
    for _, about in ipairs(list) do
      if args.json then
        out:json(json_tree(about), ORDER)
      else
        out:write(about.name, "\n")
      end
    end
    return
  end
  out:lines(lines_of(out, list))
end

--- Returns a function that computes how many records each consumer has handled in a second since
--- the last call of the function.
local function new_rates()
  local last, at = {}, nil
  return function(list)
    local now, rates = core.process_elapsed(), {}
    for _, about in ipairs(list) do
      local before = last[about.name]
      if before and now > at then
        rates[about.name] = math.max(about.records - before, 0) / (now - at)
      end
      last[about.name] = about.records
    end
    at = now
    return rates
  end
end

--- Returns the parameters of expressions as text: `:v = 5, ? = "open"`.
local function parameters_text(names, values, positions)
  local parts = {}
  for _, name in ipairs(display.sorted_names(names or {})) do
    parts[#parts + 1] = ("%s = %s"):format(name, display.safe(names[name]))
  end
  for _, name in ipairs(display.sorted_names(values or {})) do
    parts[#parts + 1] = ("%s = %s"):format(name, display.value(values[name]))
  end
  for i = 1, #positions do
    parts[#parts + 1] = "? = " .. display.value(positions[i])
  end
  return table.concat(parts, ", ")
end

--- Adds rows for the filter, the projection and their parameters.
local function add_selection(rows, given)
  local text = parameters_text(given.names, given.values, given)
  for _, name in ipairs { "filter", "projection" } do
    if given[name] then
      rows[#rows + 1] = { name, display.safe(given[name]) }
    end
  end
  if text ~= "" then
    rows[#rows + 1] = { "with", text }
  end
end

--- Settings that add_selection shows.
local IS_SELECTION = { filter = true, projection = true, names = true, values = true }

local function setting_text(value)
  return type(value) == "table" and table.concat(value, ", ") or tostring(value)
end

--- Returns rows with a name and a text. rate: records handled in a second; nil: unknown.
local function fact_rows(out, about, rate)
  local state, style = state_of(about)
  local lag = about.lag
  local waiting = lag.records == 0 and "nothing" or ("%s (%s), the oldest for %s"):format(
    display.counted(lag.records, "record"), display.bytes(lag.bytes), age_text(lag.seconds))
  local rows = {
    { "source", source_text(about.source) },
    { "state", out:paint(style, state) },
    { "position", ("%d of %d"):format(about.position, about.last_sequence_number) },
    { "waiting", waiting },
    { "handled", ("%s in %s; %s%s"):format(display.counted(about.records, "record"),
      about.batches == 1 and "1 batch" or display.count(about.batches) .. " batches",
      display.counted(about.failures, "failed attempt"),
      rate and ("; %s records per second"):format(display.count(math.floor(rate + 0.5))) or "") },
    { "parked", ("%s (%s)"):format(display.counted(about.parked, "record"),
      display.bytes(about.parked_bytes)) },
    { "gaps", display.count(about.gaps) },
    { "takeovers", display.count(about.takeovers) },
  }
  if about.ended then
    rows[#rows + 1] = { "ended", display.safe(about.ended.message) }
  end
  if about.warning then
    rows[#rows + 1] = { "warning", out:paint("yellow", display.safe(about.warning)) }
  end
  add_selection(rows, about.settings)
  local names = {}
  for name in pairs(about.settings) do
    if type(name) == "string" and not IS_SELECTION[name] then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    rows[#rows + 1] = { name, display.safe(setting_text(about.settings[name])) }
  end
  return rows
end

--- Returns what a worker does, as text.
local function activity(out, worker)
  local seconds = display.duration(worker.seconds or 0)
  if not worker.pid then
    return out:paint("yellow", "no worker")
  elseif not worker.is_alive then
    return out:paint("red", "no heartbeat for " .. seconds)
  elseif worker.in_handler then
    return out:paint("green", "in its handler for " .. seconds)
  end
  return worker.first and "reads" or out:paint("dim", "waits for shards")
end

--- Returns a table of the ranges of shards and their workers.
---@return string[]
local function worker_lines(out, workers)
  local rows = { {} }
  for i, title in ipairs { "SHARDS", "POSITION", "ATTEMPTS", "PROCESS", "" } do
    rows[1][i] = "  " .. out:paint("dim", title)
  end
  for i, worker in ipairs(workers) do
    rows[i + 1] = {
      "  " .. (worker.first and ("%d-%d"):format(worker.first, worker.last) or "-"),
      "  " .. (worker.position and display.count(worker.position) or "-"),
      "  " .. (worker.attempts and display.count(worker.attempts) or "-"),
      "  " .. (worker.pid and ("%d"):format(worker.pid) or "-"),
      "  " .. activity(out, worker),
    }
  end
  return display.grid(rows, { [2] = true, [3] = true, [4] = true })
end

--- Returns everything about a consumer.
---@return string[]
local function lines_of_one(out, about, rate)
  local lines = { ("%s %s"):format(out:paint("bold", "consumer"), display.safe(about.name)) }
  local rows = {}
  for i, fact in ipairs(fact_rows(out, about, rate)) do
    rows[i] = { "  " .. out:paint("dim", fact[1]), fact[2] }
  end
  for _, more in ipairs { display.grid(rows), worker_lines(out, about.workers) } do
    table.move(more, 1, #more, #lines + 1, lines)
  end
  return lines
end

--- Shows all consumers, or the one that is given; repeatedly with --watch.
local function show_repeatedly(db, args, out, consumer)
  local rates_of = new_rates()
  watch.run(db, args, out, function(is_first)
    local list = consumer
        and { library_error.check(args.database, open.described_consumer(consumer)) }
      or open.consumers(db)
    local rates = rates_of(list)
    local lines = not args.json and (consumer and lines_of_one(out, list[1], rates[list[1].name])
      or lines_of(out, list, rates))
    if args.json then
      show_list(args, out, list)
    elseif out.can_move then
      local title = out:paint("bold", display.safe(args.database))
        .. out:paint("dim", "  " .. display.time(os.time()))
      out:redraw({ title, "", table.unpack(lines) }, is_first)
    else
      out:lines(lines)
      out:line ""
    end
  end)
end

-- Actions ----------------------------------------------------------------------

--- Options, each with the actions that accept it.
local REQUIRED = {
  { "discard", "seek", "delete" },
  { "table", "parked", "replay", "discard" }, { "key", "parked", "replay", "discard" },
  { "limit", "parked", "replay", "discard" }, { "format", "parked", "replay", "discard" },
}

--- Ends the command if an option does not belong to the action.
local function check_options(args)
  for _, name in ipairs { "from", "after", "at", "time" } do
    if args[name] and args.action ~= "seek" then
      console.misused(("--%s requires seek"):format(name))
    end
  end
  for _, each in ipairs(REQUIRED) do
    local name, is_known = each[1], false
    for i = 2, #each do
      is_known = is_known or each[i] == args.action
    end
    if args[name] and not is_known then
      console.misused(("--%s requires %s or %s"):format(name,
        table.concat(each, ", ", 2, #each - 1), each[#each]))
    end
  end
end

--- Returns the results of a method of a consumer, or ends the command if it failed.
local function check(args, ...)
  local value, err = ...
  if value == nil and err.code == "PARKED" then
    console.fail(("%s: %s"):format(args.database, err.message:match "^[^;]*"),
      "--discard removes them")
  end
  return library_error.check(args.database, ...)
end

--- Ends the command if --table is not a table of the consumer.
local function check_table(args, source)
  local names = type(source) == "table" and source or { source }
  for _, name in ipairs(names) do
    if name == "*" or name == args.table then
      return
    end
  end
  console.fail(("%s: consumer %s does not read table %s"):format(args.database, args.consumer,
    args.table), "its source: " .. source_text(source))
end

--- Returns the partition key of --key as an option of the library.
local function partition_key(db, args, name)
  local _, description = open.described(db, name)
  local value, sort = item_argument.partition({ args.key }, description,
    item_writer.form(args.format))
  local attribute, kind = table.unpack(description.partition_key)
  if sort ~= nil then
    console.misused(("--key: expected only the partition key %s"):format(attribute))
  elseif types.type(value) ~= kind then
    console.misused(("--key: %s: expected %s, got %s"):format(attribute, kind, types.type(value)))
  end
  return { [attribute] = value }
end

--- Returns the options that select parked records.
local function selection(db, args, consumer)
  local source = check(args, consumer:describe()).source
  if args.table then
    check_table(args, source)
  end
  local name = args.table or type(source) == "string" and source ~= "*" and source or nil
  if args.key and not name then
    console.misused "--key: the consumer reads several tables; name one with --table"
  end
  return { table = args.table, limit = args.limit,
    key = args.key and partition_key(db, args, name) }
end

--- Ends the command unless --yes is given or the user agrees.
local function confirm(args, out, question)
  if args.yes then
    return
  end
  local agrees = out:ask(question .. "?")
  if agrees == nil then
    console.misused(("--yes: required to %s"):format(question))
  elseif not agrees then
    console.fail "nothing was changed"
  end
end

--- Shows the number of records or transactions of a consumer to which an action was applied.
local function report(args, out, consumer, count, what)
  if out.is_terminal then
    local by = check(args, consumer:describe()).settings.by
    out:line(("%s %s"):format(display.counted(count, by == "key" and "record" or by), what))
  else
    out:write(("%d\n"):format(count))
  end
end

local actions = {}

function actions.pause(_, args, _, consumer)
  check(args, consumer:pause())
end

function actions.resume(_, args, _, consumer)
  check(args, consumer:resume())
end

function actions.delete(_, args, out, consumer)
  confirm(args, out, ("delete consumer %s"):format(args.consumer))
  check(args, consumer:delete { discard = args.discard })
end

function actions.seek(_, args, out, consumer)
  local position = { from = args.from, after = args.after, at = args.at, time = args.time }
  if not next(position) then
    console.misused "seek: one of --from, --after, --at and --time is required"
  end
  position.discard = args.discard
  confirm(args, out, ("set the position of consumer %s"):format(args.consumer))
  check(args, consumer:seek(position))
end

local function parked_line(out, copy)
  local record = copy.record
  local parts = {
    tostring(record.sequence_number), display.time(copy.parked_at),
    out:paint("bold", display.safe(record.table_name)) .. " " .. display.attributes(record.keys),
    display.counted(copy.attempts, "attempt"),
    copy.error and out:paint("red", display.safe(copy.error))
      or out:paint("dim", copy.transaction_id and "parked after an earlier transaction of its keys"
        or "parked after an earlier record of its key"),
  }
  if copy.transaction_id then
    table.insert(parts, 2, ("transaction %d"):format(copy.transaction_id))
  end
  if copy.is_to_be_replayed then
    parts[#parts + 1] = out:paint("yellow", "to be replayed")
  end
  return table.concat(parts, "  ")
end

--- Fields of a parked record in the order of the JSON output.
local PARKED_ORDER = {
  "sequence_number", "transaction_id", "table_name", "event_name", "keys", "attempts", "parked_at",
  "error",
}

local function parked_tree(copy, form)
  local record = copy.record
  return {
    sequence_number = record.sequence_number, transaction_id = copy.transaction_id,
    table_name = record.table_name, event_name = record.event_name,
    keys = assert(json.item_tree(record.keys, form)), attempts = copy.attempts,
    parked_at = copy.parked_at, error = copy.error, is_to_be_replayed = copy.is_to_be_replayed,
  }
end

function actions.parked(db, args, out, consumer)
  local is_text = not args.json and arguments.format_of(args, out) == "text"
  local found, form = 0, item_writer.form(args.format)
  for copy in consumer:parked(selection(db, args, consumer)) do
    found = found + 1
    if is_text then
      out:line(parked_line(out, copy))
    else
      out:json(parked_tree(copy, form), PARKED_ORDER)
    end
  end
  if found == 0 and out.is_terminal then
    out.note "no parked records"
  end
end

function actions.replay(db, args, out, consumer)
  local chosen = selection(db, args, consumer)
  confirm(args, out, ("replay parked records of consumer %s"):format(args.consumer))
  local count = check(args, consumer:replay(chosen))
  report(args, out, consumer, count, "will be delivered again")
end

function actions.discard(db, args, out, consumer)
  local chosen = selection(db, args, consumer)
  confirm(args, out, ("remove parked records of consumer %s for good"):format(args.consumer))
  local count = check(args, consumer:discard(chosen))
  report(args, out, consumer, count, "removed")
end

--- Actions that only read.
local reads = { parked = true }

local function open_consumer(db, args)
  local consumer, err, code = db:consumer(args.consumer)
  if consumer then
    return consumer
  elseif code ~= "NOT_FOUND" then
    library_error.fail(args.database, err)
  end
  local known = {}
  for _, name in ipairs(library_error.check(args.database, db:list_consumers())) do
    known[name] = true
  end
  local near = options.nearest(args.consumer, known)
  console.fail(("%s: no consumer %s"):format(args.database, args.consumer),
    near and ("did you mean %s?"):format(near)
      or ("to list them: tidetable consumers %s"):format(display.word(args.database)))
end

function consumers.run(args, out)
  watch.check(args)
  if args.watch and args.action then
    console.misused "--watch can't be used with an action"
  end
  check_options(args)
  local writes = args.action and not reads[args.action]
  local db <close> = open.database(args, writes and { busy_timeout = args.busy_timeout } or nil)
  if args.watch then
    show_repeatedly(db, args, out, args.consumer and open_consumer(db, args))
  elseif not args.consumer then
    show_list(args, out, open.consumers(db))
  else
    local consumer = open_consumer(db, args)
    if args.action then
      actions[args.action](db, args, out, consumer)
    elseif args.json then
      out:json(json_tree(check(args, open.described_consumer(consumer))), ORDER)
    else
      out:lines(lines_of_one(out, check(args, open.described_consumer(consumer))))
    end
  end
end

return consumers
