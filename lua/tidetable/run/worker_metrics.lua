-- worker_metrics.lua - the metrics of the runtime itself: its workers and its script.

local worker_metrics = {}

--- Name, kind, meaning and value of the metrics of a worker.
local WORKER = {
  { "run_worker_up", "gauge", "1 while the worker process is ready.",
    function(slot) return slot.state == "running" and 1 or 0 end },
  { "run_worker_restarts_total", "counter", "Starts of the worker process after the first one.",
    function(slot) return math.max(slot.restarts, 0) end },
  { "run_worker_crashes", "gauge", "Ends of the worker process since its last progress.",
    function(slot) return slot.crashes end },
}

local function metric(declared, samples)
  return { name = "tidetable_" .. declared[1], kind = declared[2], help = declared[3],
    samples = samples }
end

--- Returns the metrics of the workers and of the script.
---@param supervisor tidetable.run.Supervisor
---@return tidetable.cli.Metric[]
function worker_metrics.list(supervisor)
  local path, list = supervisor.given.database, {}
  for _, declared in ipairs(WORKER) do
    local samples = {}
    for _, processor in ipairs(supervisor.processors) do
      for _, slot in ipairs(processor.slots) do
        samples[#samples + 1] = { value = declared[4](slot), labels = { { "database", path },
          { "consumer", processor.name }, { "worker", tostring(slot.number) } } }
      end
    end
    list[#list + 1] = metric(declared, samples)
  end
  local function alone(name, kind, help, value)
    list[#list + 1] = metric({ name, kind, help },
      { { labels = { { "database", path } }, value = value } })
  end
  alone("run_ready", "gauge", "1 after all workers were ready for the first time.",
    supervisor.is_ready and 1 or 0)
  alone("run_reloads_total", "counter", "Accepted reloads of the script.",
    math.max(supervisor.script.generation - 1, 0))
  alone("run_reload_rejected", "gauge", "1 if the last reload of the script was rejected.",
    supervisor.reload_error and 1 or 0)
  alone("run_log_lines_dropped_total", "counter",
    "Log lines that were dropped, because they were not read.", supervisor.log.dropped_total)
  return list
end

return worker_metrics
