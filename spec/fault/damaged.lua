-- damaged.lua - reads a damaged database, writes to it, and prints the results.
--
--   damaged.lua DATABASE read|write
--
-- Output: "refused CODE" if open fails; "i table item" and "r record" for each item and record
-- read; "e CODE" for errors; "check N" with the number of problems; "end" at the end.
local tidetable = require "tidetable"

local path, mode = arg[1], arg[2]

local function shape(value)
  if type(value) ~= "table" then
    return (tostring(value):gsub("[%c]", "."))
  end
  local parts = {}
  for name, each in pairs(value) do
    parts[#parts + 1] = tostring(name) .. "=" .. shape(each)
  end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

local function emit(...)
  print(table.concat({ ... }, " "))
end

local function code_of(err)
  return type(err) == "table" and err.code or "text: " .. tostring(err)
end

--- Prints the error of a call, raised or returned.
local function try(f, ...)
  local ok, value, err, code = pcall(f, ...)
  if not ok then
    emit("e", code_of(value))
    return nil
  elseif value == nil and code then
    emit("e", code_of(err))
  end
  return value
end

local function walk(prefix, ...)
  local function go(...)
    for each in ... do
      emit(prefix, type(each) == "userdata" and shape { each.sequence_number, each.event_name,
        each.keys, each.old_image or "none", each.new_image or "none" } or shape(each))
    end
  end
  try(go, ...)
end

io.stdout:setvbuf("full")
local db, _, refusal = tidetable.open(path, { durability = "none", read_only = mode == "read" })
if not db then
  emit("refused", refusal)
  emit("end")
  return
end
for _, name in ipairs(try(db.list_tables, db) or {}) do
  local t = try(db.table, db, name)
  if t then
    try(function() walk("i " .. name, t:scan()) end)
    try(function() walk("i " .. name, t:scan { descending = true }) end)
    try(t.get, t, { id = "n5", at = name == "tails" and "s" or 5 })
    try(t.describe, t)
  end
end
try(function() walk("r", db:stream():records()) end)
try(db.list_streams, db)
try(db.info, db)
local report = try(db.check, db)
emit("check", report and report.problem_count or "none")
if mode == "write" then
  for _, name in ipairs(try(db.list_tables, db) or {}) do
    local t = try(db.table, db, name)
    for i = 1, 60, 3 do
      local key = { id = "n" .. i % 7, at = i }
      if t and name ~= "tails" then
        try(t.put, t, { id = "n" .. i % 7, at = i, new = ("y"):rep(i * 50) })
        try(t.delete, t, { id = "n" .. (i + 1) % 7, at = i + 1 })
        try(t.get, t, key)
      end
    end
  end
  try(db.sweep, db)
  try(db.delete_table, db, "long")
  try(db.create_table, db, { name = "new", partition_key = "p", stream = true })
  try(db.check, db)
end
db:close()
emit("end")
