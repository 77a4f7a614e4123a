-- worker_metrics_spec.lua - the metrics of the runtime itself.
local metrics = require "tidetable.cli.metrics"
local worker_metrics = require "tidetable.run.worker_metrics"

it("the metrics of workers have a sample for each of them", function()
  local text = metrics.text(worker_metrics.list {
    given = { database = "a.tide" }, script = { generation = 3 }, is_ready = true,
    reload_error = "wrong", log = { dropped_total = 7 },
    processors = { { name = "p", slots = {
      { number = 1, state = "running", restarts = -1, crashes = 0 },
      { number = 2, state = "pausing", restarts = 4, crashes = 2 },
    } } },
  })
  local function value(name, labels)
    return text:match(('\ntidetable_%s{database="a.tide"%s} (%%S+)\n'):format(name, labels or ""))
  end
  assert.equal("1", value("run_worker_up", ',consumer="p",worker="1"'))
  assert.equal("0", value("run_worker_up", ',consumer="p",worker="2"'))
  assert.equal("0", value("run_worker_restarts_total", ',consumer="p",worker="1"'))
  assert.equal("4", value("run_worker_restarts_total", ',consumer="p",worker="2"'))
  assert.equal("2", value("run_worker_crashes", ',consumer="p",worker="2"'))
  assert.same({ "1", "2", "1", "7" }, { value "run_ready", value "run_reloads_total",
    value "run_reload_rejected", value "run_log_lines_dropped_total" })
end)
