-- file_spec.lua - the database is compacted, deleted, moved away or replaced under `tidetable run`
-- while its workers handle records.
local command = require "spec.tidetable.cli.command"
local exit_status = require "tidetable.cli.exit_status"
local helper = require "spec.tidetable.helper"
local runtime = require "spec.tidetable.run.runtime"

describe("the database of tidetable run", function()
  runtime.setup(before_each, after_each)

  local COUNT = 400
  local db, orders, effects

  before_each(function()
    db, orders, effects = runtime.database()
    runtime.put(orders, 1, COUNT)
  end)

  local function script(options)
    return runtime.write("p.lua", runtime.counting("c", options
      or "batch_size = 2, workers = 2, max_attempts = 1", "os.execute 'sleep 0.005'"))
  end

  local function start(...) return runtime.start { script(), ... } end

  --- Waits until some records were handled, and checks that others were not.
  local function await_some(run)
    run:wait_until("some effects", function() return (runtime.effects(effects)) >= 10 end)
    assert.is_true((runtime.effects(effects)) < COUNT)
  end

  --- Handles the rest, and checks that each record has had its effect once, without an attempt that
  --- has failed.
  local function finish()
    local _, wrong = runtime.effects(effects)
    assert.equal(0, wrong)
    assert.is_true((runtime.effects(effects)) < COUNT)
    local run = start()
    run:counted(effects, COUNT)
    run:stop()
    local about = db:consumer "c":describe()
    assert.same({ 0, 0 }, { about.failures, about.parked })
    assert.is_true(db:check().ok)
  end

  --- Deletes the file. Afterwards it has only the name `link`, so that the test can restore it.
  local function delete()
    assert(os.execute(("ln %s %s && rm %s"):format(helper.path(), helper.path "link",
      helper.path())))
  end

  it("is not compacted; the command continues", function()
    local run = start()
    await_some(run)
    db:close()
    local ran = command.run { "compact", helper.path() }
    assert.equal(exit_status.FAILED, ran.status, ran.err)
    assert.truthy(ran.err:find("try again when no process has it open", 1, true), ran.err)
    db = helper.open()
    effects = db:table "effects"
    run:counted(effects, COUNT)
    run:stop()
    local about = db:consumer "c":describe()
    assert.same({ 0, 0 }, { about.failures, about.parked })
    db:close()
    command.must { "compact", helper.path() }
    db = helper.open()
    orders, effects = db:table "orders", db:table "effects"
    runtime.put(orders, COUNT + 1, COUNT + 10)
    run = start()
    run:counted(effects, COUNT + 10)
    run:stop()
  end)

  it("is deleted: status 4, and no record is lost or handled twice", function()
    local run = start()
    await_some(run)
    delete()
    run:ends(4, "was removed or renamed while it was open")
    assert.same({}, run:workers())
    start():ends(4, "does not exist")
    assert(os.rename(helper.path "link", helper.path()))
    finish()
  end)

  it("is moved away: status 4, and no record is lost or handled twice", function()
    local run = start()
    await_some(run)
    assert(os.rename(helper.path(), helper.path "elsewhere"))
    run:ends(4, "was removed or renamed while it was open")
    assert.same({}, run:workers())
    assert(os.rename(helper.path "elsewhere", helper.path()))
    finish()
  end)

  it("is replaced by a copy: status 4, and the copy is not changed", function()
    assert(db:backup(helper.path "copy"))
    local run = start()
    await_some(run)
    assert(os.rename(helper.path(), helper.path "elsewhere"))
    assert(os.rename(helper.path "copy", helper.path()))
    run:ends(4, "was replaced by another file while it was open")
    assert.same({}, run:workers())
    assert(os.rename(helper.path(), helper.path "copy"))
    local copy = helper.open({}, helper.path "copy")
    assert.same({ 0, 0 }, { runtime.effects(copy:table "effects") })
    assert.same({}, copy:list_consumers())
    copy:close()
    assert(os.rename(helper.path "elsewhere", helper.path()))
    finish()
  end)

  it("is deleted under --once and under a program: status 4, and no failed attempt", function()
    local run = start("--once")
    await_some(run)
    delete()
    run:ends(4, "was removed or renamed while it was open")
    assert(os.rename(helper.path "link", helper.path()))
    finish()
    local function program(...)
      return runtime.start { "--exec", "while read line; do sleep 0.01; echo '{}'; done", "--name",
        "x", "--source", "orders", "--option", "batch_size=2", ... }
    end
    run = program()
    run:wait_until("some answers", function()
      local consumer = db:consumer "x"
      return consumer and consumer:describe().records >= 10
    end)
    delete()
    run:ends(4, "was removed or renamed while it was open")
    assert(os.rename(helper.path "link", helper.path()))
    local about = db:consumer "x":describe()
    assert.is_true(about.records < COUNT)
    assert.same({ 0, 0 }, { about.failures, about.parked })
    program("--once", "--option", "update=true"):ends(0)
    about = db:consumer "x":describe()
    assert.same({ COUNT, 0, 0 }, { about.records, about.failures, about.parked })
  end)
end)
