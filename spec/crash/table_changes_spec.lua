-- table_changes_spec.lua - a process that changes tables is killed, at random or in a commit.
--
--   make crash CYCLES=1000 SEED=n
--
-- The file then has the record of each change that has ended, and no others but that of the one
-- that had begun, which is there if and only if the change was made.
local processes = require "spec.crash.processes"
local system = require "system"
local tidetable = require "tidetable"

local CYCLES = math.tointeger(tonumber(os.getenv("CYCLES"))) or 20
local SEED = math.tointeger(tonumber(os.getenv("SEED"))) or os.time()

describe("killed changes of tables", function()
  local folder, path, log

  before_each(function()
    folder = processes.create_folder()
    path, log = folder .. "/db", folder .. "/log"
  end)

  after_each(function() processes.clean_up(folder) end)

  local function logged(word)
    local file <close> = io.open(log)
    return file and file:read("a"):find(word, 1, true) ~= nil
  end

  local function run(cycle)
    os.remove(log)
    local seed = tostring(math.random(1000000))
    if cycle % 2 == 0 then
      processes.wait(processes.start_with(processes.in_commit(math.random(60)), "table_changer",
        log, path, seed))
    else
      local process = processes.start("table_changer", log, path, seed)
      processes.wait_until(20, "the first change", function() return logged "end" end)
      system.sleep(math.random() * 0.03)
      processes.kill { process }
    end
  end

  --- Returns the changes of the log, each as "event name", and the number of those that have ended.
  local function read_log()
    local begun, ended = {}, 0
    for line in io.lines(log) do
      begun[#begun + 1] = line:match "^begin (.*)"
      ended = ended + (line == "end" and 1 or 0)
    end
    return begun, ended
  end

  --- Applies a change to { name = definition }.
  local function apply(definitions, record)
    local before = definitions[record.table_name]
    assert.same(before, record.event_name == "ALTER_TABLE" and record.old_definition
      or record.event_name ~= "CREATE_TABLE" and record.definition or nil)
    definitions[record.table_name] = record.event_name ~= "DELETE_TABLE" and record.definition
      or nil
  end

  local function check_catalog(db, definitions)
    local found = {}
    for _, name in ipairs(assert(db:list_tables())) do
      found[name] = db:table(name):definition()
    end
    assert.same(found, definitions)
    assert.same({}, assert(db:check()).problems)
  end

  it("have a record each, also after the kill", function()
    print(("changes of tables: SEED=%d CYCLES=%d"):format(SEED, CYCLES))
    math.randomseed(SEED)
    local definitions, position, made, lost, count = {}, 0, 0, 0, 0
    for cycle = 1, CYCLES do
      local ok, err = pcall(function()
        run(cycle)
        local begun, ended = read_log()
        local db <close> = assert(tidetable.open(path, { durability = "none" }))
        local seen = {}
        for record in db:stream():records { after = position, tables = true } do
          if record.definition then
            seen[#seen + 1] = record.event_name .. " " .. record.table_name
            apply(definitions, record)
          end
          position = record.sequence_number
        end
        assert.same(table.move(begun, 1, #seen, 1, {}), seen)
        assert.is_true(#seen == ended or #seen == ended + 1)
        made, lost = made + #seen - ended, lost + #begun - #seen
        count = count + #seen
        check_catalog(db, definitions)
      end)
      if not ok then
        error(("SEED=%d, cycle %d: %s"):format(SEED, cycle, tostring(err)), 0)
      end
    end
    print(("changes of tables: %d; killed in one: %d made, %d not"):format(count, made, lost))
    assert.is_true(CYCLES < 10 or lost > 0, "no change was killed before its commit")
  end)
end)
