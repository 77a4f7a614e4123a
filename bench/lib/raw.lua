-- raw.lua - calls bench/raw.c, the reference.

local bench = require "bench"

local raw = {}

local program = bench.programs .. "/raw"

local function numbers(...)
  local found = {}
  for number in bench.run(program, ...):gmatch("%S+") do
    table.insert(found, (assert(tonumber(number), number)))
  end
  return found
end

function raw.version()
  return bench.run(program, "version")
end

function raw.copy(from, to)
  bench.run(program, "copy", from, to)
end

--- Copies a database without free pages.
function raw.pack(from, to)
  bench.remove(to)
  bench.run(program, "pack", from, to)
end

--- Copies the rows of a database to a file of raw LMDB; `trees` is "items" or "both".
function raw.make(from, to, trees)
  local loose = to .. "-loose"
  bench.remove(loose)
  bench.run(program, "make", from, loose, trees)
  raw.pack(loose, to)
  bench.remove(loose)
end

--- Returns the numbers of rows and pages, and the lengths of a key and a value, of both trees.
function raw.sizes(path)
  local n = numbers("sizes", path)
  return {
    items = { rows = n[1], pages = n[2], key = n[3], value = n[4] },
    log = { rows = n[5], pages = n[6], key = n[7], value = n[8] },
  }
end

--- Returns the nanoseconds of a put, and of the longest transaction.
function raw.put(path, how)
  local n = numbers("put", path, how.trees, how.durability, how.order, how.batch, how.count,
    how.seed)
  return n[1], n[2]
end

function raw.trim(path, count)
  return numbers("trim", path, count)[1]
end

function raw.scan(path)
  return numbers("scan", path)[1]
end

function raw.get(path, count, seed)
  return numbers("get", path, count, seed)[1]
end

return raw
