-- expressions.lua - the cost of conditions, updates and projections on the bytes of an item.
--
-- Runs bench/expressions.c, without a database: medians of interleaved rounds, and the targets.
--
--     ROUNDS=9 ITEMS=1000000 lua5.4 bench/expressions.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"

local said = bench.run(bench.programs .. "/expressions", bench.rounds, bench.items)

print(bench.machine())
print(("%d rounds of %d evaluations; medians"):format(bench.rounds, bench.items))
print()
print(("%-36s %8s %8s"):format("ns", "aim", "median"))
for name, aim, median in said:gmatch "([^\t\n]+)\t(%d+)\t([%d.]+)" do
  print(("%-36s %8s %8s"):format(name, aim == "0" and "" or aim, median))
end
print("load average: " .. bench.load_average())
