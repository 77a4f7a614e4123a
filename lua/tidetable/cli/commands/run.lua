-- run.lua - `tidetable run`: runs the processors that a script defines, or a program.

local arguments = require "tidetable.cli.arguments"
local console = require "tidetable.cli.console"
local core = require "tidetable.core"
local metrics = require "tidetable.cli.metrics"
local exit_status = require "tidetable.cli.exit_status"
local open = require "tidetable.cli.open_database"
local stats = require "tidetable.cli.commands.stats"
local worker_metrics = require "tidetable.run.worker_metrics"

local run = {
  name = "run",
  summary = "Run the stream processors that a Lua script defines.",
  description = [[
The script returns a definition, or an array of definitions:
{ name = "totals", source = "orders", handler = function(records, tx) ... end }. Further names are
the options of db:consumer. Each definition gets '--workers' processes, which share its records. A
worker that ends is started again, after pauses that grow until it makes progress.

SIGTERM and Ctrl-C stop the workers after their batches; a second signal kills them. SIGHUP loads
the script again; a script with an error leaves the old one running.

Instead of a script '--exec' runs a program in any language: each worker keeps a child process and
writes batches to its standard input, one JSON document a line, in the form of AWS Lambda's DynamoDB
events. The child answers each batch with a line '{}', or '{"batchItemFailures":[{"itemIdentifier":
SEQUENCE_NUMBER}]}'. A batch can be handled more than once: use 'eventID' for idempotency.]],
  examples = {
    { "tidetable run shop.tide processors.lua", "run the processors of a script" },
    { "tidetable run shop.tide processors.lua --check", "validate the script, and change nothing" },
    { "tidetable run shop.tide processors.lua --once", "process the existing changes, and exit" },
    { "tidetable run shop.tide processors.lua --check-views",
      "compare the views of a script with their sources" },
    { "tidetable run shop.tide --exec ./mail.py --name mail --source orders",
      "hand the changes of a table to a program" },
  },
  arguments = {
    arguments.DATABASE,
    { "script", "Lua script that returns the definitions. Required without '--exec'.", args = "?" },
  },
  options = {
    { "--workers", "Worker processes of each processor whose definition has no 'workers'.",
      value = "N", convert = arguments.integer_from(1), default = 1 },
    { "--once", "Process the changes that exist, one processor after the other in the order of the "
      .. "script, and exit." },
    { "--check", "Validate the script against the database, change nothing, and exit." },
    { "--check-views", "Compare the views of the script with their sources, and exit: status 1 if "
      .. "one differs." },
    { "--exec", "Run this command instead of a script.", value = "COMMAND" },
    { "--name", "With '--exec': name of the consumer.", value = "NAME" },
    { "--source", "With '--exec': table whose changes the program gets, or '*'; can be repeated.",
      value = "TABLE", repeats = true },
    { "--option", "With '--exec': an option of db:consumer, such as 'batch_size=1000'; can be "
      .. "repeated.", value = "NAME=VALUE", repeats = true },
    { "--answer-fd", "With '--exec': descriptor on which the program answers, 1 or 3.",
      value = "N", choices = { "1", "3" }, shown_default = 1 },
    { "--no-view", "Show only the log, also on a terminal." },
    { "--log-format", "Format of the log on standard error.", value = "FORMAT",
      choices = { "text", "json" }, default = "text" },
    { "--stop-timeout", "Seconds that a worker has to finish its batch when it is stopped, before "
      .. "it is killed.", value = "SECONDS", convert = arguments.seconds, default = 30 },
    { "--crash-limit", "Ends of a worker without progress, one after the other, after which the "
      .. "command ends.", value = "N", convert = arguments.integer_from(1), default = 30 },
    { "--metrics", "Answer 'GET /metrics' with metrics for Prometheus, on a Unix socket or on a "
      .. "port of the loopback interface: 'unix:PATH' or '127.0.0.1:PORT'.", value = "ADDRESS" },
    { "--region", "'awsRegion' in the events of programs.", value = "NAME", default = "local" },
    { "--durability", "Durability of the commits.", value = "LEVEL",
      choices = { "full", "one_flush", "none" }, shown_default = "full" },
    arguments.BUSY_TIMEOUT,
    arguments.MAX_SIZE,
  },
}

--- Converts the value of --option: a number, true, false, or a string.
local function option_value(text)
  if text == "true" or text == "false" then
    return text == "true"
  end
  return math.tointeger(tonumber(text)) or tonumber(text) or text
end

--- Returns a value as Lua code.
local function code_of(value)
  if type(value) ~= "table" then
    return ("%q"):format(value)
  end
  local parts = {}
  for i, each in ipairs(value) do
    parts[i] = ("%q"):format(each)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- Names of a definition that are set by a separate option.
local OWN = { name = "--name", source = "--source", exec = "--exec", answer_fd = "--answer-fd",
  workers = "--workers" }

--- Returns a script with the definition of --exec.
local function script_of_exec(args)
  local definition = {
    exec = args.exec, name = args.name, answer_fd = math.tointeger(tonumber(args.answer_fd)),
    source = args.source and #args.source == 1 and args.source[1] or args.source,
  }
  for _, word in ipairs(args.option or {}) do
    local name, value = word:match "^([%a_]+)=(.*)$"
    if not name then
      console.misused(("--option %s: expected NAME=VALUE"):format(word))
    elseif OWN[name] then
      console.misused(("--option %s: use %s"):format(word, OWN[name]))
    end
    definition[name] = option_value(value)
  end
  local parts = {}
  for name, value in pairs(definition) do
    parts[#parts + 1] = ("%s = %s"):format(name, code_of(value))
  end
  table.sort(parts)
  return "return { " .. table.concat(parts, ", ") .. " }"
end

local function check_arguments(args)
  if (args.exec == nil) == (args.script == nil) then
    console.misused(args.exec and "--exec and a script exclude each other"
      or "a script is missing")
  elseif args.exec and not args.name then
    console.misused "--exec requires --name"
  elseif args.exec and not (args.source and #args.source > 0) then
    console.misused "--exec requires --source"
  end
  local modes = {}
  for _, name in ipairs { "once", "check", "check_views" } do
    modes[#modes + 1] = args[name] and "--" .. name:gsub("_", "-") or nil
  end
  if #modes > 1 then
    console.misused(("%s and %s exclude each other"):format(modes[1], modes[2]))
  end
  for _, name in ipairs { "name", "source", "option", "answer_fd" } do
    local value = args[name]
    if not args.exec and value and (type(value) ~= "table" or #value > 0) then
      console.misused(("--%s requires --exec"):format(name:gsub("_", "-")))
    end
  end
end

--- Returns a module that needs cqueues, which only this command requires.
local function require_with_cqueues(name)
  local ok, err = pcall(require, "cqueues")
  if not ok then
    console.fail("the Lua module cqueues is missing: " .. tostring(err):match "^[^\n]*",
      "Debian: lua-cqueues")
  end
  return require(name)
end

--- Shows what `--check` has found.
local function show_definitions(out, found)
  local texts = { create = "its consumer will be created", open = "its consumer exists",
    update = "the settings of its consumer will be replaced" }
  for _, definition in ipairs(found.definitions) do
    out:line(("%s: valid; %s"):format(definition.name, texts[definition.action]))
  end
end

--- Opens the database. A failure is status 4.
local function open_database(args)
  local ok, db = pcall(open.database, args, { busy_timeout = args.busy_timeout,
    durability = args.durability })
  if ok then
    return db
  elseif console.is_failure(db) and not db.is_usage then
    db.status = exit_status.RUN_DATABASE
  end
  error(db, 0)
end

local ERRORS = 2

--- Shows the live view on a terminal. If the log would be written to the same terminal, it is shown
--- in the view.
local function show_view(out, supervisor, log)
  local view = require("tidetable.run.live_view").new(out, supervisor)
  log.is_silent = core.terminal_size(ERRORS) ~= nil
  table.insert(supervisor.on_tick, function()
    view:draw()
  end)
end

--- Starts the server of the metrics. Returns it; nil if there is none.
local function serve_metrics(args, supervisor)
  if not args.metrics then
    return nil
  end
  local servers = require "tidetable.run.metrics_server"
  local address, message = servers.address(args.metrics)
  if not address then
    console.misused("--metrics " .. message)
  end
  local server
  server, message = servers.listen(address)
  if not server then
    console.fail("--metrics: " .. message)
  end
  supervisor.loop:wrap(server.run, server, supervisor.loop, function()
    local list = stats.metrics(supervisor.db, supervisor.given.database)
    local own = worker_metrics.list(supervisor)
    return metrics.text(table.move(own, 1, #own, #list + 1, list))
  end)
  return server
end

function run.run(args, out)
  check_arguments(args)
  local supervisors = require_with_cqueues "tidetable.run.supervisor"
  local logs = require "tidetable.run.log"
  local db <close> = open_database(args)
  local given = {
    database = args.database, script = args.exec and "--exec" or args.script,
    text = args.exec and script_of_exec(args) or nil, workers = args.workers,
    once = args.once or false, stop_timeout = args.stop_timeout, crash_limit = args.crash_limit,
    region = args.region, durability = args.durability, max_size = args.max_size,
    busy_timeout = args.busy_timeout,
  }
  local log = logs.new(args.log_format)
  local supervisor = supervisors.new(given, db, log)
  if out.can_move and not args.no_view and not args.check
      and not args.check_views then
    show_view(out, supervisor, log)
  end
  local work
  if args.check then
    work = function(self)
      show_definitions(out, self.accepted)
      self:stop()
    end
  elseif args.check_views then
    work = require("tidetable.run.view_check").work(out)
  elseif args.once then
    work = require("tidetable.run.once").work
  end
  local server = serve_metrics(args, supervisor)
  local _ <close> = setmetatable({}, { __close = function()
    if server then
      server:close()
    end
  end })
  local status = supervisor:run(work)
  if log.is_silent and supervisor.failure then
    out:complain("tidetable run", supervisor.failure.message)
  end
  return status
end

return run
