-- replicate.lua - `tidetable replicate`: replicates tables of one database into another.

local adoption_view = require "tidetable.cli.adoption_view"
local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local diff = require "tidetable.cli.commands.diff"
local display = require "tidetable.cli.display"
local exit_status = require "tidetable.cli.exit_status"
local library_error = require "tidetable.cli.library_error"
local open = require "tidetable.cli.open_database"
local receivers = require "tidetable.replica.receiver"
local replica_pipe = require "tidetable.cli.replica_pipe"
local replicas = require "tidetable.replica.replica"
local wait = require "tidetable.wait"

local function table_list(text)
  local names = {}
  for name in (text .. ","):gmatch "([^,]*)," do
    if name == "" then
      return nil, ("'%s': expected names of tables, separated by commas"):format(text)
    end
    names[#names + 1] = name
  end
  return names
end

local function replica_name(text)
  if #text > 200 or not text:find "^[%w_.-]+$" then
    return nil, ("'%s': expected 1 to 200 characters of a-z, A-Z, 0-9, _, . and -"):format(text)
  end
  return text
end

local function position(text)
  local start = replica_pipe.decode(text)
  if not start then
    return nil, ("'%s': not the output of --position"):format(text:sub(1, 60))
  end
  return start
end

local replicate = {
  name = "replicate",
  summary = "Replicate tables into another database.",
  description = [[
Copies the tables of SOURCE to TARGET, which is created if it does not exist, and then applies the
changes that were made since, transaction by transaction. The command can be ended at any time;
started again, it continues. With -f it waits for changes until Ctrl-C. Other programs can read the
tables in TARGET and can't write to them until --promote.

To another machine:

  tidetable replicate SOURCE -f --via 'ssh HOST tidetable replicate - TARGET'

The command of --via runs the target; SOURCE keeps records until they were applied there. Without
--via the two ends of a pipe are 'replicate SOURCE - --from TEXT', which writes to standard output,
and 'replicate - TARGET', which reads standard input; 'replicate --position TARGET' prints TEXT.

Tables need a stream that contains new images. Later ones are replicated too, unless --table selects
some. A table that can no longer be followed is listed by --status, and the others continue.

The status is 6 if the replica was promoted.]],
  examples = {
    { "tidetable replicate shop.tide standby.tide", "copy all tables, or catch up" },
    { "tidetable replicate shop.tide standby.tide -f", "follow the source" },
    { "tidetable replicate --status shop.tide standby.tide",
      "show the state of the replicas, and their lag" },
    { "tidetable replicate --promote standby.tide", "make the tables writable" },
  },
  arguments = {
    { "source", "Path of the source, or '-' for standard input. With --promote, --position, "
      .. "--forget and --status, the path of the target; --status SOURCE TARGET shows the lag, "
      .. "too." },
    { "target", "Path of the target, or '-' for standard output.", args = "?" },
  },
  options = {
    { "-f --follow", "Wait for changes until Ctrl-C." },
    { "--via", "Run COMMAND with the shell as the target, and communicate through pipes.",
      value = "COMMAND" },
    { "--name", "Name of the replica in the target.", value = "NAME", convert = replica_name,
      default = "replica" },
    { "--table", "Only these tables, separated by commas.", value = "NAMES",
      convert = table_list },
    { "--adopt", "Take over tables that exist in the target: show how they differ, and make them "
      .. "equal." },
    { "--skip", "Leave out tables that can't be replicated, instead of failing." },
    { "--strict", "Fail when a table can no longer be followed." },
    { "--lose", "The target may lose N changes: those that the source did not get before it was "
      .. "promoted.", value = "N", convert = arguments.integer_from(0) },
    { "--hold", "Seconds for which the source keeps records for the replica beyond their "
      .. "retention; 0: it keeps none.", value = "SECONDS", convert = arguments.seconds,
      default = 86400 },
    { "--from", "Position of the target, for standard output.", value = "TEXT",
      convert = position },
    { "--status", "Show the replicas of the target: state, position, tables; with SOURCE also how "
      .. "far they are behind.", exclusive = "action" },
    { "--promote", "Make the tables of the replica writable.", exclusive = "action" },
    { "--position", "Print the position of the replica, for --from.", exclusive = "action" },
    { "--forget", "Remove the replica; its tables stay and become writable.",
      exclusive = "action" },
    { "--json", "With --status: show each replica as a JSON object, one per line." },
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

-- The state of replicas --------------------------------------------------------

replicate.order = { "name", "state", "position", "changed_at", "source", "database", "incarnation",
  "lag", "changes", "seconds", "tables", "selected", "source_id", "items", "reason", "path",
  "transactions", "records", "created_at" }

local function table_line(each)
  local text = ("  %s  %s"):format(display.name(each.name), each.state)
  if each.state == "COPYING" then
    text = ("%s, %s"):format(text, display.counted(each.items, "item"))
  end
  return each.reason and ("%s: %s"):format(text, each.reason) or text
end

local function lag_text(lag)
  if lag.changes == 0 then
    return "nothing"
  end
  local text = display.counted(lag.changes, "change")
  return lag.seconds and ("%s, the oldest for %s"):format(text, display.duration(lag.seconds))
    or text
end

local function show_replica(each, out)
  local copied = 0
  for _, t in ipairs(each.tables) do
    copied = copied + (t.state == "FOLLOWING" and 1 or 0)
  end
  local state = each.state
  if state == "COPYING" then
    state = ("COPYING (%d of %d tables)"):format(copied, #each.tables)
  end
  out:line(("%s  %s, position %d%s"):format(out:paint("bold", each.name), state, each.position,
    each.changed_at and ", last change " .. display.time(each.changed_at) or ""))
  if each.source then
    out:line("  source " .. each.source.database)
  end
  if each.lag then
    out:line("  waiting: " .. lag_text(each.lag))
  end
  for _, t in ipairs(each.tables) do
    out:line(table_line(t))
  end
end

--- Adds the lag of the replicas of this source.
local function add_lag(all, path, args)
  local source <close> = open.database({ database = path, max_size = args.max_size })
  local id = library_error.check(path, source:info()).database_id
  for _, each in ipairs(all) do
    if each.source and each.source.database == id and each.state ~= "PROMOTED" then
      local lag, err, code = replicas.lag(source, each.position)
      if not lag and code ~= "SOURCE_DIFFERS" then
        library_error.fail(path, err)
      end
      each.lag = lag
    end
  end
end

local function show_status(args, out)
  local path = args.target or args.source
  local db <close> = open.database({ database = path, max_size = args.max_size })
  local all = library_error.check(path, db:replicas())
  if args.target then
    add_lag(all, args.source, args)
  end
  for _, each in ipairs(all) do
    if args.json then
      out:json(each, replicate.order)
    else
      show_replica(each, out)
    end
  end
  if #all == 0 then
    out.note "no replicas"
  end
end

-- Other actions ----------------------------------------------------------------

local function open_target(args, path, given)
  given = given or {}
  given.busy_timeout = args.busy_timeout
  return open.database({ database = path, max_size = args.max_size }, given)
end

local function promote(args, out)
  local db <close> = open_target(args, args.source)
  library_error.check(args.source, db:promote(args.name))
  if out.is_terminal then
    out:line(("replica %s was promoted: its tables are writable"):format(args.name))
  end
end

local function forget(args)
  local db <close> = open_target(args, args.source)
  library_error.check(args.source, db:forget_replica(args.name))
end

--- Prints the position. A target that does not exist yet has one, too.
local function print_position(args, out)
  local db, err, code = require "tidetable".open(args.source, { read_only = true, create = false })
  if not db and code ~= "NO_FILE" then
    library_error.fail(args.source, err)
  elseif not db then
    db = require "tidetable".open ":memory:"
  end
  local tables = library_error.check(args.source, replicas.tables(db, args.name, args.table))
  local start = library_error.check(args.source, core.replica_start(db.core, args.name, tables))
  db:close()
  out:write(replica_pipe.encode(start), "\n")
end

local actions = { status = show_status, promote = promote, position = print_position,
  forget = forget }

-- Replicating ------------------------------------------------------------------

--- Errors after which -f waits and tries again.
local RETRIED = { FULL = true, DISK_FULL = true, BUSY = true, STORE = true, NO_MEMORY = true,
  READERS_FULL = true }

local PAUSE_MIN, PAUSE_MAX = 0.1, 30

--- Options of db:replicate.
local function options_of(args)
  return { name = args.name, tables = args.table, adopt = args.adopt, skip = args.skip,
    strict = args.strict, lose = args.lose, hold = args.hold > 0 and args.hold or false }
end

local function open_source(args)
  local db = require "tidetable".open(args.source, { create = false,
    busy_timeout = args.busy_timeout, max_size = args.max_size })
  return db or open.database { database = args.source, max_size = args.max_size }
end

--- Follows until Ctrl-C. Reports temporary failures once and tries again.
local function follow(replication, args, out)
  local pause, reported = PAUSE_MIN, nil
  while true do
    local applied, err, code = replication:step(1)
    if applied == nil and not RETRIED[code] then
      library_error.fail(args.source, err)
    elseif applied == nil then
      if code ~= reported then
        out.note(("waiting: %s"):format(err.message))
      end
      reported = code
      wait.pause(nil, pause)
      pause = math.min(pause * 2, PAUSE_MAX)
    else
      if applied and reported then
        out.note "continuing"
      end
      reported, pause = applied and nil or reported, PAUSE_MIN
    end
  end
end

local function catch_up(replication, args)
  library_error.check(args.source, replication:catch_up())
end

--- Replicates into a database of this machine.
local function run_local(args, out)
  local source <close> = open_source(args)
  local target <close> = open_target(args, args.target, { create = true })
  if args.adopt and #library_error.check(args.target, target:replicas()) == 0 then
    local names = {}
    for _, name in ipairs(library_error.check(args.target, target:list_tables())) do
      names[#names + 1] = source:table(name) and name or nil
    end
    if #names > 0 then
      diff.show(target, source, args.table or names, out)
    end
  end
  local replication <close> = library_error.check(args.target,
    target:replicate(source, options_of(args)))
  if args.follow then
    return follow(replication, args, out)
  end
  catch_up(replication, args)
  if out.is_terminal then
    show_replica(library_error.check(args.target, replicas.describe(target, args.name)), out)
  end
end

local function tables_text(names)
  return #names > 0 and "the tables " .. display.safe(table.concat(names, ", ")) or "all tables"
end

--- Checks that --table selects the tables that the target has.
local function check_tables(args, start)
  local has = core.start_tables(start)
  local given = replicas.sorted(args.table)
  if args.table and table.concat(given, ",") ~= table.concat(has, ",") then
    console.fail(("--table selects %s, and the target replicates %s"):format(tables_text(given),
      tables_text(has)), "the target selects them: give it the same --table, or leave it out here")
  end
end

--- Replicates into a pipe.
local function run_into(args, out, receiver)
  local source <close> = open_source(args)
  check_tables(args, receiver:start())
  local hold = args.via and replicas.hold(source, args.hold > 0 and args.hold or false, args.name,
    core.start_target(receiver:start())) or nil
  local replication <close> = replicas.into(source, receiver, hold, {})
  if args.follow then
    return follow(replication, args, out)
  end
  catch_up(replication, args)
  return receiver:finish(library_error.check(args.source, core.sender_end(replication.sender)))
end

--- Receives from standard input.
local function run_target(args, out)
  local target <close> = open_target(args, args.target, { create = true })
  local tables = library_error.check(args.target,
    replicas.tables(target, args.name, args.table))
  local receiver = receivers.new(target, args.name, tables, options_of(args))
  replica_pipe.receive(receiver, out, args.target,
    args.adopt and adoption_view.new(target, args.name, args.target) or nil)
end

--- Returns the name of the action that is given instead of a replication.
local function action_of(args)
  for name in pairs(actions) do
    if args[name] then
      return name
    end
  end
end

--- Checks that the options of the target are not given to the command that reads the source.
local function check_owner(args)
  for _, name in ipairs { "adopt", "skip", "strict", "lose" } do
    if args[name] and (args.via or args.target == "-") then
      console.misused(("--%s: it is an option of the other end, 'tidetable replicate - TARGET'")
        :format(name))
    end
  end
end

local function check(args)
  local action = action_of(args)
  if action then
    if args.target and action ~= "status" then
      console.misused(("--%s: one database expected"):format(action))
    end
  elseif args.via and args.target then
    console.misused "--via: it names the target, so only the source is expected"
  elseif not args.via and not args.target then
    console.misused("a source and a target expected", "--via COMMAND runs the target elsewhere")
  elseif args.target == "-" and not args.from then
    console.misused("standard output requires --from",
      "'tidetable replicate --position TARGET' prints it")
  elseif args.source == "-" and args.target == "-" then
    console.misused "one of source and target must be a database"
  elseif args.from and args.target ~= "-" then
    console.misused "--from requires '-' as target"
  end
  check_owner(args)
  return action
end

function replicate.run(args, out)
  local action = check(args)
  if action then
    return actions[action](args, out)
  elseif args.source == "-" then
    return run_target(args, out)
  elseif args.target == "-" then
    return run_into(args, out, replica_pipe.output(args.from, out))
  elseif args.via then
    local receiver <close> = replica_pipe.via(args.via)
    local status = run_into(args, out, receiver)
    return status or exit_status.SUCCESS
  end
  return run_local(args, out)
end

return replicate
