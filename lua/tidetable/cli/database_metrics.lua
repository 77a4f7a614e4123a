-- database_metrics.lua - the metrics of a database: name, meaning and value of each.
--
-- A group contains the metrics of one kind of subject, such as a table. Each of its metrics has a
-- sample for each subject, whose labels identify the subject.

local database_metrics = {}

--- Source of the values of all metrics.
---@class tidetable.cli.MetricSource
---@field path string       value of the label `database`
---@field info tidetable.Info
---@field descriptions tidetable.TableDescription[]  in byte order of the names
---@field streams tidetable.StreamDescription[]  with oldest_created_at; sorted by table and label
---@field table_changes tidetable.TableChanges
---@field consumers tidetable.ConsumerDescription[]  in byte order of the names
---@field wall_clock number  time at which they were read, in seconds since 1970

---@class tidetable.cli.MetricSubject
---@field [integer] string  values of the labels of its group
---@field fields table      contains the values of the metrics

---@class tidetable.cli.MetricDeclaration
---@field [1] string        name without "tidetable_"; the name of a counter ends with "_total"
---@field [2] string        meaning, for HELP and doc/tools.md
---@field [3] string|fun(fields: table): number|boolean|nil, ...  the value: a field ("lag.records")
---                         or a function, whose further results are the values of `labels`. nil: no
---                         sample
---@field labels string[]|nil  names of the labels that only this metric has

---@class tidetable.cli.MetricGroup
---@field labels string[]   names of the labels, in addition to `database`
---@field subjects fun(found: tidetable.cli.MetricSource): tidetable.cli.MetricSubject[]
---@field metrics tidetable.cli.MetricDeclaration[]

---@type tidetable.cli.MetricGroup
local database = {
  labels = {},
  subjects = function(found)
    return { { fields = setmetatable({ table_changes = found.table_changes },
      { __index = found.info }) } }
  end,
  metrics = {
    { "database_info", "Ids of the database and version of LMDB; the value is 1.", function(info)
      return 1, info.database_id, info.incarnation, info.engine
    end, labels = { "database_id", "incarnation", "engine" } },
    { "file_bytes", "Size of the file.", "file_bytes" },
    { "file_free_bytes", "Size of the free pages of the file.", "free_bytes" },
    { "file_max_bytes", "Maximum size of the file.", "max_size" },
    { "readers", "Reader slots in use, including that of this command.",
      "readers" },
    { "readers_max", "Number of reader slots.", "readers_max" },
    { "oldest_snapshot_lag_commits",
      "Commits since the oldest snapshot in use; 0 if there is none.", "oldest_reader_lag" },
    { "retention_clock_lead_seconds", "Retention clock minus wall clock.", "retention_clock_lead" },
    { "changes_total", "Sequence number of the last committed change.", "sequence_number" },
    { "tables_changes_records", "Records of changes of tables.", "table_changes.count" },
    { "tables_changes_bytes", "Size of the records of changes of tables.", "table_changes.bytes" },
  },
}

---@type tidetable.cli.MetricGroup
local tables = {
  labels = { "table" },
  subjects = function(found)
    local subjects, counts = {}, {}
    for _, stream in ipairs(found.streams) do
      counts[stream.table_name] = (counts[stream.table_name] or 0) + 1
    end
    for i, description in ipairs(found.descriptions) do
      subjects[i] = { description.name, fields = { description = description,
        streams = counts[description.name] or 0 } }
    end
    return subjects
  end,
  metrics = {
    { "table_items", "Number of items at the last count; absent if they were never counted.",
      "description.items" },
    { "table_items_counted_timestamp_seconds",
      "Time of the last count of the items, in seconds since 1970.",
      "description.items_counted_at" },
    { "table_streams", "Streams of the table that can be read, including disabled ones.",
      "streams" },
  },
}

--- Returns the age of the oldest visible record, in seconds with three decimal places; nil if there
--- is no record.
local function oldest_age(stream, wall_clock)
  local oldest = stream.oldest_created_at
  return oldest and math.max(math.floor((wall_clock - oldest) * 1000 + 0.5) / 1000, 0)
end

---@type tidetable.cli.MetricGroup
local streams = {
  labels = { "table", "stream" },
  subjects = function(found)
    local subjects = {}
    for i, stream in ipairs(found.streams) do
      subjects[i] = { stream.table_name, stream.label, fields = { description = stream,
        oldest_age = oldest_age(stream, found.wall_clock) } }
    end
    return subjects
  end,
  metrics = {
    { "stream_enabled", "1 if the stream is enabled; 0 if it is disabled or its table was deleted.",
      function(fields) return fields.description.status == "ENABLED" end },
    { "stream_records", "Records of the stream that have not expired.", "description.count" },
    { "stream_bytes", "Size of the records that have not expired.", "description.bytes" },
    { "stream_oldest_record_age_seconds",
      "Age of the oldest record by the wall clock; absent if all have expired.", "oldest_age" },
    { "stream_trimmed_through", "Greatest sequence number that was removed or has expired.",
      "description.trimmed_through" },
    { "stream_retention_seconds", "Maximum age of the records.", "description.retention.age" },
    { "stream_retention_bytes", "Maximum size of the records; absent if there is no limit.",
      "description.retention.bytes" },
    { "stream_retention_records", "Maximum number of records; absent if there is no limit.",
      "description.retention.count" },
    { "stream_hold_seconds", "Maximum age of records that are held for consumers.",
      "description.hold.age" },
    { "stream_hold_bytes", "Maximum size of records that are held for consumers.",
      "description.hold.bytes" },
  },
}

---@type tidetable.cli.MetricGroup
local consumers = {
  labels = { "consumer" },
  subjects = function(found)
    local subjects = {}
    for i, description in ipairs(found.consumers) do
      subjects[i] = { description.name, fields = description }
    end
    return subjects
  end,
  metrics = {
    { "consumer_position", "Sequence number of the last processed record.", "position" },
    { "consumer_lag_records", "Waiting records.", "lag.records" },
    { "consumer_lag_bytes", "Size of the waiting records.", "lag.bytes" },
    { "consumer_lag_seconds", "Age of the oldest waiting record; 0 if there is none.",
      "lag.seconds" },
    { "consumer_held_bytes", "Size of the waiting records that are kept only by the hold.",
      "lag.held_bytes" },
    { "consumer_hold_used_ratio", "Used fraction of the nearest limit of the hold, from 0 to 1.",
      "lag.hold_used" },
    { "consumer_hold_released", "1 if the hold is released, so waiting records can be lost.",
      function(about) return about.lag.hold == "released" end },
    { "consumer_records_total", "Handled records.", "records" },
    { "consumer_batches_total", "Committed batches.", "batches" },
    { "consumer_failures_total", "Failed attempts.", "failures" },
    { "consumer_gaps_total", "Gaps, in which records may have been lost.", "gaps" },
    { "consumer_takeovers_total", "Takeovers of shards from workers that were no longer alive.",
      "takeovers" },
    { "consumer_dead_letters_total", "Records stored in the dead-letter table.", "dead_letters" },
    { "consumer_parked_records", "Parked records.", "parked" },
    { "consumer_parked_bytes", "Size of the parked records.", "parked_bytes" },
    { "consumer_replay_records", "Parked records that are marked for replay.", "replays" },
    { "consumer_shards", "Number of virtual shards.", "shards" },
    { "consumer_paused", "1 while the consumer is paused.", "is_paused" },
    { "consumer_running", "1 if a worker is alive.", "is_running" },
    { "consumer_workers", "Workers that are alive, including those that wait for shards.",
      function(about)
        local count, counted = 0, {}
        for _, worker in ipairs(about.workers) do
          if worker.is_alive and not counted[worker.id] then
            counted[worker.id], count = true, count + 1
          end
        end
        return count
      end },
    { "consumer_copying", "1 during a snapshot.", "is_copying" },
    { "consumer_copied_items", "Delivered items of the snapshot; absent if there is none.",
      "copied" },
    { "consumer_failed_attempts",
      "Failed attempts of the batch after the position; the greatest number of all ranges.",
      "attempts" },
    { "consumer_stopped", "1 if an error ended the last run.",
      function(about) return about.ended ~= nil end },
    { "consumer_stopped_info",
      "Code of the error that ended the last run; the value is 1; absent if there was none.",
      function(about)
        if about.ended then
          return 1, about.ended.code
        end
      end, labels = { "code" } },
  },
}

---@type tidetable.cli.MetricGroup
local ranges = {
  labels = { "consumer", "shards" },
  subjects = function(found)
    local subjects = {}
    for _, description in ipairs(found.consumers) do
      for _, worker in ipairs(description.workers) do
        if worker.first then
          subjects[#subjects + 1] = { description.name,
            ("%d-%d"):format(worker.first, worker.last), fields = worker }
        end
      end
    end
    return subjects
  end,
  metrics = {
    { "consumer_range_position",
      "Sequence number of the last processed record of these shards.", "position" },
    { "consumer_range_failed_attempts", "Failed attempts of the batch after the position.",
      "attempts" },
    { "consumer_range_running", "1 if the worker of these shards is alive.", "is_alive" },
  },
}

--- All groups, in the order of the output.
---@type tidetable.cli.MetricGroup[]
database_metrics.groups = { database, tables, streams, consumers, ranges }

--- Returns the full name of a metric.
---@param declared tidetable.cli.MetricDeclaration
---@return string
function database_metrics.name(declared)
  return "tidetable_" .. declared[1]
end

local function append(array, other)
  return table.move(other, 1, #other, #array + 1, array)
end

--- Returns the names of the labels of a metric, in the order of the output.
---@param group tidetable.cli.MetricGroup
---@param declared tidetable.cli.MetricDeclaration
---@return string[]
function database_metrics.labels(group, declared)
  return append(append({ "database" }, group.labels), declared.labels or {})
end

--- Returns the value of a metric, and the values of the labels that only this metric has.
local function read(declared, fields)
  if type(declared[3]) == "function" then
    return declared[3](fields)
  end
  local value = fields
  for name in declared[3]:gmatch "[^.]+" do
    value = value[name]
  end
  return value
end

--- Returns the sample of a subject; nil if the metric has no value.
local function sample_of(declared, names, path, subject)
  local results = { read(declared, subject.fields) }
  local value = table.remove(results, 1)
  if value == nil then
    return nil
  end
  local values, labels = append(append({ path }, subject), results), {}
  for i, name in ipairs(names) do
    labels[i] = { name, values[i] }
  end
  if type(value) == "boolean" then
    value = value and 1 or 0
  end
  return { labels = labels, value = value }
end

--- Returns the metrics of a database.
---@param found tidetable.cli.MetricSource
---@return tidetable.cli.Metric[]
function database_metrics.list(found)
  local list = {}
  for _, group in ipairs(database_metrics.groups) do
    local subjects = group.subjects(found)
    for _, declared in ipairs(group.metrics) do
      local names, samples = database_metrics.labels(group, declared), {}
      for _, subject in ipairs(subjects) do
        samples[#samples + 1] = sample_of(declared, names, found.path, subject)
      end
      list[#list + 1] = { name = database_metrics.name(declared), help = declared[2],
        kind = declared[1]:find "_total$" and "counter" or "gauge", samples = samples }
    end
  end
  return list
end

return database_metrics
