-- database_metrics_spec.lua - the metrics of a database, from its statistics.
local database_metrics = require "tidetable.cli.database_metrics"
local exposition = require "spec.tidetable.cli.exposition"
local metrics = require "tidetable.cli.metrics"

local function stream(table_name, label, given)
  local description = { table_name = table_name, label = label, status = "ENABLED", count = 0,
    bytes = 0, trimmed_through = 0, retention = { age = 86400.0 },
    hold = { age = 604800.0, bytes = 1 << 30 } }
  for name, value in pairs(given or {}) do description[name] = value end
  return description
end

local function consumer(name, given)
  local description = { name = name, position = 0, records = 0, batches = 0, failures = 0,
    gaps = 0, dead_letters = 0, parked = 0, parked_bytes = 0, replays = 0, shards = 64,
    takeovers = 0, attempts = 0, is_paused = false,
    workers = { { first = 0, last = 63, position = 0, attempts = 0, is_alive = false } },
    is_running = false, is_copying = false,
    lag = { records = 0, bytes = 0, seconds = 0, held_bytes = 0, hold = "none", hold_used = 0 } }
  for field, value in pairs(given or {}) do description[field] = value end
  return description
end

local function source(given)
  local found = { path = "x.tide", descriptions = {}, streams = {}, consumers = {},
    table_changes = { count = 5, bytes = 600 },
    wall_clock = 1000.0, info = { database_id = "d1", incarnation = "i1", engine = "LMDB 0.9",
      file_bytes = 8192, free_bytes = 4096, max_size = 1 << 36, max_bytes = 1 << 30, readers = 2,
      readers_max = 1024, oldest_reader_lag = 3, retention_clock_lead = -1.5,
      sequence_number = 7 } }
  for name, value in pairs(given or {}) do found[name] = value end
  return found
end

local function parse(found)
  return exposition.parse(metrics.text(database_metrics.list(found)))
end

local value = exposition.value

it("the file and its readers have metrics, also without tables", function()
  local families, order = parse(source())
  assert.same({ "tidetable_database_info", "tidetable_file_bytes", "tidetable_file_free_bytes",
    "tidetable_file_max_bytes", "tidetable_readers", "tidetable_readers_max",
    "tidetable_oldest_snapshot_lag_commits", "tidetable_retention_clock_lead_seconds",
    "tidetable_changes_total", "tidetable_tables_changes_records",
    "tidetable_tables_changes_bytes" }, order)
  local values = {}
  for i, name in ipairs(order) do values[i] = value(families, name, { database = "x.tide" }) end
  assert.same({ 1, 8192, 4096, 1 << 36, 2, 1024, 3, -1.5, 7, 5, 600 }, values)
  assert.same({ database = "x.tide", database_id = "d1", incarnation = "i1",
    engine = "LMDB 0.9" }, families.tidetable_database_info.samples[1].labels)
end)

it("a table has its items if they were counted, and the number of its streams", function()
  local families = parse(source {
    descriptions = { { name = "a.b", items = 0, items_counted_at = 990.5 }, { name = "c" } },
    streams = { stream("a.b", "1"), stream("a.b", "2"), stream("gone", "1") },
  })
  assert.equal(1, #families.tidetable_table_items.samples)
  assert.equal(0, value(families, "tidetable_table_items", { table = "a.b" }))
  assert.equal(990.5, value(families, "tidetable_table_items_counted_timestamp_seconds"))
  assert.equal(2, value(families, "tidetable_table_streams", { table = "a.b" }))
  assert.equal(0, value(families, "tidetable_table_streams", { table = "c" }))
  assert.is_nil(value(families, "tidetable_table_streams", { table = "gone" }))
end)

it("a stream has its size, the age of its oldest record, and its limits", function()
  local families = parse(source { streams = {
    stream("a", "1", { status = "DISABLED" }),
    stream("a", "2", { count = 4, bytes = 400, trimmed_through = 9,
      oldest_created_at = 987.6549, retention = { age = 3600.0, bytes = 5000, count = 100 },
      hold = { age = 7200.0, bytes = 1 } }),
    stream("b", "1", { count = 1, oldest_created_at = 1001.0 }), -- the clock was set back
  } })
  local second = { table = "a", stream = "2" }
  for name, expected in pairs { enabled = 1, records = 4, bytes = 400, trimmed_through = 9,
      oldest_record_age_seconds = 12.345, retention_seconds = 3600, retention_bytes = 5000,
      retention_records = 100, hold_seconds = 7200, hold_bytes = 1 } do
    assert.equal(expected, value(families, "tidetable_stream_" .. name, second), name)
  end
  local first = { table = "a", stream = "1" }
  assert.equal(0, value(families, "tidetable_stream_enabled", first))
  for _, name in ipairs { "oldest_record_age_seconds", "retention_bytes", "retention_records" } do
    assert.is_nil(value(families, "tidetable_stream_" .. name, first), name)
  end
  assert.equal(0, value(families, "tidetable_stream_oldest_record_age_seconds", { table = "b" }))
end)

it("a consumer has its lag, its totals and its state", function()
  local families = parse(source { consumers = { consumer "a", consumer("b", {
    position = 1, records = 2, batches = 3, failures = 4, gaps = 5, dead_letters = 6, parked = 7,
    parked_bytes = 8, replays = 9, shards = 10, attempts = 11, is_paused = true,
    is_running = true, is_copying = true, copied = 12, ended = { code = "TRIMMED", message = "m" },
    lag = { records = 13, bytes = 14, seconds = 15.5, held_bytes = 16, hold = "released",
      hold_used = 0.75 },
  }) } })
  for name, expected in pairs { position = { 0, 1 }, records_total = { 0, 2 },
      batches_total = { 0, 3 }, failures_total = { 0, 4 }, gaps_total = { 0, 5 },
      dead_letters_total = { 0, 6 }, parked_records = { 0, 7 }, parked_bytes = { 0, 8 },
      replay_records = { 0, 9 }, shards = { 64, 10 }, failed_attempts = { 0, 11 },
      paused = { 0, 1 }, running = { 0, 1 }, copying = { 0, 1 }, copied_items = { nil, 12 },
      lag_records = { 0, 13 }, lag_bytes = { 0, 14 }, lag_seconds = { 0, 15.5 },
      held_bytes = { 0, 16 }, hold_released = { 0, 1 }, hold_used_ratio = { 0, 0.75 },
      stopped = { 0, 1 } } do
    for i, label in ipairs { "a", "b" } do
      assert.equal(expected[i], value(families, "tidetable_consumer_" .. name,
        { consumer = label }), name)
    end
  end
  assert.equal(1, #families.tidetable_consumer_stopped_info.samples)
  assert.same({ database = "x.tide", consumer = "b", code = "TRIMMED" },
    families.tidetable_consumer_stopped_info.samples[1].labels)
end)

it("a consumer has its workers, and a sample for each of its ranges of shards", function()
  local families = parse(source { consumers = { consumer("a", { takeovers = 3, workers = {
    { first = 0, last = 31, position = 5, attempts = 2, id = 1, pid = 10, is_alive = true },
    { first = 32, last = 63, position = 7, attempts = 0, is_alive = false },
    { first = 64, last = 64, position = 7, attempts = 0, id = 1, pid = 10, is_alive = true },
    { id = 2, pid = 10, is_alive = true },
  } }) } })
  assert.equal(2, value(families, "tidetable_consumer_workers", { consumer = "a" }))
  assert.equal(3, value(families, "tidetable_consumer_takeovers_total", { consumer = "a" }))
  for i, shards in ipairs { "0-31", "32-63" } do
    for name, expected in pairs { position = { 5, 7 }, failed_attempts = { 2, 0 },
        running = { 1, 0 } } do
      assert.equal(expected[i], value(families, "tidetable_consumer_range_" .. name,
        { consumer = "a", shards = shards }), name)
    end
  end
  assert.equal(3, #families.tidetable_consumer_range_position.samples)
end)

it("a hold that is not released is none", function()
  local families = parse(source { consumers = { consumer("a", { lag = { records = 1, bytes = 2,
    seconds = 3, held_bytes = 4, hold = "holds", hold_used = 0.5 } }) } })
  assert.equal(0, value(families, "tidetable_consumer_hold_released"))
end)

it("the names are unique, and the labels are in the declared order", function()
  local names = {}
  for _, group in ipairs(database_metrics.groups) do
    for _, declared in ipairs(group.metrics) do
      local name = database_metrics.name(declared)
      assert.is_nil(names[name], name)
      names[name] = database_metrics.labels(group, declared)
      assert.matches("%.$", declared[2])
    end
  end
  local families = parse(source {
    descriptions = { { name = "a", items = 1, items_counted_at = 1.0 } },
    streams = { stream("a", "1", { oldest_created_at = 1.0,
      retention = { age = 1.0, bytes = 1, count = 1 } }) },
    consumers = { consumer("c", { copied = 1, ended = { code = "LOOP", message = "m" } }) },
  })
  for name, labels in pairs(names) do
    assert.same(labels, families[name].samples[1].order, name)
    names[name] = nil
    families[name] = nil
  end
  assert.same({}, families)
end)

it("labels with any bytes stay one line each", function()
  local found = source { consumers = { consumer 'a"b\\c\nd' },
    descriptions = { { name = "x\27y" } } }
  found.path = "gr\u{f6}\u{df}e \xff.tide"
  local families = parse(found)
  assert.equal("größe \\xFF.tide", families.tidetable_readers.samples[1].labels.database)
  assert.equal('a"b\\c\nd', families.tidetable_consumer_position.samples[1].labels.consumer)
  assert.equal("x\\u{1B}y", families.tidetable_table_streams.samples[1].labels.table)
end)
