-- numbers.lua - floats to stored numbers and back, without a database (bench/numbers.c).
--
--     ROUNDS=9 lua5.4 bench/numbers.lua

package.path = arg[0]:gsub("[^/]*$", "lib/?.lua;") .. package.path

local bench = require "bench"

print(("Conversions of floats on %s, ns of processor time each, the least of %d rounds"):format(
  bench.machine(), 5 * bench.rounds))
print(bench.run(bench.programs .. "/numbers", 5 * bench.rounds))
