-- pool_spec.lua - a pool of workers that are processes, in a plain script without an event loop.
local helper = require "spec.tidetable.helper"
local pool = require "spec.tidetable.loop.pool"
local wait = require "tidetable.wait"

--- Source of a process that runs a worker.
local PROGRAM = ([[
  local wait = require "tidetable.wait"
  local work = assert(load(%q))
  print(work(db, %%d, function(seconds) wait.pause(nil, seconds) end, { %%s }))
]]):format(pool.worker)

--- Returns options as Lua source.
local function source_of(opts)
  local parts = {}
  for name, value in pairs(opts) do parts[#parts + 1] = ("%s = %q"):format(name, value) end
  return table.concat(parts, ", ")
end

local children

--- Backend whose workers are processes. stop_worker(db, number): stops one.
local function processes(name, stop_worker)
  return {
    name = name,
    sleep = function(seconds) wait.pause(nil, seconds) end,
    run = function(main)
      children = {}
      main()
      for _, child in pairs(children) do child.said = child.said or child:line() end
    end,
    start = function(_, number, opts)
      children[number] = helper.child(PROGRAM:format(number, source_of(opts)))
    end,
    stop = stop_worker,
    result = function(number)
      local child = children[number]
      child.said = child.said or child:line()
      return child.said
    end,
  }
end

-- A worker finds with its next batch that it has to stop.
pool.test(processes("processes", function(db, number)
  assert(db:table "control":put { id = tostring(number) })
end), describe, it, before_each, after_each)

pool.test(processes("processes that are killed", function(_, number)
  children[number]:kill()
  children[number].said = "killed"
end), describe, it, before_each, after_each)
