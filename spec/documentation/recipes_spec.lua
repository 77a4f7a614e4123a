-- recipes_spec.lua - the recipes of doc/recipes.md work with several processes on one file, and
-- after kill -9.
local helper = require "spec.tidetable.helper"
local pages = require "spec.documentation.pages"

helper.setup(before_each, after_each)

--- Returns the functions of a recipe, which are the lines of the block that contains `text`,
--- between the line that opens the database and the demonstration, which begins with `text`.
local function functions_of(text)
  for _, block in ipairs(pages.blocks "doc/recipes.md") do
    local first = select(2, block.text:find("local db <close>[^\n]*\n"))
    local last = block.text:find("\n" .. text, 1, true)
    if first and last then return block.text:sub(first + 1, last) end
  end
  error("no recipe with " .. text)
end

--- Starts a process that runs a program after the functions of a recipe, on the test's file.
local function start(functions, program)
  return helper.child(functions .. program)
end

--- Runs a program after the functions of a recipe, and returns its output.
local function run(functions, program)
  return start(functions, program):close()
end

it("a counter counts each update of every process", function()
  local functions = functions_of 'count("home", 1)'
  run(functions, 'assert(counters:put { id = "cups", stock = 100 })')
  local children = {}
  for i = 1, 3 do
    children[i] = start(functions, [[
      local taken = 0
      for _ = 1, 100 do
        count("home", 2)
        if take("cups", 1) then taken = taken + 1 end
      end
      print(taken)
    ]])
  end
  local taken = 0
  for _, child in ipairs(children) do taken = taken + tonumber(child:close()) end
  assert.are.equal(100, taken)
  assert.are.equal("600 0\n", run(functions, [[
    print(counters:get({ id = "home" }).hits .. " " .. counters:get({ id = "cups" }).stock)
  ]]))
end)

it("a value stays unique when several processes register it", function()
  local functions = functions_of 'print(register("u1"'
  local children = {}
  for i = 1, 3 do
    children[i] = start(functions, ("local me = 'p%d-'\n"):format(i) .. [[
      local registered = 0
      for n = 1, 100 do
        if register(me .. n, "mail" .. n) then registered = registered + 1 end
      end
      print(registered)
    ]])
  end
  local registered = 0
  for _, child in ipairs(children) do registered = registered + tonumber(child:close()) end
  assert.are.equal(100, registered)
  assert.are.equal("100 100\n", run(functions, [[
    local count = 0
    for user in users:scan() do
      assert(emails:get({ email = user.email }).id == user.id)
      count = count + 1
    end
    print(count .. " " .. emails:scan { count = true })
  ]]))
end)

it("a follower that is killed again and again counts each record once", function()
  local functions = functions_of "for i = 1, 250 do"
  local loop = [[
    print "ready"
    while true do assert(db:transact(follow_batch)) end
  ]]
  run(functions, "")
  local writer = start(functions, [[
    for i = 1, 3000 do
      assert(orders:put { id = "o" .. i % 500, customer = "c" .. i % 7, amount = i % 11 })
    end
  ]])
  local steady = start(functions, loop)
  for _ = 1, 8 do
    local follower = start(functions, loop)
    assert.are.equal("ready", follower:line())
    os.execute "sleep 0.05"
    follower:kill()
  end
  writer:close()
  steady:kill()
  assert.are.equal("equal\n", run(functions, [[
    repeat until assert(db:transact(follow_batch)) == 0
    local sums = {}
    for order in orders:scan() do
      sums[order.customer] = (sums[order.customer] or 0) + order.amount
    end
    for sum in spent:scan() do
      assert(sum.amount == (sums[sum.customer] or 0), sum.customer)
      sums[sum.customer] = nil
    end
    print(next(sums) == nil and "equal")
  ]]))
end)

it("a task whose worker was killed is done by another", function()
  local functions = functions_of "assert(tasks:put"
  run(functions, [[
    for i = 1, 60 do
      assert(tasks:put { queue = "mail", due = due(1000, "t" .. i), id = "t" .. i, tries = 0 })
    end
  ]])
  local victim = start(functions, [[
    for _ = 1, 5 do assert(db:transact(function(tx) return take(tx, 1000) end)) end
    print "taken"
    while true do end
  ]])
  assert.are.equal("taken", victim:line())
  victim:kill()
  local work = [[
    local done = 0
    while true do
      local task = db:transact(function(tx) return take(tx, NOW) end)
      if not task then break end
      assert(finish(task))
      done = done + 1
    end
    print(done)
  ]]
  local children, done = {}, 0
  for i = 1, 2 do children[i] = start(functions, (work:gsub("NOW", "1059"))) end
  for _, child in ipairs(children) do done = done + tonumber(child:close()) end
  assert.are.equal(55, done)
  assert.are.equal("5\n", run(functions, (work:gsub("NOW", "1060"))))
end)
